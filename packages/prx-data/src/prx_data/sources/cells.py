"""Photos that are cells of a table: Parquet files, and Arrow files as `datasets` saves them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prx_data.errors import SourceError
from prx_data.features import Feature, readable_columns
from prx_data.files import as_os_error, beside, fault_of, is_url, open_binary, open_local, unread
from prx_data.reading import Locator, open_parquet
from prx_data.records import PhotoFile, Status
from prx_data.sources.columns import is_list, picture_column
from prx_data.sources.found import Findings
from prx_data.sources.locations import FoundFile
from prx_data.sources.tables import POSITION, left_out_note, split_features, with_position

# Of a row group beyond both, which is a whole large file as pandas writes it, single photos are too dear to read again:
# every gallery of the report would decode the half of it. Its photos are kept in the workspace.
_GROUP_ROWS = 16_384
_GROUP_BYTES = 1 << 30
_FEW_ROWS = 16


def parquet_columns(location: str, wanted: str | None) -> tuple[pa.Schema, str | None] | OSError:
    """The schema of a Parquet file and its `picture_column`, or why there is none.

    Raises:
        SourceError: Several columns are equally likely.
    """
    try:
        with open_parquet(location) as opened:
            schema = opened.schema_arrow

            def cells(name: str) -> Iterator[Any]:
                for batch in opened.iter_batches(_FEW_ROWS, columns=[name], use_threads=False):
                    yield from batch.column(0).to_pylist()

            return schema, picture_column(schema, cells, location=location, wanted=wanted)
    except SourceError:
        raise
    except Exception as error:  # remote systems and damaged files raise nearly anything
        return as_os_error(error)


def parquet_photos(file: FoundFile, column: str, findings: Findings) -> Iterator[PhotoFile]:
    """One photo per row, in the file's order; its origin is the file's name and the row's number, from 0."""
    # What is kept of a row group is that of one column, and another may be named the next time.
    stamp, number = f"{file.stamped()}-{column}" if file.stamped() else "", 0
    with open_parquet(file.location) as opened:
        listed = is_list(opened.schema_arrow.field(column).type)
        features, left_out = split_features(opened.schema_arrow, column)
        findings.add_features(with_position(features, listed=listed))
        findings.notes.extend(left_out_note(file.location, left_out))
        for group in range(opened.num_row_groups):
            facts = opened.metadata.row_group(group)
            spool, paths = _too_large(facts, column), None if listed else _paths(opened, group, column)
            lengths = _lengths(opened, group, column) if listed else [None] * facts.num_rows
            described = opened.read_row_group(group, columns=list(features)) if features else None
            rows = readable_columns(described, features) if described is not None else [{}] * facts.num_rows
            for row, (metadata, length) in enumerate(zip(rows, lengths, strict=True)):
                place = Locator(location=file.location, kind="parquet", block=group, row=row, column=column)
                if paths is not None:
                    locator, known = _beside(file, paths[row])
                    yield _photo(file, number, locator, known, metadata)
                else:
                    yield from _photos(file, number, place, length, stamp, metadata, spool=spool)
                number += 1


def _photos(
    file: FoundFile,
    number: int,
    place: Locator,
    length: int | None,
    stamp: str,
    metadata: dict[str, Any],
    *,
    spool: bool = False,
) -> Iterator[PhotoFile]:
    """The photo of a row, or each of its list; a row with an empty list is a photo that is missing."""
    if length is None:
        yield _photo(file, number, str(place), stamp, metadata, spool=spool)
    elif length == 0:
        yield _photo(file, number, "", stamp, metadata)
    for item in range(length or 0):
        one = _photo(file, number, str(replace(place, item=item)), stamp, {**metadata, POSITION: item}, spool=spool)
        yield replace(one, origin=f"{one.origin}/{item}")


def _lengths(opened: Any, group: int, column: str) -> Iterator[int]:
    """How many pictures each row of a row group lists; by their paths, where there are any, as these are small."""
    facts = opened.metadata.row_group(group)
    leaves = [chunk.path_in_schema for chunk in _chunks(facts, column)]
    leaf = next((one for one in leaves if one.endswith(".path")), leaves[0])
    for batch in opened.iter_batches(_FEW_ROWS, row_groups=[group], columns=[leaf], use_threads=False):
        yield from _list_lengths(batch.column(0))


def _list_lengths(cells: pa.Array) -> list[int]:
    lengths: list[int] = pc.fill_null(pc.list_value_length(cells), 0).to_pylist()
    return lengths


