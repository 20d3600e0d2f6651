"""Photos that are cells of a table: Parquet files, and Arrow files as `datasets` saves them."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from prx_data.features import Feature, readable_columns
from prx_data.files import as_os_error, beside, is_url, open_binary
from prx_data.reading import Locator, open_parquet
from prx_data.records import PhotoFile, Status
from prx_data.sources.found import Findings
from prx_data.sources.locations import FoundFile
from prx_data.sources.tables import left_out_note, split_features

# Of a row group beyond both, which is a whole large file as pandas writes it, single photos are too dear to read again:
# every gallery of the report would decode the half of it. Its photos are kept in the workspace.
_GROUP_ROWS = 16_384
_GROUP_BYTES = 1 << 30

_BYTES_NAMES = frozenset(
    ["image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "img_bytes", "data"]
)


def picture_column(schema: pa.Schema) -> str | None:
    """The column that holds pictures' bytes: a struct with `bytes`, or a binary column that is called like one.

    Where there are several, `image` is it, else the first.
    """
    found = [field.name for field in schema if _holds_bytes(field)]
    return "image" if "image" in found else next(iter(found), None)


def _holds_bytes(field: pa.Field) -> bool:
    if pa.types.is_struct(field.type):
        index = field.type.get_field_index("bytes")
        return index >= 0 and _is_binary(field.type.field(index).type)
    return _is_binary(field.type) and field.name.lower() in _BYTES_NAMES


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def parquet_schema(location: str) -> pa.Schema | OSError:
    """The schema of a Parquet file, or why there is none."""
    try:
        with open_parquet(location) as opened:
            return opened.schema_arrow
    except Exception as error:  # remote systems and damaged files raise nearly anything
        return as_os_error(error)


def parquet_photos(file: FoundFile, column: str, findings: Findings) -> Iterator[PhotoFile]:
    """One photo per row, in the file's order; its origin is the file's name and the row's number, from 0."""
    stamp, number = file.stamped(), 0
    with open_parquet(file.location) as opened:
        features, left_out = split_features(opened.schema_arrow, column)
        findings.add_features(features)
        findings.notes.extend(left_out_note(file.location, left_out))
        for group in range(opened.num_row_groups):
            facts = opened.metadata.row_group(group)
            spool, paths = _too_large(facts, column), _paths(opened, group, column)
            described = opened.read_row_group(group, columns=list(features)) if features else None
            rows = readable_columns(described, features) if described is not None else [{}] * facts.num_rows
            for row, metadata in enumerate(rows):
                place = Locator(location=file.location, kind="parquet", block=group, row=row, column=column)
                locator, known = (str(place), stamp) if paths is None else _beside(file, paths[row])
                yield _photo(file, number, locator, known, metadata, spool=spool and paths is None)
                number += 1


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


def arrow_photos(file: FoundFile, findings: Findings) -> Iterator[PhotoFile]:
    """One photo per row of a stream of record batches, as `save_to_disk` writes it."""
    try:
        yield from _arrow_photos(file, findings)
    except Exception as error:  # remote systems and damaged files raise nearly anything
        problem = (Status.UNREADABLE, f"the Arrow file is damaged: {as_os_error(error)}")
        yield PhotoFile(origin=file.name, locator=file.locator, problem=problem)


def _arrow_photos(file: FoundFile, findings: Findings) -> Iterator[PhotoFile]:
    stamp, number = file.stamped(), 0
    remote = is_url(file.location)
    with pa.PythonFile(open_binary(file.location), "r") if remote else pa.memory_map(file.location) as opened:
        schema = pa.ipc.open_stream(opened).schema
        column = picture_column(schema)
        if column is None:
            findings.ignored += 1
            return
        features, left_out = split_features(schema, column)
        findings.add_features(features)
        findings.notes.extend(left_out_note(file.location, left_out))
        opened.seek(0)
        for offset, size, batch in _batches(opened, schema):
            for row, metadata in enumerate(_batch_rows(batch, features)):
                place = Locator(location=file.location, kind="arrow", block=offset, size=size, row=row, column=column)
                yield _photo(file, number, str(place), stamp, metadata)
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
