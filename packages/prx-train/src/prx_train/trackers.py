"""Curves for TensorBoard, Weights & Biases, Trackio and others, through accelerate's trackers."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prx_train.callbacks import Callback, Training
from prx_train.errors import ConfigError

_LOGGED = ("loss", "lr", "grad_norm", "samples", "epoch")
_TRACKIO = "TRACKIO_DIR"


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

    _moved = ExitStack()
    """Where trackio writes is one for the process: undone at the end of a run, or of one that failed by the next."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._tracker: Any = None

    def on_start(self, training: Training) -> None:
        """Opens it."""
        logs = training.output / "logs"
        logs.mkdir(exist_ok=True)
        name = training.output.name
        # Both would make folders elsewhere otherwise.
        where = {"dir": str(logs)} if self._kind.name == "wandb" else {}
        if self._kind.name == "trackio":
            self._moved.close()
            if _TRACKIO not in os.environ:
                self._moved.enter_context(_trackio_in(logs))
        if self._kind.requires_logging_directory:
            where = {"logging_dir": str(logs)}
        from accelerate import PartialState

        PartialState()  # some trackers log before anything has made it, which accelerate refuses
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
        if self._kind.name == "trackio":
            self._moved.close()

    def _log(self, values: dict[str, Any], step: int) -> None:
        if self._tracker is not None and values:
            self._tracker.log(values, step=step)


@contextmanager
def _trackio_in(logs: Path) -> Iterator[None]:
    """Trackio writes into a folder within this, and where it did before afterwards.

    It reads its variable when it is imported, and keeps what follows from it in its modules: these are moved too.
    """
    os.environ[_TRACKIO] = str(logs)
    try:
        from trackio import utils

        before = utils.TRACKIO_DIR
        _move_trackio(before, logs)
        try:
            yield
        finally:
            _move_trackio(logs, before)
    finally:
        del os.environ[_TRACKIO]


def _move_trackio(old: Path, new: Path) -> None:
    """Every path of trackio's modules that lies in one folder is in another then."""
    for name, module in list(sys.modules.items()):
        if name == "trackio" or name.startswith("trackio."):
            for key, value in list(vars(module).items()):
                if key.isupper() and isinstance(value, Path) and value.is_relative_to(old):
                    setattr(module, key, new / value.relative_to(old))
