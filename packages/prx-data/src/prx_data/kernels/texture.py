"""What can be seen on a ground: mottle, directions, other hues; and the medians of what is sampled."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import Scalar, kernel

Mask = npt.NDArray[np.bool_]
Planes = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

LIGHT = 100 / 255
"""From luma to L, nearly: both are about a cube root of luminance."""

_ENOUGH, _ENOUGH_SLOPES = 1000, 3000  # pixels for a quantile; slopes for their direction
# Slopes weaker than the first, in L per pixel, are noise and have no direction; stronger than the second count no more.
_NOISE, _STRONG = 0.15, 6.0
_HUES_CAP = 20.0  # ΔE: beyond it is seen, and more would only drown the rest
_MIDDLE_LIGHT = 60.0  # L + 16
_LEAST_RIM = 8  # pixels
_LEAST_BESIDE = 0.05  # of the border
_GAUSS = np.exp(-(np.arange(-4, 5) ** 2) / 2.0)
_BLUR = (_GAUSS / _GAUSS.sum()).astype(np.float32)  # of standard deviation 1
_FOLD = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 1.4**2))
_SMOOTH = (_FOLD / _FOLD.sum()).astype(np.float32)  # what this leaves is finer than folds


@kernel("int64(int64, int64)")
def _mirrored(place: int, side: int) -> int:
    """A place beyond an end, mirrored at the last pixel."""
    if side == 1:
        return 0
    while place < 0 or place >= side:
        place = -place if place < 0 else 2 * side - 2 - place
    return place


@kernel("float32(float32[::1], int64)")
def _nth(values: Floats, rank: int) -> Scalar:
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


@kernel("int64[::1](boolean[:, ::1], int64)")
def _some(mask: Mask, most: int) -> npt.NDArray[np.int64]:
    """Where a mask is True, flat: all places, or every nth so that they are fewer than twice `most`."""
    flat = mask.ravel()
    places, number = np.empty(len(flat) + 1, dtype=np.int64), 0
    for place in range(len(flat)):
        places[number] = place  # overwritten by the next one unless it counts: a branch would cost more
        number += flat[place]
    return places[: number : 1 + number // most].copy()


@kernel("void(Array(float32, 2, 'C', readonly=True), Array(float32, 1, 'C', readonly=True), float32[:, ::1])")
def _blur(values: Floats, weights: Floats, blurred: Floats) -> None:
    """Blur rows, then columns; mirrored at the frame."""
    height, width = values.shape
    reach = len(weights) // 2
    padded = np.empty(width + 2 * reach, dtype=np.float32)
    across = np.zeros((height, width), dtype=np.float32)
    for y in range(height):
        for x in range(width):
            padded[reach + x] = values[y, x]
        for x in range(reach):
            padded[x] = values[y, _mirrored(x - reach, width)]
            padded[reach + width + x] = values[y, _mirrored(width + x, width)]
        for one in range(len(weights)):
            for x in range(width):
                across[y, x] += weights[one] * padded[x + one]
    for y in range(height):
        for x in range(width):
            blurred[y, x] = 0
        for one in range(len(weights)):
            row = across[_mirrored(y + one - reach, height)]
            for x in range(width):
                blurred[y, x] += weights[one] * row[x]


@kernel("float64(float32[:, :, ::1], boolean[:, ::1])")
def mottle(lab: Planes, where: Mask) -> float:
    """How much a and b change from pixel to pixel on the smoothest tenth of a mask: mean ΔE over 9x9 pixels, ≥ 0."""
    places = _some(where, _ENOUGH)
    if not len(places):
        return 0.0
    height, width = where.shape
    squares, blurred = np.zeros((height, width), dtype=np.float32), np.empty((height, width), dtype=np.float32)
    for channel in range(1, 3):
        _blur(lab[channel], _BLUR, blurred)
        for y in range(height):
            for x in range(width):
                off = lab[channel, y, x] - blurred[y, x]
                squares[y, x] += off * off
    for y in range(height):
        for x in range(width):
            squares[y, x] = np.sqrt(squares[y, x])
    _blur(squares, np.full(9, 1 / 9, dtype=np.float32), blurred)
    local = np.empty(len(places), dtype=np.float32)
    for one in range(len(places)):
        local[one] = blurred[places[one] // width, places[one] % width]
    return float(_nth(local, len(local) // 10))


@kernel("float64(float32[:, ::1], boolean[:, ::1], int64)")
def calmest(detail: Floats, subject: Mask, depth: int) -> float:
    """What a fifth of the border beside a subject does not exceed; of the whole border where little else is left.

    Args:
        detail: A map of patches of 2x2 pixels.
        subject: Of those pixels, twice as high and wide.
        depth: Of the border, in patches.
    """
    height, width = detail.shape
    every, beside = np.empty(height * width, dtype=np.float32), np.empty(height * width, dtype=np.float32)
    border, number = 0, 0
    for y in range(height):
        for x in range(width):
            if depth <= y < height - depth and depth <= x < width - depth:
                continue
            every[border] = beside[number] = detail[y, x]
            border += 1
            above = np.int64(subject[2 * y, 2 * x]) + subject[2 * y, 2 * x + 1]
            number += above + subject[2 * y + 1, 2 * x] + subject[2 * y + 1, 2 * x + 1] < 2
    found = beside[:number] if number > _LEAST_BESIDE * border else every[:border]
    return float(_nth(found, len(found) // 5))


@kernel("void(uint8[:, ::1], float32[:, ::1], float32[:, ::1])")
def _slopes(light: Grey, right: Floats, down: Floats) -> None:
    """Every other row and column of Scharr's slopes, smoothed over three pixels, times 32; mirrored at the frame."""
    height, width = light.shape
    smooth, change = np.empty(width + 1, dtype=np.int32), np.empty(width + 1, dtype=np.int32)
    for row in range(right.shape[0]):
        y = 2 * row
        above, here, below = light[_mirrored(y - 1, height)], light[y], light[_mirrored(y + 1, height)]
        # Columns begin one before the first.
        for x in range(width):
            smooth[x + 1] = np.int32(3) * (np.int32(above[x]) + np.int32(below[x])) + np.int32(10) * np.int32(here[x])
            change[x + 1] = np.int32(below[x]) - np.int32(above[x])
        smooth[0], change[0] = smooth[1 + _mirrored(-1, width)], change[1 + _mirrored(-1, width)]
        for column in range(right.shape[1]):
            x = 2 * column + 1
            after = x + 1 if x < width else 1 + _mirrored(width, width)
            right[row, column] = smooth[after] - smooth[x - 1]
            down[row, column] = 3 * (change[x - 1] + change[after]) + 10 * change[x]


