"""Near duplicates: an exact radius join of perceptual hashes, a colour check, and groups that do not chain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Codes = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]

_CHUNK = 1 << 20  # candidate pairs compared at a time: bounds memory whatever the codes look like


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs of positions, `left` < `right`, ordered; with the Hamming distance of each."""

    left: Index
    right: Index
    distance: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Pairs":
        """The pairs that a mask selects."""
        return Pairs(left=self.left[mask], right=self.right[mask], distance=self.distance[mask])


def hamming_pairs(codes: Codes, radius: int) -> Pairs:
    """All pairs of 64-bit codes within a Hamming radius.

    Exact, by the pigeonhole principle: two codes that differ in at most r bits agree on at least one of r + 1 blocks
    of bits (Manku et al. 2007, "Detecting near-duplicates for web crawling"), so only codes that share a block are
    compared. Equal codes are joined first and compared once.

    Args:
        codes: uint64 of shape (n,).
        radius: Largest distance, in [0, 63].

    Returns:
        The pairs, ordered by left, then right. Their number is quadratic where very many codes are alike.
    """
    unique, inverse = np.unique(codes, return_inverse=True)
    found = [_block_pairs(unique, start, stop, radius) for start, stop in _blocks(radius)]
    ends = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    ends = np.unique(ends, axis=0)
    members = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[members], np.arange(len(unique) + 1))
    lists = [members[bounds[i] : bounds[i + 1]] for i in range(len(unique))]
    same = [_within(one) for one in lists if len(one) > 1]
    across = [_cross(lists[a], lists[b]) for a, b in ends]
    pairs = np.concatenate([*same, *across]) if same or across else np.empty((0, 2), dtype=np.int64)
    pairs = np.sort(pairs, axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    left, right = pairs[:, 0], pairs[:, 1]
    return Pairs(left=left, right=right, distance=_distance(codes[left], codes[right]))


def _blocks(radius: int) -> list[tuple[int, int]]:
    edges = np.linspace(0, 64, radius + 2).round().astype(int)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _block_pairs(unique: Codes, start: int, stop: int, radius: int) -> Index:
    """Pairs within the radius among codes that agree on bits [start, stop); int64 of shape (m, 2)."""
    mask = np.uint64((1 << (stop - start)) - 1)
    block = (unique >> np.uint64(start)) & mask
    order = np.argsort(block, kind="stable")
    ordered = block[order]
    ends = np.searchsorted(ordered, ordered, side="right")  # of each code's bucket
    partners = ends - np.arange(len(order)) - 1
    found = []
    first = 0
    while first < len(order):
        # As many codes as give about one chunk of candidates; a single code never gives more than n.
        total = np.cumsum(partners[first:])
        last = first + max(1, int(np.searchsorted(total, _CHUNK, side="right")))
        counts = partners[first:last]
        left = np.repeat(np.arange(first, last), counts)
        offset = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
        pair = np.stack([order[left], order[left + 1 + offset]], axis=1)
        near = _distance(unique[pair[:, 0]], unique[pair[:, 1]]) <= radius
        found.append(np.sort(pair[near], axis=1))
        first = last
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)


def _distance(left: Codes, right: Codes) -> npt.NDArray[np.int64]:
    distance: npt.NDArray[np.int64] = np.bitwise_count(left ^ right).astype(np.int64)
    return distance


def _within(members: Index) -> Index:
    left, right = np.triu_indices(len(members), k=1)
    return np.stack([members[left], members[right]], axis=1)


def _cross(left: Index, right: Index) -> Index:
    return np.stack([np.repeat(left, len(right)), np.tile(right, len(left))], axis=1)


def color_difference(grids: npt.NDArray[np.int8], left: Index, right: Index) -> npt.NDArray[np.float32]:
    """How differently two pictures of one shape are coloured: ΔE76 units, ≥ 0, float32 of shape (pairs,).

    A colour variant may differ in a trim alone, so what counts is the worst place, not the mean. Each cell of one grid
    is compared with the range of colours in the 3x3 cells around it in the other, so that a shift by less than a cell
    makes no difference; a common gain of lightness (within ±15 %) and of chroma (within ±20 %) is taken out first, as
    exposure and saturation are no other colour. The result is the third largest cell's distance, in the direction in
    which it is larger: three cells of 1,024 are the smallest trim that counts, and noise rarely fills them.

    Args:
        grids: int8 Lab of shape (n, 3 * side²), see `prx_data.measures.perceptual.lab_grid`.
        left: Positions of the pairs' first pictures.
        right: Positions of their second pictures.
    """
    result = np.empty(len(left), dtype=np.float32)
    side = round((grids.shape[1] / 3) ** 0.5)
    for start in range(0, len(left), 1024):
        part = slice(start, start + 1024)
        a = grids[left[part]].astype(np.float32).reshape(-1, side, side, 3)
        b = grids[right[part]].astype(np.float32).reshape(-1, side, side, 3)
        result[part] = np.maximum(_outside(a, b), _outside(b, a))
    return result


def _outside(seen: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Third largest distance of a cell of `seen` from the colours around it in `other`; both (pairs, side, side, 3)."""
    gains = np.ones((len(seen), 1, 1, 3), dtype=np.float32)
    gains[..., :1] = _gain(seen[..., :1], other[..., :1], 0.85, 1.15)
    gains[..., 1:] = _gain(seen[..., 1:], other[..., 1:], 0.8, 1.2)
    matched = other * gains
    window = (1, 3, 3, 1)
    below = ndimage.minimum_filter(matched, size=window, mode="nearest") - seen
    above = seen - ndimage.maximum_filter(matched, size=window, mode="nearest")
    distance = np.sqrt((np.maximum(np.maximum(below, above), 0) ** 2).sum(axis=3)).reshape(len(seen), -1)
    worst: npt.NDArray[np.float32] = np.partition(distance, -3, axis=1)[:, -3]
    return worst


def _gain(
    seen: npt.NDArray[np.float32], other: npt.NDArray[np.float32], low: float, high: float
) -> npt.NDArray[np.float32]:
    """The factor for `other` that fits `seen` best by least squares, within bounds; shape (pairs, 1, 1, 1)."""
    axes = (1, 2, 3)
    power = np.maximum((other * other).sum(axis=axes, keepdims=True), 1.0)
    gain: npt.NDArray[np.float32] = np.clip((seen * other).sum(axis=axes, keepdims=True) / power, low, high)
    return gain


def keeper_groups(count: int, pairs: Pairs, preference: Sequence[int] | Index) -> Index:
    """For each position the position that is kept in its stead; itself if it is kept.

    Positions are visited in order of preference. One that no kept position reaches is kept; the others go to the
    reaching keeper with the best preference. Every member is thus within reach of its keeper: groups do not chain.

    Args:
        count: Number of positions.
        pairs: Which positions reach each other.
        preference: The positions, best first.

    Returns:
        int64 of shape (count,).
    """
    rank = np.empty(count, dtype=np.int64)
    rank[np.asarray(preference, dtype=np.int64)] = np.arange(count)
    reach: dict[int, list[int]] = {}
    for a, b in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
        reach.setdefault(a, []).append(b)
        reach.setdefault(b, []).append(a)
    keeper = np.arange(count)
    kept = np.ones(count, dtype=bool)
    for position in sorted(reach, key=lambda one: rank[one]):
        keepers = [other for other in reach[position] if rank[other] < rank[position] and kept[other]]
        if keepers:
            keeper[position] = min(keepers, key=lambda one: rank[one])
            kept[position] = False
    return keeper
