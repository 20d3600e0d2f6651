"""What stands in front of the ground in several pieces: sheets of packshots on one white, and things beside a product.

Both ask for ground on which nothing at all can be seen between the pieces, so that a white shirt, of which head and
trousers stand out, holds its model together. `benchmarks/parts.py` prints how often they are right.
"""

from typing import TypedDict

import cv2
import numpy as np

from prx_data.kernels import masks
from prx_data.measures.background_region import Region
from prx_data.measures.masks import Mask

SEEN = 2.0
"""ΔE from the ground from which on something is there."""
_PART = (0.01, 0.1)  # the least that is a part, of the picture and of all that stands in front of the ground
_PEAK = 20.0  # ΔE from the ground that a thing reaches somewhere: shadows do not
_SMALL = 1 / 3  # of the subject: what is larger is another product
_LEAST_THING = 3  # pixels of one


class Pieces(TypedDict):
    """See `Background` for each."""

    parts: int
    things: int
    detached: float


def pieces(region: Region) -> Pieces:
    """What a photo shows in several pieces.

    `parts`: how many large things straight strips of empty ground divide, from side to side; 0 if there is none. The
    picture is cut along empty rows and columns, and each piece again (the XY cut of documents, Nagy and Seth 1984,
    "Hierarchical representation of optically scanned documents"). Not told apart are a sheet of packshots and one photo
    of several things, such as a pair of shoes that stand apart.

    `detached`: share of the inner picture, in [0, 1), under what stands on the ground and nothing joins to the subject.
    What reaches the frame on a side that the subject reaches too goes on outside it, and does not count. `things`: how
    many of these are less than a third as large as the subject: what is as large is another product of a set.
    """
    things = ~region.mask | region.subject
    number = np.count_nonzero(things)
    runs, apart = masks.apart(~things, region.subject, region.off, SEEN, _PEAK)
    least = max(_PART[0] * things.size, _PART[1] * number)
    seen = things | (region.off > SEEN) if runs > 1 or apart else None
    count, share = (0, 0.0) if seen is None or not apart or not region.subject.any() else _detached(region, seen)
    return {
        "parts": int(number >= least) if seen is None or runs <= 1 else _cut(things, seen, least),
        "things": count,
        "detached": share,
    }


def _cut(things: Mask, seen: Mask, least: float) -> int:
    if np.count_nonzero(things) < least:
        return 0
    for across, visible in ((things, seen), (things.T, seen.T)):
        ends = np.flatnonzero(np.diff(visible.any(axis=1), prepend=False, append=False)).reshape(-1, 2).tolist()
        if len(ends) > 1:
            return max(1, sum(_cut(across[begin:end], visible[begin:end], least) for begin, end in ends))
    return 1


def _detached(region: Region, seen: Mask) -> tuple[int, float]:
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(seen.view(np.uint8), connectivity=8)
    own = np.bincount(labels[region.subject], minlength=count) > 0
    strong = np.bincount(labels[region.off > _PEAK], minlength=count) > 0
    own[0] = strong[0] = False
    apart = strong & ~own & (boxes[:, cv2.CC_STAT_AREA] >= _LEAST_THING)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        if own[edge].any():
            apart[edge] = False
    small = boxes[apart, cv2.CC_STAT_AREA] < _SMALL * np.count_nonzero(region.subject)
    return int(np.count_nonzero(small)), float(boxes[apart, cv2.CC_STAT_AREA].sum() / seen.size)
