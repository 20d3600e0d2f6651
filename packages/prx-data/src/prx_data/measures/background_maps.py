"""Maps of a picture at the sizes of the background measure, and what is asked of them again and again."""

from functools import lru_cache

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

Lab = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]


def fitted(pixels: Pixels) -> Pixels:
    """At a long side of `DETAIL_SIDE` pixels and a short one that four divides; small pictures enlarged."""
    scale = DETAIL_SIDE / max(pixels.shape[:2])
    height, width = (max(_LEAST_SIDE, 4 * round(side * scale / 4)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


@lru_cache(maxsize=64)
def ring(shape: tuple[int, int], part: float = _RING) -> Mask:
    """The frame's border, `part` of the shorter side wide."""
    width = ring_depth(shape, part)
    found = np.ones(shape, dtype=bool)
    found[width:-width, width:-width] = False
    found.flags.writeable = False
    return found


@lru_cache(maxsize=64)
def ring_places(shape: tuple[int, int], part: float = _RING) -> npt.NDArray[np.int64]:
    """Flat places of `ring`."""
    return np.flatnonzero(ring(shape, part))


def ring_depth(shape: tuple[int, int], part: float = _RING) -> int:
    """How many pixels `ring` is wide."""
    return max(2, round(part * min(shape)))


@lru_cache(maxsize=64)
def positions(shape: tuple[int, int], every: int) -> tuple[Floats, Floats]:
    """Where every nth row lies in [-1, 1], and every nth column."""
    ys, xs = (np.linspace(-1, 1, side, dtype=np.float32)[::every].copy() for side in shape)
    return ys, xs


def middle(values: Floats) -> float:
    """The median, of an even number the upper one."""
    half = values.size // 2
    return float(np.partition(values.ravel(), half)[half])


def between(value: float, ends: tuple[float, float]) -> float:
    """How far a value is from the first end to the second, in [0, 1]."""
    return min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)
