"""What a caller may do while a run goes on: watch, log, validate, draw, and end it."""

import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prx_train.errors import ConfigError
from prx_train.session import Session
from prx_train.stages import draw_samples, validate

_NAME = re.compile(r"\w[\w. -]{0,99}")
_TAKEN = ("before", "after")


@dataclass
class Training:
    """A run that goes on, as callbacks see it."""

    session: Session
    stopping: bool = False
    """Whether `stop` was called."""

    @property
    def output(self) -> Path:
        """The run's folder."""
        return self.session.run.output

    @property
    def step(self) -> int:
        """Steps done."""
        return self.session.progress.step

    @property
    def seconds(self) -> float:
        """Spent so far, all starts together."""
        return self.session.clock.spent

    @property
    def settings(self) -> dict[str, Any]:
        """As resolved, ready for JSON."""
        return self.session.config.model_dump(mode="json")

    def validate(self) -> float:
        """The validation loss of the averaged weights, now; it takes its time from the budget.

        Raises:
            ConfigError: the model is sharded.
        """
        self._check_whole()
        return validate(self.session)

    def sample(self, name: str) -> Path:
        """Draws the run's prompts with the averaged weights, now; returns the grid, `samples/<name>.png`.

        Raises:
            ConfigError: the name is no plain one or one of the run's own, or the model is sharded.
        """
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise ConfigError(
                f"samples cannot be named {name!r}: a name is of letters, digits, '.', '_', '-' and blanks, does not "
                f"begin with a '.', and is none of {', '.join(_TAKEN)}."
            )
        self._check_whole()
        draw_samples(self.session, name)
        self.session.ledger.close("sample", items=len(self.session.prompts), unit="pictures")
        return self.session.run.samples / f"{name}.png"

    def stop(self) -> None:
        """Ends training before the next step: a checkpoint is left, and the same `fit` goes on from there."""
        self.stopping = True

    def _check_whole(self) -> None:
        if self.session.crew.sharding:
            raise ConfigError(
                "a callback cannot validate or draw where the model is sharded: the other processes would not take "
                "part; 'validate_every' does it."
            )


class Callback:
    """What is called in the first process while a run goes on; override what you need.

    What one raises is told and ends that callback, never the run.
    """

    def on_start(self, training: Training) -> None:
        """Before the first step of this start."""

    def on_step(self, training: Training, row: Mapping[str, Any]) -> None:
        """After a step, with its row of `metrics.jsonl`."""

    def on_validation(self, training: Training, loss: float) -> None:
        """After a validation."""

    def on_end(self, training: Training, *, finished: bool) -> None:
        """After everything was exported, or after a stop."""


class Callbacks:
    """Calls them all."""

    def __init__(self, callbacks: Sequence[Callback], session: Session) -> None:
        self._active = list(callbacks) if session.crew.first else []
        self.training = Training(session)

    def start(self) -> None:
        """See `Callback.on_start`."""
        self._each("on_start")

    def step(self, row: Mapping[str, Any]) -> None:
        """See `Callback.on_step`."""
        self._each("on_step", row)

    def validation(self, loss: float) -> None:
        """See `Callback.on_validation`."""
        self._each("on_validation", loss)

    def end(self, *, finished: bool) -> None:
        """See `Callback.on_end`."""
        self._each("on_end", finished=finished)

    def _each(self, event: str, *arguments: Any, **named: Any) -> None:
        for one in [*self._active]:
            try:
                getattr(one, event)(self.training, *arguments, **named)
            except Exception:  # somebody else's code must not cost a day of training
                self._active.remove(one)
                name = f"{type(one).__name__}.{event}"
                self.training.session.say(f"{name} failed and is left out from now on:\n{traceback.format_exc()}")
