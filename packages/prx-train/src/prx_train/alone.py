"""One start at a time in a run's folder: two would write into each other's checkpoints and records."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from prx_train.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
"""The file in a run's folder that is locked while somebody is at work there."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a run's folder; the operating system lets go of it when the process ends, however it does.

    Of the processes of one launch the first holds it for all. Where a file system has no locks, nothing is held.

    Raises:
        ConfigError: another start holds it.
    """
    # What starts several processes tells each its number before anything else does.
    if fcntl is None or os.environ.get("RANK", "0") != "0":
        yield
        return
    path = folder / LOCK
    with _locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> FileIO:
    """The file, open and locked; whoever holds it is told of in it."""
    while True:
        file = path.open("ab+", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode()
            file.close()
            raise ConfigError(
                f"config key 'output' = '{path.parent}' is in use: {holder or 'another process'} is at work there; "
                "wait for its end, or choose another output."
            ) from None
        except OSError:
            return file
        # Whoever held it before removes it at the end: what was opened may be no more what others find.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        file.close()
    with suppress(OSError):  # a disk that is full is told of by what matters more
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}".encode())
    return file
