"""Reads a photo's bytes again from where its source found them, at random: the only place that does.

A *location* is an absolute local path or an fsspec URL, see `prx_data.files`. A *locator* is a string that says where
the bytes of one photo are:

    LOCATION                                 a whole file
    range:OFFSET+SIZE:LOCATION               a stretch of a file: a member of a tar
    arrow:OFFSET+SIZE:ROW:COLUMN:LOCATION    a cell of the record batch that lies at OFFSET in a stream of batches
    parquet:GROUP:ROW:COLUMN:LOCATION        a cell of a row group; ROW counts in the group, COLUMN is percent-encoded

Where a cell holds a list of photos, ROW is `ROW.ITEM`, and ITEM counts in the list.

A local path that is not Unicode text is written percent-encoded, after `escaped:`.

Whatever cannot be read is an `OSError` with a sentence: `FileNotFoundError` if it is not there.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from prx_data.files import as_os_error, beside, filesystem, is_url, open_binary, open_local, read_stretch
from prx_data.told import counted

_RANGE = re.compile(r"range:(\d+)\+(\d+):(.+)", re.DOTALL)
_ARROW = re.compile(r"arrow:(\d+)\+(\d+):(\d+)(?:\.(\d+))?:([^:]*):(.+)", re.DOTALL)
_PARQUET = re.compile(r"parquet:(\d+):(\d+)(?:\.(\d+))?:([^:]*):(.+)", re.DOTALL)
_BATCH_ROWS = 16
_BLOCK_PARTS = 8
_REMOTE_THREADS = 8

Content = bytes | OSError
"""What a photo holds, or why that is not known."""


@dataclass(frozen=True, kw_only=True)
class Locator:
    """A locator, taken apart."""

    location: str
    kind: str = "file"
    """`file`, `range`, `arrow` or `parquet`."""
    block: int = 0
    """Byte offset, or the number of the row group."""
    size: int = 0
    """Bytes of the stretch or of the record batch."""
    row: int = 0
    item: int | None = None
    """Which of a list of photos; None where the cell is one."""
    column: str = ""

    @classmethod
    def parse(cls, text: str) -> "Locator":
        """Any string is a locator; one that has no other form is a whole file."""
        if found := _PARQUET.fullmatch(text):
            block, row, item, column, location = found.groups()
            return cls(
                location=_unescaped(location),
                kind="parquet",
                block=int(block),
                row=int(row),
                item=None if item is None else int(item),
                column=unquote(column),
            )
        if found := _ARROW.fullmatch(text):
            block, size, row, item, column, location = found.groups()
            return cls(
                location=_unescaped(location),
                kind="arrow",
                block=int(block),
                size=int(size),
                row=int(row),
                item=None if item is None else int(item),
                column=unquote(column),
            )
        if found := _RANGE.fullmatch(text):
            block, size, location = found.groups()
            return cls(location=_unescaped(location), kind="range", block=int(block), size=int(size))
        return cls(location=_unescaped(text))

    def __str__(self) -> str:
        location, column = _escaped(self.location), quote(self.column, safe="")
        row = f"{self.row}" if self.item is None else f"{self.row}.{self.item}"
        match self.kind:
            case "parquet":
                return f"parquet:{self.block}:{row}:{column}:{location}"
            case "arrow":
                return f"arrow:{self.block}+{self.size}:{row}:{column}:{location}"
            case "range":
                return f"range:{self.block}+{self.size}:{location}"
        return location

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts photos so that what lies together is read together."""
        return (self.location, self.kind, self.block, self.column, self.row, self.item or 0, self.size)

    @property
    def together(self) -> tuple[Any, ...]:
        """Equal for photos that are decoded together: the cells of one row group or one record batch."""
        row = self.row if self.kind in ("file", "range") else 0
        return (self.location, self.kind, self.block, self.column, row)


_ESCAPED = "escaped:"


def _escaped(location: str) -> str:
    try:
        location.encode()
    except UnicodeEncodeError:  # a file name of another encoding: Python holds its bytes as lone surrogates
        return _ESCAPED + quote(location.encode(errors="surrogatepass"), safe="/")
    return location


def _unescaped(text: str) -> str:
    if not text.startswith(_ESCAPED):
        return text
    return unquote_to_bytes(text.removeprefix(_ESCAPED)).decode(errors="surrogatepass")


def at_random(locator: str) -> bool:
    """Whether one photo costs one read: a cell of a row group, or of a remote record batch, costs the whole block."""
    place = Locator.parse(locator)
    return place.kind in ("file", "range") or (place.kind == "arrow" and not is_url(place.location))


def reading_order(locator: str) -> tuple[Any, ...]:
    """Sorts locators so that what lies together is read together."""
    return Locator.parse(locator).order


def blocks(locators: Iterable[str]) -> list[list[str]]:
    """Locators in reading order, those that are decoded together in one list."""
    ordered = sorted((Locator.parse(one) for one in set(locators)), key=lambda one: one.order)
    return [[str(one) for one in group] for _, group in groupby(ordered, key=lambda one: one.together)]


