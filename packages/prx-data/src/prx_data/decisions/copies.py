"""Copies that a perceptual hash misses: cropped, padded, framed or mirrored ones.

All is done on what `content_thumbnail` keeps of each picture: its content without plain margins, so that padding,
frames and cut margins change nothing. Candidates are neighbours by the low frequencies of that, of its middle, and of
its mirror image, whose frequencies are the same but for signs. A candidate is a copy if one picture, seen through the
best window, has the other's fine structure and colours.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from prx_data.decisions.alignment import (
    Floats,
    Index,
    box_matrix,
    coarse_windows,
    correlation,
    refine_windows,
    sample,
    shrink,
)
from prx_data.decisions.colors import cell_differences, worst_difference

MIN_COARSE = 0.9
"""Correlation at 8x8 cells below which a candidate is not looked at further."""
MIN_DETAIL = 0.78
"""Correlation of fine structure below which two pictures are not copies, see `Copies.detail`."""
MIN_SMOOTH_DETAIL = 0.6
"""The same where colours agree closely: pictures without much fine structure correlate in little but noise."""
CLOSE_COLORS = 0.6
"""Share of the largest colour difference up to which colours agree closely."""
MIN_OVERLAP = 0.5

_NEIGHBORS = 12
_BANK = (0.0, 0.05, 0.1)  # margins of the middles that are indexed
_QUERIES = (0.0, 0.1)  # margins of the middles that are looked up
_MAX_DISTANCE = 0.75  # squared, of unit vectors
_CELLS = 16
_LIGHT, _COLOR = 6, 3  # frequencies along a side
_BLUR = 1.5  # cells of 64: what is finer is fine structure
_SOFT_LIGHT, _SOFT_COLOR = 0.8, 0.55  # cells of 32
_CLIP = 8.0  # units of L: beyond it a stronger edge counts no more
_EXACT_INDEX = 50_000
_BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class Thumbnails:
    """What is stored of n pictures' contents."""

    aspect: Floats
    """Width / height of the content in pixels, shape (n,)."""
    lightness: npt.NDArray[np.uint8]
    """L* times 2.55, shape (n, 64, 64)."""
    color: npt.NDArray[np.int8]
    """a* and b*, shape (n, 32, 32, 2)."""

    def __len__(self) -> int:
        return len(self.aspect)

    def take(self, rows: Index) -> "Thumbnails":
        """Some of the pictures."""
        return Thumbnails(aspect=self.aspect[rows], lightness=self.lightness[rows], color=self.color[rows])

    def mirrored(self, flags: npt.NDArray[np.bool_]) -> "Thumbnails":
        """Each picture, or its mirror image where the flag is set."""
        light = np.where(flags[:, None, None], self.lightness[:, :, ::-1], self.lightness)
        color = np.where(flags[:, None, None, None], self.color[:, :, ::-1], self.color)
        return Thumbnails(aspect=self.aspect, lightness=light, color=color)

    def light(self) -> Floats:
        """L* in [0, 100], shape (n, 64, 64)."""
        return self.lightness.astype(np.float32) / np.float32(2.55)


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Pairs of pictures, and how much they are alike; every field has shape (p,)."""

    left: Index
    right: Index
    mirrored: npt.NDArray[np.bool_]
    """Whether one is the mirror image of the other."""
    right_inside: npt.NDArray[np.bool_]
    """Whether the right picture was found in the left one, or the other way round."""
    share: Floats
    """Share of the outer content's area that the inner one shows, > 0; about 1 for whole copies."""
    overlap: Floats
    """Share of the inner content that lies in the outer one, in [0, 1]."""
    detail: Floats
    """Correlation of the fine structure of lightness, in [-1, 1]: what is left after a blur by 1.5 of 64 cells."""
    color: Floats
    """Colour difference in ΔE76 as in `color_difference`, ≥ 0."""

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Copies":
        """The pairs that a mask selects."""
        return Copies(**{one.name: getattr(self, one.name)[mask] for one in fields(self)})


