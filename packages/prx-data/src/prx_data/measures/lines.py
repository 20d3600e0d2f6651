"""Outer lines of a picture that have one colour: what bars, frames and empty margins have in common."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from prx_data.picture import Pixels

Side = Literal["left", "top", "right", "bottom"]
SIDES: tuple[Side, ...] = ("left", "top", "right", "bottom")
Color = tuple[int, int, int]

_PLAIN = 0.99  # share of a line that has to have the colour
_FIRST = 8  # lines looked at at once; as many again, and again, while all are plain


def lines_from(pixels: npt.NDArray[np.uint8], side: Side, start: int, stop: int) -> npt.NDArray[np.uint8]:
    """The lines `start` to `stop`, counted from a side inwards, as they lie in the picture: a view, not turned."""
    height, width = pixels.shape[:2]
    match side:
        case "top":
            return pixels[start:stop]
        case "bottom":
            return pixels[max(height - stop, 0) : height - start]
        case "left":
            return pixels[:, start:stop]
        case "right":
            return pixels[:, max(width - stop, 0) : width - start]


def outermost(pixels: Pixels, side: Side) -> Pixels:
    """The line at a side, of shape (pixels, 3)."""
    return lines_from(pixels, side, 0, 1).reshape(-1, 3)


def depth(pixels: Pixels, side: Side) -> int:
    """How many lines there are from a side to the opposite one."""
    return len(pixels) if side in ("top", "bottom") else len(pixels[0])


def color_of_line(line: Pixels) -> Color:
    """The median of each channel over a line of shape (pixels, 3); of an even number, the upper one."""
    middle = len(line) // 2
    ordered = line.copy()
    ordered.partition(middle, axis=0)
    red, green, blue = ordered[middle].tolist()
    return red, green, blue


def plain_lines(pixels: Pixels, side: Side, *, tolerance: int, most: int | None = None) -> int:
    """How many lines from a side inwards are plain.

    A line is plain if at least 99 % of its pixels differ from the colour of the outermost by at most some levels, in
    each channel.

    Args:
        pixels: uint8 of shape (height, width, 3); may be a part of a picture.
        side: Where to begin.
        tolerance: Levels.
        most: Where to stop counting; None for nowhere.
    """
    # Columns are not turned into rows first: that would cost more than to look at them.
    end, along = depth(pixels, side), 1 if side in ("top", "bottom") else 0
    enough = 255 * _PLAIN * pixels.shape[along]
    end = end if most is None else min(most, end)
    red, green, blue = color_of_line(outermost(pixels, side))
    low = (red - tolerance, green - tolerance, blue - tolerance)
    high = (red + tolerance, green + tolerance, blue + tolerance)
    start, step = 0, _FIRST
    while start < end:
        slab = np.ascontiguousarray(lines_from(pixels, side, start, min(start + step, end)))
        same = cv2.inRange(slab, low, high)
        plain = cv2.reduce(same, along, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() >= enough
        if not plain.all():
            return start + int((plain if side in ("top", "left") else plain[::-1]).argmin())
        start += step
        step *= 2
    return end
