"""Metadata files: CSV, JSONL and Parquet to rows with typed columns."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.errors import SourceError
from prx_data.features import TEXT, Feature, declared_features, infer, plain, printable, readable_columns, value_feature
from prx_data.files import as_os_error
from prx_data.reading import read
from prx_data.sources.inline import INLINE_COLUMNS, decoded, inline_picture
from prx_data.told import counted

NAME_COLUMNS = (
    *("file_name", "filename", "file", "path", "image_path", "image", "url", "image_url"),
    *("file_names", "filenames", "files", "paths", "image_paths", "images", "urls", "image_urls"),
)
"""Columns that may name the photo, whatever their case; the first of these that a file has does, unless it has one of
`INLINE_COLUMNS`."""
POSITION = "image_position"
"""The column that says which of its row's photos a photo is, from 0, in tables that list several photos in a row."""

CSV_SUFFIXES = frozenset({".csv", ".tsv"})
JSONL_SUFFIXES = frozenset({".jsonl", ".ndjson"})
TABLE_SUFFIXES = CSV_SUFFIXES | JSONL_SUFFIXES | {".parquet"}

_DELIMITERS = (",", ";", "\t", "|")
_FOREWORD = re.compile(r"\s*|\"?sep=.\"?\s*", re.IGNORECASE)  # above a header; spreadsheets write the latter
csv.field_size_limit(2**31 - 1)  # the default is shorter than a photo in base64


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a metadata file says of one photo."""

    line: int
    """Of a Parquet file: row, from 1."""
    name: str | None
    """What names the photo, if anything does."""
    metadata: dict[str, Any]
    """Its other columns without nulls."""
    position: int | None = None
    """Which photo of the row it is, from 0, where rows list photos."""
    content: bytes | None = None
    """The photo itself, where it stands in the row."""
    damage: str = ""
    """Why there is neither a name nor a photo, although something stands there."""
    broken: str = ""
    """Why the line is no row of the table; of such a line nothing else is known."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a metadata file."""

    location: str
    rows: Sequence[Row]
    features: dict[str, Feature]
    """The type of each other column."""
    notes: tuple[str, ...] = ()


def read_table(location: str, suffix: str, wanted: str | None = None) -> Table:
    """Read a metadata file whole.

    A CSV may be delimited by comma, semicolon, tab or bar: the first with which its header has a column of
    `NAME_COLUMNS`. It is UTF-8, with or without a byte order mark, or UTF-16 with one; if most of what is not ASCII
    is no UTF-8, it is taken as Windows-1252. Its values are text. JSONL and Parquet have types.

    A line that cannot be read is a row that is `broken`, unless most are; a CSV's row that ends early has no values for
    its last columns. What was assumed is noted.

    Args:
        location: Where it is.
        suffix: What it is: `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.parquet`.
        wanted: The column that names photos or holds them; the first of `INLINE_COLUMNS` and `NAME_COLUMNS` if None.

    Raises:
        SourceError: It cannot be read, has no column that names photos, or most of its lines are broken; with the first
            of them.
    """
    try:
        data = read(location)
    except OSError as error:
        raise SourceError(f"The metadata {location} cannot be read: {error.strerror or error}.") from error
    if suffix == ".parquet":
        return _parquet(location, data, wanted)
    text, notes = _decoded(location, data)
    table = _csv(location, text, wanted) if suffix in CSV_SUFFIXES else _jsonl(location, text, wanted)
    return replace(table, notes=(*notes, *table.notes))


def name_column(columns: Sequence[str], location: str, wanted: str | None = None) -> str:
    """The column that names the photo; `wanted` if that is given.

    Raises:
        SourceError: There is none.
    """
    if wanted is not None and wanted not in columns:
        raise SourceError(f"{location} has no column image_column = {wanted!r}; it has {list(columns)}.")
    found = wanted or next(iter(name_columns(columns)), None)
    if found is None:
        others = ", ".join((*NAME_COLUMNS[1:], *INLINE_COLUMNS))
        told = f"it has {list(columns)}; of a manifest, image_column says which" if columns else "it is empty"
        raise SourceError(f"{location} has no column 'file_name' (or {others}); {told}.")
    return found


def name_columns(columns: Sequence[str]) -> list[str]:
    """The columns that may name the photo, the likeliest first."""
    lowered = {column.strip().lower(): column for column in reversed(columns)}
    return [lowered[name] for name in (*INLINE_COLUMNS, *NAME_COLUMNS) if name in lowered]


