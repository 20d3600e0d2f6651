"""Photos set into a plain frame on all four sides, white ones too, told from box-shaped products on a plain ground.

A frame that somebody put around a picture ends in the same fraction of a pixel all along; a box before a camera is
turned by a tenth of a degree, and has a shadow. What is not told from a framed photo is one of a poster that was
scanned or rendered exactly upright, so that this is a flag: nothing is cut off, and no other measure changes by it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prx_data.kernels import inset as kernels
from prx_data.measures.lines import SIDES, Side
from prx_data.picture import Picture, Pixels

WORKING_SIDE = 256
"""Frames are looked for in the level of the pyramid whose longer side is the last one of at least this many pixels."""
FRAMED = 0.7
"""Scores above it are frames: `benchmarks/frames.py` prints how many, and how many boxes."""
LEAST_WIDTH = 0.01
"""Share of the longer side: thinner frames are not seen."""
_STRAIGHT = 0.25  # pixels of the whole picture that a part of an edge may be off it
_SHADOW = 6.0  # levels just outside the edge: no frame has that
_FLAT = 4.0  # levels by which the picture has to vary along one of its edges: a plain carton does not
_OUTSIDE, _INSIDE = 2, 4  # lines of the reduced picture before and behind an edge, in which the exact one is


@dataclass(frozen=True, kw_only=True)
class Inset:
    """A picture in a frame."""

    score: float = 0.0
    """Share of the two least straight inner edges that lies within a quarter of a pixel of one line, in [0, 1]; 0 where
    no picture is framed, where there is a shadow outside the edges, or where all edges are of one colour inside."""
    straight: float = 0.0
    """The same of what is plain all along its edges too: a frame around a product on a ground, or a plain carton."""
    widths: dict[Side, float]
    """The frame's, as shares of the picture; 0 where the score is."""


def inset(picture: Picture) -> Inset:
    """Whether a photo is set into a plain frame of any colour, at least a hundredth of the longer side wide.

    Seen where the photo differs from the frame along at least a third of each edge.
    """
    reduced, none = picture.level(WORKING_SIDE), Inset(widths=dict.fromkeys(SIDES, 0.0))
    color, lines = np.empty(3, dtype=np.int64), np.empty(4, dtype=np.int64)
    if not kernels.margins(reduced, color, lines):
        return none
    shares, widths, shadow, varies = [], {}, 0.0, 0.0
    for number, side in enumerate(SIDES):
        places, around, inside, depth = _edge(picture.pixels, reduced, color, lines, number)
        seen = places[~np.isnan(places)]
        if not len(seen):
            return none
        middle = float(np.median(seen))
        shares.append(np.count_nonzero(np.abs(seen - middle) <= _STRAIGHT) / kernels.PARTS)
        widths[side] = middle / depth
        shadow, varies = max(shadow, around), max(varies, inside)
    straight = sum(sorted(shares)[:2]) / 2
    if shadow > _SHADOW:
        return none
    if varies < _FLAT:
        return Inset(straight=straight, widths=none.widths)
    return Inset(score=straight, straight=straight, widths=widths)


def _edge(
    pixels: Pixels, reduced: Pixels, color: npt.NDArray[Any], lines: npt.NDArray[Any], number: int
) -> tuple[npt.NDArray[np.float64], float, float, int]:
    """Where the edge at a side is, what is around and inside of it, see the kernel, and the lines to the far side."""
    turned, small = (pixels, reduced) if number % 2 else (pixels.transpose(1, 0, 2), reduced.transpose(1, 0, 2))
    scale = max(1, round(turned.shape[0] / small.shape[0]))
    begin, end = (int(lines[1 - number % 2]) + 1) * scale, (int(lines[3 - number % 2]) + 1) * scale
    # An odd side lost its last line at each halving.
    lost = len(turned) - len(small) * scale if number >= 2 else 0
    turned = turned[::-1] if number >= 2 else turned
    first = max(0, (int(lines[number]) - _OUTSIDE) * scale)
    last = min(len(turned), (int(lines[number]) + _INSIDE) * scale + lost)
    places = np.empty(kernels.PARTS)
    around, inside = kernels.edge(turned[:, begin : turned.shape[1] - end], color, first, last, places)
    return places, around, inside, len(turned)
