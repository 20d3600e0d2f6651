"""Where the time of a run went: one row for each piece of work, in the form that docs/dataset-format.md describes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prx_train.journal import Journal
from prx_train.schedule import Clock
from prx_train.storage import read_jsonl

PACKAGE = "prx-train"


def booked(path: Path) -> float:
    """Seconds in a ledger, all rows together."""
    return sum(float(row["seconds"]) for row in read_jsonl(path))


class Ledger:
    """Splits a run's clock into stages without gaps: each stage ends where the next one begins.

    The rows therefore add up to the time spent, whatever was forgotten to be measured.
    """

    def __init__(self, path: Path, clock: Clock, journal: Journal, *, device: str, devices: int = 1) -> None:
        self.path, self.clock, self.journal = path, clock, journal
        self.device, self.devices = device, devices
        self._mark = booked(path)

    def close(self, stage: str, *, items: int, unit: str) -> float:
        """Books the time since the last row on `stage`; returns it in seconds."""
        return self.book(stage, self.clock.spent - self._mark, items=items, unit=unit)

    def book(self, stage: str, seconds: float, *, items: int, unit: str) -> float:
        """Books so many seconds that follow the last row."""
        self._mark += seconds
        row: dict[str, Any] = {
            "package": PACKAGE,
            "stage": stage,
            "started": (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds"),
            "seconds": round(seconds, 4),
            "items": items,
            "unit": unit,
            "device": self.device,
            "devices": self.devices,
        }
        self.journal.append(self.path, row)
        return seconds