def _photos(line: int, column: str, value: Any, metadata: dict[str, Any]) -> Iterator[Row]:
    """The photos that one cell names or holds: one, or each of a list."""
    if not isinstance(value, list) or not value:
        yield _photo(Row(line=line, name=None, metadata=metadata), column, value)
        return
    for position, one in enumerate(value):
        row = Row(line=line, name=None, metadata={**metadata, POSITION: position}, position=position)
        yield _photo(row, column, one)


def _photo(row: Row, column: str, value: Any) -> Row:
    """The row with its photo: text, bytes, or a struct with either; without, if there is nothing."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return replace(row, content=value)
    if not isinstance(value, str) or not value.strip():
        return row
    try:
        content = decoded(value) if column.strip().lower() in INLINE_COLUMNS else inline_picture(value)
    except ValueError as error:
        return replace(row, damage=str(error))
    return replace(row, content=content) if content is not None else replace(row, name=value)


def _table(
    location: str,
    column: str,
    cells: Sequence[tuple[int, Any, dict[str, Any]]],
    features: dict[str, Feature],
    broken: Sequence[tuple[int, str]] = (),
) -> Table:
    """A table from lines, what stands for their photos, and their other columns; and lines that are broken, and why."""
    notes: tuple[str, ...] = ()
    if broken:
        line, why = broken[0]
        if len(broken) > len(cells):
            several = f"; {len(broken):,} of {len(broken) + len(cells):,} lines are broken" if len(broken) > 1 else ""
            raise SourceError(f"{location}, line {line}: {why}{several}.")
        notes = (f"{location}: lines that are broken: {len(broken):,}, the first of them line {line} ({why}).",)
    rows = [row for line, value, metadata in cells for row in _photos(line, column, value, metadata)]
    listed = any(row.position is not None for row in rows)
    rows.extend(Row(line=line, name=None, metadata={}, broken=why) for line, why in broken)
    rows.sort(key=lambda row: row.line)  # stable: the photos of a row stay in order
    return Table(location=location, rows=rows, features=with_position(features, listed=listed), notes=notes)


def with_position(features: dict[str, Feature], *, listed: bool) -> dict[str, Feature]:
    """The columns with `POSITION`, if rows list photos."""
    return {**features, POSITION: value_feature("int64")} if listed else features


def _decoded(location: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what is to be noted of its encoding."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data[: len(data) // 2 * 2].decode("utf-16", "replace")
        broken_off = len(data) % 2 or "\ufffd" in text
        return text, (f"{location} is not quite UTF-16: characters of it are missing.",) if broken_off else ()
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    others = [(number, line) for number, line in enumerate(data.split(b"\n"), start=1) if not line.isascii()]
    broken = [number for number, line in others if not _is_utf8(line)]
    if 2 * len(broken) < len(others):  # a name may still be what the disk calls the file
        told = f"{location}: lines that are not UTF-8: {len(broken):,}, the first of them line {broken[0]}."
        return data.decode("utf-8-sig", "surrogateescape"), (told,)
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{location}, line {line}: neither UTF-8 nor Windows-1252 text.") from error
    return text, (f"{location} is not UTF-8 and was read as Windows-1252.",)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _csv(location: str, text: str, wanted: str | None) -> Table:
    lines = list(StringIO(text, newline=""))
    start = next((place for place, line in enumerate(lines) if not _FOREWORD.fullmatch(line)), len(lines))
    headers = {delimiter: _header(location, lines, delimiter, start) for delimiter in _DELIMITERS}
    delimiter = next((one for one, (names, _) in headers.items() if wanted in names or name_columns(names)), ",")
    header, below = headers[delimiter]
    named = name_column(header, location, wanted)
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise SourceError(f"{location}, line {start + 1}: two columns are called {twice[0]!r}.")
    cells: list[tuple[int, Any, dict[str, Any]]] = []
    broken: list[tuple[int, str]] = []
    short: list[int] = []
    for line, values in _csv_rows(lines, delimiter, below):
        if isinstance(values, str):
            broken.append((line, values))
        elif any(values[len(header) :]):
            broken.append((line, f"{counted(len(values), 'value')} for {counted(len(header), 'column')}"))
        elif any(value.strip() for value in values):  # a spreadsheet's empty rows are written as delimiters alone
            row = {column: value for column, value in zip(header, values, strict=False) if column}
            name = row.pop(named, None)
            cells.append((line, name, {column: printable(value) for column, value in row.items()}))
            if len(values) < len(header):
                short.append(line)
    features = {column: TEXT for column in header if column and column != named}
    table = _table(location, named, cells, features, broken)
    told = f"{location}: rows that end before their last column: {len(short):,}, the first of them in line "
    return replace(table, notes=(*table.notes, f"{told}{short[0]}.")) if short else table


def _header(location: str, lines: list[str], delimiter: str, start: int) -> tuple[list[str], int]:
    """The first row from a line on, and the place of the line after it."""
    reader = csv.reader(_from(lines, start), delimiter=delimiter)
    try:
        return next(reader, []), start + reader.line_num
    except csv.Error as error:
        raise SourceError(f"{location}, line {start + 1}: not CSV: {error}.") from error


def _csv_rows(lines: list[str], delimiter: str, below: int) -> Iterator[tuple[int, list[str] | str]]:
    """Rows below the header with their first lines, or why there is none.

    A stray quotation mark takes in the lines up to the next one: of these only the first is broken.
    """
    while below < len(lines):
        reader = csv.reader(_from(lines, below), delimiter=delimiter, strict=True)
        first = below
        try:
            for values in reader:
                yield first + 1, values
                first = below + reader.line_num
            return
        except csv.Error as error:
            yield first + 1, f"not CSV: {error}"
            below = first + 1


def _from(lines: list[str], start: int) -> Iterator[str]:
    """The lines from one on, without walking up to it."""
    return (lines[place] for place in range(start, len(lines)))


def _jsonl(location: str, text: str, wanted: str | None) -> Table:
    parsed: list[tuple[int, dict[str, Any]]] = []
    broken = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            broken.append((line, f"not JSON: {error.msg} at character {error.colno}"))
            continue
        except (ValueError, RecursionError) as error:  # a number of too many digits, too many brackets
            broken.append((line, f"not JSON that can be read: {error}"))
            continue
        if isinstance(row, dict):
            parsed.append((line, row))
        else:
            broken.append((line, f"not a JSON object but {content.strip()[:40]!r}"))
    columns = list(dict.fromkeys(column for _, row in parsed for column in row))
    named = name_column(columns, location, wanted) if columns or not broken else ""
    described = [(line, row.pop(named, None), row) for line, row in parsed]
    features = infer_columns([row for _, _, row in described])
    cells = [(line, value, typed(row, features)) for line, value, row in described]
    return _table(location, named, cells, features, broken)


def infer_columns(rows: Sequence[dict[str, Any]]) -> dict[str, Feature]:
    """The type of every column that JSON objects have."""
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for column, value in row.items():
            columns.setdefault(column, []).append(value)
    return {column: infer(values) for column, values in columns.items()}


def typed(row: dict[str, Any], features: dict[str, Feature]) -> dict[str, Any]:
    """A row's columns that are in `features`, without nulls."""
    return {name: plain(row[name], feature) for name, feature in features.items() if row.get(name) is not None}