@kernel("float64(uint8[:, ::1], boolean[:, ::1])")
def directions(light: Grey, where: Mask) -> float:
    """|Σ m exp(4iθ)| / Σ m over slopes of magnitude m and angle θ, in [0, 1], at every other row and column.

    The factor of four makes opposite and perpendicular directions one, so that a grid counts like parallel planks. What
    lies on a plain ground has edges of all directions, which cancel; slopes that go on over many pixels, as those of
    the folds of a sheet do, are taken off.

    Args:
        light: Luma, twice as high and wide as `where`.
        where: Which slopes count.
    """
    places = _some(where, _ENOUGH_SLOPES)
    if not len(places):
        return 0.0
    height, width = where.shape
    right, down = np.empty((height, width), dtype=np.float32), np.empty((height, width), dtype=np.float32)
    _slopes(light, right, down)
    lasting_right, lasting_down = np.empty_like(right), np.empty_like(down)
    _blur(right, _SMOOTH, lasting_right)
    _blur(down, _SMOOTH, lasting_down)
    real, imaginary, total = 0.0, 0.0, 0.0
    for place in places:
        y, x = place // width, place % width
        across = (right[y, x] - lasting_right[y, x]) * np.float32(LIGHT / 32)
        along = (down[y, x] - lasting_down[y, x]) * np.float32(LIGHT / 32)
        # (x + iy)² = m² exp(2iθ), and squared again m⁴ exp(4iθ): cheaper than an angle and its cosine.
        square, twist, energy = across * across - along * along, 2 * across * along, across * across + along * along
        weight = min(max(np.sqrt(energy) - _NOISE, 0.0), _STRONG)
        each = weight / max(energy * energy, 1e-9)
        real += each * (square * square - twist * twist)
        imaginary += 2 * each * square * twist
        total += weight
    return float(np.hypot(real, imaginary) / (total + 0.1 * len(places)))


@kernel("float64(float32[:, :, ::1], boolean[:, ::1], float32[::1], float64, int64)")
def hues(lab: Planes, subject: Mask, own: Floats, in_front: float, depth: int) -> float:
    """Mean difference of the border from the ground's own colour, light and shade left out, in [0, 20].

    Shade scales a colour's linear RGB, and with it (L + 16, a, b) as a whole: so a / (L + 16) and b / (L + 16) are
    compared, in units of ΔE at L = 44. Pixels are means of 2x2.

    Args:
        lab: Shape (3, height, width).
        subject: Shape (height, width).
        own: The ground's own colour.
        in_front: How little the subject counts, in [0, 1].
        depth: Of the border, in pixels of half the size.
    """
    height, width = subject.shape[0] // 2, subject.shape[1] // 2
    scale = _MIDDLE_LIGHT / (max(own[0], 0) + 16)
    own_a, own_b = own[1] * scale, own[2] * scale
    total, weights = 0.0, 0.0
    for y in range(height):
        for x in range(width):
            if depth <= y < height - depth and depth <= x < width - depth:
                continue
            light, a, b, covered = 0.0, 0.0, 0.0, 0
            for row in range(2 * y, 2 * y + 2):
                for column in range(2 * x, 2 * x + 2):
                    light += lab[0, row, column] / 4
                    a += lab[1, row, column] / 4
                    b += lab[2, row, column] / 4
                    covered += subject[row, column]
            scale = _MIDDLE_LIGHT / (max(light, 0.0) + 16)
            weight = 1 - in_front if covered >= 2 else 1.0
            total += weight * min(np.hypot(a * scale - own_a, b * scale - own_b), _HUES_CAP)
            weights += weight
    return total / max(weights, 1.0)


