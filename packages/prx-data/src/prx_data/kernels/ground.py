"""The ground's first colour, and the smooth surface that is fitted to it."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import Scalar, kernel

Mask = npt.NDArray[np.bool_]
Planes = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

LEAST_STUDIO = 0.04
"""Share of the border that has to be flat for it to be taken for a studio's ground, whatever else is there."""
TOLERANCE = 9.0
"""ΔE from the fitted surface that still is background."""

_FLAT_DETAIL, _FLAT_SPREAD, _FLAT_REACH = 0.08, 1.0, 2.0  # L of detail; of 3x3 patches; ΔE from their one colour
_ALL_ROUND = 0.97  # of the outermost line
_LEAST_LIGHT = 20.0  # L: what is too dark to be seen is flat as well
_BALL, _SETTLED = 12.0, 0.3  # ΔE around a mode; in one channel that it may still move
_DIGITS = 24  # cells of ΔE 10 along a and b: they span fewer
_TENTH, _TWELVE = np.float32(0.1), np.float32(12)
_LEAST_FIT, _ENOUGH_TO_FIT = 64, 1000  # pixels that a fit takes at least, and about at most
_RIDGE = 0.02
# Cube roots of 0.15 and 0.95 of the light, which a cast shadow leaves; ΔE along a and b from the ground's colour in
# such light; and how much L may change from one pixel to the next but one.
_DARKEST, _LIGHTEST, _SHADE_REACH, _SHADE_SLOPE = 0.53, 0.98, 4.0, 3.0
_POWERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))  # of x and y in the surface's six terms


@kernel("float32(float32[:, ::1], int64, float32, float32, float32)")
def _apart(colors: Planes, place: int, light: Scalar, a: Scalar, b: Scalar) -> Scalar:
    """Squared ΔE of one of some colours from another."""
    off_light, off_a, off_b = colors[0, place] - light, colors[1, place] - a, colors[2, place] - b
    return off_light * off_light + off_a * off_a + off_b * off_b


@kernel("UniTuple(float32, 3)(float32[:, ::1], int64[::1])")
def mode(colors: Planes, places: Places) -> tuple[Scalar, Scalar, Scalar]:
    """The colour that most of the pixels are near: mean shift with a ball of ΔE 12 from the densest of coarse cells.

    Args:
        colors: Plane by plane: shape (3, pixels).
        places: Which of them, at least one.
    """
    cells = np.empty(len(places), dtype=np.int64)
    counts = np.zeros(12 * _DIGITS * _DIGITS, dtype=np.int32)
    for one in range(len(places)):
        light, a, b = colors[0, places[one]], colors[1, places[one]], colors[2, places[one]]
        # In single precision, so that a grey with a rounding below 0 lies in the cell of one above.
        row, column = np.float32(a * _TENTH + _TWELVE), np.float32(b * _TENTH + _TWELVE)
        cells[one] = (int(light * _TENTH) * _DIGITS + int(row)) * _DIGITS + int(column)
        counts[cells[one]] += 1
    densest = 0
    for cell in range(len(counts)):
        if counts[cell] > counts[densest]:
            densest = cell
    found_light, found_a, found_b = np.float32(0), np.float32(0), np.float32(0)
    for step in range(6):
        number, sum_light, sum_a, sum_b = 0, 0.0, 0.0, 0.0
        for one in range(len(places)):
            place = places[one]
            if step == 0:
                inside = cells[one] == densest
            else:
                inside = _apart(colors, place, found_light, found_a, found_b) < _BALL * _BALL
            if inside:
                number += 1
                sum_light += colors[0, place]
                sum_a += colors[1, place]
                sum_b += colors[2, place]
        light, a, b = np.float32(sum_light / number), np.float32(sum_a / number), np.float32(sum_b / number)
        moved = max(abs(light - found_light), abs(a - found_a), abs(b - found_b))
        found_light, found_a, found_b = light, a, b
        if step > 0 and moved < _SETTLED:
            break
    return found_light, found_a, found_b


@kernel("float32(float32[:, ::1], int64, int64)")
def _spread(light: Floats, y: int, x: int) -> Scalar:
    """Largest difference of lightness within a patch of 3x3."""
    least = most = light[y, x]
    for row in range(max(y - 1, 0), min(y + 2, light.shape[0])):
        for column in range(max(x - 1, 0), min(x + 2, light.shape[1])):
            least, most = min(least, light[row, column]), max(most, light[row, column])
    return most - least


