"""The radius join: which 64-bit codes lie within a few bits of each other; exact, on distinct codes, in little memory.

By the pigeonhole principle two codes that differ in at most r bits agree on at least m - r of m blocks of bits
(Manku et al. 2007, "Detecting near-duplicates for web crawling"). For each choice of m - r blocks the codes are
permuted so that these stand first, and sorted; codes that agree on them then stand side by side. Three things keep
that fast whatever the codes look like: blocks hold equal information (bits are dealt out by their entropy), their
number follows from how many codes there are, and a bucket that many codes share is joined in the same way by its
remaining bits. A pair is given by the first choice of blocks that finds it, so nothing has to be made unique.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from prx_data.errors import ConfigError

Codes = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]
Ends = tuple[Codes, Codes]

MAX_RADIUS = 16
_BITS = 64
_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.uint64)  # the bits of each value
_CHUNK = 1 << 18  # codes or candidate pairs handled at a time, so that what is in flight stays in the cache
_HOT = 1 << 21  # candidate pairs in a bucket from which on it is worth a join of its own
_SAMPLE = 1 << 16  # codes that the bits' entropies are taken from
_SORT, _COMPARE = 80.0, 20.0  # nanoseconds for a code in a table, for a candidate pair; only their ratio matters
_MOST_TABLES = 2000
_THREADS = 2


class TooManyPairs(Exception):  # noqa: N818 - an outcome that the caller asked for, not an error
    """There are more near pairs than the caller wants to hold."""


@dataclass(frozen=True, kw_only=True)
class Join:
    """Distinct codes, which positions bear each, and which of them are near: never a list of all pairs of positions."""

    codes: Codes
    """Distinct codes, ascending; shape (u,)."""
    members: Index
    """The positions, by code, then by position; shape (n,)."""
    starts: Index
    """Code i is that of `members[starts[i]:starts[i + 1]]`; shape (u + 1,)."""
    left: Index
    """Pairs of distinct codes within the radius, as positions in `codes`, left < right, ordered; shape (p,)."""
    right: Index

    @property
    def distance(self) -> npt.NDArray[np.uint8]:
        """Hamming distance of each pair, at least 1."""
        distance: npt.NDArray[np.uint8] = np.bitwise_count(self.codes[self.left] ^ self.codes[self.right])
        return distance

    def bearers(self, code: int) -> Index:
        """The positions that bear a code, ascending."""
        return self.members[self.starts[code] : self.starts[code + 1]]


def hamming_join(codes: Codes, radius: int, *, most: int | None = None) -> Join:
    """Find all pairs of distinct 64-bit codes within a Hamming radius.

    Exact. Memory is linear in the number of codes and of near pairs of distinct codes. Any order of the codes gives
    the same pairs.

    Args:
        codes: uint64 of shape (n,).
        radius: Largest distance, in [0, 16].
        most: Pairs that the caller is ready to hold; None for any number.

    Raises:
        ConfigError: The radius is out of range.
        TooManyPairs: There are more than `most` pairs.
    """
    check_radius(radius)
    unique, members, starts = distinct(codes)
    low, high = _gathered(_near(unique, None, radius, most, _THREADS), most)
    pairs = np.sort(np.stack([_positions(unique, low), _positions(unique, high)]), axis=0)
    left, right = pairs[:, np.lexsort((pairs[1], pairs[0]))]
    return Join(codes=unique, members=members, starts=starts, left=left, right=right)


def cross_join(codes: Codes, others: Codes, radius: int, *, most: int | None = None) -> tuple[Index, Index]:
    """All pairs of one code of each of two sets within a Hamming radius.

    Args:
        codes: Distinct, ascending uint64 of shape (n,).
        others: Distinct, ascending uint64 of shape (k,).
        radius: Largest distance, in [0, 16]; equal codes are a pair.
        most: As for `hamming_join`.

    Returns:
        Positions in `codes` and in `others`, ordered by both.

    Raises:
        TooManyPairs: There are more than `most` pairs.
    """
    if radius == 0:
        _, left, right = np.intersect1d(codes, others, assume_unique=True, return_indices=True)
        return left.astype(np.int64), right.astype(np.int64)
    low, high = _gathered(_near(codes, others, radius, most, _THREADS), most)
    left, right = _positions(codes, low), _positions(others, high)
    order = np.lexsort((right, left))
    return left[order], right[order]


def check_radius(radius: int) -> None:
    """Refuse a radius that no join is made for.

    Raises:
        ConfigError: With the range.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ConfigError(f"radius = {radius} must lie between 0 and {MAX_RADIUS}.")


