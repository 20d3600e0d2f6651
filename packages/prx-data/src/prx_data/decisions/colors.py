"""How differently two pictures of one shape are coloured: what tells colour variants from duplicates."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from prx_data.decisions.join import Index

Floats = npt.NDArray[np.float32]


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
    return np.stack([_outside(a, b, where), _outside(b, a, where)])


def _outside(seen: Floats, other: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Distance of each cell of `seen` from the range of colours around it in `other`."""
    gains = np.ones((len(seen), 1, 1, 3), dtype=np.float32)
    gains[..., :1] = _gain(seen[..., :1], other[..., :1], where, 0.85, 1.15)
    gains[..., 1:] = _gain(seen[..., 1:], other[..., 1:], where, 0.8, 1.2)
    matched = other * gains
    window = (1, 3, 3, 1)
    below = ndimage.minimum_filter(matched, size=window, mode="nearest") - seen
    above = seen - ndimage.maximum_filter(matched, size=window, mode="nearest")
    distance: Floats = np.sqrt((np.maximum(np.maximum(below, above), 0) ** 2).sum(axis=3)) * where
    return distance


def _gain(seen: Floats, other: Floats, where: npt.NDArray[np.bool_], low: float, high: float) -> Floats:
    """The factor for `other` that fits `seen` best by least squares, within bounds; shape (pairs, 1, 1, 1)."""
    axes = (1, 2, 3)
    weighted = other * where[..., None]
    power = np.maximum((other * weighted).sum(axis=axes, keepdims=True), 1.0)
    gain: Floats = np.clip((seen * weighted).sum(axis=axes, keepdims=True) / power, low, high)
    return gain