def parts(locators: Iterable[str], size: int) -> list[list[str]]:
    """Locators in reading order, in lists of about `size` to be read by different processes.

    Each list that holds a part of a row group decodes it from its start. So a row group is cut into at most eight,
    whatever its size: it is then decoded four and a half times at most, and a network carries it as often.
    """
    found: list[list[str]] = []
    room = 0
    for block in blocks(locators):
        step = max(size, -(-len(block) // _BLOCK_PARTS))
        for start in range(0, len(block), step):
            part = block[start : start + step]
            if len(part) > room:
                found.append([])
                room = size
            found[-1] += part
            room -= len(part)
    return found


def read(locator: str) -> bytes:
    """The bytes of one photo.

    Raises:
        OSError: They cannot be read; `FileNotFoundError` if they are not there.
    """
    ((_, content),) = read_block([locator])
    if isinstance(content, OSError):
        raise content
    return content


def read_block(block: Sequence[str]) -> Iterator[tuple[str, Content]]:
    """The bytes of one of `blocks`, a few rows of a row group in memory at a time."""
    left = dict.fromkeys(block)
    try:
        for locator, content in _read_places([Locator.parse(one) for one in block]):
            del left[locator]
            yield locator, content
    except Exception as error:  # file systems and formats raise nearly anything, and each is these photos' status
        problem = as_os_error(error)
        yield from ((locator, problem) for locator in left)


def read_many(locators: Iterable[str]) -> Iterator[tuple[str, Content]]:
    """Every distinct locator with its bytes, in reading order; what is remote is fetched a few blocks ahead."""
    wanted = blocks(locators)
    for remote, group in groupby(wanted, key=lambda block: is_url(Locator.parse(block[0]).location)):
        if not remote:
            for block in group:
                yield from read_block(block)
            continue
        with ThreadPoolExecutor(_REMOTE_THREADS) as threads:
            while ahead := list(islice(group, _REMOTE_THREADS)):
                for read_ahead in threads.map(lambda block: list(read_block(block)), ahead):
                    yield from read_ahead


def _read_places(places: Sequence[Locator]) -> Iterator[tuple[str, Content]]:
    readers: dict[str, Callable[[Sequence[Locator]], Iterator[tuple[str, Content]]]] = {
        "file": _read_files,
        "range": _read_ranges,
        "arrow": _read_arrow,
        "parquet": _read_parquet,
    }
    return readers[places[0].kind](places)


def _read_files(places: Sequence[Locator]) -> Iterator[tuple[str, Content]]:
    for place in places:
        if is_url(place.location):
            system, path = filesystem(place.location)
            yield str(place), system.cat_file(path)
        else:
            with open_local(place.location) as file:
                yield str(place), file.read()


def _read_ranges(places: Sequence[Locator]) -> Iterator[tuple[str, Content]]:
    for place in places:
        data = read_stretch(place.location, place.block, place.size)
        short = OSError(f"{place.location} ends {counted(place.size - len(data), 'byte')} too early")
        yield str(place), data if len(data) == place.size else short


def _read_arrow(places: Sequence[Locator]) -> Iterator[tuple[str, Content]]:
    import pyarrow as pa

    location = places[0].location
    with pa.memory_map(location) if not is_url(location) else pa.PythonFile(open_binary(location), "r") as file:
        schema = pa.ipc.open_stream(file).schema
        file.seek(places[0].block)
        message = file.read_buffer(places[0].size)  # of a memory map: no copy
        column = pa.ipc.read_record_batch(message, schema)[places[0].column]
        for place in places:
            yield str(place), _cell(column[place.row].as_py(), place)


def _read_parquet(places: Sequence[Locator]) -> Iterator[tuple[str, Content]]:
    """Decodes a row group once, up to the last row that is wanted, and holds a few of its rows in memory."""
    location = places[0].location
    wanted: dict[int, list[Locator]] = {}
    for place in places:
        wanted.setdefault(place.row, []).append(place)
    with open_parquet(location) as file:
        start = 0
        names, groups = [places[0].column], [places[0].block]
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=names, use_threads=False):
            for row in [row for row in wanted if start <= row < start + batch.num_rows]:
                value = batch.column(0)[row - start].as_py()
                yield from ((str(place), _cell(value, place)) for place in wanted.pop(row))
            start += batch.num_rows
            if not wanted:
                return
    raise OSError(f"row group {places[0].block} of {location} has {counted(start, 'row')}")


def open_parquet(location: str) -> Any:
    """A `pyarrow.parquet.ParquetFile` that reads what is asked for and no more."""
    import pyarrow.parquet as pq

    if not is_url(location):
        open_local(location).close()  # says what is wrong with a file that is not one
        return pq.ParquetFile(location, memory_map=True)
    return pq.ParquetFile(open_binary(location), buffer_size=1 << 20, pre_buffer=False)


def _cell(value: Any, place: Locator) -> Content:
    """A cell, or its item, is bytes, or a struct of bytes and the path of a file beside."""
    if place.item is not None:
        value = next(islice(value or (), place.item, None), None)
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if data is not None:
        return bytes(data)
    if not path:
        return FileNotFoundError("the row holds no picture")
    try:
        return read(beside(place.location, path))
    except OSError as error:
        return error
