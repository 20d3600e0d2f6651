"""Groups that do not chain: the best photo is kept, what it reaches goes with it, then the best of what is left."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from prx_data.decisions.join import Codes, Index, TooManyPairs, check_radius, cross_join, distinct, hamming_join

Alike = Callable[[Index, Index], npt.NDArray[np.bool_]]
"""Whether positions of near codes show the same picture: two arrays of positions to one mask."""

_CHUNK = 1 << 20  # pairs of positions looked at at a time
_HELD = 1 << 22  # pairs held at least; beyond eight for each code, the codes are taken in portions
_PORTION = 8


def near_duplicates(
    codes: Codes, radius: int = 4, *, preference: Index | None = None, alike: Alike | None = None
) -> Index:
    """For each 64-bit code the position that is kept in its stead; its own if it is kept.

    Positions are visited in order of preference: one that no kept position reaches is kept, any other goes to the
    reaching keeper with the best preference. So every member is within the radius of its keeper, and no two keepers
    are within the radius of each other. Memory is linear in the number of codes however alike they are: where their
    pairs are too many to hold, the best eighth is decided first and what it reaches is taken out of the rest
    (Blelloch et al. 2012, "Greedy sequential maximal independent set and matching are parallel on average").

    Args:
        codes: uint64 of shape (n,).
        radius: Largest Hamming distance, in [0, 16].
        preference: The positions, best first; by default in their order.
        alike: A further condition on pairs of positions within the radius, symmetric; by default there is none.

    Returns:
        int64 of shape (n,).

    Raises:
        ConfigError: The radius is out of range.
    """
    check_radius(radius)
    order = np.arange(len(codes)) if preference is None else np.asarray(preference, dtype=np.int64)
    keeper = np.arange(len(codes))
    if alike is None:  # of equal codes only the best has to be looked at
        _, members, starts = distinct(codes[order])
        best = np.repeat(order[members[starts[:-1]]], np.diff(starts))
        keeper[order[members]] = best
        order = order[np.sort(members[starts[:-1]])]
    _decide(codes, radius, order, keeper, alike)
    return keeper[keeper]


def _decide(codes: Codes, radius: int, order: Index, keeper: Index, alike: Alike | None) -> None:
    """Set the keepers of the positions in `order`, which no position outside it reaches."""
    while len(order):
        try:
            better, worse = _held_pairs(codes[order], radius)
        except TooManyPairs:
            portion, order = np.split(order, [len(order) // _PORTION])
            _decide(codes, radius, portion, keeper, alike)
            reached = _reaching(codes, radius, portion[keeper[portion] == portion], order, alike)
            keeper[order[reached >= 0]] = reached[reached >= 0]
            order = order[reached < 0]
            continue
        same = agreeing(alike, order[better], order[worse])
        keeper[order] = order[keeper_groups(len(order), better[same], worse[same])]
        return


def agreeing(alike: Alike | None, left: Index, right: Index, *, chunk: int = _CHUNK) -> npt.NDArray[np.bool_]:
    """Which pairs of positions are alike, `chunk` of them at a time; all if there is no condition."""
    if alike is None:
        return np.ones(len(left), dtype=bool)
    parts = [alike(left[i : i + chunk], right[i : i + chunk]) for i in range(0, len(left), chunk)]
    return np.concatenate([np.empty(0, dtype=bool), *parts])


def _held_pairs(codes: Codes, radius: int) -> tuple[Index, Index]:
    """All pairs of positions within the radius, the lower position first; `TooManyPairs` beyond what may be held."""
    most = max(_HELD, _PORTION * len(codes))
    joined = hamming_join(codes, radius, most=most)
    sizes = np.diff(joined.starts)
    if int((sizes * (sizes - 1) // 2).sum() + (sizes[joined.left] * sizes[joined.right]).sum()) > most:
        raise TooManyPairs
    several = np.flatnonzero(sizes > 1)
    left, right = np.append(joined.left, several), np.append(joined.right, several)
    found = list(_members(joined.members, joined.starts, joined.members, joined.starts, left, right))
    ends = np.concatenate([np.empty((2, 0), dtype=np.int64), *found], axis=1)
    # A code with itself gives each of its pairs twice, and each member with itself.
    twice = np.repeat(left == right, sizes[left] * sizes[right])
    better, worse = ends[:, ~twice | (ends[0] < ends[1])]
    return np.minimum(better, worse), np.maximum(better, worse)


def _members(
    members: Index, starts: Index, others: Index, other_starts: Index, left: Index, right: Index
) -> Iterator[Index]:
    """Pairs of positions, shape (2, p), from pairs of codes: every bearer of one with every bearer of the other."""
    wide = np.diff(other_starts)[right]
    rows = np.diff(starts)[left]  # one row of `wide` pairs for each bearer of the left code
    pair = np.repeat(np.arange(len(left)), rows)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(rows) - rows, rows) + starts[left][pair]
    total = np.concatenate([[0], np.cumsum(wide[pair])])
    start = 0
    while start < len(pair):
        stop = max(start + 1, int(np.searchsorted(total, total[start] + _CHUNK, side="right")) - 1)
        width = wide[pair[start:stop]]
        offset = np.arange(total[stop] - total[start]) - np.repeat(total[start:stop] - total[start], width)
        first = np.repeat(members[place[start:stop]], width)
        yield np.stack([first, others[np.repeat(other_starts[right[pair[start:stop]]], width) + offset]])
        start = stop


def _reaching(codes: Codes, radius: int, kept: Index, rest: Index, alike: Alike | None) -> Index:
    """For each position in `rest` the first in `kept` that reaches it, -1 if none does; both are in order."""
    best = np.full(len(rest), len(kept))
    for found in cross_pairs(codes[kept], codes[rest], radius):
        same = agreeing(alike, kept[found[0]], rest[found[1]])
        np.minimum.at(best, found[1][same], found[0][same])
    return np.where(best < len(kept), np.append(kept, -1)[best], -1)


def cross_pairs(codes: Codes, others: Codes, radius: int) -> Iterator[Index]:
    """Pairs of positions, shape (2, p), of one code of each of two sets within the radius, in chunks.

    Args:
        codes: uint64 of shape (n,).
        others: uint64 of shape (k,).
        radius: Largest Hamming distance, in [0, 16].
    """
    unique, members, starts = distinct(codes)
    other_unique, other_members, other_starts = distinct(others)
    for left, right in _portions(unique, other_unique, radius):
        yield from _members(members, starts, other_members, other_starts, left, right)


def _portions(codes: Codes, others: Codes, radius: int) -> Iterator[tuple[Index, Index]]:
    """The cross join in portions that may be held."""
    try:
        yield cross_join(codes, others, radius, most=max(_HELD, _PORTION * (len(codes) + len(others))))
    except TooManyPairs:
        half, other_half = len(codes) // 2, len(others) // 2
        if len(codes) > len(others):
            for first, part in ((0, codes[:half]), (half, codes[half:])):
                for left, right in _portions(part, others, radius):
                    yield left + first, right
        else:
            for first, part in ((0, others[:other_half]), (other_half, others[other_half:])):
                for left, right in _portions(codes, part, radius):
                    yield left, right + first


def keeper_groups(count: int, better: Index, worse: Index) -> Index:
    """For each position the position that is kept in its stead, where a lower position is preferred.

    Args:
        count: Number of positions.
        better: Of each pair of positions that reach each other the lower; shape (p,).
        worse: The higher; shape (p,).

    Returns:
        int64 of shape (count,): the lowest kept position that reaches it, or its own if none does and it is kept.
    """
    dropped = np.zeros(count, dtype=bool)
    up, down = better, worse
    while len(up):
        waiting = np.zeros(count, dtype=bool)
        waiting[down] = True
        settled = ~waiting[up]  # nothing better is undecided that reaches it: it is kept
        dropped[down[settled]] = True
        open_ = ~settled & ~dropped[up] & ~dropped[down]
        up, down = up[open_], down[open_]
    keeper = np.arange(count)
    reached = np.full(count, count)
    held = ~dropped[better]
    np.minimum.at(reached, worse[held], better[held])
    return np.where(dropped, reached, keeper)
