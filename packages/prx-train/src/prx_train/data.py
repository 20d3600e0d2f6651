"""Reads a dataset folder: which photos there are, what they are called, and where their pixels lie.

Nothing is copied. Where a dataset has the columns `width`, `height` and `key`, as those of prx-data, no picture is read
before it is trained on; of others each file is read at the start, for the pictures' heads and digests. Pixels are
decoded when they are needed and kept as long as there is room.
"""

import hashlib
import json
import math
import re
import threading
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from prx_train.buckets import Size, buckets_for
from prx_train.cells import NAMED, held_digest, picture_bytes
from prx_train.decoding import BROKEN, Fit, Padding, Pixels, decoded, picture_size, why_broken
from prx_train.errors import DatasetError
from prx_train.model.bins import published_bins
from prx_train.places import MANIFEST, Folder, open_parquet, retried
from prx_train.records import row_groups

FORMAT = 1

_SPLITS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "val", "dev"},
    "test": {"test", "testing", "eval", "evaluation"},
}
"""Words in the names of files and folders, as the hub has them."""
_OTHERS = {"verdicts.parquet", "leaks.parquet"}
"""Tables of prx-data's that are not rows."""

_COLOR = re.compile("#[0-9a-fA-F]{6}")
_MOST_WEIGHT = 10.0
"""Of the rows on average, and its inverse the least: others are meant to be relative."""

Place = tuple[str, int, int]
"""Parquet file (path or address), row group, and row in it."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a dataset are called."""

    image: str = "image"
    captions: Mapping[str, float] = field(default_factory=lambda: {"caption": 1.0})
    """Columns of text and how often each is used, relative to the others."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo that can be trained on; its pixels are kept apart."""

    key: str
    """What the dataset calls it; where it has no keys, the SHA-256 of the picture's file."""
    captions: tuple[tuple[str, float], ...]
    """Texts, the first column's first, each with its share in (0, 1]; a text may be empty."""
    weight: float
    """Relative sampling weight, > 0."""
    size: Size
    """The bucket's (height, width) in pixels."""
    place: Place
    """Where the picture lies."""
    ground: str | None = None
    """The background's colour, `#rrggbb`, if the dataset has it."""

    @property
    def caption(self) -> str:
        """The text of the first column."""
        return self.captions[0][0]

    def text(self, choice: float) -> str:
        """One of the texts, by a number in [0, 1)."""
        for text, share in self.captions:
            choice -= share
            if choice < 0:
                return text
        return self.captions[-1][0]