@kernel("Tuple((float64, UniTuple(float32, 3)))(float32[:, :, ::1])")
def _around(half: Planes) -> tuple[float, tuple[float, float, float]]:
    """Share of the outermost line all round that has its commonest colour, in [0, 1], and that."""
    height, width = half.shape[1:]
    places, number = np.empty(2 * (height + width), dtype=np.int64), 0
    for y in range(height):
        for x in range(0, width, 1 if y in (0, height - 1) else max(width - 1, 1)):
            places[number] = y * width + x
            number += 1
    colors = half.reshape(3, height * width)
    color = mode(colors, places[:number])
    same = 0
    for place in places[:number]:
        same += _apart(colors, place, color[0], color[1], color[2]) < _FLAT_REACH * _FLAT_REACH
    return same / number, color


@kernel("Tuple((float64, UniTuple(float32, 3)))(float32[:, :, ::1], float32[:, ::1], int64[::1], int64[::1])")
def first_color(
    half: Planes, grain: Floats, border: Places, narrow: Places
) -> tuple[float, tuple[float, float, float]]:
    """How much of the border is one perfectly flat colour, in [0, 1]; and that, or else the border's commonest colour.

    A box may leave so little of the ground that nothing in the border is flat; if the outermost line has one colour all
    round, that is the ground's.

    Args:
        half: Planes at half the working size, plane by plane: shape (3, height, width).
        grain: Of the same height and width, see `grain`.
        border: Flat places where a flat colour is looked for.
        narrow: Flat places of the border otherwise.
    """
    height, width = grain.shape
    colors = half.reshape(3, height * width)
    around, color = _around(half)
    if around >= _ALL_ROUND and color[0] > _LEAST_LIGHT:
        return around, color
    flat, found = np.empty(len(border), dtype=np.int64), 0
    for place in border:
        y, x = place // width, place % width
        if grain[y, x] < _FLAT_DETAIL and half[0, y, x] > _LEAST_LIGHT and _spread(half[0], y, x) < _FLAT_SPREAD:
            flat[found] = place
            found += 1
    share = 0.0
    if found and found >= LEAST_STUDIO * len(border):
        color = mode(colors, flat[:found])
        same = 0
        for one in range(found):
            same += _apart(colors, flat[one], color[0], color[1], color[2]) < _FLAT_REACH * _FLAT_REACH
        share = same / len(border)
        if share >= LEAST_STUDIO:
            return share, color
    return share, mode(colors, narrow)


@kernel("void(float64[:, ::1], int64, float32, float32[::1], float32[::1])")
def _row(weights: Weights, channel: int, y: float, xs: Floats, values: Floats) -> None:
    """One row of a channel of a surface."""
    constant = np.float32(weights[0, channel] + y * (weights[2, channel] + y * weights[5, channel]))
    linear = np.float32(weights[1, channel] + y * weights[4, channel])
    square = np.float32(weights[3, channel])
    for column in range(len(xs)):
        values[column] = constant + xs[column] * (linear + xs[column] * square)


@kernel("Tuple((float32[:, :, ::1], float32[:, ::1]))(float32[:, :, ::1], float64[:, ::1], float32[::1], float32[::1])")
def departures(lab: Planes, weights: Weights, ys: Floats, xs: Floats) -> tuple[Planes, Floats]:
    """A surface, and the squared ΔE of a picture from it.

    Args:
        lab: Plane by plane: shape (3, height, width).
        weights: Of 1, x, y, x², xy and y², each channel: shape (6, 3).
        ys: Where the rows lie in [-1, 1].
        xs: Where the columns do.
    """
    height, width = lab.shape[1:]
    surface, squares = np.empty(lab.shape, dtype=np.float32), np.zeros((height, width), dtype=np.float32)
    for channel in range(3):
        for y in range(height):
            _row(weights, channel, ys[y], xs, surface[channel, y])
            for x in range(width):
                off = lab[channel, y, x] - surface[channel, y, x]
                squares[y, x] += off * off
    return surface, squares


@kernel("boolean(float32[:, :, ::1], boolean[:, ::1], float64[:, ::1], float32[::1], float32[::1])")
def fit(lab: Planes, mask: Mask, weights: Weights, ys: Floats, xs: Floats) -> bool:
    """Ridge fit of a surface to about a thousand pixels of a mask; False if it has too few.

    The ridge keeps it from swinging where there is no background.

    Args:
        lab: As for `departures`.
        mask: Shape (height, width).
        weights: As for `departures`; written to.
        ys: As for `departures`.
        xs: As for `departures`.
    """
    height, width = mask.shape
    number = 0
    for y in range(height):
        for x in range(width):
            number += mask[y, x]
    every = 1 + number // _ENOUGH_TO_FIT
    fitted = (number + every - 1) // every
    if fitted < _LEAST_FIT:
        return False
    # Sums of x and y up to the fourth power, and of those up to the second with each channel.
    moments, products = np.zeros((5, 5)), np.zeros((3, 3, 3))
    sums, colored = np.empty(5), np.empty((3, 3))
    skipped = every - 1
    for y in range(height):
        sums[:], colored[:] = 0.0, 0.0
        for x in range(width):
            if not mask[y, x]:
                continue
            skipped += 1
            if skipped < every:
                continue
            skipped = 0
            power = 1.0
            for degree in range(5):
                sums[degree] += power
                if degree < 3:
                    for channel in range(3):
                        colored[degree, channel] += power * lab[channel, y, x]
                power *= xs[x]
        power = 1.0
        for degree in range(5):
            for other in range(5):
                moments[other, degree] += power * sums[other]
            if degree < 3:
                for other in range(3):
                    for channel in range(3):
                        products[other, degree, channel] += power * colored[other, channel]
            power *= ys[y]
    normal = np.empty((6, 6))
    for one in range(6):
        for channel in range(3):
            weights[one, channel] = products[_POWERS[one][0], _POWERS[one][1], channel]
        for other in range(6):
            normal[one, other] = moments[_POWERS[one][0] + _POWERS[other][0], _POWERS[one][1] + _POWERS[other][1]]
        if one:
            normal[one, one] += _RIDGE * fitted
    _solve(normal, weights)
    return True