def _parquet(location: str, data: bytes, wanted: str | None) -> Table:
    try:
        file = pq.ParquetFile(BytesIO(data))
        named = name_column(file.schema_arrow.names, location, wanted)
        features, left_out = split_features(file.schema_arrow, named)
        table = file.read(columns=[named, *features])
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"The metadata {location} is not Parquet: {as_os_error(error)}.") from error
    rows = zip(table[named].to_pylist(), readable_columns(table, features), strict=True)
    cells = [
        (number, value, {column: one for column, one in row.items() if one is not None})
        for number, (value, row) in enumerate(rows, start=1)
    ]
    found = _table(location, named, cells, features)
    return replace(found, notes=left_out_note(location, left_out))


def split_features(schema: pa.Schema, photo: str) -> tuple[dict[str, Feature], list[str]]:
    """The types of the columns beside the photo's, and the names of those that hold bytes and cannot ride along."""
    declared = {name: feature for name, feature in declared_features(schema).items() if name != photo}
    carried = {name: feature for name, feature in declared.items() if feature is not None}
    return carried, [name for name, feature in declared.items() if feature is None]


def left_out_note(location: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The sentence about columns that hold bytes."""
    if not columns:
        return ()
    return (f"Columns of {location} that hold bytes were left out: {', '.join(columns)}.",)
