"""Bars and frames that were added to a picture: letterboxes, paddings to a square, coloured frames; white ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.measures.inset import FRAMED, LEAST_WIDTH, inset
from prx_data.measures.lines import SIDES, Color, Side, color_of_line, depth, lines_from, outermost, plain_lines
from prx_data.picture import Picture, Pixels

WORKING_SIDE = 256
"""Bars are looked for in the level of the pyramid whose longer side is the last one of at least this many pixels."""
_SAME = 8  # levels of any channel from the bar's colour that still are the bar
_UNLIKE = 20  # and from which on a pixel certainly is something else
_EDGE = 0.8  # share of the length of a bar's inner edge across which the colour jumps
_SHARP = 4  # lines within which it does: chroma that was subsampled blurs it
_WIDEST = 0.45  # of the frame: wider bars on both sides would leave nothing
_WIDEST_ALONE = 0.25  # where the opposite side has none: a wider one is a ground or a table, and no bar
_WHITE = 240  # levels

Plane = npt.NDArray[np.uint8]


def bars(picture: Picture) -> dict[Side, float]:
    """What `borders` finds, but a frame on four sides only where its inner edges are as straight as `inset` asks.

    A box, a book or a poster before a plain ground has four sharp edges too, and is the product. A frame that is too
    thin for `inset` is cut off anyway: little is lost.
    """
    found = picture.of_level(borders, WORKING_SIDE)
    wide = all(found.values()) and max(found.values()) >= LEAST_WIDTH
    return dict.fromkeys(SIDES, 0.0) if wide and inset(picture).straight <= FRAMED else found


def borders(pixels: Pixels) -> dict[Side, float]:
    """Widths of uniform bars as shares of the frame, in [0, 0.45]: `left`, `top`, `right`, `bottom`; 0 is none.

    A plain background is uniform too. A bar differs from it in that its inner edge is straight, sharp and all along:
    just inside of it, at least four fifths of the line have another colour. A frame has such an edge on four sides,
    each as long as what it frames. White margins are a product photo's ground: white counts only as two bars of one
    width on opposite sides of a picture that is not white on the other two. What three sides share or
    all four is a ground as well, unless it is a frame: a row of bottles ends as straight as a bar does. A bar on one
    side alone is a quarter at most.

    Args:
        pixels: uint8 RGB of shape (height, width, 3); a longer side of 256 to 511 pixels is enough.
    """
    widths: dict[Side, float] = dict.fromkeys(SIDES, 0.0)
    if min(pixels.shape[:2]) < 16:
        return widths
    lines = {side: _bar_lines(pixels, side) for side in SIDES}
    if not any(lines.values()):
        return widths
    white = {side: bool(outermost(pixels, side).min() >= _WHITE) for side in SIDES}
    if all(lines.values()) and all(white.values()):
        return widths
    pairs: tuple[tuple[Side, Side], ...] = (("top", "bottom"), ("left", "right"))
    for first, second in pairs if not _surrounds(pixels, lines) else ():
        barred = [side for side in (first, second) if lines[side] and _has_edge(pixels, side, lines[side])]
        if any(white[side] for side in barred) and (len(barred) < 2 or abs(lines[first] - lines[second]) > 2):
            continue
        if len(barred) == 1 and lines[barred[0]] > _WIDEST_ALONE * depth(pixels, barred[0]):
            continue
        widths |= {side: lines[side] / depth(pixels, side) for side in barred}
    if not any(widths.values()) and all(lines.values()):
        widths = _frame(pixels, lines) or widths
    return widths


def _distance(pixels: Pixels, color: Color) -> Plane:
    """Largest difference of a channel from a colour, in levels."""
    off = cv2.absdiff(pixels, (*color, 0))
    return np.asarray(np.maximum(np.maximum(off[..., 0], off[..., 1]), off[..., 2]))


def _surrounds(pixels: Pixels, lines: Mapping[Side, int]) -> bool:
    """Whether one colour lies along three sides or four."""
    colors = np.array([color_of_line(outermost(pixels, side)) for side in SIDES if lines[side]], dtype=np.int16)
    alike = (np.abs(colors[:, None] - colors).max(axis=2) <= _SAME).sum(axis=1)
    return bool(alike.max() >= 3)


def _bar_lines(pixels: Pixels, side: Side) -> int:
    """How many lines from a side inwards have one colour; 0 also where nearly all have."""
    most = int(_WIDEST * depth(pixels, side))
    found = plain_lines(pixels, side, tolerance=_SAME, most=most)
    return found if found < most else 0


def _has_edge(pixels: Pixels, side: Side, lines: int, margins: tuple[int, int] = (0, 0)) -> bool:
    """Whether the colour jumps just below the last uniform line, all along it but for margins at its two ends."""
    color = color_of_line(outermost(pixels, side))
    flat = side in ("top", "bottom")
    length = pixels.shape[1 if flat else 0]
    within = slice(margins[0], length - margins[1])
    inside = lines_from(pixels[:, within] if flat else pixels[within], side, lines, lines + _SHARP)
    across = 0 if flat else 1
    return inside.size > 0 and bool((_distance(inside, color).max(axis=across) >= _UNLIKE).mean() >= _EDGE)


def _frame(pixels: Pixels, lines: Mapping[Side, int]) -> dict[Side, float] | None:
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.int16)
    if corners[0].min() >= _WHITE or np.abs(corners - corners[0]).max() > _SAME:
        return None
    across, along = (lines["left"], lines["right"]), (lines["top"], lines["bottom"])
    margins = {"left": along, "top": across, "right": along, "bottom": across}
    if not all(_has_edge(pixels, side, lines[side], margins[side]) for side in SIDES):
        return None
    return {side: lines[side] / depth(pixels, side) for side in SIDES}


@dataclass(frozen=True, kw_only=True)
class Borders:
    """Bars and frames that other measures leave out, and photos set into a frame that may as well be a ground.

    `border_left`, `border_top`, `border_right`, `border_bottom`: see `bars`. `inset`, `inset_left`, `inset_top`,
    `inset_right`, `inset_bottom`: score and widths, see `prx_data.measures.inset`. All are shares.
    """

    name: str = "borders"
    version: str = "5"

    @property
    def schema(self) -> pa.Schema:
        """See the class."""
        names = [*(f"border_{side}" for side in SIDES), "inset", *(f"inset_{side}" for side in SIDES)]
        return pa.schema([(name, pa.float32()) for name in names])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See the class."""
        found = inset(picture)
        columns = {f"border_{side}": width for side, width in bars(picture).items()}
        return {**columns, "inset": found.score, **{f"inset_{side}": found.widths[side] for side in SIDES}}
