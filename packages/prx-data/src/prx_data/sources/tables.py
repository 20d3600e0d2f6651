"""Metadata files: CSV, JSONL and Parquet to rows with typed columns."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.errors import SourceError
from prx_data.features import TEXT, Feature, declared_features, infer, plain, readable_columns, value_feature
from prx_data.files import as_os_error
from prx_data.reading import read
from prx_data.sources.inline import INLINE_COLUMNS, decoded, inline_picture

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
    `NAME_COLUMNS`. It is UTF-8, with or without a byte order mark, or UTF-16 with one; else it is taken as
    Windows-1252, and that is noted. Its values are text. JSONL and Parquet have types.

    Args:
        location: Where it is.
        suffix: What it is: `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.parquet`.
        wanted: The column that names photos or holds them; the first of `INLINE_COLUMNS` and `NAME_COLUMNS` if None.

    Raises:
        SourceError: It cannot be read, has no column that names photos, or a line is broken; with file and line.
    """
    try:
        data = read(location)
    except OSError as error:
        raise SourceError(f"The metadata {location} cannot be read: {error.strerror or error}.") from error
    if suffix == ".parquet":
        return _parquet(location, data, wanted)
    text, notes = _decoded(location, data)
    table = _csv(location, text, wanted) if suffix in CSV_SUFFIXES else _jsonl(location, text, wanted)
    return replace(table, notes=notes)


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
    location: str, column: str, cells: Iterable[tuple[int, Any, dict[str, Any]]], features: dict[str, Feature]
) -> Table:
    """A table from lines, what stands for their photos, and their other columns."""
    rows = [row for line, value, metadata in cells for row in _photos(line, column, value, metadata)]
    listed = any(row.position is not None for row in rows)
    return Table(location=location, rows=rows, features=with_position(features, listed=listed))


def with_position(features: dict[str, Feature], *, listed: bool) -> dict[str, Feature]:
    """The columns with `POSITION`, if rows list photos."""
    return {**features, POSITION: value_feature("int64")} if listed else features


def _decoded(location: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding), ()
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{location}, line {line}: neither UTF-8 nor Windows-1252 text.") from error
    return text, (f"{location} is not UTF-8 and was read as Windows-1252.",)


def _csv(location: str, text: str, wanted: str | None) -> Table:
    headers = {delimiter: _header(location, text, delimiter) for delimiter in _DELIMITERS}
    delimiter = next((one for one, names in headers.items() if wanted in names or name_columns(names)), ",")
    header = headers[delimiter]
    named = name_column(header, location, wanted)
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise SourceError(f"{location}, line 1: two columns are called {twice[0]!r}.")
    cells = []
    for line, values in _csv_rows(location, text, delimiter, len(header)):
        row = {column: value for column, value in zip(header, values, strict=False) if column}
        cells.append((line, row.pop(named, None), row))
    features = {column: TEXT for column in header if column and column != named}
    return _table(location, named, cells, features)


def _header(location: str, text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise SourceError(f"{location}, line 1: not CSV: {error}.") from error


def _csv_rows(location: str, text: str, delimiter: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Rows below the header with their first lines; empty rows are skipped."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        next(reader)
        line = reader.line_num + 1
        for values in reader:
            if any(values[width:]):
                raise SourceError(f"{location}, line {line}: {len(values)} values for {width} columns.")
            if any(value.strip() for value in values):  # a spreadsheet's empty rows are written as delimiters alone
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        raise SourceError(f"{location}, line {line}: not CSV: {error}.") from error


def _jsonl(location: str, text: str, wanted: str | None) -> Table:
    parsed: list[tuple[int, dict[str, Any]]] = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as error:
            raise SourceError(f"{location}, line {line}: not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise SourceError(f"{location}, line {line}: not a JSON object but {content.strip()[:40]!r}.")
        parsed.append((line, row))
    columns = list(dict.fromkeys(column for _, row in parsed for column in row))
    named = name_column(columns, location, wanted)
    described = [(line, row.pop(named, None), row) for line, row in parsed]
    features = infer_columns([row for _, _, row in described])
    return _table(location, named, [(line, value, typed(row, features)) for line, value, row in described], features)


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
