"""Files that grow by a line: metrics, ledger, rows left out. A full disk costs lines, which is said, never a run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from prx_train.storage import append_jsonl, is_disk_full, read_jsonl


class Journal:
    """Appends rows for the process that writes; drops them for the others, who would write the same."""

    def __init__(self, say: Callable[[str], None], *, writes: bool = True) -> None:
        self._say, self._writes = say, writes
        self.lost = 0
        """Rows that the disk did not take."""

    def append(self, path: Path, row: Mapping[str, Any]) -> None:
        """Appends a row; the first that the disk does not take is told of."""
        if not self._writes:
            return
        try:
            append_jsonl(path, row)
        except OSError as error:
            if not is_disk_full(error):
                raise
            if not self.lost:
                self._say(f"{path.name} cannot be written, {error.strerror}; the run goes on without these rows")
            self.lost += 1


class LeftOut:
    """Names the rows whose pictures turn out to be broken while a run goes on, each once. Safe for threads."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        """Goes on with the file of an earlier start; each process writes what it meets itself."""
        self._path, self._say, self._lock = path, say, Lock()
        self._journal = Journal(say)
        self._known = {row["place"] for row in read_jsonl(path)}

    def note(self, key: str, place: str, reason: str) -> None:
        """Appends a row to the file; the first is told of."""
        with self._lock:
            if place in self._known:
                return
            if not self._known:
                self._say(f"left out {place}: {reason}; any more are named in {self._path}")
            self._known.add(place)
            self._journal.append(self._path, {"key": key, "place": place, "reason": reason})
