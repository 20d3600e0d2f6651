"""What is no photograph in a photo: seams of a collage, and writing or banners laid over the ground.

Both look at what is outside the subject, so that print on a product is no overlay. Both are made to stay silent on
photos: `benchmarks/background_auc.py` prints how often they speak on photos that have neither.
"""

import cv2
import numpy as np

from prx_data.kernels import masks, straight, texture
from prx_data.measures.background_region import Region
from prx_data.measures.masks import Mask

_INK = 6.0  # ΔE of writing from the ground
_GAP = 3  # pixels that letters may be apart
_LEAST_INK = 8  # pixels of it
_LETTER = (0.02, 0.14)  # height of a line, in parts of the longer side
_LEAST_TURNS = 1.2  # from ground to ink or back, in a row of pixels as long as letters are high
_LEAST_GROUND = 0.1  # of the frame
_EVEN = 1.5  # ΔE: median departure of the ground from its smooth surface


def collage(region: Region) -> float:
    """How much of the straightest line across the whole picture is a step in colour, in [0, 1]; 1 is a seam.

    Seen where the two pictures differ along it: two packshots side by side on one white have no seam.
    """
    return max(straight.seam(region.steps[0], region.mask), straight.seam(region.steps[1], region.mask.T))


def overlay(region: Region) -> float:
    """Share of the inner picture under lines of writing on the ground, in [0, 1).

    A line of writing is a row of marks at least three times as wide as high in which ink and ground alternate as often
    as letters do. Not seen is writing over or between other things, over a ground that is itself a pattern, or
    smaller than a fiftieth of the longer side.
    """
    ground = region.mask
    if np.count_nonzero(ground) < _LEAST_GROUND * ground.size:
        return 0.0
    ink = (region.off > _INK) & ~masks.grown(region.subject, 2)
    if np.count_nonzero(ink) < _LEAST_INK or texture.median(region.off, ground) >= _EVEN:
        return 0.0
    # Letters joined over the gaps between them.
    joined = cv2.dilate(ink.view(np.uint8), np.ones((1, _GAP), dtype=np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    side = max(ink.shape)
    covered = 0
    for left, top, width, height, _ in boxes[1:].tolist():
        box = (slice(top, top + height), slice(left, left + width))
        shaped = _LETTER[0] * side <= height <= _LETTER[1] * side and width >= 3 * height
        if shaped and _is_writing(ink[box], height) and not _enclosed(~region.mask, box):
            covered += height * width
    return covered / ink.size


def _enclosed(other: Mask, box: tuple[slice, slice]) -> bool:
    """Whether most of a box has other things on both sides of it: print on a carton is not laid over the ground."""
    rows, columns = box
    beside = other[rows, : columns.start].any(axis=1) & other[rows, columns.stop :].any(axis=1)
    around = other[: rows.start, columns].any(axis=0) & other[rows.stop :, columns].any(axis=0)
    return bool(max(beside.mean(), around.mean()) >= 0.5)


def _is_writing(ink: Mask, height: int) -> bool:
    """Whether rows go from ground to ink and back about as often as letters do, and half of the box at most is ink."""
    turns = (ink[:, 1:] != ink[:, :-1]).sum(axis=1)
    per_letter = float(np.quantile(turns, 0.75)) * height / ink.shape[1]
    return per_letter >= _LEAST_TURNS and bool(0.1 < ink.mean() < 0.75)