def distinct(codes: Codes) -> tuple[Codes, Index, Index]:
    """Distinct codes, positions by code and then by position, and where each code's positions start."""
    members = np.argsort(codes, kind="stable")
    ordered = codes[members]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    return ordered[first], members, np.append(first, len(ordered)).astype(np.int64)


def _positions(codes: Codes, wanted: Codes) -> Index:
    order = np.argsort(wanted)  # searching in order is ten times as fast
    found = np.empty(len(wanted), dtype=np.int64)
    found[order] = np.searchsorted(codes, wanted[order])
    return found


def _gathered(parts: Iterator[Ends], most: int | None) -> Ends:
    low, high = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.uint64)]
    total = 0
    for a, b in parts:
        total += len(a)
        if most is not None and total > most:
            raise TooManyPairs
        low.append(a)
        high.append(b)
    return np.concatenate(low), np.concatenate(high)


def _near(codes: Codes, others: Codes | None, radius: int, most: int | None, threads: int = 1) -> Iterator[Ends]:
    """Pairs within the radius, each once, table by table: among distinct codes, or between two sets of them."""
    if radius == 0 or not len(codes) or (others is not None and not len(others)):
        return
    blocks = _blocks(codes, others, radius)
    choices = list(combinations(range(len(blocks)), len(blocks) - radius)) if blocks else [()]

    def table(chosen: tuple[int, ...]) -> Ends:
        return _table(codes, others, blocks, radius, chosen, most)

    if threads == 1:
        yield from map(table, choices)
        return
    with ThreadPoolExecutor(threads) as pool:  # sorting and comparing release the interpreter lock
        yield from pool.map(table, choices)