@kernel("float64(float32[:, ::1], boolean[:, ::1])")
def median(values: Floats, where: Mask) -> float:
    """The median of a map where a mask is True, of an even number the upper one; 0 if it is nowhere."""
    places = _some(where, _ENOUGH)
    if not len(places):
        return 0.0
    found = np.empty(len(places), dtype=np.float32)
    for one in range(len(places)):
        found[one] = values[places[one] // where.shape[1], places[one] % where.shape[1]]
    return float(_nth(found, len(found) // 2))


@kernel("UniTuple(float64, 4)(float32[:, :, ::1], boolean[:, ::1])")
def middle_color(lab: Planes, where: Mask) -> tuple[float, float, float, float]:
    """The median of each channel where a mask is True, at one place at least; and how far its values span, as a ΔE.

    Every so many pixels give the same medians, and a smooth surface has its extremes nearly there too.
    """
    places = _some(where, _ENOUGH)
    values, medians, spans = np.empty(len(places), dtype=np.float32), np.empty(3), 0.0
    for channel in range(3):
        least, most = np.float32(np.inf), np.float32(-np.inf)
        for one in range(len(places)):
            value = lab[channel, places[one] // where.shape[1], places[one] % where.shape[1]]
            values[one] = value
            least, most = min(least, value), max(most, value)
        medians[channel] = _nth(values, len(values) // 2)
        spans += float(most - least) ** 2
    return medians[0], medians[1], medians[2], np.sqrt(spans)


@kernel("float64(float32[:, :, ::1], int64, int64, int64)")
def _span(lab: Planes, y: int, x: int, reach: int) -> float:
    """Squared length of the difference between the most and the least of each channel in a square around a pixel."""
    squares = 0.0
    for channel in range(3):
        least = most = lab[channel, y, x]
        for row in range(max(y - reach, 0), min(y + reach + 1, lab.shape[1])):
            for column in range(max(x - reach, 0), min(x + reach + 1, lab.shape[2])):
                least, most = min(least, lab[channel, row, column]), max(most, lab[channel, row, column])
        squares += float(most - least) ** 2
    return squares


@kernel("float64(float32[:, :, ::1], boolean[:, ::1], boolean[:, ::1])")
def soft_rim(lab: Planes, subject: Mask, mask: Mask) -> float:
    """Share of the ground beside a subject where colours change less than half as much over 5x5 pixels as over 15x15.

    Every other pixel speaks for it, as on a board of chess; none at the frame. 0 where these are fewer than 8.

    Args:
        lab: Plane by plane: shape (3, height, width).
        subject: Shape (height, width).
        mask: Where the ground shows.
    """
    height, width = subject.shape
    soft, number = 0, 0
    for y in range(1, height - 1):
        for x in range(1 + y % 2, width - 1, 2):
            if not mask[y, x] or subject[y, x]:
                continue
            beside = False
            for row in range(max(y - 1, 1), min(y + 2, height - 1)):
                for column in range(max(x - 1, 1), min(x + 2, width - 1)):
                    beside |= subject[row, column]
            if beside:
                number += 1
                soft += _span(lab, y, x, 2) < _span(lab, y, x, 7) / 4
    return soft / number if number >= _LEAST_RIM else 0.0


@kernel("float64(float32[:, :, ::1], boolean[:, ::1], int64, float64, float64)")
def strewn(lab: Planes, outside: Mask, side: int, edge: float, most: float) -> float:
    """Mean share of edges over cells, so many of which that each is about `side` pixels wide and high.

    Args:
        lab: Plane by plane: shape (3, height, width).
        outside: Which blocks of 2x2 pixels count, half as high and wide; a cell of which half does not is left out, and
            where four fifths are, they count as empty up to there.
        side: In pixels.
        edge: ΔE between a pixel and that above it or to its left, of an edge.
        most: The share that a cell counts at most.

    Returns:
        In [0, `most`].
    """
    height, width = lab.shape[1:]
    rows, columns = max(1, height // side), max(1, width // side)
    total, cells = 0.0, 0
    for row in range(rows):
        for column in range(columns):
            top, bottom = row * height // rows, (row + 1) * height // rows
            left, right = column * width // columns, (column + 1) * width // columns
            number, edges = 0, 0
            for y in range(top, bottom):
                for x in range(left, right):
                    if outside[y // 2, x // 2]:
                        number += 1
                        across, down = 0.0, 0.0
                        for plane in range(3):
                            across += (lab[plane, y, x] - lab[plane, y, max(x - 1, 0)]) ** 2
                            down += (lab[plane, y, x] - lab[plane, max(y - 1, 0), x]) ** 2
                        edges += max(across, down) > edge * edge
            if 2 * number >= (bottom - top) * (right - left):
                total += min(edges / number, most)
                cells += 1
    return float(total / max(cells, rows * columns / 5))
