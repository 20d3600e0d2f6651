"""What is left to measure, in a stream: a photo takes a digest and a number or two until that is known, then a byte."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prx_data.formats import understood
from prx_data.records import Status

_BATCH = 4096
_BUFFER = 1 << 20
_DIGEST = "S16"
"""Half of a key's SHA-256: 2**64 photos would be needed for two contents to share it."""


class Backlog:
    """The photos of some sources whose contents lack something.

    The files are opened once: whoever replaces one meanwhile does not mix his rows with ours.
    """

    def __init__(self, sources: Iterable[Path], shards: Sequence[Iterable[Path]]) -> None:
        """Compare keys.

        Args:
            sources: Files with `key`, `locator` and `status`.
            shards: For each thing that a content may lack, the files with the `key` of those that have it.
        """
        # A small buffer and nothing ahead: else a column of a whole row group, of a million photos, is in memory.
        self._files = [pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) for path in sources]
        self._lacks = self._lacking(shards)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._lacks))

    def __iter__(self) -> Iterator[pa.Table]:
        """Tables of `key`, `locator` and `lacks`: bit i says that the content lacks the thing number i."""
        start = 0
        for batch in self._batches(["key", "locator"]):
            lacks = pa.array(self._lacks[start : start + len(batch)])
            start += len(batch)
            found = batch.append_column("lacks", lacks).filter(pc.greater(lacks, 0))
            if len(found):
                yield found

    def _batches(self, columns: list[str]) -> Iterator[pa.Table]:
        for file in self._files:
            for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
                yield pa.Table.from_batches([batch])

    def _lacking(self, shards: Sequence[Iterable[Path]]) -> npt.NDArray[np.unsignedinteger]:
        """The bits of every photo; none for what could not be read, and for all but the first with the same content."""
        digests = np.zeros(sum(file.metadata.num_rows for file in self._files), dtype=_DIGEST)
        start = 0
        for batch in self._batches(["key", "status"]):
            readable = np.flatnonzero(pc.equal(batch["status"], Status.OK).to_numpy())
            digests[start + readable] = _digests(batch["key"].take(readable))
            start += len(batch)
        order = np.argsort(digests, kind="stable")
        digests = digests[order]
        first = digests != b""
        first[1:] &= digests[1:] != digests[:-1]
        bits = np.zeros(len(digests), dtype=np.min_scalar_type((1 << len(shards)) - 1))
        for number, paths in enumerate(shards):
            missing = first.copy()
            for path in paths:
                missing[_places(digests, path)] = False
            bits[missing] |= bits.dtype.type(1 << number)
        lacks = np.empty_like(bits)
        lacks[order] = bits
        return lacks


def _places(digests: npt.NDArray[np.bytes_], shard: Path) -> npt.NDArray[np.int64]:
    """Where in the sorted digests the first is of each key of a shard; of those that are there."""
    with understood(shard.parents[2], shard):
        keys = _digests(pq.ParquetFile(shard).read(["key"], use_threads=False)["key"])
    places = np.minimum(np.searchsorted(digests, keys), len(digests) - 1)
    found: npt.NDArray[np.int64] = places[digests[places] == keys]
    return found


def _digests(keys: pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """From hexadecimal SHA-256."""
    whole = bytes.fromhex("".join(keys.to_pylist()))
    return np.frombuffer(whole, dtype=f"{_DIGEST},{_DIGEST}")["f0"]
