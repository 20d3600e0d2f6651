"""Outer lines of a picture that have one colour: what bars, frames and empty margins have in common."""

import cv2
import numpy as np

from prx_data.picture import Pixels

_PLAIN = 0.99  # share of a line that has to have the colour
_FIRST = 8  # lines looked at at once; as many again, and again, while all are plain


def color_of_line(line: Pixels) -> tuple[int, int, int]:
    """The median of each channel over a line of shape (pixels, 3); of an even number, the upper one."""
    middle = len(line) // 2
    ordered = line.copy()
    ordered.partition(middle, axis=0)
    red, green, blue = ordered[middle].tolist()
    return red, green, blue


def plain_lines(lines: Pixels, *, tolerance: int, most: int | None = None) -> int:
    """How many lines from the first on are plain.

    A line is plain if at least 99 % of its pixels differ from the colour of the first line by at most some levels, in
    each channel.

    Args:
        lines: uint8 of shape (lines, pixels, 3).
        tolerance: Levels.
        most: Where to stop counting; None for nowhere.
    """
    end = len(lines) if most is None else min(most, len(lines))
    color = color_of_line(lines[0])
    low, high = tuple(one - tolerance for one in color), tuple(one + tolerance for one in color)
    start, step = 0, _FIRST
    while start < end:
        same = cv2.inRange(lines[start : min(start + step, end)], low, high)
        plain = cv2.reduce(same, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] >= 255 * _PLAIN * lines.shape[1]
        if not plain.all():
            return start + int(np.argmin(plain))
        start += step
        step *= 2
    return end
