"""Reads a dataset folder: Parquet rows to pictures of bucket size in memory."""

import hashlib
import io
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from prx_train.buckets import Size, bucket_sizes, nearest_bucket
from prx_train.errors import DatasetError
from prx_train.storage import digest, file_digest

FORMAT = 1
_COLUMNS = ("image", "caption", "key", "weight")


Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""A picture as bytes, shape HWC."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo that can be trained on; its pixels are kept apart."""

    key: str
    """SHA-256 of the picture's file."""
    caption: str
    """The text; may be empty."""
    weight: float
    """Relative sampling weight, > 0."""
    size: Size
    """The bucket's (height, width) in pixels."""
    place: tuple[str, int, int]
    """Parquet file, row group and row in it, to decode the picture again."""


@dataclass
class Split:
    """The rows of one split, and the pixels of as many as fit into memory."""

    rows: list[Row] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """One sentence for each row that could not be read."""
    pixels: dict[int, Pixels] = field(default_factory=dict)
    """Row index to pixels."""
    draft: int = 0
    """The side in pixels at which a JPEG may be decoded."""

    def picture(self, index: int) -> Pixels:
        """One row's pixels, uint8, shape HWC in its bucket's size; decoded now if they are not in memory."""
        if (kept := self.pixels.get(index)) is not None:
            return kept
        row = self.rows[index]
        file, group, position = row.place
        image = _row_group(file, group)[position]
        return fit_to(_open(image["bytes"], self.draft), row.size)

    def buckets(self) -> Counter[Size]:
        """How many photos each bucket holds."""
        return Counter(row.size for row in self.rows)


def split_files(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of the splits `train` and `validation`.

    Raises:
        DatasetError: there is no such folder, it is not a dataset, or its format is a later one.
    """
    if not folder.is_dir():
        raise DatasetError(f"config key 'dataset' = '{folder}' is not a folder.")
    manifest = folder / "curation.json"
    if manifest.exists() and (version := json.loads(manifest.read_text(encoding="utf-8")).get("format")) != FORMAT:
        raise DatasetError(f"the dataset '{folder}' has format {version}, and this version reads format {FORMAT}.")
    data = folder / "data" if (folder / "data").is_dir() else folder
    files = {split: sorted(data.glob(f"{split}*.parquet")) for split in ("train", "validation")}
    if not files["train"]:
        files["train"] = [
            file
            for file in sorted(data.glob("*.parquet"))
            if file.name != "verdicts.parquet" and "valid" not in file.name
        ]
    if not files["train"]:
        what = "is empty" if not any(folder.iterdir()) else "holds no data/train-*.parquet"
        raise DatasetError(f"config key 'dataset' = '{folder}' {what}, so it is not a dataset.")
    return files


def fingerprint(folder: Path, files: Iterable[Path]) -> str:
    """What the dataset is, whatever its place: the manifest's own fingerprint, else a digest of the Parquet files."""
    manifest = folder / "curation.json"
    if manifest.exists() and (found := json.loads(manifest.read_text(encoding="utf-8")).get("fingerprint")):
        return str(found)
    return digest(*(f"{file.name}:{file_digest(file)}" for file in files))


def load_split(files: Sequence[Path], *, resolution: int, patch_size: int, ram_limit: float) -> Split:
    """Reads and decodes every row once: assigns buckets, keeps pixels up to `ram_limit` bytes, names what is bad.

    Raises:
        DatasetError: a column is missing or a file is not Parquet.
    """
    sizes = bucket_sizes(resolution, patch_size)
    split, used = Split(draft=2 * max(max(size) for size in sizes)), 0
    # Two threads: Pillow decodes and resizes without Python's lock. The filter is set outside of them, as it is one
    # for all threads: Pillow warns of damaged EXIF data, which a picture does not need.
    with ThreadPoolExecutor(2) as pool, warnings.catch_warnings(action="ignore"):
        for places, records in _row_groups(files):
            decoded = pool.map(lambda record: _decode(record, sizes, split.draft), records)
            for place, record, picture in zip(places, records, decoded, strict=True):
                if isinstance(picture, str):
                    split.skipped.append(f"{Path(place[0]).name}, row group {place[1]}, row {place[2]}: {picture}")
                    continue
                split.rows.append(_row(record, place, picture))
                if used + picture.nbytes <= ram_limit:
                    used += picture.nbytes
                    split.pixels[len(split.rows) - 1] = picture
    return split


def fit_to(image: Image.Image, size: Size) -> Pixels:
    """The picture resized to cover a bucket and cut to it in the middle; uint8, shape HWC."""
    height, width = size
    fitted = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted, dtype=np.uint8)


def _row(record: dict[str, Any], place: tuple[str, int, int], picture: Pixels) -> Row:
    weight = record.get("weight")
    return Row(
        key=record.get("key") or hashlib.sha256(record["image"]["bytes"]).hexdigest(),
        caption=record.get("caption") or "",
        weight=1.0 if weight is None or not weight > 0 else float(weight),
        size=(picture.shape[0], picture.shape[1]),
        place=place,
    )


def _row_groups(files: Sequence[Path]) -> Iterator[tuple[list[tuple[str, int, int]], list[dict[str, Any]]]]:
    for path in files:
        try:
            parquet = pq.ParquetFile(path)
        except (OSError, ValueError) as error:
            raise DatasetError(f"the dataset file '{path}' is not Parquet: {error}.") from None
        names = set(parquet.schema_arrow.names)
        for needed in ("image", "caption"):
            if needed not in names:
                raise DatasetError(f"the dataset file '{path}' has no column '{needed}'.")
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=[name for name in _COLUMNS if name in names])
            records = table.to_pylist()
            yield [(str(path), group, row) for row in range(len(records))], records


@lru_cache(maxsize=4)
def _row_group(file: str, group: int) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = pq.ParquetFile(file).read_row_group(group, columns=["image"])["image"].to_pylist()
    return images


def _decode(record: dict[str, Any], sizes: Sequence[Size], draft: int) -> Pixels | str:
    """Pixels in the nearest bucket's size, or why there are none."""
    data = (record["image"] or {}).get("bytes")
    if not data:
        return "it holds no picture"
    try:
        image = _open(data, draft)
        return fit_to(image, nearest_bucket(image.height, image.width, sizes))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__


def _open(data: bytes, draft: int) -> Image.Image:
    """An upright RGB picture; what is transparent becomes white.

    A JPEG is decoded at the smallest scale that has at least `draft` pixels along both sides, where it has them at all.
    """
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (draft, draft))
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return upright.convert("RGB")
