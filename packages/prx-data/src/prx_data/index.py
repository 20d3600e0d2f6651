"""The index of one source: every photo's key, by reading its bytes once; nothing is decoded.

A photo whose stamp (size and time of change; a remote system's tag) is that of the last time is not read again: a
re-run over a terabyte reads nothing, and a file that was changed without a change of its size and its time is not
noticed. What was hashed is written down every few seconds, so that a killed run goes on where it was.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prx_data.files import as_os_error, is_url, open_local, stamp_of
from prx_data.known import Row
from prx_data.progress import progress
from prx_data.reading import Content, Locator, blocks, read_block
from prx_data.records import PhotoFile, Status
from prx_data.storage import atomic_path, remove_leftovers, write_table

PHOTOS_SCHEMA = pa.schema(
    [
        ("origin", pa.string()),
        ("locator", pa.string()),
        ("stamp", pa.string()),
        ("key", pa.string()),
        ("bytes", pa.int64()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("metadata", pa.string()),
    ]
)
"""One row per photo; `metadata` is a JSON object; `status` is that of reading the bytes."""

_CHUNK = 1024
_CHUNK_BYTES = 32 << 20
_JOURNAL_SECONDS = 10.0
_THREADS = 8


class Spool:
    """Bytes that cannot be read again at random, in files named after their keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._prefix = str(Locator(location=str(self.folder)))

    def keep(self, key: str, data: bytes) -> str:
        """Write the bytes, unless they are there; returns their locator."""
        path = self.folder / key[:2] / key
        if not path.exists():
            with atomic_path(path) as temporary:
                temporary.write_bytes(data)
        return str(Locator(location=str(path)))

    def lost(self, locator: str) -> bool:
        """Whether the bytes that a locator names should be here and are not."""
        return locator.startswith(self._prefix) and not Path(Locator.parse(locator).location).exists()

    def sweep(self, locators: Iterable[str]) -> None:
        """Remove the bytes that none of these locators names: a killed run may have left them, or a source is gone."""
        names = {Path(Locator.parse(one).location).name for one in locators if one.startswith(self._prefix)}
        for path in self.folder.glob("*/*"):
            if path.name not in names and not path.name.startswith("."):
                path.unlink(missing_ok=True)
        remove_leftovers(self.folder)