def find_copies(pictures: Thumbnails, others: Thumbnails | None = None, *, max_color: float) -> Copies:
    """Find copies among pictures, or between two sets of them.

    Args:
        pictures: n pictures.
        others: A second set; only pairs of one of each are given, and `right` counts in it.
        max_color: Largest colour difference (ΔE) of a copy.

    Returns:
        Pairs, ordered by left and right; left < right in one set. Each pair once, upright if it is a copy both ways.
    """
    left, right, flipped = _candidates(pictures, others)
    return verified(pictures, pictures if others is None else others, left, right, flipped, max_color=max_color)


def verified(
    pictures: Thumbnails,
    others: Thumbnails,
    left: Index,
    right: Index,
    flipped: npt.NDArray[np.bool_],
    *,
    max_color: float,
) -> Copies:
    """The candidates that are copies, each pair once.

    Args:
        pictures: Where `left` counts.
        others: Where `right` counts.
        left: Positions, shape (p,).
        right: Positions.
        flipped: Whether to compare with the right picture's mirror image.
        max_color: Largest colour difference (ΔE) of a copy.
    """
    order = np.lexsort((flipped, right, left))
    left, right, flipped = left[order], right[order], flipped[order]
    windows, fits, inside = _coarse(pictures, others, left, right, flipped)
    likely = np.flatnonzero(fits >= MIN_COARSE)
    parts = [
        _compared(pictures, others, left[rows], right[rows], flipped[rows], windows[rows], inside[rows])
        for rows in np.split(likely, range(_BLOCK, len(likely), _BLOCK))
    ]
    found = Copies(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Copies)})
    found = found.where(_alike(found, max_color))
    again = np.zeros(len(found), dtype=bool)
    again[1:] = (found.left[1:] == found.left[:-1]) & (found.right[1:] == found.right[:-1])
    return found.where(~again)


def _alike(found: Copies, max_color: float) -> npt.NDArray[np.bool_]:
    close = found.color <= CLOSE_COLORS * max_color
    structure = found.detail >= np.where(close, MIN_SMOOTH_DETAIL, MIN_DETAIL)
    return structure & (found.color <= max_color) & (found.overlap >= MIN_OVERLAP)


