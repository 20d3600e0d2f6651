"""Batches with their pictures, which threads decode while the model computes."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

from prx_train.buckets import Batch
from prx_train.decoding import Pixels

AHEAD = 3
"""Steps whose pictures are decoded before they are asked for."""
_MOST_THREADS = 8


@dataclass(frozen=True, kw_only=True)
class Fed:
    """A batch with its pictures."""

    batch: Batch
    waiting: Sequence["Pixels | Future[Pixels | None]"] = ()
    """One for each row; none for a batch of another process, or where latents are used."""

    def pictures(self) -> list[Pixels | None]:
        """Of each row, uint8 of shape HWC; None for one that cannot be read."""
        return [one.result() if isinstance(one, Future) else one for one in self.waiting]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The batches of one step, of all processes."""

    batches: list[Fed]
    epoch: int
    """Where the next start should be: 0-based epoch."""
    position: int
    """And the index of its batch."""


class Feed:
    """Groups of batches, endless; each process decodes its own batches alone."""

    def __init__(
        self,
        order: Iterator[tuple[Batch, int, int]],
        fetch: Callable[[int], Pixels | None] | None,
        *,
        kept: Mapping[int, Pixels] = MappingProxyType({}),
        batches: int,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Groups in an order.

        Args:
            order: (batch, epoch, position), see `prx_train.buckets.Order.batches_from`.
            fetch: Row index to pixels, called in threads; None where no pixels are needed.
            kept: Pictures that are in memory already, by their rows; they need no thread.
            batches: In a step, of all processes.
            rank: This process takes the batches `rank`, `rank` + `processes`, …
            processes: In all.
        """
        self._order, self._fetch, self._kept, self._batches = order, fetch, kept, batches
        self._rank, self._processes = rank, processes
        self._pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) if fetch is not None else None
        self._ahead: deque[Group] = deque()

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def __next__(self) -> Group:
        """The next group; those after it are being decoded."""
        while len(self._ahead) <= AHEAD:
            self._ahead.append(self._group())
        return self._ahead.popleft()

    def __iter__(self) -> "Feed":
        return self

    def _group(self) -> Group:
        found: list[Fed] = []
        epoch = position = 0
        for part in range(self._batches):
            batch, epoch, position = next(self._order)
            mine = part % self._processes == self._rank
            waiting = self._submit(batch) if mine else ()
            found.append(Fed(batch=batch, waiting=waiting))
        return Group(batches=found, epoch=epoch, position=position)

    def _submit(self, batch: Batch) -> Sequence["Pixels | Future[Pixels | None]"]:
        pool, fetch = self._pool, self._fetch
        if pool is None or fetch is None:
            return ()
        there = (self._kept.get(row) for row in batch.rows)
        return tuple(
            pool.submit(fetch, row) if found is None else found for row, found in zip(batch.rows, there, strict=True)
        )