@dataclass(frozen=True)
class Journal:
    """Rows of a run that has not ended, in a folder that is removed when it has."""

    folder: Path

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows."""
        number = len(list(self.folder.glob("*.parquet")))
        write_table(self.folder / f"{number:06d}.parquet", pa.Table.from_pylist(list(rows), schema=PHOTOS_SCHEMA))

    def tables(self) -> list[pa.Table]:
        """All rows so far, oldest first."""
        return [pq.read_table(path) for path in sorted(self.folder.glob("*.parquet"))]

    def remove(self) -> None:
        """Forget."""
        shutil.rmtree(self.folder, ignore_errors=True)


def index_photos(photos: Iterable[PhotoFile], known: Mapping[str, Row], spool: Spool, journal: Journal) -> pa.Table:
    """The rows of a source's photos, ordered by origin; held as columns, which take less memory than Python's objects.

    Args:
        photos: As the source lists them.
        known: Rows of earlier runs by origin.
        spool: Where bytes go that cannot be read again.
        journal: Where rows go before the run has ended.
    """
    rows: list[pa.RecordBatch] = []
    unwritten: list[Row] = []
    written = monotonic()
    left = iter(photos)
    with (
        ThreadPoolExecutor(_THREADS) as threads,  # hashing and reading release the interpreter lock
        progress("indexing") as update,
    ):
        while chunk := _next_chunk(left):
            old, new = _index_chunk(chunk, known, spool, threads)
            rows.append(pa.RecordBatch.from_pylist(old + new, schema=PHOTOS_SCHEMA))
            unwritten += new
            update(len(chunk))
            if unwritten and monotonic() - written > _JOURNAL_SECONDS:
                journal.write(unwritten)
                unwritten, written = [], monotonic()
    return _unique(pa.Table.from_batches(rows, schema=PHOTOS_SCHEMA).sort_by("origin"))


def _next_chunk(photos: Iterator[PhotoFile]) -> list[PhotoFile]:
    """Photos up to a number, or to a size where they bring their bytes."""
    chunk, size = [], 0
    for photo in islice(photos, _CHUNK):
        chunk.append(photo)
        size += len(photo.content or b"")
        if size >= _CHUNK_BYTES:
            break
    return chunk


def _unique(rows: pa.Table) -> pa.Table:
    """Two names that read alike once they are written as text are told apart by a number."""
    if pc.count_distinct(rows["origin"]).as_py() == len(rows):
        return rows
    seen: dict[str, None] = {}
    for origin in rows["origin"].to_pylist():
        name, number = origin, 2
        while name in seen:
            name, number = f"{origin} ({number})", number + 1
        seen[name] = None
    return rows.set_column(0, PHOTOS_SCHEMA.field("origin"), pa.array(list(seen), pa.string())).sort_by("origin")


def _index_chunk(
    chunk: list[PhotoFile], known: Mapping[str, Row], spool: Spool, threads: ThreadPoolExecutor
) -> tuple[list[Row], list[Row]]:
    """Rows that are known, and rows that are new."""
    stamps = list(threads.map(_stamp, chunk))
    old, new, todo = [], [], []
    for photo, stamp in zip(chunk, stamps, strict=True):
        before = known.get(photo.origin)
        if photo.problem is not None:
            old.append(_row(photo, stamp, {"status": photo.problem[0].value, "message": photo.problem[1]}))
        elif before is not None and _stands(before, photo, stamp, spool):
            old.append(_row(photo, stamp, {name: before[name] for name in ("locator", "key", "bytes", "status")}))
        elif photo.content is not None:
            new.append(_row(photo, stamp, _spooled(photo.content, spool)))
        else:
            todo.append((photo, stamp))
    read = threads.map(lambda block: _index_block(block, spool), _blocks(todo))
    found = {locator: facts for block in read for locator, facts in block}
    new += [_row(photo, stamp, found[photo.locator]) for photo, stamp in todo]
    return old, new


def _stamp(photo: PhotoFile) -> str:
    if photo.stamp is not None or photo.problem is not None:
        return photo.stamp or ""
    try:
        return stamp_of(Locator.parse(photo.locator).location)
    except Exception:  # what cannot be read has no stamp, and reading says why
        return ""


def _stands(before: Row, photo: PhotoFile, stamp: str, spool: Spool) -> bool:
    same = before["locator"] == photo.locator or (photo.spool and Locator.parse(before["locator"]).kind == "file")
    return (
        bool(stamp)
        and before["stamp"] == stamp
        and before["status"] == Status.OK
        and same
        and not spool.lost(before["locator"])
    )


def _blocks(todo: Iterable[tuple[PhotoFile, str]]) -> list[list[tuple[str, bool]]]:
    """(locator, whether to spool), those together that are decoded together."""
    spooled = {photo.locator: photo.spool for photo, _ in todo}
    return [[(locator, spooled[locator]) for locator in block] for block in blocks(spooled)]


def _index_block(block: list[tuple[str, bool]], spool: Spool) -> list[tuple[str, Row]]:
    place = Locator.parse(block[0][0])
    if place.kind == "file" and not is_url(place.location):
        return [(block[0][0], _index_file(place.location))]
    keep = dict(block)
    return [
        (locator, _spooled(content, spool) if keep[locator] and isinstance(content, bytes) else _facts(content))
        for locator, content in read_block(list(keep))
    ]


def _index_file(path: str) -> Row:
    """A file is hashed as it is read, so that a large one is never in memory."""
    try:
        with open_local(path) as file:
            key = hashlib.file_digest(file, "sha256").hexdigest()
            return {"key": key, "bytes": file.tell(), "status": Status.OK.value}
    except Exception as error:  # a name with a null byte is a ValueError
        return _facts(as_os_error(error))


def _facts(content: Content) -> Row:
    if isinstance(content, FileNotFoundError | NotADirectoryError):
        return {"status": Status.MISSING.value, "message": "no such file"}
    if isinstance(content, OSError):
        return {"status": Status.UNREADABLE.value, "message": content.strerror or str(content)}
    return {"key": hashlib.sha256(content).hexdigest(), "bytes": len(content), "status": Status.OK.value}


def _spooled(content: bytes, spool: Spool) -> Row:
    facts = _facts(content)
    return {**facts, "locator": spool.keep(facts["key"], content)}


def _row(photo: PhotoFile, stamp: str, facts: Row) -> Row:
    return {
        "origin": photo.origin,
        "locator": photo.locator,
        "stamp": stamp,
        "key": None,
        "bytes": None,
        "message": "",
        "metadata": json.dumps(dict(photo.metadata), ensure_ascii=False),
        **facts,
    }
