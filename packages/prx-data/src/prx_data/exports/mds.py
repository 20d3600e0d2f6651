"""MDS, the format of MosaicML Streaming, in a folder for each aspect bucket, as the trainer Photoroom/PRX reads it.

A shard holds, little-endian: the number n of samples (uint32); n + 1 offsets from the file's beginning (uint32), of
each sample and of the end; the columns' description as JSON; the samples. A sample holds the sizes (uint32) of its
columns of variable size, then the columns' bytes, both in the order of the description. `index.json` lists the shards.
(https://docs.mosaicml.com/projects/streaming, "Dataset Format"; version 2.)
"""

import hashlib
import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prx_data.exports.written import Sample, caption_texts
from prx_data.storage import write_json

Size = tuple[int, int]
"""(width, height) in pixels."""

_COLUMNS = {"image": "bytes", "key": "str", "metadata": "json", "original_height": "int", "original_width": "int"}
"""Encodings of the columns that are always there."""
_FIXED = {"int": 8}
"""Bytes of the encodings of fixed size."""


def aspect_buckets(resolution: int, patch_size: int) -> list[Size]:
    """The sizes of at most resolution² pixels with aspect ratios in [0.5, 2], by aspect ratio (width by height).

    For each width in whole patches the largest height and for each height the largest width, both in multiples of 16
    pixels: those that the trainer's resizing knows (Photoroom/PRX, `build_image_size_list`), so that all pictures of
    one bucket come out at one size.
    """
    area = (resolution / patch_size) ** 2
    sizes = set()
    for side in range(math.ceil(math.sqrt(area / 2)), math.floor(math.sqrt(area * 2)) + 1):
        other = math.floor(area / side)
        if side * patch_size % 16 == 0 and other * patch_size % 16 == 0:
            sizes |= {(side * patch_size, other * patch_size), (other * patch_size, side * patch_size)}
    return sorted(sizes, key=lambda size: (size[0] / size[1], size))


def nearest(width: int, height: int, buckets: Sequence[Size]) -> Size:
    """The bucket whose aspect ratio, width by height, differs least, as the trainer finds it; the first of equals."""
    return min(buckets, key=lambda size: abs(size[0] / size[1] - width / height))


def write_mds(
    folder: Path, samples: Iterable[Sample], shard_bytes: int, *, captions: Iterable[str], buckets: Sequence[Size]
) -> dict[str, int]:
    """Write a folder for each bucket that has pictures, `WIDTHxHEIGHT`, with its shards and, last, its `index.json`.

    The columns are `image` (the encoded picture), `key`, `original_width`, `original_height`, the captions (empty where
    a row has none) and `metadata`, all other columns as JSON.

    Args:
        folder: Where to.
        samples: What.
        shard_bytes: The most bytes of a shard, unless one sample alone is larger.
        captions: Names of the caption columns, see `prx_data.exports.written.caption_texts`.
        buckets: See `aspect_buckets`.

    Returns:
        Samples by shard, relative to the folder.
    """
    encodings = {**_COLUMNS, **dict.fromkeys(captions, "str")}
    streams: dict[Size, _Stream] = {}
    for sample in samples:
        size = nearest(sample.columns["width"], sample.columns["height"], buckets)
        if size not in streams:
            streams[size] = _Stream(folder / f"{size[0]}x{size[1]}", encodings, shard_bytes)
        streams[size].write(_values(sample, encodings.keys() - _COLUMNS.keys()))
    for _, stream in sorted(streams.items()):
        stream.finish()
    return {
        f"{stream.folder.name}/{shard['raw_data']['basename']}": shard["samples"]
        for _, stream in sorted(streams.items())
        for shard in stream.shards
    }


def _values(sample: Sample, captions: Iterable[str]) -> dict[str, Any]:
    texts = caption_texts(sample.columns)
    elsewhere = {"key", "captions", *captions}
    return {
        **{name: texts.get(name, "") for name in captions},
        "image": sample.image,
        "key": sample.key,
        "metadata": {name: value for name, value in sample.columns.items() if name not in elsewhere},
        "original_height": sample.columns["height"],
        "original_width": sample.columns["width"],
    }


class _Stream:
    """The shards of one folder. Samples are laid down in a file at once, so that many streams can be open."""

    def __init__(self, folder: Path, encodings: Mapping[str, str], shard_bytes: int) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.shards: list[dict[str, Any]] = []
        self._encodings = dict(sorted(encodings.items()))
        self._limit = shard_bytes
        self._facts = {
            "column_encodings": list(self._encodings.values()),
            "column_names": list(self._encodings),
            "column_sizes": [_FIXED.get(encoding) for encoding in self._encodings.values()],
            "compression": None,
            "format": "mds",
            "hashes": ["sha256"],
            "size_limit": shard_bytes,
            "version": 2,
        }
        self._config = json.dumps(self._facts, sort_keys=True).encode()
        self._sizes: list[int] = []
        self._scratch = folder / "samples.tmp"

    def write(self, values: Mapping[str, Any]) -> None:
        """Add a sample, in a new shard if it has no room in this one."""
        columns = [_encoded(values[name], encoding) for name, encoding in self._encodings.items()]
        encodings = zip(columns, self._encodings.values(), strict=True)
        variable = [len(data) for data, encoding in encodings if encoding not in _FIXED]
        sample = np.array(variable, "<u4").tobytes() + b"".join(columns)
        if self._sizes and self._header_size(1) + sum(self._sizes) + len(sample) > self._limit:
            self._flush()
        with self._scratch.open("ab") as scratch:
            scratch.write(sample)
        self._sizes.append(len(sample))

    def finish(self) -> None:
        """Write the last shard, then the index."""
        self._flush()
        write_json(self.folder / "index.json", {"shards": self.shards, "version": 2})

    def _header_size(self, more: int = 0) -> int:
        return 4 * (len(self._sizes) + more + 2) + len(self._config)

    def _flush(self) -> None:
        path = self.folder / f"shard.{len(self.shards):05d}.mds"
        offsets = self._header_size() + np.cumsum([0, *self._sizes])
        with path.open("wb") as shard, self._scratch.open("rb") as scratch:
            shard.write(np.array([len(self._sizes), *offsets], "<u4").tobytes() + self._config)
            shutil.copyfileobj(scratch, shard, 1 << 20)
        self._scratch.unlink()
        with path.open("rb") as shard:
            digest = hashlib.file_digest(shard, "sha256").hexdigest()
        data = {"basename": path.name, "bytes": path.stat().st_size, "hashes": {"sha256": digest}}
        self.shards.append({**self._facts, "raw_data": data, "samples": len(self._sizes), "zip_data": None})
        self._sizes = []


def _encoded(value: Any, encoding: str) -> bytes:
    if encoding == "bytes":
        return bytes(value)
    if encoding == "int":
        return int(value).to_bytes(8, "little", signed=True)
    return (value if encoding == "str" else json.dumps(value, sort_keys=True, ensure_ascii=False)).encode()
