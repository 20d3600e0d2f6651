"""How differently two pictures of one shape are coloured: what tells colour variants from duplicates."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from prx_data.decisions.join import Index

Floats = npt.NDArray[np.float32]

MAX_EXPOSURE = 1.8
"""Largest factor of light, in linear sRGB, that counts as another exposure and not as another colour: 0.85 stops."""
SAME_EXPOSURE = 1.07
"""Factor up to which two pictures are compared as they are."""

_SEEN = 2.0  # units of L by which a factor of light moves a cell that tells of it
_UNSHARED = 12.0  # units of L: the largest step of a product on a ground that tells nothing
_LEAST_CELLS = 20  # that a factor is taken from
_DARK, _BRIGHT = 10, 93  # L*: beyond it noise and clipping hide the factor
_LIGHT_TO_XYZ = np.array(  # of linear sRGB; XYZ as shares of the white point, D65 (IEC 61966-2-1)
    [[0.4339499, 0.3762098, 0.1898403], [0.2126729, 0.7151522, 0.0721750], [0.0177566, 0.1094680, 0.8727755]]
)


def color_difference(grids: npt.NDArray[np.int8], left: Index, right: Index) -> npt.NDArray[np.float32]:
    """How differently two pictures of one shape are coloured: ΔE76 units, ≥ 0, float32 of shape (pairs,).

    A colour variant may differ in a trim alone, so what counts is the worst place, not the mean. Each cell of one grid
    is compared with the range of colours in the 3x3 cells around it in the other, so that a shift by less than a cell
    makes no difference; a common factor of exposure (up to 1.8, with the clipping of highlights) and of chroma (within
    ±20 %) is taken out first, as exposure and saturation are no other colour. A factor that the ground along the edges
    has not is the product's own, and where white clips there, one by which the product moves by up to 12 L is an
    exposure. The result is the third largest cell's distance, in the direction in which it is larger: three cells of
    1,024 are the smallest trim that counts, and noise rarely fills them.

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
        result[part] = worst_difference(cell_differences(a, b, np.ones(a.shape[:3], dtype=bool)))
    return result


def worst_difference(cells: Floats) -> Floats:
    """The third largest cell, in the direction in which it is larger, of `cell_differences`; shape (pairs,)."""
    flat = cells.reshape(2, cells.shape[1], cells.shape[2] * cells.shape[3])
    worst: Floats = np.partition(flat, -3, axis=2)[:, :, -3].max(axis=0)
    return worst


def cell_differences(a: Floats, b: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """ΔE76 of each cell from the colours around it in the other picture, in both directions.

    Args:
        a: Lab of shape (pairs, side, side, 3).
        b: Of the same shape.
        where: Cells to compare, of shape (pairs, side, side); the others give 0.

    Returns:
        Shape (2, pairs, side, side), ≥ 0.
    """
    a, b = _equally_exposed(a, b, where)
    return np.stack([_outside(a, b, where), _outside(b, a, where)])


def _equally_exposed(a: Floats, b: Floats, where: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The darker picture of each pair as if it had been exposed as the brighter one, if a common factor can be told."""
    gain = _exposure(a[..., 0], b[..., 0], where)
    return _exposed(a, gain), _exposed(b, np.float32(1) / gain)


def _exposure(a: Floats, b: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """What a's light has to be multiplied by to be like b's: the median over cells, shape (pairs,); from lightness."""
    told = where & (np.minimum(a, b) > _DARK) & (np.maximum(a, b) < _BRIGHT)
    ratio = 3 * np.log((b + 16) / (a + 16))
    ratio = np.sort(np.where(told, ratio, np.inf).reshape(len(a), a.shape[1] * a.shape[2]), axis=1)
    count = told.sum(axis=(1, 2))
    median = ratio[np.arange(len(a)), count // 2]
    gain = np.exp(np.where(count >= _LEAST_CELLS, median, 0))
    gain = np.clip(gain, 1 / MAX_EXPOSURE, MAX_EXPOSURE).astype(np.float32)
    rows = np.flatnonzero(np.abs(np.log(gain)) > np.log(SAME_EXPOSURE))
    gain[rows[_of_the_product_alone(a[rows], b[rows], where[rows], gain[rows])]] = 1
    return gain


def _of_the_product_alone(a: Floats, b: Floats, where: npt.NDArray[np.bool_], gain: Floats) -> npt.NDArray[np.bool_]:
    """Whether light that differs by a factor tells of the product's colour, as the ground has not the same factor.

    The ground is what lies along the edges. White clips, and tells nothing: then a little is taken for an exposure.
    """
    dark, bright = np.where((gain > 1)[:, None, None], [a, b], [b, a])
    factor = np.maximum(gain, 1 / gain)[:, None, None]
    lit = 116 * np.cbrt(np.minimum(((dark + 16) / 116) ** 3 * factor, 1)) - 16
    edge = where.copy()
    edge[:, 1:-1, 1:-1] = False
    told = edge & (lit - dark >= _SEEN)
    follows = told & (bright - dark >= (lit - dark) / 2)
    size = edge.sum(axis=(1, 2))
    still, with_it = (one.sum(axis=(1, 2)) for one in (told & ~follows, follows))
    product = where & (np.minimum(a, b) > _DARK) & (np.maximum(a, b) < _BRIGHT)
    steps = np.sort(np.where(product, bright - dark, np.inf).reshape(len(a), a.shape[1] * a.shape[2]), axis=1)
    step = steps[np.arange(len(a)), product.sum(axis=(1, 2)) // 2]
    alone: npt.NDArray[np.bool_] = (4 * still >= size) | ((2 * with_it < size) & (step > _UNSHARED))
    return alone


def _exposed(lab: Floats, gain: Floats) -> Floats:
    """Pictures in more light, clipped where a channel is full; those to have less are left as they are."""
    rows = np.flatnonzero(gain > SAME_EXPOSURE)
    light, a, b = np.moveaxis(lab[rows], 3, 0)
    y = (light + 16) / 116
    linear = np.stack([y + a / 500, y, y - b / 200], axis=3) ** 3 @ np.linalg.inv(_LIGHT_TO_XYZ).T
    x, y, z = np.moveaxis(np.cbrt(np.clip(linear * gain[rows, None, None, None], 0, 1) @ _LIGHT_TO_XYZ.T), 3, 0)
    brighter = lab.copy()
    brighter[rows] = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=3)
    return brighter


def _outside(seen: Floats, other: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Distance of each cell of `seen` from the range of colours around it in `other`."""
    matched = other.copy()
    matched[..., 1:] *= _chroma_gain(seen[..., 1:], other[..., 1:], where)
    window = (1, 3, 3, 1)
    below = ndimage.minimum_filter(matched, size=window, mode="nearest") - seen
    above = seen - ndimage.maximum_filter(matched, size=window, mode="nearest")
    distance: Floats = np.sqrt((np.maximum(np.maximum(below, above), 0) ** 2).sum(axis=3)) * where
    return distance


def _chroma_gain(seen: Floats, other: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """The factor for `other` that fits `seen` best by least squares, within ±20 %; shape (pairs, 1, 1, 1)."""
    axes = (1, 2, 3)
    weighted = other * where[..., None]
    power = np.maximum((other * weighted).sum(axis=axes, keepdims=True), 1.0)
    gain: Floats = np.clip((seen * weighted).sum(axis=axes, keepdims=True) / power, 0.8, 1.2)
    return gain
