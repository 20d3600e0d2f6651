"""Aspect-ratio buckets and the order of a training run: pure functions of shapes and seeds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from prx_train.storage import seed_from

Size = tuple[int, int]
"""(height, width) in pixels."""


def bucket_sizes(resolution: int, patch_size: int) -> list[Size]:
    """The sizes of about resolution² pixels with sides in whole patches and aspect ratios in [0.5, 2], by aspect.

    (NovelAI's aspect-ratio bucketing, 2022; the range is that of the PRX recipe.)
    """
    side = resolution / patch_size
    sizes = set()
    for across in range(1, 2 * math.ceil(side) + 1):
        down = max(1, round(side * side / across))
        # Rounding to whole patches can be far off where a picture has few of them.
        if 0.5 <= across / down <= 2 and abs(across * down / side**2 - 1) <= 0.25:
            sizes |= {(down * patch_size, across * patch_size), (across * patch_size, down * patch_size)}
    return sorted(sizes, key=lambda size: (size[1] / size[0], size))


def nearest_bucket(height: int, width: int, sizes: Sequence[Size]) -> Size:
    """The bucket whose aspect ratio is nearest on a logarithmic scale; the first of equals."""
    aspect = math.log(width / height)
    return min(sizes, key=lambda size: abs(math.log(size[1] / size[0]) - aspect))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Photos of one bucket that make up a step."""

    epoch: int
    """0-based."""
    rows: tuple[int, ...]
    """Indices into the dataset."""


def epoch_order(weights: Sequence[float], *, seed: int, epoch: int) -> list[int]:
    """The rows of one epoch in random order: a row of weight w comes ⌊w⌋ times, and once more by chance with w − ⌊w⌋.

    With neutral weights every row comes exactly once.
    """
    random = np.random.default_rng(seed_from("order", seed, epoch))
    w = np.asarray(weights, dtype=np.float64)
    times = np.floor(w).astype(int) + (random.random(len(w)) < w - np.floor(w))
    return [int(row) for row in random.permutation(np.repeat(np.arange(len(w)), times))]


def epoch_batches(
    sizes: Sequence[Size], weights: Sequence[float], *, batch_size: int, seed: int, epoch: int
) -> list[Batch]:
    """The batches of one epoch, each of one bucket; what is left of a bucket is a smaller batch, so none is dropped."""
    waiting: dict[Size, list[int]] = {}
    batches = []
    for row in epoch_order(weights, seed=seed, epoch=epoch):
        rows = waiting.setdefault(sizes[row], [])
        rows.append(row)
        if len(rows) == batch_size:
            batches.append(Batch(epoch=epoch, rows=tuple(waiting.pop(sizes[row]))))
    rest = [Batch(epoch=epoch, rows=tuple(waiting[size])) for size in sorted(waiting)]
    # The small batches come at random places, or each epoch would end on the rarest shapes.
    batches += rest
    order = np.random.default_rng(seed_from("batches", seed, epoch)).permutation(len(batches))
    return [batches[int(index)] for index in order]


def batches_from(
    sizes: Sequence[Size],
    weights: Sequence[float],
    *,
    batch_size: int,
    seed: int,
    epoch: int = 0,
    position: int = 0,
) -> Iterator[tuple[Batch, int, int]]:
    """Endless batches from a place in the order on: (batch, epoch, position) where the next start should be."""
    while True:
        batches = epoch_batches(sizes, weights, batch_size=batch_size, seed=seed, epoch=epoch)
        for index in range(position, len(batches)):
            last = index + 1 == len(batches)
            yield batches[index], epoch + last, 0 if last else index + 1
        epoch, position = epoch + 1, 0