def _coarse(
    pictures: Thumbnails, others: Thumbnails, left: Index, right: Index, flipped: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """The best coarse window of each pair, its fit, and whether it is the right picture that lies in the left one."""
    a, b = shrink(pictures.light(), 32), shrink(others.light(), 32)
    windows = np.empty((len(left), 4), dtype=np.float32)
    fits = np.empty(len(left), dtype=np.float32)
    inside = np.empty(len(left), dtype=bool)
    for flag in (False, True):
        rows = np.flatnonzero(flipped == flag)
        x, y, c = left[rows], right[rows], b[:, :, ::-1] if flag else b
        stretch: Floats = others.aspect[y] / pictures.aspect[x]
        forth, fit_forth = coarse_windows(a, c, x, y, stretch)
        by_right = np.argsort(y, kind="stable")
        back, fit_back = np.empty_like(forth), np.empty_like(fit_forth)
        narrow = np.asarray(1 / stretch[by_right], dtype=np.float32)
        back[by_right], fit_back[by_right] = coarse_windows(c, a, y[by_right], x[by_right], narrow)
        inside[rows] = fit_forth >= fit_back
        windows[rows] = np.where(inside[rows, None], forth, back)
        fits[rows] = np.maximum(fit_forth, fit_back)
    return windows, fits, inside


def _compared(
    pictures: Thumbnails,
    others: Thumbnails,
    left: Index,
    right: Index,
    flipped: npt.NDArray[np.bool_],
    windows: Floats,
    inside: npt.NDArray[np.bool_],
) -> Copies:
    """Align pairs finely and measure how much they are alike."""
    first, second = pictures.take(left), others.take(right).mirrored(flipped)
    wide = inside[:, None, None]
    outer = np.where(wide, first.light(), second.light())
    inner = np.where(wide, second.light(), first.light())
    windows = refine_windows(outer, inner, windows)
    seen, where = sample(outer, windows)
    half = where.shape[1] // 2
    color, _ = sample(np.where(wide[..., None], first.color, second.color).astype(np.float32), windows)
    small = shrink(where.astype(np.float32), half) > 0.99
    lab_seen = np.concatenate([shrink(seen, half)[..., None], color], axis=3)
    inner_color = np.where(wide[..., None], second.color, first.color).astype(np.float32)
    lab_inner = np.concatenate([shrink(inner, half)[..., None], inner_color], axis=3)
    cells = cell_differences(_soft(lab_seen), _soft(lab_inner), small)
    return Copies(
        left=left,
        right=right,
        mirrored=flipped,
        right_inside=inside,
        share=windows[:, 2] * windows[:, 3],
        overlap=where.mean(axis=(1, 2), dtype=np.float32),
        detail=correlation(_fine(seen), _fine(inner), where),
        color=worst_difference(cells),
    )


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


def _candidates(pictures: Thumbnails, others: Thumbnails | None) -> tuple[Index, Index, npt.NDArray[np.bool_]]:
    """Pairs of positions that may be copies, and whether of the mirror image; each once."""
    against = pictures if others is None else others
    bank = [_frequencies(against, margin) for margin in _BANK]
    queries = [_frequencies(pictures, margin) for margin in _QUERIES]
    keys = [np.empty(0, dtype=np.int64)]
    count = len(against)
    for flag in (0, 1):
        wanted = np.concatenate([one * _MIRROR if flag else one for one in queries])
        distance, found = _nearest(np.concatenate(bank), wanted, (_NEIGHBORS + 1) * len(_BANK))
        rows = np.repeat(np.tile(np.arange(len(pictures)), len(queries)), found.shape[1])
        columns = found.ravel() % max(count, 1)
        near = (found.ravel() >= 0) & (distance.ravel() <= _MAX_DISTANCE)
        if others is None:
            near &= rows != columns
            rows, columns = np.minimum(rows, columns), np.maximum(rows, columns)
        keys.append(((rows * count + columns) * 2 + flag)[near])
    pairs = np.unique(np.concatenate(keys))
    return pairs // 2 // max(count, 1), pairs // 2 % max(count, 1), pairs % 2 == 1


def _frequencies(pictures: Thumbnails, margin: float) -> Floats:
    """Low frequencies of the pictures' middles in Lab, without the mean lightness: unit vectors of shape (n, 53)."""
    found = []
    matrix = box_matrix(64, margin, 1 - 2 * margin, _CELLS)
    half = box_matrix(32, margin, 1 - 2 * margin, _CELLS)
    for start in range(0, len(pictures), _BLOCK):
        part = slice(start, start + _BLOCK)
        light = matrix @ (pictures.lightness[part].astype(np.float32) / np.float32(2.55)) @ matrix.T
        color = pictures.color[part].astype(np.float32).transpose(0, 3, 1, 2)
        small = half @ color @ half.T
        low = fft.dctn(light, axes=(1, 2), norm="ortho")[:, :_LIGHT, :_LIGHT].reshape(len(light), -1)[:, 1:]
        hues = fft.dctn(small, axes=(2, 3), norm="ortho")[:, :, :_COLOR, :_COLOR].reshape(len(light), -1)
        found.append(np.concatenate([low, hues], axis=1))
    vectors = np.concatenate([np.empty((0, len(_MIRROR))), *found]).astype(np.float32)
    unit: Floats = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-6))
    return unit


def _signs(side: int) -> npt.NDArray[np.float32]:
    """What mirroring does to frequencies: those that are odd from left to right change sign."""
    row: npt.NDArray[np.float32] = ((-1.0) ** np.arange(side)).astype(np.float32)
    return np.tile(row, side)


_MIRROR = np.concatenate([_signs(_LIGHT)[1:], _signs(_COLOR), _signs(_COLOR)])


def _nearest(bank: Floats, wanted: Floats, k: int) -> tuple[Floats, Index]:
    """Squared distances and positions of the k nearest; -1 where there are fewer."""
    if not len(bank) or not len(wanted):
        return np.empty((len(wanted), 0), dtype=np.float32), np.empty((len(wanted), 0), dtype=np.int64)
    import faiss

    flat = faiss.IndexFlatL2(bank.shape[1])
    if len(bank) <= _EXACT_INDEX * len(_BANK):
        flat.add(bank)
        return flat.search(wanted, min(k, len(bank)))
    lists = round(4 * len(bank) ** 0.5)
    index = faiss.IndexIVFFlat(flat, bank.shape[1], lists)
    index.train(bank[:: max(1, len(bank) // (64 * lists))])
    index.nprobe = 16
    index.add(bank)
    return index.search(wanted, min(k, len(bank)))
