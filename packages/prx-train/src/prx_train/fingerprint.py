"""What a dataset is, whatever its place: its Parquet files, and the pictures in files of their own that these name.

Of such a picture the size and both ends are read, 20 KiB at most, so that a terabyte of them is not read before a run
begins. A picture that is put in another's place is told by that: coders end a file with what depends on all before it,
or make it longer or shorter. Times of files are not looked at, as a copy of a dataset is the same dataset. Over a
network it is what their keeper says of them, see `places.content_mark`. Latents do not depend on it: they are kept by
the digest of the whole file.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_train.cells import holds_text, named_place
from prx_train.errors import DatasetError
from prx_train.places import MANIFEST, Folder, content_mark, open_parquet, retried
from prx_train.storage import digest

_HEAD, _TAIL = 4096, 16384  # bytes; EXIF data, which may turn a picture, begin a file
_THREADS = 16
_AT_ONCE = 4096
_ABSENT = "absent"


def fingerprint(folder: Folder, files: Sequence[str], *, image: str = "image") -> str:
    """The manifest's own fingerprint, else a digest of the Parquet files; with the pictures that they name.

    Args:
        folder: The dataset's.
        files: Its Parquet files, by path or address.
        image: Column of the pictures.

    Raises:
        DatasetError: a network failed time and again.
    """
    manifest = folder.text(MANIFEST) if folder.only is None else None
    known = json.loads(manifest).get("fingerprint") if manifest is not None else None
    found = str(known or digest(*(f"{file.rsplit('/', 1)[-1]}:{_file_mark(file)}" for file in files)))
    named = [mark for file in files for mark in _marks(file, folder.root, image)]
    return digest(found, *named) if named else found


def _file_mark(file: str) -> str:
    try:
        return content_mark(file)
    except OSError as error:
        raise DatasetError(f"the dataset file '{file}' cannot be read: {error}.") from None


def _marks(file: str, root: str, image: str) -> Iterator[str]:
    """One mark for each picture that a Parquet file names, in order."""
    try:
        parquet = open_parquet(file)
    except (OSError, ValueError):
        return  # it is told of where its rows are read
    try:
        cells = _naming(parquet, image)
        with ThreadPoolExecutor(_THREADS) as pool:
            while some := list(islice(cells, _AT_ONCE)):
                yield from pool.map(partial(_mark, file=file, root=root), some)
    except OSError as error:
        raise DatasetError(f"the pictures of the dataset file '{file}' cannot be looked at: {error}.") from None


def _naming(parquet: pq.ParquetFile, image: str) -> Iterator[Any]:
    """The cells of the pictures' column, of those row groups in which some may name a file."""
    schema = parquet.schema_arrow
    if image not in schema.names:
        return
    kind = schema.field(image).type
    nested = pa.types.is_struct(kind)
    if not ((nested and "path" in {kind.field(n).name for n in range(kind.num_fields)}) or holds_text(kind)):
        return
    for group in range(parquet.num_row_groups):
        held = _held(parquet, group, f"{image}.bytes") if nested else 0
        if held == parquet.metadata.row_group(group).num_rows:
            continue
        # Where no row holds its picture, none has to be read for its name.
        column = f"{image}.path" if nested and held == 0 else image
        yield from retried(partial(parquet.read_row_group, group, columns=[column]))[image].to_pylist()


def _held(parquet: pq.ParquetFile, group: int, name: str) -> int | None:
    """How many values a column has in a row group, by its statistics; 0 without the column, None if they do not say."""
    found = parquet.metadata.row_group(group)
    for chunk in map(found.column, range(found.num_columns)):
        if chunk.path_in_schema == name:
            says = chunk.statistics is not None and chunk.statistics.has_null_count
            return found.num_rows - chunk.statistics.null_count if says else None
    return 0


def _mark(cell: Any, *, file: str, root: str) -> str:
    if isinstance(cell, dict) and cell.get("bytes"):
        return ""
    try:
        place = named_place(cell, file=file, root=root)
    except ValueError:
        return _ABSENT
    try:
        return content_mark(place) if "://" in place else _ends(Path(place))
    except OSError as error:
        if "://" in place and not isinstance(error, FileNotFoundError):
            raise
        return _ABSENT


def _ends(path: Path) -> str:
    """A digest of a file's size, its beginning and its end."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        sha = hashlib.sha256(f"{size}:".encode() + file.read(_HEAD))
        file.seek(max(0, size - _TAIL))
        sha.update(file.read(_TAIL))
    return sha.hexdigest()
