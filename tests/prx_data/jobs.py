"""What test_engine.py has done in other processes, which import this file: with the tests they would take seconds."""

import importlib
import os
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa


def crash_on_multiples_of_seven(task: list[int]) -> int:
    """How many numbers there are, if it lives."""
    if any(number % 7 == 0 for number in task):
        os.kill(os.getpid(), signal.SIGKILL)
    return len(task)


def converted(values: list[int]) -> tuple[int, bool, bool]:
    """What pyarrow makes of a list, whether that imported pandas, and whether it can be imported afterwards."""
    total = pa.array(values).sum().as_py()
    before = "pandas" in sys.modules
    return total, before, hasattr(importlib.import_module("pandas"), "DataFrame")


def memory(names: tuple[str, ...]) -> dict[str, str | None]:
    """Variables of the environment."""
    return {name: os.environ.get(name) for name in names}


def mark(path: Path) -> Path:
    """Leaves a file when it begins, and one when it is done."""
    path.with_suffix(".begun").touch()
    time.sleep(0.05)
    path.with_suffix(".done").touch()
    return path
