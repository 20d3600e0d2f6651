"""Aspect-ratio buckets and the order of a training run: pure functions of shapes and seeds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prx_train.storage import seed_from

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """The shapes that photos are brought to."""

    sizes: tuple[Size, ...]
    aspects: tuple[float, ...] = ()
    """Of each size height / width as PRX's pipelines round it; empty where aspect ratios are compared exactly."""

    def nearest(self, height: int, width: int) -> Size:
        """The bucket whose aspect ratio is nearest, the first of equals.

        On a logarithmic scale; but where rounded ratios are given, by their difference, as the pipelines choose.
        """
        if self.aspects:
            asked = height / width
            return min(zip(self.aspects, self.sizes, strict=True), key=lambda one: abs(one[0] - asked))[1]
        aspect = math.log(width / height)
        return min(self.sizes, key=lambda size: abs(math.log(size[1] / size[0]) - aspect))


def buckets_for(resolution: int, patch_size: int, published: Mapping[str, Sequence[int]] | None = None) -> Buckets:
    """The buckets of a resolution, with sides in whole patches.

    Args:
        resolution: Side of the square one in pixels.
        patch_size: Side of a token in pixels.
        published: Bins that models of this resolution were trained with: height / width, rounded, to (height, width).
            They are taken if their sides are whole patches; else all sizes of about resolution² pixels with aspect
            ratios in [0.5, 2] are, by aspect. (NovelAI's aspect-ratio bucketing, 2022; the range is that of PRX.)
    """
    if published and all(side % patch_size == 0 for size in published.values() for side in size):
        known = tuple((int(height), int(width)) for height, width in published.values())
        return Buckets(sizes=known, aspects=tuple(map(float, published)))
    side = resolution / patch_size
    sizes = set()
    for across in range(1, 2 * math.ceil(side) + 1):
        down = max(1, round(side * side / across))
        # Rounding to whole patches can be far off where a picture has few of them.
        if 0.5 <= across / down <= 2 and abs(across * down / side**2 - 1) <= 0.25:
            sizes |= {(down * patch_size, across * patch_size), (across * patch_size, down * patch_size)}
    return Buckets(sizes=tuple(sorted(sizes, key=lambda size: (size[1] / size[0], size))))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Photos of one bucket that make up a step."""

    epoch: int
    """0-based."""
    rows: tuple[int, ...]
    """Indices into the dataset."""


def epoch_order(
    weights: Sequence[float], *, seed: int, epoch: int, groups: Sequence[int] = (), pool: int | None = None
) -> list[int]:
    """The rows of one epoch in random order: a row of weight w comes ⌊w⌋ times, and once more by chance with w − ⌊w⌋.

    With neutral weights every row comes exactly once.

    Args:
        weights: Of the rows, > 0.
        seed: Of the run.
        epoch: 0-based.
        groups: Of each row the number of its row group; needed for a pool.
        pool: So many row groups, chosen at random, are shuffled together before the next ones come, so that a reader
            has to hold no more of them; None to shuffle everything.
    """
    random = np.random.default_rng(seed_from("order", seed, epoch))
    w = np.asarray(weights, dtype=np.float64)
    times = np.floor(w).astype(int) + (random.random(len(w)) < w - np.floor(w))
    order = random.permutation(np.repeat(np.arange(len(w)), times))
    if pool is not None:
        number = np.asarray(groups, dtype=np.int64)
        turn = np.random.default_rng(seed_from("groups", seed, epoch)).permutation(int(number.max(initial=0)) + 1)
        order = order[np.argsort(turn[number[order]] // pool, kind="stable")]
    return [int(row) for row in order]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the order of a run depends on, besides the place in it."""

    sizes: Sequence[Size]
    """The rows' buckets."""
    weights: Sequence[float]
    """As in `epoch_order`."""
    batch_size: int
    seed: int
    groups: Sequence[int] = ()
    """As in `epoch_order`."""
    pool: int | None = None
    """As in `epoch_order`."""

    def epoch(self, epoch: int) -> list[Batch]:
        """The batches of one epoch, each of one bucket; what is left over is a smaller batch: none is dropped."""
        waiting: dict[Size, list[int]] = {}
        batches = []
        for row in epoch_order(self.weights, seed=self.seed, epoch=epoch, groups=self.groups, pool=self.pool):
            rows = waiting.setdefault(self.sizes[row], [])
            rows.append(row)
            if len(rows) == self.batch_size:
                batches.append(Batch(epoch=epoch, rows=tuple(waiting.pop(self.sizes[row]))))
        rest = [Batch(epoch=epoch, rows=tuple(waiting[size])) for size in sorted(waiting)]
        random = np.random.default_rng(seed_from("batches", self.seed, epoch))
        # The small batches come at random places, or each epoch would end on the rarest shapes.
        if self.pool is None:
            batches += rest
            return [batches[int(index)] for index in random.permutation(len(batches))]
        for batch in rest:
            batches.insert(int(random.integers(len(batches) + 1)), batch)
        return batches

    def batches_from(self, epoch: int = 0, position: int = 0) -> Iterator[tuple[Batch, int, int]]:
        """Endless batches from a place in the order on: (batch, epoch, position) where the next start should be."""
        while True:
            batches = self.epoch(epoch)
            for index in range(position, len(batches)):
                last = index + 1 == len(batches)
                yield batches[index], epoch + last, 0 if last else index + 1
            epoch, position = epoch + 1, 0
