"""Time that no other record tells of: a start that was killed while it got ready has spent it all the same."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from prx_train.schedule import Clock

_SECONDS = 1.0


class Heartbeat:
    """Writes down once a second how much a run has spent, while it is at work; the first of several processes does.

    The clock goes on from where the last beat of an earlier start stood. A start that is refused, and leaves no run
    behind, has spent nothing.
    """

    def __init__(self, path: Path, clock: Clock, begun: Callable[[], bool] = lambda: True) -> None:
        """`path` is the file of the beats; `begun` says whether there is a run, which this start may have begun."""
        self._path, self._clock, self._begun, self._ended = path, clock, begun, Event()
        self._thread = Thread(target=self._go_on, daemon=True, name="heartbeat")
        # What starts several processes tells each its number before anything else does.
        self._first = os.environ.get("RANK", "0") == "0"

    def __enter__(self) -> "Heartbeat":
        if self._first:
            self._clock.already = max(self._clock.already, last_beat(self._path))
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._first:
            self._thread.join()
            if self._begun():
                self._beat()
            else:
                self._path.unlink(missing_ok=True)

    def _go_on(self) -> None:
        while not self._ended.wait(_SECONDS):
            self._beat()

    def _beat(self) -> None:
        # Not flushed to the disk: a machine that loses its power loses the last seconds, and no step waits for it. A
        # disk that is full is told of by what matters more.
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        with suppress(OSError):
            temporary.write_text(f"{self._clock.spent:.3f}\n", encoding="utf-8")
            temporary.replace(self._path)


def last_beat(path: Path) -> float:
    """Seconds that a run had spent when it last wrote so; 0 before it has, or if that cannot be read."""
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0
