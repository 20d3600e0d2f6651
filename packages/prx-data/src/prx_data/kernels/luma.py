"""What is counted over a picture's luma: grain, light and shade, gradients.

numba makes 64 bits of every sum of integers: sums that are told to stay in 32 are taken of twice as many at once.
"""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import Scalar, kernel

Floats = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

LIGHT = 100 / 255
"""From luma to L, nearly: both are about a cube root of luminance."""


@kernel("uint8(uint8, uint8)")
def _less(one: Scalar, other: Scalar) -> Scalar:
    return one if one < other else other


@kernel("uint8(uint8, uint8)")
def _more(one: Scalar, other: Scalar) -> Scalar:
    return one if one > other else other


@kernel("float32[:, ::1](uint8[:, ::1])")
def grain(light: Grey) -> Floats:
    """What a median of 3x3 pixels takes away, in L: means over 4x4 pixels.

    Steps and folds pass a median filter unchanged, points and thin lines do not: what it takes away is grain.

    Args:
        light: Luma; both sides divide by four.
    """
    height, width = light.shape
    means = np.empty((height // 4, width // 4), dtype=np.float32)
    low, middle, high = np.empty(width + 2, np.uint8), np.empty(width + 2, np.uint8), np.empty(width + 2, np.uint8)
    taken = np.zeros(width, dtype=np.uint16)
    for y in range(height):
        above, here, below = light[max(y - 1, 0)], light[y], light[min(y + 1, height - 1)]
        # Columns of three in order; then the median is that of the largest low, the middle one and the smallest high.
        for x in range(width):
            least, most = _less(above[x], here[x]), _more(above[x], here[x])
            low[x + 1], high[x + 1] = _less(least, below[x]), _more(most, below[x])
            middle[x + 1] = _more(least, _less(most, below[x]))
        low[0], middle[0], high[0] = low[1], middle[1], high[1]
        low[width + 1], middle[width + 1], high[width + 1] = low[width], middle[width], high[width]
        for x in range(width):
            a = _more(_more(low[x], low[x + 1]), low[x + 2])
            least, most = _less(middle[x], middle[x + 1]), _more(middle[x], middle[x + 1])
            b = _more(least, _less(most, middle[x + 2]))
            c = _less(_less(high[x], high[x + 1]), high[x + 2])
            median = _more(_less(a, b), _less(_more(a, b), c))
            taken[x] += np.uint8(_more(here[x], median) - _less(here[x], median))
        if y % 4 == 3:
            for x in range(width // 4):
                four = np.int64(taken[4 * x]) + taken[4 * x + 1] + taken[4 * x + 2] + taken[4 * x + 3]
                means[y // 4, x] = np.float32(four / 16) * np.float32(LIGHT)
            for x in range(width):
                taken[x] = 0
    return means


@kernel("UniTuple(int64, 4)(uint8[:, ::1], int64, int64)")
def exposure(grey: Grey, dark: int, bright: int) -> tuple[int, int, int, int]:
    """The sum of squares of the Laplacian, that of the levels, and how many are at most dark and at least bright.

    Args:
        grey: Luma; beyond the frame it goes on as at its edge.
        dark: A level.
        bright: A level.
    """
    height, width = grey.shape
    squares, total, darker, brighter = 0, 0, 0, 0
    for y in range(height):
        above, here, below = grey[max(y - 1, 0)], grey[y], grey[min(y + 1, height - 1)]
        row: Scalar = np.int32(0)
        levels, few, many = np.int32(0), np.int32(0), np.int32(0)
        for x in range(1, width - 1):
            change = np.int32(above[x]) + below[x] + here[x - 1] + here[x + 1] - 4 * np.int32(here[x])
            row = np.int32(row + np.int32(change * change))
        for x in range(0, width, max(width - 1, 1)):
            beside = np.int32(here[max(x - 1, 0)]) + here[min(x + 1, width - 1)]
            change = np.int32(above[x]) + below[x] + beside - 4 * np.int32(here[x])
            row = np.int32(row + np.int32(change * change))
        for x in range(width):
            levels = np.int32(levels + np.int32(here[x]))
            few = np.int32(few + np.int32(here[x] <= dark))
            many = np.int32(many + np.int32(here[x] >= bright))
        squares, total, darker, brighter = (
            squares + int(row),
            total + int(levels),
            darker + int(few),
            brighter + int(many),
        )
    return squares, total, darker, brighter


@kernel("int64(uint8[:, ::1], uint8)")
def _reach(values: Grey, level: Scalar) -> int:
    """How many values are at least a level; counted in bytes, as many as fit into an instruction."""
    height, width = values.shape
    counts, number = np.empty(width, dtype=np.uint8), 0
    for start in range(0, height, 255):
        for x in range(width):
            counts[x] = 0
        for y in range(start, min(start + 255, height)):
            for x in range(width):
                counts[x] += np.uint8(values[y, x] >= level)
        for x in range(width):
            number += counts[x]
    return number


@kernel("int64(int32[::1], int64)")
def _nth(values: npt.NDArray[np.int32], rank: int) -> Scalar:
    """The value that has so many before it in order (Hoare 1961, "Algorithm 65: Find"); the values change places."""
    first, last = 0, len(values) - 1
    while first < last:
        pivot = values[(first + last) // 2]
        low, high = first, last
        while low <= high:
            while values[low] < pivot:
                low += 1
            while values[high] > pivot:
                high -= 1
            if low <= high:
                values[low], values[high] = values[high], values[low]
                low += 1
                high -= 1
        if rank <= high:
            last = high
        elif rank >= low:
            first = low
        else:
            break
    return values[rank]


@kernel("int64(uint8[:, ::1], float64)")
def strongest(grey: Grey, share: float) -> int:
    """|∇|² at the place that a share of all gradients reach, the strongest first; both sides have two pixels at least.

    The gradient is the difference from the next pixel downwards and to the right.
    """
    height, width = grey.shape[0] - 1, grey.shape[1] - 1
    larger, peaks = np.empty((height, width), dtype=np.uint8), np.zeros(height, dtype=np.uint8)
    for y in range(height):
        here, below = grey[y], grey[y + 1]
        for x in range(width):
            down, right = _more(here[x], below[x]), _more(here[x], here[x + 1])
            larger[y, x] = _more(
                np.uint8(down - _less(here[x], below[x])), np.uint8(right - _less(here[x], here[x + 1]))
            )
        peak: Scalar = np.uint8(0)
        for x in range(width):
            peak = _more(peak, larger[y, x])
        peaks[y] = peak
    rank = 1 + int(share * height * width)
    # The level that so many reach, from above in steps of a quarter. |∇| lies between the larger of the two differences
    # and √2 times that: few gradients can be among the strongest.
    level = 255
    while level > 0 and _reach(larger, np.uint8(level)) < rank:
        level = level * 3 // 4
    level = int(level / np.sqrt(2.0))
    number = _reach(larger, np.uint8(level))
    candidates, found = np.empty(number, dtype=np.int32), 0
    for y in range(height):
        if peaks[y] < level:
            continue
        for x in range(width):
            if larger[y, x] >= level:
                down, right = np.int32(grey[y + 1, x]) - grey[y, x], np.int32(grey[y, x + 1]) - grey[y, x]
                candidates[found] = down * down + right * right
                found += 1
    return int(_nth(candidates, number - rank))


@kernel("int64[:, ::1](uint8[:, ::1], int64, int64)")
def energy(grey: Grey, rows: int, columns: int) -> npt.NDArray[np.int64]:
    """How much changes from left to right within each of rows x columns parts."""
    height, width = grey.shape[0], grey.shape[1] - 1
    sums = np.zeros((rows, columns), dtype=np.int64)
    for row in range(rows):
        for y in range(row * height // rows, (row + 1) * height // rows):
            here = grey[y]
            for column in range(columns):
                first, last = column * width // columns, (column + 1) * width // columns
                line, beside, total = here[first:last], here[first + 1 : last + 1], np.int32(0)
                for x in range(len(line)):
                    total = np.int32(total + np.int32(_more(line[x], beside[x]) - _less(line[x], beside[x])))
                sums[row, column] += total
    return sums
