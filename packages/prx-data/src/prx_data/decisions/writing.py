"""Whether two pictures of one shape differ by a line of writing alone: a copy with a watermark is no colour variant.

Writing is told from a trim in another colour, which may be as small, by what it does to the picture: it is a line; it
fades all colours towards one grey; and it is wide and made of letters, or it is short and stands in a corner. Writing
that is none of that is not recognised. The thresholds were chosen on changes of real photos: writing in several sizes,
strengths and places, and stripes and patches in other colours, on the products and across the pictures.
"""

import numpy as np
import numpy.typing as npt

from prx_data.decisions.colors import cell_differences
from prx_data.decisions.join import Index

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_CHANGED = 4.0
"""ΔE76 from which a cell counts as written over: more than what JPEG does to most."""
_ADDED, _LEAST_ADDED = 3.0, 4
"""ΔE76 from the colours around, from which a cell counts as added to a copy of any size, and how many have to be."""
_MOST = 0.12
"""Largest share of a picture that is written over."""
_IN_LINE = 0.85
"""Smallest share of the changed cells that lies in the line."""
_HIGH, _SLENDER = 6, 3
"""Largest height of the line in cells of 32, and how many times as wide it has to be."""
_GREY, _GREY_SHARE = 8.0, 0.9
"""Largest chroma that a faded colour has across the line to grey, and the share of cells that keep to it."""
_PULLED = 0.99
"""Smallest share of the change in lightness that leads towards one level."""
_WIDE = 16
"""Width in cells from which letters are large enough to be seen."""
_LETTERS, _SMOOTHED = 0.3, 0.15
"""Least roughness of the opacity along a wide line, and by how much the picture may be smoother there than it was."""
_TOLD = 5.0
"""Difference of lightness to the writing's from which its opacity can be told."""
_CORNER, _SHORT = 2, 21
"""Largest distance of a short line from both edges of a corner, and its largest width, in cells."""
_LEVELS = np.arange(0, 101, 5, dtype=np.float32)
_BLOCK = 1024


