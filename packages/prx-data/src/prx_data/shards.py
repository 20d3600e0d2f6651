"""The training rows of a dataset, written as Parquet files of bounded size, one after the other."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prx_data.decisions.verdicts import KeptPhoto
from prx_data.decoding import decode, encode_png
from prx_data.errors import SourceError
from prx_data.progress import Update, progress
from prx_data.reading import Content, Locator, at_random, read_many

SHARD_BYTES = 256 << 20
"""The most bytes of pictures in a file, unless one row group alone has more."""
_GROUP_ROWS, _GROUP_BYTES = (
    64,
    64 << 20,
)  # what is in memory: of the photos' files, a PNG that one becomes may be larger

Rows = Callable[[Sequence[KeptPhoto]], list[dict[str, Any]]]
"""Rows without `image`, by photo."""


def write_shards(
    folder: Path,
    splits: Mapping[str, Sequence[KeptPhoto]],
    rows: Rows,
    schema: pa.Schema,
    locators: Mapping[str, str],
    sizes: Mapping[str, int],
) -> None:
    """Write `data/SPLIT-NNNNN-of-NNNNN.parquet`, a row group in memory at a time.

    Args:
        folder: The dataset's.
        splits: Photos by split.
        rows: Their columns.
        schema: Of the files.
        locators: Where to read each key.
        sizes: Bytes of each key's file.

    Raises:
        SourceError: A photo is gone or has changed since it was indexed.
    """
    scratch = folder / "gathered"
    planned = {split: _planned(photos, sizes, SHARD_BYTES) for split, photos in splits.items()}
    homes = {
        f"{split}-{n}": [one.key for one in part] for split, parts in planned.items() for n, part in enumerate(parts)
    }
    places = {**locators, **gather(scratch, homes, locators)}
    (folder / "data").mkdir()
    with progress("writing", sum(map(len, splits.values()))) as update:
        for split, parts in planned.items():
            written: list[Path] = []
            for number, part in enumerate(parts):
                planned_groups = _planned(part, sizes, _GROUP_BYTES, _GROUP_ROWS)
                groups = (_table(group, rows, schema, places, update) for group in planned_groups)
                written += _write_files(folder / "data", f"{split}-{number:05d}", groups, schema)
                (scratch / f"{split}-{number}").unlink(missing_ok=True)
            for number, path in enumerate(written):
                path.rename(path.with_name(f"{split}-{number:05d}-of-{len(written):05d}.parquet"))
    shutil.rmtree(scratch, ignore_errors=True)


def gather(folder: Path, shards: Mapping[str, Sequence[str]], locators: Mapping[str, str]) -> dict[str, str]:
    """Copy the bytes of photos that share a row group into one scratch file for each shard that they go to.

    Shards are ordered by key and row groups are not, so that writing shard by shard would decode every row group for
    every shard. This decodes each once. A shard's scratch file goes when the shard is written, so that both together
    never take more room than the dataset and one shard.

    Returns:
        New locators by key.
    """
    homes = {key: name for name, keys in shards.items() for key in keys if not at_random(locators[key])}
    keys = {locators[key]: key for key in homes}
    found: dict[str, str] = {}
    if not keys:
        return found
    with progress("gathering", len(keys)) as update:
        for locator, data in read_many(keys):
            if isinstance(data, OSError):
                raise _unreadable(locator, data)
            path = (folder / homes[keys[locator]]).absolute()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as scratch:
                place = Locator(location=str(path), kind="range", block=scratch.tell(), size=len(data))
                scratch.write(data)
            found[keys[locator]] = str(place)
            update(1)
    return found


def _planned(
    photos: Sequence[KeptPhoto], sizes: Mapping[str, int], most_bytes: int, most: int | None = None
) -> list[Sequence[KeptPhoto]]:
    """Consecutive photos whose files have no more than so many bytes together, unless one alone has."""
    parts: list[list[KeptPhoto]] = []
    room = 0
    for one in photos:
        if not parts or sizes[one.key] > room or len(parts[-1]) == most:
            parts.append([])
            room = most_bytes
        parts[-1].append(one)
        room -= sizes[one.key]
    return list(parts)


def _write_files(folder: Path, name: str, groups: Iterator[pa.Table], schema: pa.Schema) -> list[Path]:
    """Row groups to as many files as they need: pictures that become PNGs are larger than the files they come from."""
    written: list[Path] = []
    room = 0
    with ExitStack() as opened:
        for table in groups:
            size = pc.sum(pc.binary_length(pc.struct_field(table["image"], "bytes"))).as_py()
            if not written or size > room:
                opened.close()
                written.append(folder / f"{name}-{len(written)}.tmp")
                writer = opened.enter_context(pq.ParquetWriter(written[-1], schema, compression="snappy"))
                room = SHARD_BYTES
            writer.write_table(table, row_group_size=table.num_rows)
            room -= size
    return written


def _table(
    photos: Sequence[KeptPhoto], rows: Rows, schema: pa.Schema, locators: Mapping[str, str], update: Update
) -> pa.Table:
    data = dict(read_many(locators[one.key] for one in photos))
    found = [{**row, "image": _image(row, data[locators[row["key"]]])} for row in rows(photos)]
    update(len(photos))
    return pa.Table.from_pylist(found, schema=schema)


def _unreadable(name: str, error: OSError) -> SourceError:
    return SourceError(f"The photo {name} cannot be read any more: {error.strerror or error}.")


def _image(row: Mapping[str, Any], data: Content) -> dict[str, Any]:
    """The picture as it is trained on: the file's own bytes where they are upright sRGB, else a PNG of its pixels."""
    key, origin = row["key"], row["origin"]
    if isinstance(data, OSError):
        raise _unreadable(origin, data)
    if hashlib.sha256(data).hexdigest() != key:
        raise SourceError(f"The photo {origin} changed since it was indexed, touch it if its time did not; run again.")
    decoded = decode(data)
    if decoded.pixels is None:
        raise SourceError(f"The photo {origin} cannot be decoded any more: {decoded.message}.")
    suffix = decoded.format.lower() if decoded.as_is else "png"
    return {"bytes": data if decoded.as_is else encode_png(decoded.pixels), "path": f"{key[:16]}.{suffix}"}
