"""Outer lines of a picture that have one colour."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import kernel

Pixels = npt.NDArray[np.uint8]
Color = npt.NDArray[np.int64]

_PLAIN = 0.99  # share of a line that has to have the colour
_MARGINS = 4  # that lie in each other


@kernel("void(Array(uint8, 2, 'A', readonly=True), int64[::1])")
def median_color(line: Pixels, color: Color) -> None:
    """The median of each channel over a line of shape (pixels, 3); of an even number, the upper one."""
    counts = np.empty(256, dtype=np.int64)
    for channel in range(3):
        for level in range(256):
            counts[level] = 0
        for place in range(len(line)):
            counts[line[place, channel]] += 1
        level, reached = 0, counts[0]
        while reached <= len(line) // 2:
            level += 1
            reached += counts[level]
        color[channel] = level


@kernel("int64(Array(uint8, 3, 'A', readonly=True), int64, int64)")
def plain_lines(lines: Pixels, tolerance: int, most: int) -> int:
    """How many lines from the first on are plain.

    A line is plain if at least 99 % of its pixels differ from the median colour of the first by at most some levels, in
    each channel.

    Args:
        lines: Shape (lines, pixels, 3), a view of a picture whichever way round.
        tolerance: Levels.
        most: Where to stop counting.
    """
    color = np.empty(3, dtype=np.int64)
    median_color(lines[0], color)
    length = lines.shape[1]
    for one in range(min(most, len(lines))):
        others = 0
        for place in range(length):
            red, green = abs(lines[one, place, 0] - color[0]), abs(lines[one, place, 1] - color[1])
            others += max(red, green, abs(lines[one, place, 2] - color[2])) > tolerance
            if length - others < _PLAIN * length:
                return one
    return min(most, len(lines))


@kernel("UniTuple(int64, 4)(Array(uint8, 3, 'A', readonly=True), int64)")
def content_box(pixels: Pixels, tolerance: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the picture without plain margins, and without margins within margins, up to four."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    for _ in range(_MARGINS):
        part = pixels[top:bottom, left:right]
        above, below = plain_lines(part, tolerance, bottom), plain_lines(part[::-1], tolerance, bottom)
        if above + below >= bottom - top - 4:
            break
        part = part[above : len(part) - below].transpose(1, 0, 2)
        before, behind = plain_lines(part, tolerance, right), plain_lines(part[::-1], tolerance, right)
        if before + behind >= right - left - 4:
            break
        left, top, right, bottom = left + before, top + above, right - behind, bottom - below
        if above + below + before + behind == 0:
            break
    return left, top, right, bottom