def _blocks(codes: Codes, others: Codes | None, radius: int) -> list[list[int]]:
    """The blocks' bits, such that the join takes the least time; none if comparing every pair does."""
    parts = [one[:: max(1, len(one) // _SAMPLE)] for one in (codes, others) if one is not None]
    octets = np.concatenate(parts).astype(">u8").view(np.uint8).reshape(-1, 8)
    share = np.unpackbits(octets, axis=1).mean(axis=0)
    entropy = -np.log2(share**2 + (1 - share) ** 2)  # of second order: what makes two codes agree in a bit
    size = len(codes) + (0 if others is None else len(others))
    pairs = len(codes) * (len(codes) / 2 if others is None else len(others))
    best, least = 0, _COMPARE * pairs
    for count in range(radius + 1, _BITS + 1):
        tables = math.comb(count, radius)
        if tables > _MOST_TABLES:
            break
        key = float(entropy.sum()) * (count - radius) / count
        time = tables * (_SORT * size + _COMPARE * pairs / 2**key)
        if time < least:
            best, least = count, time
    blocks: list[list[int]] = [[] for _ in range(best)]
    filled = np.zeros(best)
    for bit in np.argsort(-entropy, kind="stable").tolist() if best else ():
        emptiest = min(range(best), key=lambda one: (filled[one], len(blocks[one])))
        blocks[emptiest].append(bit)
        filled[emptiest] += entropy[bit]
    return blocks


def _table(
    codes: Codes,
    others: Codes | None,
    blocks: Sequence[Sequence[int]],
    radius: int,
    chosen: tuple[int, ...],
    most: int | None,
) -> Ends:
    """Pairs within the radius that agree on the chosen blocks and on no earlier choice of as many."""
    key = [bit for number in chosen for bit in blocks[number]]
    order = [*key, *(bit for bit in range(_BITS) if bit not in key)]
    ordered = np.sort(_permute(codes, order))
    against = ordered if others is None else np.sort(_permute(others, order))
    low, high = _gathered(_side_by_side(ordered, against, len(key), radius, most), most)
    inverse = np.argsort(order).tolist()
    low, high = _permute(low, inverse), _permute(high, inverse)
    difference = low ^ high
    first = np.ones(len(low), dtype=bool)
    for number, block in enumerate(blocks):
        if number not in chosen and number < max(chosen):
            first &= (difference & np.uint64(sum(1 << (_BITS - 1 - bit) for bit in block))) != 0
    return low[first], high[first]


def _permute(codes: Codes, order: Sequence[int]) -> Codes:
    """Codes whose bit p is bit `order[p]` of those given; bits are counted from the most significant."""
    # What each byte of each value becomes.
    worth = np.uint64(1) << (np.uint64(_BITS - 1) - np.argsort(order).astype(np.uint64))
    tables = (_BYTES[None] * worth.reshape(8, 1, 8)).sum(axis=2, dtype=np.uint64)
    permuted = np.empty_like(codes)
    for start in range(0, len(codes), _CHUNK):
        part = slice(start, start + _CHUNK)
        octets = codes[part].astype(">u8").view(np.uint8).reshape(-1, 8)
        permuted[part] = tables[0][octets[:, 0]]
        for number in range(1, 8):
            permuted[part] |= tables[number][octets[:, number]]
    return permuted


def _side_by_side(ordered: Codes, against: Codes, key_bits: int, radius: int, most: int | None) -> Iterator[Ends]:
    """Pairs within the radius among sorted codes, or between two sets of them, that agree on their first bits."""
    top = np.uint64((1 << (_BITS - key_bits)) - 1)
    itself = against is ordered
    bounds = np.flatnonzero(np.concatenate([[True], (ordered[1:] ^ ordered[:-1]) > top, [True]]))
    sizes = np.diff(bounds)
    starts, stops = bounds[:-1], bounds[1:]
    if not itself:
        starts = np.searchsorted(against, ordered[bounds[:-1]] & ~top)
        stops = np.searchsorted(against, ordered[bounds[:-1]] | top, side="right")
    hot = (sizes * (stops - starts) >= _HOT) & (key_bits > 0)
    for run in np.flatnonzero(hot).tolist():
        part = ordered[bounds[run] : bounds[run + 1]]
        yield from _near(part, None if itself else against[starts[run] : stops[run]], radius, most)
    places = np.flatnonzero(np.repeat(~hot, sizes))
    first = places + 1 if itself else np.repeat(starts[~hot], sizes[~hot])
    counts = np.repeat(stops[~hot], sizes[~hot]) - first
    for left, right in _candidates(places, first, counts):
        a, b = ordered[left], against[right]
        near = np.bitwise_count(a ^ b) <= radius
        yield a[near], b[near]


def _candidates(places: Index, first: Index, counts: Index) -> Iterator[tuple[Index, Index]]:
    """Each place with `counts` places from `first` on, in chunks of about `_CHUNK` pairs."""
    total = np.concatenate([[0], np.cumsum(counts)])
    start = 0
    while start < len(places):
        stop = max(start + 1, int(np.searchsorted(total, total[start] + _CHUNK, side="right")) - 1)
        part = slice(start, stop)
        offset = np.arange(total[stop] - total[start]) - np.repeat(total[start:stop] - total[start], counts[part])
        yield np.repeat(places[part], counts[part]), np.repeat(first[part], counts[part]) + offset
        start = stop
