"""Straight lines from side to side: steps of colour, ends of surfaces, seams."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import kernel

Mask = npt.NDArray[np.bool_]
Planes = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]

_STEP = 8.0  # ΔE over two rows
_LEVEL = 2  # pixels over which a straight end may tilt
_TOGETHER, _COVERED = 0.4, 0.8  # shares: of the columns that end there, and of each line before
_DEEPEST = 0.7  # of the frame: what covers more and ends straight is a close-up as often
_LINE_SHARE = 0.5  # of a row that steps, where a line runs from side to side
_LINE_MARGIN, _LINE_ENDS = 0.12, 0.7  # parts of the row at both its ends, and the share of them that steps
_BARE = 0.6  # of the border beyond such a line: more ground than that, and it is no other surface
_SEAM_MARGIN = 0.15  # of the side: nearer the frame's edge a seam is a bar's


@kernel("boolean[:, ::1](float32[:, :, ::1])")
def row_steps(lab: Planes) -> Mask:
    """Where colour steps from the row before to the row after.

    By ΔE 8, and by twice as much as two rows further on one of the two sides: in a texture, steps line up by chance. A
    step smears over two rows of the working size, so that both count.

    Args:
        lab: Shape (3, height, width).
    """
    height, width = lab.shape[1:]
    change = np.zeros((height, width), dtype=np.float32)
    found = np.zeros((height, width), dtype=np.bool_)
    for channel in range(3):
        for y in range(1, height - 1):
            for x in range(width):
                off = lab[channel, y + 1, x] - lab[channel, y - 1, x]
                change[y, x] += off * off
    for y in range(3, height - 3):
        for x in range(width):
            here, before, after = change[y, x], change[y - 2, x], change[y + 2, x]
            calm = before if before < after else after
            found[y, x] = (here > np.float32(_STEP * _STEP)) & (here > np.float32(4) * calm)
    return found


@kernel("float64(boolean[:, ::1], Array(boolean, 2, 'A', readonly=True))")
def seam(steps: Mask, mask: Mask) -> float:
    """The largest share of a row that steps, in [0, 1], not near the frame's edge.

    Rows at whose two ends the ground goes on upwards and downwards are left out: a wide box ends there.

    Args:
        steps: See `row_steps`.
        mask: Where the ground shows.
    """
    height, width = steps.shape
    margin = max(2, int(np.rint(_SEAM_MARGIN * height)))
    most = 0
    for y in range(margin, height - margin):
        number, bare = 0, True
        for row in range(y - 2, y + 3):
            bare &= mask[row, 0] & mask[row, width - 1]
        if bare:
            continue
        for x in range(width):
            number += steps[y, x]
        most = max(most, number)
    return float(most / width)


@kernel("boolean(boolean[::1], int64)")
def _is_line(row: Mask, margin: int) -> bool:
    """Whether a row steps nearly all along its ends, and along half of it."""
    width = len(row)
    number, first, last = 0, 0, 0
    for x in range(width):
        number += row[x]
    if number < _LINE_SHARE * width:
        return False
    for x in range(min(margin, width)):
        first += row[x]
        last += row[width - 1 - x]
    return min(first, last) >= _LINE_ENDS * min(margin, width)


@kernel("float64(boolean[:, ::1], Array(boolean, 2, 'A', readonly=True), int64)")
def divided(steps: Mask, mask: Mask, depth: int) -> float:
    """Share of the border beyond the straightest line of steps from the left side to the right one; 0 if there is none.

    Beyond is where the border is not ground. The line need not be seen in the middle, where a product may hide it.

    Args:
        steps: See `row_steps`.
        mask: Where the ground shows.
        depth: Of the border, in pixels.
    """
    height, width = steps.shape
    margin = max(2, int(np.rint(_LINE_MARGIN * width)))
    ground, border = np.zeros(height + 1, dtype=np.int64), np.zeros(height + 1, dtype=np.int64)
    lines = np.zeros(height, dtype=np.bool_)
    some = False
    for y in range(height):
        lines[y] = _is_line(steps[y], margin)
        some |= lines[y]
    if not some:
        return 0.0
    for y in range(height):  # sums over the rows before
        ground[y + 1], border[y + 1] = ground[y], border[y]
        for x in range(width):
            if y < depth or y >= height - depth or x < depth or x >= width - depth:
                border[y + 1] += 1
                ground[y + 1] += mask[y, x]
    found = 0
    for y in range(height):
        if lines[y]:
            if ground[y] < _BARE * border[y]:
                found = max(found, border[y])
            if ground[height] - ground[y] < _BARE * (border[height] - border[y]):
                found = max(found, border[height] - border[y])
    return float(found / border[height])


@kernel("float64(Array(boolean, 2, 'A', readonly=True))")
def longest_end(mask: Mask) -> float:
    """The largest share of columns in which what is not ground ends in one and the same row, upwards or downwards."""
    height, width = mask.shape
    most = 0
    for y in range(height - _LEVEL):
        ends, begins = 0, 0
        for x in range(width):
            ends += mask[y + _LEVEL, x] & ~mask[y, x]
            begins += mask[y, x] & ~mask[y + _LEVEL, x]
        most = max(most, ends, begins)
    return float(most / width)


@kernel("int64(Array(boolean, 2, 'A', readonly=True))")
def _straight_end(mask: Mask) -> int:
    """Rows from the first that a surface covers: up to the last that half of the columns leave together."""
    height, width = mask.shape
    found = 0
    for y in range(height - _LEVEL):
        others, ends = 0, 0
        for x in range(width):
            others += not mask[y, x]
            ends += mask[y + _LEVEL, x] & ~mask[y, x]
        if others < _COVERED * width or y >= _DEEPEST * height:
            break
        if ends >= _TOGETHER * width:
            found = y + 1
    return found


@kernel("float64(Array(boolean, 2, 'A', readonly=True), int64)")
def surfaces(mask: Mask, depth: int) -> float:
    """Share of the border, `depth` pixels wide, under what covers a side of the frame and ends in a straight line."""
    height, width = mask.shape
    top, bottom = _straight_end(mask), height - _straight_end(mask[::-1])
    left, right = _straight_end(mask.T), width - _straight_end(mask.T[::-1])
    if top == 0 and bottom == height and left == 0 and right == width:
        return 0.0
    covered, border = 0, 0
    for y in range(height):
        for x in range(width):
            if y < depth or y >= height - depth or x < depth or x >= width - depth:
                border += 1
                covered += y < top or y >= bottom or x < left or x >= right
    return covered / border


@kernel("UniTuple(int64, 5)(Array(boolean, 2, 'A', readonly=True))")
def box(mask: Mask) -> tuple[int, int, int, int, int]:
    """Pixels of a mask, and its first and one behind its last row and column; all 0 of an empty one."""
    height, width = mask.shape
    number, top, bottom, left, right = 0, height, 0, width, 0
    for y in range(height):
        here = 0
        for x in range(width):
            here += mask[y, x]
        if here:
            first, last = 0, width - 1
            while not mask[y, first]:
                first += 1
            while not mask[y, last]:
                last -= 1
            number, top, bottom = number + here, min(top, y), y + 1
            left, right = min(left, first), max(right, last + 1)
    return (number, top, bottom, left, right) if number else (0, 0, 0, 0, 0)
