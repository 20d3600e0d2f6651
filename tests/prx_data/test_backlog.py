"""What is left to measure, against a walk over the rows with sets."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data import backlog
from prx_data.backlog import Backlog

# No key for a photo that could not be read.
PILES = st.lists(st.lists(st.integers(0, 8) | st.none(), min_size=1, max_size=9), min_size=1, max_size=3)
SHARDS = st.lists(st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=5), max_size=3), min_size=1, max_size=9)


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@given(PILES, SHARDS)
def test_the_first_of_each_content_lacks_what_no_shard_has(
    piles: list[list[int | None]], shards: list[list[list[int]]]
) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlog, "_BATCH", 4)
        sources = [Path(name) / f"{number}.parquet" for number in range(len(piles))]
        for path, pile in zip(sources, piles, strict=True):
            columns = {
                "key": pa.array([None if one is None else key(one) for one in pile], pa.string()),
                "locator": [f"{path.stem}/{row}" for row in range(len(pile))],
                "status": ["missing" if one is None else "ok" for one in pile],
            }
            pq.write_table(pa.table(columns), path)
        written: list[list[Path]] = []
        for number, some in enumerate(shards):
            written.append([Path(name) / f"{number}-{part}.parquet" for part in range(len(some))])
            for path, part in zip(written[-1], some, strict=True):
                pq.write_table(pa.table({"key": [key(one) for one in part]}), path)
        found = Backlog(sources, written)
        rows = [row for table in found for row in table.to_pylist()]
    have = [{one for part in some for one in part} for some in shards]
    seen: set[int | None] = {None}
    wanted = []
    for number, pile in enumerate(piles):
        for row, one in enumerate(pile):
            lacks = sum(1 << bit for bit, known in enumerate(have) if one not in known)
            if one not in seen and one is not None and lacks:
                wanted.append({"key": key(one), "locator": f"{number}/{row}", "lacks": lacks})
            seen.add(one)
    assert rows == wanted
    assert len(found) == len(wanted)
