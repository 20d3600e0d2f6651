"""Outer lines of a picture that have one colour: what bars, frames and empty margins have in common."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from prx_data.kernels import lines
from prx_data.picture import Pixels

Side = Literal["left", "top", "right", "bottom"]
SIDES: tuple[Side, ...] = ("left", "top", "right", "bottom")
Color = tuple[int, int, int]


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
    color = np.empty(3, dtype=np.int64)
    lines.median_color(line, color)
    red, green, blue = color.tolist()
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
    turned = pixels if side in ("top", "bottom") else pixels.transpose(1, 0, 2)
    turned = turned if side in ("top", "left") else turned[::-1]
    return lines.plain_lines(turned, tolerance, len(turned) if most is None else most)
