"""Maps of a picture at the sizes of the background measure, and what is asked of them again and again."""

from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from prx_data.measures.masks import Mask
from prx_data.picture import Pixels

DETAIL_SIDE = 256
"""Long side in pixels at which detail is looked at, whatever the photo's size: one scale for all."""
WORKING_SIDE = DETAIL_SIDE // 2
"""Long side in pixels of the mask and of colours: each is the mean of 2x2 pixels of the detail."""

_LEAST_SIDE = 16  # pixels of the detail, of a strip
_RING = 0.035  # width of the border ring, in parts of the shorter side
_STEP, _STEP_REACH = 8.0, 6  # ΔE over two rows; rows that it takes to tell
_SUM = np.ones((1, 3), dtype=np.float32)
_SETTLED = 0.3  # ΔE in one channel that a mode may still move
_CELLS, _DIGITS = np.array([0, 12, 12], dtype=np.float32), np.array([576, 24, 1], dtype=np.int32)

Lab = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
T = TypeVar("T", bound=np.generic)
N = TypeVar("N", np.uint8, np.float32)


def level(pixels: Pixels) -> Pixels:
    """Means of 2x2 pixels, again and again, down to less than twice the detail's size."""
    while max(pixels.shape[:2]) >= 2 * DETAIL_SIDE and min(pixels.shape[:2]) > 1:
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        pixels = np.asarray(
            cv2.resize(pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
    return pixels


def fitted(pixels: Pixels) -> Pixels:
    """At a long side of `DETAIL_SIDE` pixels and a short one that four divides; small pictures enlarged."""
    scale = DETAIL_SIDE / max(pixels.shape[:2])
    height, width = (max(_LEAST_SIDE, 4 * round(side * scale / 4)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def halved(values: npt.NDArray[N]) -> npt.NDArray[N]:
    """Means of 2x2 pixels; the sides are even."""
    size = (values.shape[1] // 2, values.shape[0] // 2)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=values.dtype)


def squares(lab: Lab, other: Lab) -> Floats:
    """Squared ΔE of two arrays of shape (height, width, 3)."""
    difference = lab - other
    difference *= difference
    return np.asarray(cv2.transform(difference, _SUM), dtype=np.float32)


def near(colors: Lab, color: Lab, reach: float) -> Mask:
    """Which of some colours, shape (pixels, 3), are within a ΔE of one."""
    apart = colors - color
    return np.asarray(np.einsum("ij,ij->i", apart, apart) < reach * reach)


def mode(colors: Lab) -> Lab:
    """The colour that most of the pixels are near: mean shift with a ball of ΔE 12 from the densest of coarse cells."""
    # Cells of ΔE 10, numbered by digits of base 24: a and b span fewer.
    cells = (colors * np.float32(0.1) + _CELLS).astype(np.int32) @ _DIGITS
    found: Lab = colors[cells == np.bincount(cells).argmax()].mean(axis=0)
    for _ in range(5):
        weight = near(colors, found, 12.0).astype(np.float32)
        before, found = found, weight @ colors / np.float32(weight.sum())
        if np.abs(found - before).max() < _SETTLED:
            break
    return found


@lru_cache(maxsize=64)
def ring(shape: tuple[int, int], part: float = _RING) -> Mask:
    """The frame's border, `part` of the shorter side wide."""
    width = max(2, round(part * min(shape)))
    found = np.ones(shape, dtype=bool)
    found[width:-width, width:-width] = False
    found.flags.writeable = False
    return found


@lru_cache(maxsize=64)
def _ring_places(shape: tuple[int, int], part: float = _RING) -> npt.NDArray[np.intp]:
    return np.flatnonzero(ring(shape, part))


def on_ring(values: npt.NDArray[T], part: float = _RING) -> npt.NDArray[T]:
    """What a map shows along the frame's border, flat: shape (pixels,), or (pixels, 3) of colours."""
    places = _ring_places((values.shape[0], values.shape[1]), part)
    return values.reshape(len(values) * values.shape[1], *values.shape[2:]).take(places, axis=0)


def middle(values: Floats) -> float:
    """The median, of an even number the upper one, without the checks that take most of numpy's time."""
    half = len(values) // 2
    return float(np.partition(values, half)[half])


def row_means(mask: Mask) -> Floats:
    """Share of each row of a mask."""
    bits = np.ascontiguousarray(mask).view(np.uint8)
    return np.asarray(cv2.reduce(bits, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F), dtype=np.float32)[:, 0]


def row_steps(lab: Lab) -> Mask:
    """Where colour steps from the row before to the row after: bool of the same height and width.

    By ΔE 8, and by twice as much as two rows further on one of the two sides: in a texture, steps line up by chance. A
    step smears over two rows of the working size, so that both count.
    """
    found = np.zeros(lab.shape[:2], dtype=bool)
    if len(lab) > _STEP_REACH:
        change = squares(lab[2:], lab[:-2])
        found[3:-3] = (change[2:-2] > _STEP**2) & (change[2:-2] > 4 * np.minimum(change[:-4], change[4:]))
    return found


def some(places: Mask, most: int) -> npt.NDArray[np.intp]:
    """Where a mask is True, flat: all places, or every nth so that they are fewer than twice `most`."""
    found = np.flatnonzero(places)
    return found[:: 1 + len(found) // most]


def colors_at(values: npt.NDArray[T], places: npt.NDArray[np.intp]) -> npt.NDArray[T]:
    """The colours, shape (places, 3), of a map at flat places."""
    return values.reshape(-1, 3).take(places, axis=0)
