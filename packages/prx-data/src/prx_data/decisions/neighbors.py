"""Pairs of pictures that may be copies of each other: neighbours by low frequencies, through some windows, turned.

A crop shows what a window of the whole shows. So the frequencies of some windows of each picture are looked up among
those of all whole pictures. Turning or mirroring a picture swaps and negates coefficients alone, so all are looked up
in the one of the eight turns in which brightness falls to the right and downwards, and more so to the right; a window
that may stand otherwise once it is cropped, scaled or written over is looked up in each turn in which it may.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from prx_data.decisions.alignment import box_matrix
from prx_data.decisions.thumbnails import Floats, Index, Thumbnails
from prx_data.decisions.turns import TURNS, Turns, back, composed, turned_boxes, turned_frequencies
from prx_data.progress import tracked

_INTERVALS = np.array([(0.0, 1.0), (0.04, 0.92), (0.09, 0.82), (0.0, 0.85), (0.15, 0.85)])  # start, share
_WINDOWS = ((0, 0), (1, 1), (2, 2), (3, 0), (4, 0), (0, 3), (0, 4), (3, 3), (3, 4), (4, 3), (4, 4))  # down, across
_MAX_DISTANCE = 0.25  # squared, of unit vectors
_UNSURE = 0.18  # of a unit vector's coefficients: by so much a copy's may differ
_MAX_STRETCH = 0.35  # of the natural logarithm of width / height: more is another picture, not a squeezed one
_NEIGHBORS = 8
_MOST = 8  # candidates of a picture that are looked at on its own account
_CELLS = 16
_LIGHT, _COLOR = 6, 3  # frequencies along a side
_EXACT_INDEX = 2_000
_LEAST_LIST = 40  # vectors that an inverted list is made for: fewer than 39 are too few to place its centre
_PROBES = 8
_BLOCK = 2048


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Pairs of pictures that may be copies; every field has p rows."""

    left: Index
    right: Index
    turn: Turns
    """How the right picture has to be turned to look like the left one, see `prx_data.decisions.turns`."""
    right_inside: npt.NDArray[np.bool_]
    """Whether the right picture, turned, is to be looked for in the left one, or the other way round."""
    window: Floats
    """Where about: (left, top, width, height) in shares of the outer one, shape (p, 4)."""
    distance: Floats
    """Squared distance of the unit vectors of frequencies."""

    def __len__(self) -> int:
        return len(self.left)

    def take(self, rows: npt.NDArray[np.generic]) -> "Candidates":
        """Some of the pairs, by positions or by a mask."""
        return Candidates(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def seen_through(self, window: Floats) -> "Candidates":
        """The same pairs with other windows."""
        return replace(self, window=window)

    def swapped(self) -> "Candidates":
        """The same pairs with left and right exchanged."""
        turn = back(self.turn)
        window = turned_boxes(
            self.window, turn
        )  # whichever is the outer one, it was upright and is turned, or turned back
        return Candidates(
            left=self.right,
            right=self.left,
            turn=turn,
            right_inside=~self.right_inside,
            window=window,
            distance=self.distance,
        )


def joined(parts: list[Candidates]) -> Candidates:
    """All pairs, one part after the other."""
    return Candidates(
        **{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Candidates)}
    )


def find_candidates(pictures: Thumbnails, others: Thumbnails | None = None) -> Candidates:
    """Pairs of positions that may be copies, each pair and turn once, ordered by left, right and turn.

    Each picture has its nearest few with it, and others only if it is among their nearest, so that the cost of looking
    at them does not grow with the number of pictures.

    Args:
        pictures: n pictures.
        others: A second set; only pairs of one of each are given, and `right` counts in it. Without one, left < right.
    """
    if others is None:
        found = _windows_in(pictures, pictures)
        upward = found.left < found.right
        found = joined([found.take(upward), found.take(found.left > found.right).swapped()])
    else:
        found = joined([_windows_in(pictures, others), _windows_in(others, pictures).swapped()])
    found = found.take(np.lexsort((found.distance, found.turn, found.right, found.left)))
    found = found.take(~_repeats(found.left, found.right, found.turn))
    near = (_rank(found.left, found.distance) < _MOST) | (_rank(found.right, found.distance) < _MOST)
    return found.take(near)


