"""Files that are either there in full or not there at all."""

import errno
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import xxhash


def digest(*parts: str | bytes) -> str:
    """SHA-256 over the parts, each preceded by its length so that ("ab", "c") and ("a", "bc") differ; 64 hex digits."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little") + data)
    return sha.hexdigest()


def seed_from(*parts: str | int) -> int:
    """A seed in [0, 2⁶³) that depends on every part and on nothing else."""
    return int(digest(*(str(part) for part in parts))[:16], 16) >> 1


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 lower-case hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Digests:
    """SHA-256 of files that are large and asked for more than once: each is read again only if it was written to."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int, int], str] = {}

    def __call__(self, path: Path) -> str:
        """As `file_digest`."""
        place = path.resolve()
        found = place.stat()
        mark = (str(place), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if mark not in self._known:
            self._known[mark] = file_digest(place)
        return self._known[mark]


def folder_digest(folder: Path, digest_of: Callable[[Path], str] = file_digest) -> str:
    """SHA-256 over the names and the bytes of all files right in a folder; hidden ones do not count.

    `digest_of` gives that of one file.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return digest(*(f"{path.name}:{digest_of(path)}" for path in files))


def checksum(path: Path) -> str:
    """XXH3 over a file's bytes, 32 lower-case hex digits.

    For damage and mix-ups, as fast as the file can be read; not proof against those who mean to deceive. (Collet,
    https://xxhash.com.)
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def write_atomic(path: Path, data: str | bytes) -> None:
    """Writes a file so that a reader sees the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same file of a shared cache: each has a name of its own to write to.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)


def unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder, which is made if need be; empty if something can."""
    probe = folder / f".writable.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def sweep(folder: Path, *, older_than: float = 0.0) -> None:
    """Removes what killed processes have left half written in a folder; only what is so many seconds old."""
    for path in folder.glob(".*.tmp"):
        # What another process is just writing may have got its name, and be gone, since it was listed.
        with suppress(FileNotFoundError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime >= older_than:
                path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Writes readable JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file as UTF-8."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Makes a folder in full beside its place, then renames it there; an older one of that name is replaced.

    What is in the way of being written is removed again: on a full disk it would keep the next attempt from its space.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        fill(temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for file in temporary.rglob("*"):
        if file.is_file():
            _sync(file)
    if path.exists():
        # A rename cannot replace a folder that is not empty, so the old one steps aside first.
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old)
    else:
        temporary.rename(path)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Appends one JSON object as a line; a crash leaves at most one torn line at the end, and a full disk none."""
    line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        start = file.tell()
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            file.truncate(start)
            raise


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file; [] if there is none. A torn last line, as a crash leaves it, is not a row."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replaces a JSON-lines file, atomically."""
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def is_disk_full(error: Exception) -> bool:
    """Whether something could not be written because there is no space, or no more of it for this user or file."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    text = str(error).lower()  # safetensors has an error of its own, with the system's words in it
    return "no space left" in text or "file too large" in text or "quota exceeded" in text
