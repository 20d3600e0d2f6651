"""Small pictures: 32x32 pixels that a hash is taken of, blocks with edges, power along lines."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import kernel

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Weights = npt.NDArray[np.int32]
Starts = npt.NDArray[np.int64]

SIDE = 32
"""Pixels that lines are brought to."""
BITS = 22
"""Of the fraction of a weight, as in Pillow."""

_EDGE = 11  # more than that is an edge
_PARTS, _BLOCKS = 4, 16  # parts along a side; blocks along a side of a part
_SMOOTH = 5  # frequencies
_REFERENCE = (0.1, 0.2)  # frequencies, as shares of Nyquist's, that even a picture enlarged four times holds
_DROP = 0.16  # part of the level there, below which there is no detail


@kernel("uint8[:, ::1](uint8[:, ::1], int64[::1], int32[:, ::1])")
def _brought(rows: Grey, starts: Starts, weights: Weights) -> Grey:
    """Rows brought to 32 by weighted sums, rounded to whole levels."""
    length = rows.shape[1]
    found, sums = np.empty((SIDE, length), dtype=np.uint8), np.empty(length, dtype=np.int32)
    for one in range(SIDE):
        for x in range(length):
            sums[x] = np.int32(1 << (BITS - 1))
        for tap in range(weights.shape[1]):
            weight, row = weights[one, tap], rows[starts[one] + tap]
            for x in range(length):
                sums[x] = np.int32(sums[x] + np.int32(weight * np.int32(row[x])))
        for x in range(length):
            found[one, x] = min(max(sums[x] >> BITS, 0), 255)
    return found


@kernel("uint8[:, ::1](uint8[:, ::1], int64[::1], int32[:, ::1], int64[::1], int32[:, ::1])")
def resampled(turned: Grey, lefts: Starts, across: Weights, tops: Starts, down: Weights) -> Grey:
    """A picture at 32x32 by weights along rows, then along columns, rounded after each.

    Args:
        turned: Luma, a row for each column of the picture.
        lefts: Where the pixels that are weighted begin, for each of 32 columns.
        across: Their weights, times 2²²; shape (32, pixels).
        tops: The same for rows.
        down: The same for rows.
    """
    return _brought(np.ascontiguousarray(_brought(turned, lefts, across).T), tops, down)


@kernel("Tuple((uint64, int64))(float64[::1], float64)")
def signs(values: npt.NDArray[np.float64], noise: float) -> tuple[int, int]:
    """Which of 64 values are above their median, the first as the highest bit; how many are beyond noise around it."""
    ordered = np.empty_like(values)
    for one in range(len(values)):
        place = one
        while place > 0 and ordered[place - 1] > values[one]:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = values[one]
    median = (ordered[len(values) // 2 - 1] + ordered[len(values) // 2]) / 2
    bits, far = np.uint64(0), 0
    for one in range(len(values)):
        bits = (bits << np.uint64(1)) | np.uint64(values[one] > median)
        far += abs(values[one] - median) > noise
    return bits, far  # type: ignore[return-value]


@kernel("float64[:, ::1](uint8[:, ::1])")
def edges(square: Grey) -> npt.NDArray[np.float64]:
    """Shares of the blocks of 2x2 pixels with each kind of edge: vertical, horizontal, 45°, 135°, no direction.

    Args:
        square: Luma at 128x128.

    Returns:
        Shape (16, 5): of each of 4x4 parts.
    """
    counts = np.zeros((_PARTS * _PARTS, 5))
    root = np.float32(np.sqrt(2.0))
    for y in range(_PARTS * _BLOCKS):
        for x in range(_PARTS * _BLOCKS):
            a, b = np.int32(square[2 * y, 2 * x]), np.int32(square[2 * y, 2 * x + 1])
            c, d = np.int32(square[2 * y + 1, 2 * x]), np.int32(square[2 * y + 1, 2 * x + 1])
            kind, most = 0, np.float32(abs(a - b + c - d))
            horizontal, rising, falling = (
                np.float32(abs(a + b - c - d)),
                root * np.float32(abs(a - d)),
                root * np.float32(abs(b - c)),
            )
            other = np.float32(2 * abs(a - b - c + d))
            if horizontal > most:
                kind, most = 1, horizontal
            if rising > most:
                kind, most = 2, rising
            if falling > most:
                kind, most = 3, falling
            if other > most:
                kind, most = 4, other
            if most > _EDGE:
                counts[y // _BLOCKS * _PARTS + x // _BLOCKS, kind] += 1 / _BLOCKS**2
    return counts


@kernel("float32[:, ::1](uint8[:, :, ::1], float32[::1], float64)")
def windowed(tiles: Grey, window: Floats, least: float) -> Floats:
    """Every fourth row and column of tiles, of mean 0 and under a window; shape (lines, side).

    Args:
        tiles: Luma, shape (tiles, side, side).
        window: Shape (side,).
        least: Standard deviation of what is looked at.
    """
    number, side = tiles.shape[:2]
    each = (side + 3) // 4
    found, lines = np.empty((2 * each * number, side), dtype=np.float32), 0
    for one in range(number):
        tile, total, squares = tiles[one], 0, 0
        for y in range(side):
            row, row_squares = np.int32(0), np.int32(0)
            for x in range(side):
                level = np.int32(tile[y, x])
                row = np.int32(row + level)
                row_squares = np.int32(row_squares + np.int32(level * level))
            total, squares = total + int(row), squares + int(row_squares)
        mean = total / side**2
        if np.sqrt(squares / side**2 - mean * mean) <= least:
            continue
        middle = np.float32(mean)
        for y in range(0, side, 4):
            for x in range(side):
                found[lines + y // 4, x] = (np.float32(tile[y, x]) - middle) * window[x]
        for y in range(side):
            for x in range(0, side, 4):
                found[lines + each + x // 4, y] = (np.float32(tile[y, x]) - middle) * window[y]
        lines += 2 * each
    return found[:lines]


@kernel("float64[::1](float32[:, ::1])")
def power(waves: Floats) -> npt.NDArray[np.float64]:
    """Mean power of lines, from frequency 0 to Nyquist's.

    Args:
        waves: As OpenCV packs the transform of a line: Re 0, Re 1, Im 1, Re 2, ...
    """
    lines, side = waves.shape
    sums, found = np.zeros(side), np.zeros(side // 2 + 1)
    for line in range(lines):
        for place in range(side):
            sums[place] += np.float64(waves[line, place]) * np.float64(waves[line, place])
    for place in range(side):
        found[(place + 1) // 2] += sums[place] / lines
    return found


@kernel("float64(float64[::1])")
def cutoff(power: npt.NDArray[np.float64]) -> float:
    """The first frequency, as a share of Nyquist's, at which f² times the power is below a part of its level; or 1."""
    number = len(power) - 1
    level, smooth, band = np.empty(number), np.empty(number), np.empty(number)
    for one in range(number):
        level[one] = np.log(power[one + 1] * ((one + 1) / number) ** 2 + 1e-6)
    held = 0
    for one in range(number):
        total = 0.0
        for near in range(one - _SMOOTH // 2, one + _SMOOTH // 2 + 1):
            total += level[min(max(near, 0), number - 1)]
        smooth[one] = total / _SMOOTH
        if _REFERENCE[0] <= (one + 1) / number <= _REFERENCE[1]:
            place = held
            while place > 0 and band[place - 1] > smooth[one]:
                band[place] = band[place - 1]
                place -= 1
            band[place] = smooth[one]
            held += 1
    reference = (band[(held - 1) // 2] + band[held // 2]) / 2
    for one in range(number):
        if (one + 1) / number > _REFERENCE[1] and smooth[one] < reference + np.log(_DROP):
            return (one + 1) / number
    return 1.0