def _repeats(*columns: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Which rows of sorted columns are as the ones before."""
    again = np.ones(len(columns[0]), dtype=bool)
    again[:1] = False
    for column in columns:
        again[1:] &= column[1:] == column[:-1]
    return again


def _rank(owner: Index, distance: Floats) -> Index:
    """How many rows of the same owner are nearer."""
    order = np.lexsort((distance, owner))
    starts = np.flatnonzero(~_repeats(owner[order]))
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = np.arange(len(owner)) - np.repeat(starts, np.diff(np.append(starts, len(owner))))
    return rank


_NONE = Candidates(
    left=np.empty(0, dtype=np.int64),
    right=np.empty(0, dtype=np.int64),
    turn=np.empty(0, dtype=np.uint8),
    right_inside=np.empty(0, dtype=bool),
    window=np.empty((0, 4), dtype=np.float32),
    distance=np.empty(0, dtype=np.float32),
)


def _windows_in(outer: Thumbnails, inner: Thumbnails) -> Candidates:
    """Windows of the outer pictures (`left`) that are like whole inner ones (`right`)."""
    if not len(outer) or not len(inner):
        return _NONE
    found = []
    index, stands = _index_of(inner)
    starts = range(0, len(outer), _BLOCK)
    for start, vectors in zip(tracked(starts, "looking for copies", unit="block"), _vectors(outer), strict=True):
        for turn, off in enumerate(_off_standard(vectors)):
            row, window = np.nonzero(off <= _UNSURE)
            query, column, distance = _nearest(index, _turned(vectors[row, window], turn))
            row, window = row[query], window[query]
            part = Candidates(
                left=row + start,
                right=column,
                turn=composed(stands[column], back(np.array(turn, dtype=np.uint8))),
                right_inside=np.ones(len(row), dtype=bool),
                window=_BOXES[window],
                distance=distance,
            )
            found.append(part.take(_stretch(outer, inner, part) <= _MAX_STRETCH))
    return joined(found)


def _index_of(pictures: Thumbnails) -> tuple[Any, Turns]:
    """Whole pictures in their standard turns, and those turns."""
    whole = np.concatenate([vectors[:, 0] for vectors in _vectors(pictures)])
    stands = np.argmin(_off_standard(whole), axis=0).astype(np.uint8)
    for turn in TURNS:
        whole[stands == turn] = _turned(whole[stands == turn], turn)
    return _index(whole), stands


def _off_standard(vectors: Floats) -> Floats:
    """How far the lowest frequencies are from those of a picture that stands as it should, by turn: shape (8, ...)."""
    off = []
    for places, signs in _TURNED:
        across, down = (vectors[..., places[one]] * signs[one] for one in (0, _LIGHT - 1))
        off.append(np.maximum(np.maximum(-across, -down), np.maximum(down - across, 0)))
    return np.stack(off)


def _turned(vectors: Floats, turn: int) -> Floats:
    places, signs = _TURNED[turn]
    seen: Floats = vectors[:, places] * signs
    return seen


def _stretch(outer: Thumbnails, inner: Thumbnails, pairs: Candidates) -> Floats:
    """By how much the proportions of the right pictures differ from those of the left ones' windows: ≥ 0."""
    wide = np.log(outer.aspect[pairs.left] * pairs.window[:, 2] / pairs.window[:, 3])
    aspect = np.log(inner.aspect[pairs.right])
    difference: Floats = np.abs(np.where(pairs.turn & 4, -aspect, aspect) - wide)
    return difference


def _vectors(pictures: Thumbnails) -> Iterator[Floats]:
    """Low frequencies of the pictures' windows in Lab, without the mean lightness: unit vectors (n, windows, 53)."""
    light_matrix, color_matrix = _transform(64, _LIGHT), _transform(32, _COLOR)
    down, across = np.array(_WINDOWS).T
    for start in range(0, len(pictures), _BLOCK):
        part = slice(start, start + _BLOCK)
        light = pictures.lightness[part].astype(np.float32) / np.float32(2.55)
        color = pictures.color[part].astype(np.float32).transpose(0, 3, 1, 2)
        low = _of_intervals(light_matrix, light, _LIGHT)[:, down, across]
        hue = _of_intervals(color_matrix, color.reshape(-1, 32, 32), _COLOR)[:, down, across]
        hue = hue.reshape(len(light), 2, len(_WINDOWS), -1).swapaxes(1, 2)
        both = [low.reshape(len(light), len(_WINDOWS), -1)[..., 1:], hue.reshape(len(light), len(_WINDOWS), -1)]
        vectors = np.concatenate(both, axis=2)
        yield (vectors / (np.linalg.norm(vectors, axis=2, keepdims=True) + 1e-6)).astype(np.float32)


def _of_intervals(matrix: Floats, planes: Floats, frequencies: int) -> Floats:
    """DCT of every pair of intervals: shape (n, intervals down, intervals across, frequencies, frequencies)."""
    k = len(_INTERVALS)
    every = np.asarray(matrix @ planes @ matrix.T, dtype=np.float32)
    return every.reshape(len(planes), k, frequencies, k, frequencies).transpose(0, 1, 3, 2, 4)


def _transform(side: int, frequencies: int) -> Floats:
    """Box averages of each interval at 16 cells, then the lowest frequencies of their orthonormal DCT."""
    cells = box_matrix(side, _INTERVALS[:, 0], _INTERVALS[:, 1], _CELLS).reshape(len(_INTERVALS), _CELLS, side)
    low: Floats = fft.dct(cells, axis=1, norm="ortho")[:, :frequencies].reshape(-1, side).astype(np.float32)
    return low


def _frequencies_of(turn: int) -> tuple[Index, Floats]:
    """What a turn does to the vectors: see `turned_frequencies`."""
    light, light_sign = turned_frequencies(_LIGHT, turn)
    color, color_sign = turned_frequencies(_COLOR, turn)
    size, hue = _LIGHT**2 - 1, _COLOR**2
    places = np.concatenate([light[1:] - 1, size + color, size + hue + color])
    return places, np.concatenate([light_sign[1:], color_sign, color_sign])


_TURNED = [_frequencies_of(turn) for turn in TURNS]
_BOXES = np.array(
    [[*_INTERVALS[[across, down], 0], *_INTERVALS[[across, down], 1]] for down, across in _WINDOWS], dtype=np.float32
)


def _index(bank: Floats) -> Any:
    """Finds the nearest of some vectors: all of few; of many those in the nearest lists."""
    import faiss

    flat = faiss.IndexFlatL2(bank.shape[1])
    if len(bank) <= _EXACT_INDEX:
        flat.add(bank)
        return flat
    lists = int(min(4 * len(bank) ** 0.5, len(bank) / _LEAST_LIST))
    index = faiss.IndexIVFFlat(flat, bank.shape[1], lists)
    index.train(bank[:: max(1, len(bank) // (64 * lists))])
    index.nprobe = _PROBES
    index.add(bank)
    return index


def _nearest(index: Any, wanted: Floats) -> tuple[Index, Index, Floats]:
    """Row, position in the index and squared distance, for `wanted` of shape (rows, size)."""
    k = min(_NEIGHBORS + 1, index.ntotal)  # one more, as a picture finds itself
    distance, found = index.search(np.ascontiguousarray(wanted), k)
    near = (distance <= _MAX_DISTANCE) & (found >= 0)
    return np.repeat(np.arange(len(wanted)), k).reshape(-1, k)[near], found[near], distance[near]
