"""Files that grow by a line: metrics and ledger. A full disk costs lines, which is said, and never a run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prx_train.storage import append_jsonl, is_disk_full


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
