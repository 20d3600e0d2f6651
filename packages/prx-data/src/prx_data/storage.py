"""Writing so that a killed process leaves either the old file or the new one, never half of it."""

import fcntl
import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.errors import WorkspaceError

_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_WRITER = re.compile(r"\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[^.]*\.tmp$")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`.

    Raises:
        WorkspaceError: The disk is full or cannot be written to; `path` is as it was.
    """
    with told_if_unwritable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.{_HOST}-{os.getpid()}-", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def alone(workspace: Path) -> Iterator[None]:
    """Hold a workspace for one curation: another one would change which photos are in it.

    The operating system lets go of it when the process ends, however it does. Where a file system has no locks, nothing
    is held.

    Raises:
        WorkspaceError: It cannot be written to, or another curation holds it.
    """
    make_writable_folder(workspace, name="workspace")
    with told_if_unwritable(workspace):
        file = (workspace / ".lock").open("ab")
    with file:
        if not _locked(file.fileno()):
            raise WorkspaceError(
                f"workspace = {str(workspace)!r} is in use: another curation is at work there; wait for its end, "
                "or choose another workspace."
            )
        yield


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Make a folder, or take over what a killed process left of one, and hold it; yields whether nobody else has it.

    It may be renamed and removed while it is held. As with `alone`, the operating system lets go of it.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # whoever had it has just finished
            continue
        try:
            free = _locked(file)
            if not free or _is_at(file, folder):
                yield free
                return
        finally:
            os.close(file)


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file still has the name, and was not renamed or removed."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _locked(file: int) -> bool:
    """Whether a file could be locked, or this file system has no locks; else another process has locked it."""
    with suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Leave a mark in a folder while this process writes there, see `others_write`; a killed one's is a leftover."""
    with tempfile.NamedTemporaryFile(prefix=f".writing.{_HOST}-{os.getpid()}-", suffix=".tmp", dir=folder):
        yield


def others_write(folder: Path) -> bool:
    """Whether a process that runs, or one on another machine, has claimed a folder."""
    marks = [found for path in folder.glob(".writing.*.tmp") if (found := _WRITER.search(path.name))]
    return any(mark["host"] != _HOST or _runs(int(mark["pid"])) for mark in marks)


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files below a folder whose writers on this machine were killed; returns how many."""
    left = 0
    for path in folder.rglob(".*.tmp"):
        written_by = _WRITER.search(path.name)
        # Another machine's processes may be at work in a folder that is shared.
        if written_by and written_by["host"] == _HOST and not _runs(int(written_by["pid"])):
            path.unlink(missing_ok=True)
            left += 1
    return left


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process has the number now
        return True
    return True


@contextmanager
def told_if_unwritable(folder: Path) -> Iterator[None]:
    """Turn an error of writing below a folder, such as a full disk, into one sentence.

    Raises:
        WorkspaceError: With the reason, and that the same command goes on.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise WorkspaceError(
            f"{str(folder)!r} cannot be written to: {reason}. Nothing that was finished is lost: mend it, "
            "run the same command again, and it goes on from there."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically: sorted keys and a final newline, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_table(path: Path, table: pa.Table, *, fast: bool = False) -> None:
    """Write a Parquet file atomically.

    Args:
        path: Where to.
        table: What.
        fast: For what is read whole and by this package alone: in half the time, and a little larger.
    """
    with atomic_path(path) as temporary:
        if fast:
            pq.write_table(table, temporary, compression="lz4", use_dictionary=False, write_statistics=False)
        else:
            pq.write_table(table, temporary, compression="zstd")


def measure_folder(workspace: Path, name: str, version: str) -> Path:
    """Where the shards of one measure lie in a workspace."""
    return workspace / "measures" / f"{name}-{version}"


def write_shard(workspace: Path, name: str, version: str, table: pa.Table) -> None:
    """Add rows of one measure, with their `key`; equal keys give the same file."""
    path = measure_folder(workspace, name, version) / f"{shard_name(table['key'].to_pylist())}.parquet"
    write_table(path, table, fast=True)


def shard_name(keys: Iterable[str]) -> str:
    """A name that depends on the keys alone: 32 hex digits of a digest."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:32]


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON line in a single write."""
    with told_if_unwritable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(value, sort_keys=True) + "\n")


def make_writable_folder(path: Path, *, name: str) -> None:
    """Create a folder and prove that it can be written to.

    Args:
        path: The folder; its parents are created too.
        name: What the user calls it, for the message.

    Raises:
        WorkspaceError: It cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise WorkspaceError(f"{name} = {str(path)!r} cannot be written to: {error.strerror or error}.") from error


_LEDGER = {"package", "stage", "started", "seconds", "items", "unit", "device", "devices"}


@dataclass
class Stage:
    """What a stage has done so far."""

    items: int = 0
    device: str = "cpu"
    """`cpu`, `cuda` or `server`."""


@contextmanager
def ledger_stage(ledger: Path, stage: str, *, unit: str = "photos") -> Iterator[Stage]:
    """Time a stage and append it to the ledger, also if it ends by an error; one that did nothing leaves no row.

    Args:
        ledger: `ledger.jsonl`.
        stage: Its name.
        unit: What its items are.

    Yields:
        What the body says of itself.
    """
    started, begin = datetime.now(UTC), perf_counter()
    done = Stage()
    try:
        yield done
    finally:
        if done.items:
            seconds = perf_counter() - begin
            append_stage(
                ledger, stage, started=started, seconds=seconds, items=done.items, unit=unit, device=done.device
            )


def append_stage(
    ledger: Path,
    stage: str,
    *,
    started: datetime,
    seconds: float,
    items: int,
    unit: str = "photos",
    device: str = "cpu",
) -> None:
    """Append a stage that was timed to the ledger, see docs/dataset-format.md."""
    row = {
        "package": "prx-data",
        "stage": stage,
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "items": items,
        "unit": unit,
        "device": device,
        "devices": 1,
    }
    append_line(ledger, row)


def read_ledger(ledger: Path) -> list[dict[str, Any]]:
    """The ledger's rows; a line that a kill cut short, or that is no row, is left out."""
    rows = []
    for line in ledger.read_text(encoding="utf-8", errors="replace").splitlines() if ledger.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and row.keys() >= _LEDGER:
            rows.append(row)
    return rows
