"""When this process began, or the launcher that started it: what both need to import is part of the user's budget."""

import os
import time
from pathlib import Path

_START_FIELD = 19  # of those in /proc/PID/stat that follow the command's name: ticks since the system booted


def born() -> float:
    """A reading of `time.monotonic()` at the start of this process, or of the launcher that runs it with others.

    A launcher that starts its processes anew has been counted with the first ones. Where the system does not say, the
    time of this call.
    """
    now = time.monotonic()
    launched = os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
    ages = [_age(process) for process in (os.getpid(), *([os.getppid()] if launched else []))]
    return now - max(ages)


def _age(process: int) -> float:
    """Seconds since a process began; 0 if that cannot be told."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        begun = int(fields[_START_FIELD]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - begun)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
