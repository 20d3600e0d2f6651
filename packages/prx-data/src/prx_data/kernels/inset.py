"""Where a picture that is set into a plain frame begins, on each side, to a fraction of a pixel."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import Scalar, kernel

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PARTS = 16
"""Parts of an edge, each of which tells by itself where the edge is."""
_FAR = 20  # levels of any channel from the frame's colour that no frame has
_SAME = 10  # and that the four corners may differ by
_FEW = 0.01  # share of a line that may be that far in the frame
_STEPS = 0.35  # and that has to be in one of the first lines inside
_FIRST = 3  # that many
_LEAST = 3  # lines that are a frame
_WIDEST = 0.8  # of a side: what is left inside is too small to be a picture
_STEP = 8.0  # levels, mean of three channels and of a part of an edge
_NEAR = 2  # lines outside of an edge that it may be blurred over
_AROUND = 8  # lines outside of it that a shadow or a halo would show in
_INSIDE = 3  # lines inside of it, what is pictured there
_SAMPLES = 512  # of an edge


@kernel("int64(Array(uint8, 3, 'A', readonly=True), int64[::1])")
def _plain_lines(lines: Pixels, color: Integers) -> int:
    """Lines before the first that is not nearly all of a colour."""
    few = _FEW * lines.shape[1]
    for y in range(len(lines)):
        others = 0
        for x in range(lines.shape[1]):
            red, green = abs(lines[y, x, 0] - color[0]), abs(lines[y, x, 1] - color[1])
            others += max(red, green, abs(lines[y, x, 2] - color[2])) >= _FAR
            if others > few:
                return y
    return len(lines)


@kernel("boolean(Array(uint8, 3, 'A', readonly=True), int64[::1])")
def _begins(lines: Pixels, color: Integers) -> Scalar:
    """Whether enough of the first lines inside a frame is unlike it."""
    unlike = 0
    for x in range(lines.shape[1]):
        found = False
        for y in range(min(_FIRST, len(lines))):
            red, green = abs(lines[y, x, 0] - color[0]), abs(lines[y, x, 1] - color[1])
            found |= max(red, green, abs(lines[y, x, 2] - color[2])) >= _FAR
        unlike += found
    return unlike >= _STEPS * lines.shape[1]


@kernel("boolean(Array(uint8, 3, 'C', readonly=True), int64[::1], int64[::1])")
def margins(pixels: Pixels, color: Integers, widths: Integers) -> Scalar:
    """Whether a reduced picture may be set into a frame; most pictures are dismissed at their corners.

    Args:
        pixels: Shape (height, width, 3).
        color: Gets the frame's colour, red, green and blue.
        widths: Gets the lines of the frame at the left, top, right and bottom.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < 4 * _LEAST:
        return False
    for channel in range(3):
        total = 2
        for y in (0, height - 1):
            total += pixels[y, 0, channel] + np.int64(pixels[y, width - 1, channel])
        color[channel] = total // 4
        for y in (0, height - 1):
            far = max(abs(pixels[y, 0, channel] - color[channel]), abs(pixels[y, width - 1, channel] - color[channel]))
            if far > _SAME:
                return False
    turned = pixels.transpose(1, 0, 2)
    widths[1] = _plain_lines(pixels, color)
    if not _LEAST <= widths[1] < height:
        return False
    widths[3] = _plain_lines(pixels[::-1], color)
    if widths[3] < _LEAST or widths[1] + widths[3] > _WIDEST * height:
        return False
    widths[0] = _plain_lines(turned, color)
    widths[2] = _plain_lines(turned[::-1], color)
    if min(widths[0], widths[2]) < _LEAST or widths[0] + widths[2] > _WIDEST * width:
        return False
    rows, columns = pixels[:, widths[0] : width - widths[2]], turned[:, widths[1] : height - widths[3]]
    return (
        _begins(rows[widths[1] :], color)
        and _begins(rows[::-1][widths[3] :], color)
        and _begins(columns[widths[0] :], color)
        and _begins(columns[::-1][widths[2] :], color)
    )


@kernel("float64(float64[::1])")
def _crossing(means: Floats) -> float:
    """Where a profile rises steepest: the place at which it is half way up; NaN if it does not rise."""
    last = len(means) - 1
    steepest = 1
    for line in range(1, last):
        if means[line + 1] - means[line - 1] > means[steepest + 1] - means[steepest - 1]:
            steepest = line
    above = (means[steepest + 1] + means[min(steepest + 2, last)]) / 2
    below = (means[max(steepest - 2, 0)] + means[max(steepest - 3, 0)]) / 2
    if not above - below >= _STEP:  # nor where a part has no pixels
        return np.nan
    half = (above + below) / 2
    line = max(steepest - 2, 1)
    while line < last and means[line] < half:
        line += 1
    rise = means[line] - means[line - 1]
    return line - (means[line] - half) / rise if rise > 0 else float(line)


@kernel("UniTuple(float64, 2)(Array(uint8, 3, 'A', readonly=True), int64[::1], int64, int64, float64[::1])")
def edge(lines: Pixels, color: Integers, first: int, last: int, places: Floats) -> tuple[float, float]:
    """Where a frame's inner edge is, in `PARTS` parts of its length.

    Args:
        lines: Shape (lines, pixels, 3), a view of the picture from one side inwards, over the length of the edge.
        color: The frame's.
        first: The line from which on the edge is looked for.
        last: The line before which it is.
        places: Gets the width of the frame in each part, in lines and fractions; NaN where no edge is seen.

    Returns:
        How far what lies just outside the edge is from the frame's colour, and the colours just inside from their
        mean: means of the three channels in levels, 0 without an edge.
    """
    length, step = lines.shape[1], max(1, lines.shape[1] // _SAMPLES)
    means = np.zeros(last - first, dtype=np.float64)
    seen, total = 0, 0.0
    for part in range(PARTS):
        begin, end = -(-part * length // PARTS), -(-(part + 1) * length // PARTS)
        for y in range(first, last):
            off, number = 0, 0
            for x in range(begin, end, step):
                red, green = abs(lines[y, x, 0] - color[0]), abs(lines[y, x, 1] - color[1])
                off += red + green + abs(lines[y, x, 2] - color[2])
                number += 3
            means[y - first] = off / number
        places[part] = first + _crossing(means) + 0.5
        if not np.isnan(places[part]):
            seen, total = seen + 1, total + places[part]
    if not seen:
        return 0.0, 0.0
    around, where = 0.0, int(total / seen)
    begin, end = max(0, where - _AROUND), max(1, where - _NEAR)
    for y in range(begin, end):
        for x in range(0, length, step):
            red, green = abs(lines[y, x, 0] - color[0]), abs(lines[y, x, 1] - color[1])
            around += red + green + abs(lines[y, x, 2] - color[2])
    inside = min(where + _INSIDE, len(lines) - 1)
    own, varies = np.zeros(3), 0.0
    for x in range(0, length, step):
        for channel in range(3):
            own[channel] += lines[inside, x, channel]
    samples = (length + step - 1) // step
    own /= samples
    for x in range(0, length, step):
        for channel in range(3):
            varies += abs(lines[inside, x, channel] - own[channel])
    return around / (3 * samples * (end - begin)), varies / (3 * samples)
