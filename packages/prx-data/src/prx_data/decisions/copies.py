"""Copies that a perceptual hash misses: cropped, padded, framed, mirrored or turned ones.

All is done on what `content_thumbnail` keeps of each picture: its content without plain margins, so that padding,
frames and cut margins change nothing. A candidate (see `prx_data.decisions.neighbors`) is a copy if one picture, seen
through the best window, has the other's fine structure and colours. Most candidates are none, so it is looked at them
coarsely first: each stage has more cells and sees what the one before let through.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from prx_data.decisions.alignment import correlation, refine_windows, sample, shrink
from prx_data.decisions.colors import cell_differences, worst_difference
from prx_data.decisions.neighbors import Candidates, joined
from prx_data.decisions.thumbnails import Floats, Index, Thumbnails
from prx_data.decisions.turns import Turns, turned
from prx_data.progress import tracked

MIN_GUESS = 0.6
"""Correlation of lightness at 8x8 cells through the guessed window, below which a candidate is given up."""
MIN_COARSE = 0.84
"""The same at 16x16 cells once the window is refined at these."""
MIN_MEDIUM = 0.9
"""The same at 32x32 cells."""
MIN_FIRST_DETAIL = 0.5
"""Correlation of fine structure through the window as these cells gave it, below which it is not refined further."""
MIN_DETAIL = 0.78
"""Correlation of fine structure below which two pictures are not copies, see `Copies.detail`."""
MIN_SMOOTH_DETAIL = 0.6
"""The same where colours agree closely: pictures without much fine structure correlate in little but noise."""
CLOSE_COLORS = 0.6
"""Share of the largest colour difference up to which colours agree closely."""
MIN_OVERLAP = 0.5
"""Share of the inner picture that has to lie in the outer one."""

_GUESS, _COARSE, _MEDIUM, _FINE = 8, 16, 32, 64
_COARSE_ROUNDS, _MEDIUM_ROUNDS, _LAST_ROUNDS = 4, 2, 2
_BLUR = 1.5  # cells of 64: what is finer is fine structure
_SOFT_LIGHT, _SOFT_COLOR = 0.8, 0.55  # cells of 32
_CLIP = 8.0  # units of L: beyond it a stronger edge counts no more
_BLOCK_CELLS = 1 << 16  # of the pictures that are looked at at a time: what a cache holds
_LIGHT = np.float32(2.55)


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Pairs of pictures, and how much they are alike; every field has p rows."""

    left: Index
    right: Index
    turn: Turns
    """How the right picture has to be turned to look like the left one, see `prx_data.decisions.turns`."""
    right_inside: npt.NDArray[np.bool_]
    """Whether the right picture, turned, was found in the left one, or the other way round."""
    window: Floats
    """Where: (left, top, width, height) in shares of the outer picture, shape (p, 4)."""
    detail: Floats
    """Correlation of the fine structure of lightness, in [-1, 1]: what is left after a blur by 1.5 of 64 cells."""
    color: Floats
    """Colour difference in ΔE76 as in `color_difference`, ≥ 0."""

    def __len__(self) -> int:
        return len(self.left)

    @property
    def share(self) -> Floats:
        """Share of the outer content's area that the inner one shows, > 0; about 1 for whole copies."""
        share: Floats = self.window[:, 2] * self.window[:, 3]
        return share

    def take(self, rows: npt.NDArray[np.generic]) -> "Copies":
        """Some of the pairs, by positions or by a mask."""
        return Copies(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


def verified(pictures: Thumbnails, others: Thumbnails, guesses: Candidates, *, max_color: float) -> Copies:
    """The candidates that are copies, each pair once.

    Args:
        pictures: Where `left` counts.
        others: Where `right` counts.
        guesses: Pairs, turns and windows.
        max_color: Largest colour difference (ΔE) of a copy.

    Returns:
        Ordered by left and right; of a pair that is a copy in several turns the first of these.
    """
    guesses = guesses.take(np.lexsort((guesses.turn, guesses.right, guesses.left)))
    small, against = _small(pictures, guesses.left, _COARSE), _small(others, guesses.right, _COARSE)
    guesses = joined([_coarsely_alike(small, against, part) for part in _tracked(guesses, _COARSE)])
    small, against = _small(pictures, guesses.left, _MEDIUM), _small(others, guesses.right, _MEDIUM)
    guesses = joined([_more_closely_alike(small, against, part) for part in _tracked(guesses, _MEDIUM)])
    parts = [_compared(pictures, others, part, max_color) for part in _tracked(guesses, _FINE)]
    found = Copies(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Copies)})
    again = np.zeros(len(found), dtype=bool)
    again[1:] = (found.left[1:] == found.left[:-1]) & (found.right[1:] == found.right[:-1])
    return found.take(~again)


def _tracked(guesses: Candidates, side: int) -> Iterator[Candidates]:
    return tracked(_blocks(guesses, side), f"comparing at {side} cells", unit="block")


def _blocks(guesses: Candidates, side: int) -> list[Candidates]:
    """At least one, so that there is always something to put together; as many cells in each as a cache holds."""
    size = _BLOCK_CELLS // side**2
    starts = range(0, max(len(guesses), 1), size)
    return [guesses.take(np.arange(start, min(start + size, len(guesses)))) for start in starts]


