"""What the rows of Parquet files say: the columns that are needed, and those that are used where they are there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_train.cells import holds_numbers, holds_pictures, holds_text, holds_texts
from prx_train.errors import DatasetError
from prx_train.places import open_parquet, retried

Record = dict[str, Any]

_EXTRA: Mapping[str, Callable[[pa.DataType], bool]] = {
    "key": lambda kind: holds_text(kind) or pa.types.is_integer(kind),
    "width": pa.types.is_integer,
    "height": pa.types.is_integer,
    "weight": holds_numbers,
    "background_color": holds_text,
}
"""Columns that are used where a dataset has them, if they hold what prx-data writes: anybody may call a column so."""
_SIZED = {"key", "width", "height"}


def row_groups(
    files: Sequence[str], *, image: str, captions: Sequence[str]
) -> Iterator[tuple[list[tuple[str, int, int]], list[Record]]]:
    """The rows of each row group, by file, row group and row; without the pictures where all of them are described.

    Raises:
        DatasetError: a file cannot be read, or a column is missing or holds something else.
    """
    for path in files:
        try:
            parquet = open_parquet(path)
        except (OSError, ValueError) as error:
            raise DatasetError(f"the dataset file '{path}' is not Parquet: {error}.") from None
        kinds = {one.name: one.type for one in parquet.schema_arrow}
        for needed in (image, *captions):
            if needed not in kinds:
                raise DatasetError(
                    f"the dataset file '{path}' has no column '{needed}'; it has {', '.join(kinds)}: say "
                    "which of them to use with 'image_column' and 'captions'."
                )
            usable, what = (holds_pictures, "pictures") if needed == image else (holds_texts, "text")
            if not usable(kind := kinds[needed]):
                raise DatasetError(f"the column '{needed}' of the dataset file '{path}' holds {kind} and no {what}.")
        words = [*captions, *(name for name, usable in _EXTRA.items() if name in kinds and usable(kinds[name]))]
        for group in range(parquet.num_row_groups):
            try:
                records = _records(parquet, group, words, image)
            except (OSError, ValueError) as error:
                why = str(error).partition("\n")[0].rstrip(".")
                raise DatasetError(f"the dataset file '{path}' is damaged in row group {group}: {why}.") from None
            yield [(path, group, row) for row in range(len(records))], records


def _records(parquet: pq.ParquetFile, group: int, words: Sequence[str], image: str) -> list[Record]:
    def read(*columns: str) -> list[Record]:
        return list(retried(partial(parquet.read_row_group, group, columns=[*columns])).to_pylist())

    if set(words) >= _SIZED and all(map(_described, found := read(*words))):
        return found
    return read(*words, image)


def _described(record: Record) -> bool:
    """Whether a row says what its picture would have to be read for."""
    return record["key"] is not None and all((record[side] or 0) > 0 for side in ("width", "height"))
