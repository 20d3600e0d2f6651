"""What is known of a source's photos from earlier runs."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Row = dict[str, Any]


class KnownRows(Mapping[str, Row]):
    """Rows by origin, ordered by it; held as columns, since a million of them take gigabytes as Python's objects."""

    def __init__(self, tables: Sequence[pa.Table]) -> None:
        """Take rows over.

        Args:
            tables: Of `prx_data.index.PHOTOS_SCHEMA`. The first is ordered by origin, which is unique in it; of an
                origin that is in several, the last row counts.
        """
        self.table = (tables[0] if len(tables) == 1 else _joined(tables)).replace_schema_metadata(None)
        """All rows, ordered by origin."""
        self._origins = self.table["origin"].combine_chunks()

    def __getitem__(self, origin: str) -> Row:
        place = bisect_left(range(len(self)), origin, key=self._origin)
        if place == len(self) or self._origin(place) != origin:
            raise KeyError(origin)
        row: Row = self.table.slice(place, 1).to_pylist()[0]
        return row

    def __iter__(self) -> Iterator[str]:
        for origin in self._origins:
            yield origin.as_py()

    def __len__(self) -> int:
        return len(self._origins)

    def _origin(self, place: int) -> str:
        origin: str = self._origins[place].as_py()
        return origin


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    together = pa.concat_tables(tables)
    numbered = together.append_column("number", pa.array(np.arange(len(together))))
    ordered = numbered.sort_by([("origin", "ascending"), ("number", "descending")])
    origins = ordered["origin"].combine_chunks()
    first = np.ones(len(origins), dtype=bool)
    first[1:] = pc.not_equal(origins[1:], origins[:-1]).to_numpy(zero_copy_only=False)
    return ordered.filter(pa.array(first)).drop_columns(["number"])