def written_over(grids: npt.NDArray[np.int8], left: Index, right: Index) -> Mask:
    """Whether one picture of each pair is the other with a line of grey, white or black writing over it.

    Args:
        grids: int8 Lab of shape (n, 3 * 32²), see `prx_data.measures.perceptual.lab_grid`.
        left: Positions of the pairs' first pictures.
        right: Positions of their second pictures.

    Returns:
        Shape (pairs,); the same for either order.
    """
    side = round((grids.shape[1] / 3) ** 0.5)
    result = np.zeros(len(left), dtype=bool)
    for start in range(0, len(left), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = (grids[rows[part]].astype(np.float32).reshape(-1, side, side, 3) for rows in (left, right))
        changed: Mask = np.square(a - b).sum(axis=3) > _CHANGED**2
        few = np.flatnonzero(changed.mean(axis=(1, 2)) <= _MOST)
        result[start + few] = np.logical_or(*_line(a[few], b[few], changed[few]))
    return result


def writing_on(grids: npt.NDArray[np.int8], left: Index, right: Index) -> tuple[Mask, Mask]:
    """Which of two copies has writing over it that the other is without, whatever their sizes.

    The cells of another size are other means, so a cell counts as changed if its colour is none of those around it in
    the other copy. Writing has such colours, what it leaves bare between its letters has none, and it makes the picture
    rougher there.

    Args:
        grids: int8 Lab of shape (n, 3 * 32²), see `prx_data.measures.perceptual.lab_grid`.
        left: Positions of the pairs' first pictures.
        right: Positions of their second pictures, which show the same.

    Returns:
        Whether the first has writing, and whether the second has; each of shape (pairs,).
    """
    side = round((grids.shape[1] / 3) ** 0.5)
    first, second = np.zeros(len(left), dtype=bool), np.zeros(len(left), dtype=bool)
    for start in range(0, len(left), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = (grids[rows[part]].astype(np.float32).reshape(-1, side, side, 3) for rows in (left, right))
        far = np.square(a - b).sum(axis=3) > _ADDED**2  # what is near in its place is near to what is around it
        some = np.flatnonzero(far.sum(axis=(1, 2)) >= _LEAST_ADDED)
        a, b = a[some], b[some]
        of_a, of_b = cell_differences(a, b, np.ones(a.shape[:3], dtype=bool))
        changed: Mask = np.maximum(of_a, of_b) > _ADDED
        count = changed.sum(axis=(1, 2))
        few = np.flatnonzero((count >= _LEAST_ADDED) & (count <= _MOST * side**2))
        on_b, on_a = _line(a[few], b[few], changed[few])
        new_a, new_b = of_a[few].sum(axis=(1, 2)), of_b[few].sum(axis=(1, 2))
        rough_a, rough_b = (_roughness(light[few, ..., 0], changed[few]) for light in (a, b))
        rows = start + some[few]
        first[rows] = on_a & (new_a > new_b) & (rough_a > rough_b)
        second[rows] = on_b & (new_b > new_a) & (rough_b > rough_a)
    return first, second


def written_like(grids: npt.NDArray[np.int8], written: int, clean: int, others: Index) -> Mask:
    """Which copies look more like one with writing than like one without, where these two differ.

    Args:
        grids: int8 Lab of shape (n, 3 * 32²), see `prx_data.measures.perceptual.lab_grid`.
        written: Position of a copy with writing.
        clean: Position of one without it.
        others: Positions of k further copies.

    Returns:
        Shape (k,).
    """
    side = round((grids.shape[1] / 3) ** 0.5)
    a, b = (grids[[one]].astype(np.float32).reshape(1, side, side, 3) for one in (written, clean))
    changed = cell_differences(a, b, np.ones(a.shape[:3], dtype=bool)).max(axis=0)[0] > _ADDED
    result = np.zeros(len(others), dtype=bool)
    for start in range(0, len(others), _BLOCK):
        some = grids[others[start : start + _BLOCK]].astype(np.float32).reshape(-1, side, side, 3)[:, changed]
        to_a, to_b = (np.linalg.norm(some - one[:, changed], axis=2).sum(axis=1) for one in (a, b))
        result[start : start + _BLOCK] = to_a < to_b
    return result


def _line(a: Floats, b: Floats, changed: Mask) -> tuple[Mask, Mask]:
    """Whether what changed is a line of writing that b has over a, and whether it is one that a has over b."""
    side = changed.shape[1]
    top, bottom = _extent(np.asarray(changed.sum(axis=2) >= 2))  # noise changes single cells
    row = np.arange(side)
    band: Mask = ((row >= top[:, None]) & (row <= bottom[:, None]))[:, :, None]
    start, end = _extent(np.any(changed & band, axis=1))
    height, width = bottom - top + 1, end - start + 1
    one_line = (height <= _HIGH) & (width >= _SLENDER * height)
    one_line &= (changed & band).sum(axis=(1, 2)) >= _IN_LINE * changed.sum(axis=(1, 2))
    corner = (np.minimum(top, side - 1 - bottom) <= _CORNER) & (np.minimum(start, side - 1 - end) <= _CORNER)
    inner = (row[1:-1] > start[:, None]) & (row[1:-1] < end[:, None])
    short = corner & (width <= _SHORT)
    result = []
    for before, after in ((a, b), (b, a)):
        faded, level = _faded(before, after, changed)
        letters = _letters(before[..., 0], after[..., 0], band, inner, level)
        result.append(one_line & faded & (letters & (width >= _WIDE) | short))
    return result[0], result[1]


def _extent(lines: Mask) -> tuple[Index, Index]:
    """First and last of each row that is set; 0 and the last where none is."""
    return lines.argmax(axis=1), lines.shape[1] - 1 - lines[:, ::-1].argmax(axis=1)


def _letters(before: Floats, after: Floats, band: Mask, inner: Mask, level: Floats) -> Mask:
    """Whether the opacity of what lies in the band changes from one cell to the next, which that of a stripe does not.

    A stripe hides what was below it: then the picture is smoother along the band than it was, and it is no writing.
    """
    change = np.abs(after - before)
    below = (np.abs(level[:, None, None] - before) * band).sum(axis=1)
    opacity = np.clip((change * band).sum(axis=1) / np.maximum(below, 1), 0, 2)
    told = below >= _TOLD * band.sum(axis=(1, 2))[:, None]
    told = inner & told[:, :-2] & told[:, 1:-1] & told[:, 2:]
    rough = _bends(opacity, told) / np.maximum(2 * (opacity[:, 1:-1] * told).sum(axis=1), 1e-3)
    was, now = (_bends((light * band).sum(axis=1), inner) for light in (before, after))
    result: Mask = (rough >= _LETTERS) & (was - now <= 2 * _SMOOTHED * (change * band).sum(axis=(1, 2)))
    return result


def _bends(profile: Floats, inner: Mask) -> Floats:
    """The sum of second differences along lines, where `inner` holds."""
    bends: Floats = (np.abs(2 * profile[:, 1:-1] - profile[:, :-2] - profile[:, 2:]) * inner).sum(axis=1)
    return bends


def _roughness(light: Floats, where: Mask) -> Floats:
    """The sum of second differences along rows, at some cells."""
    bends = np.abs(2 * light[..., 1:-1] - light[..., :-2] - light[..., 2:])
    rough: Floats = (bends * where[..., 1:-1]).sum(axis=(1, 2))
    return rough


def _faded(before: Floats, after: Floats, changed: Mask) -> tuple[Mask, Floats]:
    """Whether colours where something changed are the earlier ones, faded towards a grey that is the same for all.

    And the lightness of that grey: of all that would do, the one that the colours came nearest to.
    """
    hue, now = before[..., 1:], after[..., 1:]
    left = np.clip((hue * now).sum(axis=3) / np.maximum(np.square(hue).sum(axis=3), 1), 0, 1)
    off = np.square(now - left[..., None] * hue).sum(axis=3) > _GREY**2
    grey = (off & changed).sum(axis=(1, 2)) <= (1 - _GREY_SHARE) * changed.sum(axis=(1, 2))
    step = (after - before)[..., 0] * changed
    size = np.abs(step).sum(axis=(1, 2))
    missed = []
    for level in _LEVELS:
        towards = np.where(np.sign(level - before[..., 0]) == np.sign(step), np.abs(step), 0).sum(axis=(1, 2))
        away = (np.abs(after[..., 0] - level) * changed).sum(axis=(1, 2))
        missed.append(np.where(towards >= _PULLED * size, away, np.inf))
    return grey & np.isfinite(np.min(missed, axis=0)), _LEVELS[np.argmin(missed, axis=0)]