class Split:
    """The rows of one split, and the pixels of as many as fit into memory. Safe to be used by several threads."""

    def __init__(
        self,
        *,
        root: str | None = None,
        image: str = "image",
        fit: Fit = "crop",
        draft: int = 0,
        ram_limit: float = 0.0,
        open_groups: int = 4,
    ) -> None:
        """An empty split.

        Args:
            root: The dataset's folder, a path or an address, in which pictures that cells name must lie; None for
                that of each Parquet file.
            image: Column of the pictures.
            fit: How they are brought to their bucket's size.
            draft: Side in pixels at which a JPEG may be decoded.
            ram_limit: Bytes of decoded pictures that are kept.
            open_groups: So many row groups are kept as they are in the file.
        """
        self.rows: list[Row] = []
        self.skipped: list[str] = []
        """One sentence for each row that could not be read."""
        self.on_left_out: Callable[[Row, str, str], None] = lambda row, place, reason: None
        """Told once of each row whose picture turns out to be broken: the row, where it lies, and why."""
        self.kept: dict[int, Pixels] = {}
        """Row index to pixels."""
        self.contents: dict[int, str] = {}
        """Row index to the SHA-256 of the picture's file, where somebody has asked for it."""
        self.padding: dict[int, Padding] = {}
        """Row index to what the picture was continued with, of those that have been decoded."""
        self.image = image
        """Column of the pictures."""
        self._root, self._fit, self._draft = root, fit, draft
        self._room = ram_limit
        self._bad: set[int] = set()
        self._groups: OrderedDict[tuple[str, int], list[Any]] = OrderedDict()
        self._open_groups = open_groups
        self._lock = threading.Lock()

    def picture(self, index: int) -> Pixels | None:
        """One row's pixels, uint8, shape HWC in its bucket's size; None if there are none, which is noted.

        Raises:
            DatasetError: the file itself cannot be read any more.
        """
        if (found := self.kept.get(index)) is not None:
            return found
        if index in self._bad:
            return None
        row = self.rows[index]
        cell = self._group(row.place)[row.place[2]]
        try:
            data = picture_bytes(cell, file=row.place[0], root=self._root)
            found, self.padding[index] = decoded(data, row.size, fit=self._fit, draft=self._draft, ground=row.ground)
        except BROKEN as error:
            with self._lock:
                if index not in self._bad:
                    self._bad.add(index)
                    self.skipped.append(f"{_named(row.place)}: {why_broken(error)}")
                    self.on_left_out(row, _named(row.place), why_broken(error))
            return None
        with self._lock:
            if index not in self.kept and found.nbytes <= self._room:
                self._room -= found.nbytes
                self.kept[index] = found
        return found

    def digests(self, place: Place) -> list[bytes]:
        """SHA-256 of each picture's file in the row group of a place; `NAMED` where a file of its own is named."""
        return [held_digest(cell) for cell in self._group(place)]

    def named_digest(self, index: int) -> bytes:
        """SHA-256 of the file that a row names, as it is now; `NAMED` if there is none."""
        place = self.rows[index].place
        try:
            cell = self._group(place)[place[2]]
            return hashlib.sha256(picture_bytes(cell, file=place[0], root=self._root)).digest()
        except ValueError:
            return NAMED

    def _group(self, place: Place) -> list[Any]:
        """The pictures' files of a row group, from memory if it was read lately."""
        file, number, _ = place
        with self._lock:
            if (found := self._groups.get((file, number))) is not None:
                self._groups.move_to_end((file, number))
                return found
        try:
            images = retried(lambda: open_parquet(file).read_row_group(number, columns=[self.image]))
        except (OSError, ValueError) as error:
            raise DatasetError(f"the dataset file '{file}' cannot be read any more: {error}.") from None
        pictures = images[self.image].to_pylist()
        with self._lock:
            self._groups[file, number] = pictures
            while len(self._groups) > self._open_groups:
                self._groups.popitem(last=False)
        return list(pictures)

    def buckets(self) -> Counter[Size]:
        """How many photos each bucket holds."""
        return Counter(row.size for row in self.rows)

    def groups(self) -> list[int]:
        """Of each row the number of its row group, counted over all files."""
        numbers: dict[tuple[str, int], int] = {}
        return [numbers.setdefault(row.place[:2], len(numbers)) for row in self.rows]


def split_files(folder: Folder) -> dict[str, list[str]]:
    """The Parquet files of the splits `train` and `validation`; those for tests are in neither.

    What a file is for is told by a word of its name, or else of the nearest folder that it lies in, as on the hub:
    `train-0.parquet`, `default/train/0000.parquet`. Where nothing is called after training, all that has no such word
    is trained on.

    Raises:
        DatasetError: it is not a dataset, or its format is a later one.
    """
    if folder.only is not None:
        return {"train": [folder.only], "validation": []}
    manifest = folder.text(MANIFEST)
    if manifest is not None and (version := json.loads(manifest).get("format")) != FORMAT:
        raise DatasetError(f"the dataset '{folder.root}' has format {version}, and this version reads format {FORMAT}.")
    found: dict[str, list[str]] = {}
    for file in folder.files():
        found.setdefault(_purpose(folder.parts(file)), []).append(file)
    files = {"train": found.get("train") or found.get("", []), "validation": found.get("validation", [])}
    if not files["train"]:
        raise DatasetError(f"config key 'dataset' = '{folder.root}' {_no_dataset(folder, tests='test' in found)}")
    return files


def _purpose(parts: Sequence[str]) -> str:
    """The split of a file, by the names on the way to it; empty if they do not say."""
    if parts[-1] in _OTHERS:
        return "other"
    for name in reversed(parts):
        words = set(re.split(r"[\W\d_]+", name.removesuffix(".parquet").lower()))
        for split, known in _SPLITS.items():
            if words & known:
                return split
    return ""