@kernel("void(float64[:, ::1], float64[:, ::1])")
def _solve(normal: Weights, right: Weights) -> None:
    """Solve in place for a symmetric positive definite matrix: Gauss's elimination, which needs no pivots there."""
    size = len(normal)
    for one in range(size):
        for below in range(one + 1, size):
            factor = normal[below, one] / normal[one, one]
            for column in range(one, size):
                normal[below, column] -= factor * normal[one, column]
            for channel in range(3):
                right[below, channel] -= factor * right[one, channel]
    for one in range(size - 1, -1, -1):
        for channel in range(3):
            for later in range(one + 1, size):
                right[one, channel] -= normal[one, later] * right[later, channel]
            right[one, channel] /= normal[one, one]


@kernel("boolean[:, ::1](float32[:, :, ::1], float32[:, :, ::1], boolean[:, ::1])")
def in_shade(lab: Planes, surface: Planes, subject: Mask) -> Mask:
    """Where a subject is as smooth as the ground and of its colour, but darker: it may be the ground in a shadow.

    In light k times as strong L + 16, a and b of CIE Lab are ∛k times what they were.

    Args:
        lab: The picture, plane by plane: shape (3, height, width).
        surface: The ground's smooth colour, of the same shape.
        subject: Of every other row and column.
    """
    found = np.zeros_like(subject)
    height, width = subject.shape
    for y in range(height):
        for x in range(width):
            row, column = 2 * y, 2 * x
            light = lab[0, row, column]
            ratio = (light + 16) / max(surface[0, row, column] + 16, np.float32(1))
            if not subject[y, x] or ratio <= _DARKEST or ratio >= _LIGHTEST:
                continue
            off_a = lab[1, row, column] - ratio * surface[1, row, column]
            off_b = lab[2, row, column] - ratio * surface[2, row, column]
            down = abs(lab[0, 2 * min(y + 1, height - 1), column] - light)
            along = abs(lab[0, row, 2 * min(x + 1, width - 1)] - light)
            found[y, x] = off_a * off_a + off_b * off_b < _SHADE_REACH * _SHADE_REACH and down + along < _SHADE_SLOPE
    return found


@kernel("float64(float32[:, ::1], int64[::1], float32)")
def unlike(colors: Planes, places: Places, reach: float) -> float:
    """Share of some pixels that are farther than a ΔE from the colour that most are near, in [0, 1)."""
    light, a, b = mode(colors, places)
    number = 0
    for place in places:
        number += _apart(colors, place, light, a, b) >= reach * reach
    return number / len(places)


@kernel("UniTuple(float64, 3)(boolean[:, ::1], boolean[:, ::1], float32[:, ::1], int64[::1], float32)")
def along_border(mask: Mask, subject: Mask, off: Floats, places: Places, reach: float) -> tuple[float, float, float]:
    """What is seen along the border: three shares, in [0, 1].

    Args:
        mask: Where the ground shows.
        subject: Where the subject is.
        off: ΔE from the ground's surface.
        places: Flat places of the border.
        reach: ΔE that counts as the surface's own colour.

    Returns:
        How much is ground; how much of the rest is not the subject; how much of all but the subject has the surface's
        own colour, or of everything if the subject covers the border.
    """
    ground, rest, pure, pure_outside, outside = 0, 0, 0, 0, 0
    for place in places:
        y, x = place // mask.shape[1], place % mask.shape[1]
        own = off[y, x] < reach
        ground += mask[y, x]
        pure += own
        if not subject[y, x]:
            rest += not mask[y, x]
            outside += 1
            pure_outside += own
    purity = pure_outside / outside if outside else pure / len(places)
    return ground / len(places), rest / max(len(places) - ground, 1), purity
