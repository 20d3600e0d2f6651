"""What is no photograph in a photo: seams of a collage, and writing or banners laid over the ground.

Both look at what is outside the subject, so that print on a product is no overlay. Both are made to stay silent on
photos: `benchmarks/background_auc.py` prints how often they speak on photos that have neither.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from prx_data.measures.background_region import Region
from prx_data.measures.color import delta_e
from prx_data.measures.masks import Mask, grown

_SEAM_STEP = 5.0  # ΔE between the two sides of a seam
_SEAM_MARGIN = 0.15  # of the side: nearer the frame's edge a seam is a bar's
_INK = 6.0  # ΔE of writing from the ground
_GAP = 5  # pixels that letters may be apart
_LETTER = (0.02, 0.14)  # height of a line, in parts of the longer side
_LEAST_TURNS = 1.2  # from ground to ink or back, in a row of pixels as long as letters are high
_LEAST_GROUND = 0.1  # of the frame
_EVEN = 1.5  # ΔE: median departure of the ground from its smooth surface


def collage(region: Region) -> float:
    """How much of the straightest line across the whole picture is a step in colour, in [0, 1]; 1 is a seam.

    Seen where the two pictures differ along it: two packshots side by side on one white have no seam.
    """
    return max(_seam(region.lab), _seam(region.lab.transpose(1, 0, 2)))


def _seam(lab: npt.NDArray[np.float32]) -> float:
    """Of the rows of an array of shape (height, width, 3)."""
    height = len(lab)
    margin = max(2, round(_SEAM_MARGIN * height))
    if height < 2 * margin + 4:
        return 0.0
    # Over two rows, as a seam between two pixels of the working size smears over both.
    change = delta_e(lab[2:], lab[:-2])
    step, before, after = change[margin : -margin or None], change[margin - 2 : -margin - 2], change[margin + 2 :]
    sharp = (step > _SEAM_STEP) & (step > 2 * np.maximum(before, after[: len(step)]))
    return float(sharp.mean(axis=1).max())


def overlay(region: Region) -> float:
    """Share of the inner picture under lines of writing on the ground, in [0, 1).

    A line of writing is a row of marks at least three times as wide as high in which ink and ground alternate as often
    as letters do. Not seen is writing over or between other things, over a ground that is itself a pattern, or
    smaller than a fiftieth of the longer side.
    """
    ground = region.mask
    if ground.mean() < _LEAST_GROUND or np.median(region.off[ground]) >= _EVEN:
        return 0.0
    ink = (region.off > _INK) & ~grown(region.subject, 2)
    lines, count = ndimage.label(_joined(ink))
    side = max(ink.shape)
    covered = 0.0
    for box in ndimage.find_objects(lines, count):
        height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
        shaped = _LETTER[0] * side <= height <= _LETTER[1] * side and width >= 3 * height
        if shaped and _is_writing(ink[box], height) and not _enclosed(~region.mask, box):
            covered += height * width
    return float(covered / ink.size)


def _joined(ink: Mask) -> Mask:
    """Letters joined over the gaps between them."""
    wider = ink.copy()
    for shift in range(1, _GAP // 2 + 1):
        wider[:, shift:] |= ink[:, :-shift]
        wider[:, :-shift] |= ink[:, shift:]
    return wider


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
