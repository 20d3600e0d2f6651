"""Curves for TensorBoard, Weights & Biases, Trackio and others, through accelerate's trackers."""

import importlib.util
import os
from collections.abc import Mapping
from typing import Any

from prx_train.callbacks import Callback, Training
from prx_train.errors import ConfigError

_LOGGED = ("loss", "lr", "grad_norm", "samples", "epoch")


def tracker_callbacks(names: tuple[str, ...] | None) -> list[Callback]:
    """A callback for each tracker; for None TensorBoard, where it is installed.

    Raises:
        ConfigError: accelerate knows no tracker of that name, or its package is not installed.
    """
    if names is None:
        names = ("tensorboard",) if importlib.util.find_spec("tensorboard") is not None else ()
    if not names:
        return []
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ConfigError(f"config key 'trackers' names {name!r}; known are {', '.join(LOGGER_TYPE_TO_CLASS)}.")
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"config key 'trackers' names {name!r}, which is not installed; pip install {name}.")
    return [Tracker(LOGGER_TYPE_TO_CLASS[name]) for name in names]


class Tracker(Callback):
    """Hands losses and rates to one tracker; what it writes stays in the run's folder `logs`."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._tracker: Any = None

    def on_start(self, training: Training) -> None:
        """Opens it."""
        logs = training.output / "logs"
        logs.mkdir(exist_ok=True)
        name = training.output.name
        # Both would make folders in the current directory otherwise. Trackio reads its variable once in a process.
        where = {"dir": str(logs)} if self._kind.name == "wandb" else {}
        if self._kind.name == "trackio":
            os.environ.setdefault("TRACKIO_DIR", str(logs))
        if self._kind.requires_logging_directory:
            where = {"logging_dir": str(logs)}
        tracker = self._kind(name, **where)
        tracker.start()
        self._tracker = tracker
        known = {key: value for key, value in training.settings.items() if isinstance(value, int | float | str | bool)}
        tracker.store_init_configuration(known)

    def on_step(self, training: Training, row: Mapping[str, Any]) -> None:
        """Logs a step."""
        self._log({f"train/{key}": row[key] for key in _LOGGED if key in row}, training.step)

    def on_validation(self, training: Training, loss: float) -> None:
        """Logs a validation."""
        self._log({"validation/loss": loss}, training.step)

    def on_end(self, training: Training, *, finished: bool) -> None:
        """Closes it."""
        del training, finished
        if self._tracker is not None:
            self._tracker.finish()

    def _log(self, values: dict[str, Any], step: int) -> None:
        if self._tracker is not None and values:
            self._tracker.log(values, step=step)