def _photo(
    file: FoundFile, number: int, locator: str, stamp: str | None, metadata: dict[str, Any], *, spool: bool = False
) -> PhotoFile:
    present = {name: value for name, value in metadata.items() if value is not None}
    origin = f"{file.name}/{number}"
    if not locator:
        problem = (Status.MISSING, "the row names no file and holds no bytes")
        return PhotoFile(origin=origin, locator="", metadata=present, problem=problem)
    return PhotoFile(origin=origin, locator=locator, stamp=stamp, metadata=present, spool=spool)


def _beside(file: FoundFile, path: str | None) -> tuple[str, None]:
    return (beside(file.location, path) if path else ""), None


def _chunks(facts: Any, column: str) -> list[Any]:
    """The column chunks of a row group that hold a column's parts."""
    chunks = [facts.column(index) for index in range(facts.num_columns)]
    return [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] == column]


def _too_large(facts: Any, column: str) -> bool:
    size = sum(chunk.total_uncompressed_size for chunk in _chunks(facts, column))
    return bool(facts.num_rows > _GROUP_ROWS and size > _GROUP_BYTES)


def _paths(opened: Any, group: int, column: str) -> list[str | None] | None:
    """The paths of a row group whose pictures are not in it but in files beside; None where bytes are in it."""
    facts = opened.metadata.row_group(group)
    chunk = next((one for one in _chunks(facts, column) if one.path_in_schema == f"{column}.bytes"), None)
    statistics = chunk.statistics if chunk is not None else None
    if statistics is None or not statistics.has_null_count or statistics.null_count < facts.num_rows:
        return None
    cells = opened.read_row_group(group, columns=[f"{column}.path"])[column].to_pylist()
    return [(cell or {}).get("path") for cell in cells]


def arrow_photos(file: FoundFile, findings: Findings, wanted: str | None = None) -> Iterator[PhotoFile]:
    """One photo per row of a stream of record batches, as `save_to_disk` writes it; `wanted` as in `picture_column`."""
    try:
        yield from _arrow_photos(file, findings, wanted)
    except SourceError:
        raise
    except Exception as error:  # remote systems and damaged files raise nearly anything
        yield damaged(file, "Arrow file", findings, as_os_error(error))


def damaged(file: FoundFile, kind: str, findings: Findings, error: OSError | None) -> PhotoFile:
    """The row of a file whose photos cannot be read, or not to the last."""
    aside = error is not None and unread(error, file.location)
    if aside:
        findings.unread.append(file.name)
    told = f"the {kind} {'cannot be read' if aside else fault_of(file.location)}"
    told += "" if error is None else f": {error.strerror or error}"
    return PhotoFile(origin=file.name, locator=file.locator, problem=(Status.UNREADABLE, told))


def _arrow_photos(file: FoundFile, findings: Findings, wanted: str | None) -> Iterator[PhotoFile]:
    stamp, number = file.stamped(), 0
    remote = is_url(file.location)
    if not remote:
        open_local(file.location).close()  # says what is wrong with a file that is not one
    with pa.PythonFile(open_binary(file.location), "r") if remote else pa.memory_map(file.location) as opened:
        schema = pa.ipc.open_stream(opened).schema

        def cells(name: str) -> Iterator[Any]:
            opened.seek(0)
            for batch in pa.ipc.open_stream(opened):
                yield from (cell.as_py() for cell in batch[name])

        column = picture_column(schema, cells, location=file.location, wanted=wanted)
        if column is None:
            findings.ignored += 1
            return
        listed = is_list(schema.field(column).type)
        features, left_out = split_features(schema, column)
        findings.add_features(with_position(features, listed=listed))
        findings.notes.extend(left_out_note(file.location, left_out))
        opened.seek(0)
        for offset, size, batch in _batches(opened, schema):
            lengths = _list_lengths(batch[column]) if listed else [None] * batch.num_rows
            for row, (metadata, length) in enumerate(zip(_batch_rows(batch, features), lengths, strict=True)):
                place = Locator(location=file.location, kind="arrow", block=offset, size=size, row=row, column=column)
                yield from _photos(file, number, place, length, stamp, metadata)
                number += 1


def _batches(opened: Any, schema: pa.Schema) -> Iterator[tuple[int, int, pa.RecordBatch]]:
    """Every record batch of a stream with the place of its message."""
    messages = pa.ipc.MessageReader.open_stream(opened)
    while True:
        offset = opened.tell()
        try:
            message = messages.read_next_message()
        except StopIteration:
            return
        if message.type == "record batch":
            yield offset, opened.tell() - offset, pa.ipc.read_record_batch(message, schema)


def _batch_rows(batch: pa.RecordBatch, features: dict[str, Feature]) -> list[dict[str, Any]]:
    if not features:
        return [{}] * batch.num_rows
    return readable_columns(pa.Table.from_batches([batch]).select(list(features)), features)
