"""Reading a written dataset again, a few rows at a time."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from prx_data.dataset import FORMAT, MANIFEST
from prx_data.errors import SourceError

_FIELDS = {"format", "fingerprint", "files", "splits"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row."""

    key: str
    image: bytes
    """The encoded picture."""
    suffix: str
    """Of a file that holds it: `jpg`, `png` or `webp`."""
    columns: Mapping[str, Any]
    """All others, as values that JSON can hold; a number that is none is null."""


class Written:
    """A dataset that `prx-data` wrote."""

    def __init__(self, folder: Path) -> None:
        """Read its manifest.

        Raises:
            SourceError: There is none, or it is of another version of the format or of something else.
        """
        self.folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SourceError(
                f"{str(folder)!r} is no dataset of prx-data, or not a complete one: it has no {MANIFEST}."
            ) from None
        except (OSError, ValueError) as error:
            raise SourceError(f"{str(folder / MANIFEST)!r} cannot be read: {error}.") from error
        if not isinstance(self.manifest, dict) or not self.manifest.keys() >= _FIELDS:
            raise SourceError(f"{str(folder / MANIFEST)!r} is no manifest of prx-data.")
        if self.manifest["format"] != FORMAT:
            raise SourceError(f"{str(folder)!r} is a dataset of format {self.manifest['format']!r}; known is {FORMAT}.")

    @property
    def splits(self) -> dict[str, int]:
        """Rows by split."""
        return {name: int(rows) for name, rows in self.manifest["splits"].items()}

    def files(self, split: str) -> list[Path]:
        """The Parquet files of a split, in order."""
        return [self.folder / name for name in sorted(self.manifest["files"]) if name.startswith(f"data/{split}-")]

    def samples(self, split: str) -> Iterator[Sample]:
        """The rows of a split in their order; no more than a row group is in memory.

        Raises:
            SourceError: A file is missing or damaged.
        """
        for row in self._rows(split, None):
            image = row.pop("image")
            suffix = image["path"].rpartition(".")[2].replace("jpeg", "jpg")
            yield Sample(key=row["key"], image=image["bytes"], suffix=suffix, columns=_finite(row))

    def columns(self, split: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a split as `Sample.columns` has them; no picture is read.

        Raises:
            SourceError: A file is missing or damaged.
        """
        for row in self._rows(split, None, pictures=False):
            yield _finite(row)

    def caption_weights(self) -> dict[str, float]:
        """The caption columns that `caption_texts` can give, with their mean weight over the rows that have them.

        1 where the dataset has no column `captions`.
        """
        weights: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        for split in self.splits:
            for row in self._rows(split, ["caption", "caption_short", "captions"]):
                for column, _, weight in _captions(row):
                    weights[column][0] += weight
                    weights[column][1] += 1
        return {column: total / number for column, (total, number) in sorted(weights.items())}

    def _rows(self, split: str, columns: list[str] | None, *, pictures: bool = True) -> Iterator[dict[str, Any]]:
        for path in self.files(split):
            try:
                with pq.ParquetFile(path) as file:
                    there = [name for name in file.schema_arrow.names if pictures or name != "image"]
                    wanted = [name for name in there if columns is None or name in columns]
                    for group in range(file.num_row_groups):
                        yield from file.read_row_group(group, columns=wanted).to_pylist()
            except (OSError, ValueError) as error:  # pyarrow's own errors are either
                raise SourceError(f"The file {path} of the dataset cannot be read: {error}.") from error


def caption_texts(columns: Mapping[str, Any]) -> dict[str, str]:
    """The captions of a row by column: `caption`, `caption_short`, and `caption_KIND` for others in `captions`."""
    texts: dict[str, str] = {}
    for column, text, _ in _captions(columns):
        texts.setdefault(column, text)
    return texts


def _captions(row: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """(column, text, weight) of every caption of a row; the same text comes once."""
    named = {name: row[name] for name in ("caption", "caption_short") if row.get(name)}
    weights = {one["text"]: float(one["weight"]) for one in reversed(row.get("captions") or [])}
    for name, text in named.items():
        yield name, text, weights.get(text, 1.0)
    for one in row.get("captions") or []:
        if one["text"] and one["text"] not in named.values():
            yield f"caption_{one['kind']}", one["text"], float(one["weight"])


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