def _no_dataset(folder: Folder, *, tests: bool) -> str:
    """Why there is nothing to train on, and what to do where it is known."""
    if folder.empty():
        return "is empty, so it is not a dataset."
    if tests:
        return "holds Parquet files for tests alone, and nothing to train on."
    read = ""
    if folder.text("dataset_dict.json") is not None:
        read = f'datasets.load_from_disk({folder.root!r})["train"]'
    elif folder.text("state.json") is not None:
        read = f"datasets.load_from_disk({folder.root!r})"
    elif any(folder.files(ending) for ending in (".jpg", ".jpeg", ".png", ".webp")):
        read = f'datasets.load_dataset("imagefolder", data_dir={folder.root!r}, split="train")'
    if not read:
        return "holds no data/train-*.parquet nor other Parquet file, so it is not a dataset."
    return (
        "holds no Parquet; two lines of Python write it: "
        f'`rows = {read}.with_format("arrow")` and '
        '`rows.map(datasets.table.embed_table_storage, batched=True).to_parquet("NEW/train.parquet")`.'
    )


def load_split(
    files: Sequence[str],
    *,
    resolution: int,
    patch_size: int,
    ram_limit: float,
    root: str | None = None,
    columns: Columns | None = None,
    fit: Fit = "crop",
    open_groups: int = 4,
) -> Split:
    """Finds every row and assigns its bucket; names those that hold no picture.

    Raises:
        DatasetError: a column is missing or of a type that cannot be used, or a file is not Parquet.
    """
    columns = columns or Columns()
    buckets = buckets_for(resolution, patch_size, published_bins(resolution))
    draft = 2 * max(max(size) for size in buckets.sizes)
    split = Split(root=root, image=columns.image, fit=fit, draft=draft, ram_limit=ram_limit, open_groups=open_groups)
    # The filter is set outside of the threads, as it is one for all: Pillow warns of damaged EXIF data.
    with ThreadPoolExecutor(2) as pool, warnings.catch_warnings(action="ignore"):
        for places, records in row_groups(files, image=columns.image, captions=tuple(columns.captions)):
            found = pool.map(partial(_facts, image=columns.image, root=root), records, places)
            for place, record, facts in zip(places, records, found, strict=True):
                if isinstance(facts, str):
                    split.skipped.append(f"{_named(place)}: {facts}")
                    continue
                key, (height, width) = facts
                bucket = buckets.nearest(height, width)
                split.rows.append(_row(record, key, bucket, place, columns.captions))
    split.rows = _of_usual_weight(split.rows)
    return split


def _named(place: Place) -> str:
    return f"{Path(place[0]).name}, row group {place[1]}, row {place[2]}"


def _facts(record: Mapping[str, Any], place: Place, *, image: str, root: str | None) -> tuple[str, Size] | str:
    """A row's key and the size of its picture, or why there is none."""
    if image not in record:
        return str(record["key"]), (int(record["height"]), int(record["width"]))
    try:
        data = picture_bytes(record[image], file=place[0], root=root)
        return str(record.get("key") or hashlib.sha256(data).hexdigest()), picture_size(data)
    except BROKEN as error:
        return why_broken(error)


def _row(record: Mapping[str, Any], key: str, size: Size, place: Place, captions: Mapping[str, float]) -> Row:
    weight, ground = record.get("weight"), record.get("background_color")
    columns = [(_texts(record[column]), share) for column, share in captions.items()]
    # A text that this row lacks leaves its share to the others; a row without any is trained without a caption.
    present = [(text, share / len(texts)) for texts, share in columns for text in texts] or [("", 1.0)]
    total = sum(share for _, share in present)
    return Row(
        key=key,
        captions=tuple((text, share / total) for text, share in present),
        weight=float(weight) if weight is not None and 0 < weight < math.inf else 1.0,
        size=size,
        place=place,
        ground=ground if ground is not None and _COLOR.fullmatch(ground) else None,
    )


def _texts(cell: str | list[str | None] | None) -> list[str]:
    """The texts of a cell, which may be a list of them."""
    return [text for text in (cell if isinstance(cell, list) else [cell]) if text]


def _of_usual_weight(rows: list[Row]) -> list[Row]:
    """The rows; weights that are far from neutral on average, such as shares of 1 or grams, are divided by their mean.

    An epoch would otherwise have hardly any photos, or more than memory has room for.
    """
    mean = math.fsum(row.weight for row in rows) / max(len(rows), 1)
    if not rows or 1 / _MOST_WEIGHT <= mean <= _MOST_WEIGHT:
        return rows
    return [replace(row, weight=row.weight / mean) for row in rows]