def _small(pictures: Thumbnails, used: Index, side: int) -> npt.NDArray[np.uint8]:
    """Lightness at fewer cells, L* times 2.55: each is in several candidates. Those that are not used stay unset."""
    small = np.empty((len(pictures), side, side), dtype=np.uint8)
    every = np.unique(used)
    size = _BLOCK_CELLS // _FINE**2
    for start in range(0, len(every), size):
        rows = every[start : start + size]
        small[rows] = np.rint(shrink(pictures.lightness[rows].astype(np.float32), side))
    return small


def _coarsely_alike(pictures: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8], guesses: Candidates) -> Candidates:
    """The candidates that are alike at few cells, with better windows."""
    outer, inner = _outer_and_inner(pictures, others, guesses)
    likely = np.flatnonzero(_fit(outer, inner, guesses.window, _GUESS) >= MIN_GUESS)
    outer, inner, guesses = outer[likely], inner[likely], guesses.take(likely)
    window = refine_windows(outer, inner, guesses.window, _COARSE_ROUNDS)
    return guesses.seen_through(window).take(_fit(outer, inner, window, _COARSE) >= MIN_COARSE)


def _more_closely_alike(
    pictures: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8], guesses: Candidates
) -> Candidates:
    """Those that are alike at more cells, too."""
    outer, inner = _outer_and_inner(pictures, others, guesses)
    window = refine_windows(outer, inner, guesses.window, _MEDIUM_ROUNDS)
    return guesses.seen_through(window).take(_fit(outer, inner, window, _MEDIUM) >= MIN_MEDIUM)


def _outer_and_inner(
    pictures: npt.NDArray[np.generic], others: npt.NDArray[np.generic], pairs: Candidates
) -> tuple[Floats, Floats]:
    """Planes of the outer and of the inner picture of each pair, the right one turned."""
    first, second = pictures[pairs.left], others[pairs.right]
    for turn in np.unique(pairs.turn[pairs.turn > 0]).tolist():
        rows = pairs.turn == turn
        second[rows] = turned(second[rows], turn)
    wide = pairs.right_inside.reshape(-1, *(1,) * (first.ndim - 1))
    return np.where(wide, first, second).astype(np.float32), np.where(wide, second, first).astype(np.float32)


def _compared(pictures: Thumbnails, others: Thumbnails, guesses: Candidates, max_color: float) -> Copies:
    """The copies, by what is finest."""
    light, target = (plane / _LIGHT for plane in _outer_and_inner(pictures.lightness, others.lightness, guesses))
    hopeful = np.flatnonzero(_detail(light, target, guesses.window)[0] >= MIN_FIRST_DETAIL)
    light, target, guesses = light[hopeful], target[hopeful], guesses.take(hopeful)
    window = refine_windows(light, target, guesses.window, _LAST_ROUNDS)
    detail, where = _detail(light, target, window)
    overlap = where.mean(axis=(1, 2), dtype=np.float32)
    likely = np.flatnonzero((detail >= MIN_SMOOTH_DETAIL) & (overlap >= MIN_OVERLAP))
    guesses, window = guesses.take(likely), window[likely]
    colors = _outer_and_inner(pictures.color, others.color, guesses)
    found = Copies(
        left=guesses.left,
        right=guesses.right,
        turn=guesses.turn,
        right_inside=guesses.right_inside,
        window=window,
        detail=detail[likely],
        color=_color_difference((light[likely], target[likely]), colors, window),
    )
    close = found.color <= CLOSE_COLORS * max_color
    return found.take((found.color <= max_color) & (close | (found.detail >= MIN_DETAIL)))


def _fit(outer: Floats, inner: Floats, windows: Floats, side: int) -> Floats:
    """Correlation at that many cells of the inner pictures with what the windows show of the outer ones."""
    seen, where = sample(outer, windows)
    inside = shrink(where.astype(np.float32), side) > 0.5
    return correlation(shrink(seen, side), shrink(inner, side), inside)


def _color_difference(light: tuple[Floats, Floats], color: tuple[Floats, Floats], windows: Floats) -> Floats:
    """Of the inner pictures from what the windows show of the outer ones, given L and ab of both."""
    seen, where = sample(light[0], windows)
    half = where.shape[1] // 2
    hue, _ = sample(color[0].transpose(0, 3, 1, 2), windows)
    lab_seen = np.concatenate([shrink(seen, half)[..., None], hue.transpose(0, 2, 3, 1)], axis=3)
    lab_inner = np.concatenate([shrink(light[1], half)[..., None], color[1]], axis=3)
    inside = shrink(where.astype(np.float32), half) > 0.99
    return worst_difference(cell_differences(_soft(lab_seen), _soft(lab_inner), inside))


def _detail(outer: Floats, inner: Floats, windows: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Correlation of fine structure, and where the inner pictures lie in the outer ones."""
    seen, where = sample(outer, windows)
    return correlation(_fine(seen), _fine(inner), where), where


def _fine(lightness: Floats) -> Floats:
    fine: Floats = np.clip(lightness - ndimage.gaussian_filter(lightness, (0, _BLUR, _BLUR)), -_CLIP, _CLIP)
    return fine


def _soft(lab: Floats) -> Floats:
    """Blurred by about half a cell: seeing a picture through a window blurs it by as much.

    Lightness is blurred more, as fine texture shows most in it, and colour less, as a coloured trim may be thin.
    """
    light = ndimage.gaussian_filter(lab[..., :1], (0, _SOFT_LIGHT, _SOFT_LIGHT, 0))
    color = ndimage.gaussian_filter(lab[..., 1:], (0, _SOFT_COLOR, _SOFT_COLOR, 0))
    return np.concatenate([light, color], axis=3)
