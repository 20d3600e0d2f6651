"""The dominant colours of a subject."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import Scalar, kernel

Mask = npt.NDArray[np.bool_]
Planes = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

MOST = 3
"""Colours that are told at most."""

_ENOUGH = 500  # pixels
_PER_CELL = np.float32(1 / 5)  # of ΔE 5
_LEAST_SHARE = 0.05
_RADIUS = 22.0  # ΔE within which pixels are one colour, lightness counting half: folds are light and shade
_SKIN_WEIGHT, _MOSTLY = 0.1, 0.7  # of pixels that may be skin, unless so many are
_LEAST_HUE, _MOST_HUE = float(np.tan(np.radians(32))), float(np.tan(np.radians(72)))  # of skin, as b / a
_CENTRAL = 0.5  # standard deviation of the weight of a pixel by its place, in halves of the subject's box
_BALL, _SETTLED = 12.0, 0.5  # ΔE around a mode; in one channel that it may still move
_SLOTS = 2048  # of a hash table: twice as many as there are pixels


@kernel("boolean(float32, float32, float32)")
def _like_skin(light: Scalar, a: Scalar, b: Scalar) -> bool:
    """Whether human skin has a colour: a wedge of hue at low chroma. Beige and tan have it too."""
    return bool(25 < light < 88 and 12**2 < a * a + b * b < 42**2 and _LEAST_HUE * a < b < _MOST_HUE * a)


@kernel("float64[:, ::1](float32[:, :, ::1], boolean[:, ::1])")
def _sampled(lab: Planes, subject: Mask) -> Floats:
    """L, a, b and weight of some pixels of a mask; shape (pixels, 4). A model wears trousers below, a head above."""
    height, width = subject.shape
    number = 0
    for y in range(height):
        for x in range(width):
            number += subject[y, x]
    every = 1 + number // _ENOUGH
    found = np.empty(((number + every - 1) // every, 4))
    places = np.empty((len(found), 2), dtype=np.int64)
    skin, one, skipped = 0, 0, every - 1
    top, bottom, left, right = height, 0, width, 0
    for y in range(height):
        for x in range(width):
            if not subject[y, x]:
                continue
            skipped += 1
            if skipped < every:
                continue
            skipped = 0
            for channel in range(3):
                found[one, channel] = lab[channel, y, x]
            skin += _like_skin(lab[0, y, x], lab[1, y, x], lab[2, y, x])
            places[one, 0], places[one, 1] = y, x
            top, bottom, left, right = min(top, y), max(bottom, y), min(left, x), max(right, x)
            one += 1
    for one in range(len(found)):
        down = (places[one, 0] - (top + bottom) / 2) / max((bottom - top) / 2, 1)
        across = (places[one, 1] - (left + right) / 2) / max((right - left) / 2, 1)
        found[one, 3] = np.exp((down * down + across * across) / (-2 * _CENTRAL**2)) + 0.05
        light, a, b = np.float32(found[one, 0]), np.float32(found[one, 1]), np.float32(found[one, 2])
        if skin < _MOSTLY * len(found) and _like_skin(light, a, b):
            found[one, 3] *= _SKIN_WEIGHT
    return found


@kernel("float64[:, ::1](float64[:, ::1])")
def _binned(colors: Floats) -> Floats:
    """Mean colours of the cells of ΔE 5 that hold any, and their weights, which add up to 1; shape (cells, 4)."""
    slots, keys = np.full(_SLOTS, -1, dtype=np.int64), np.empty(len(colors), dtype=np.int64)
    sums = np.zeros((len(colors), 4))
    number, total = 0, 0.0
    for one in range(len(colors)):
        key = 0
        for channel in range(3):
            # In single precision, so that a grey with a rounding below 0 lies in the cell of one above.
            key = key * 128 + int(np.float32(np.float32(colors[one, channel]) * _PER_CELL + np.float32(64)))
        slot = (key * 40503 >> 5) % _SLOTS
        while slots[slot] >= 0 and keys[slots[slot]] != key:
            slot = (slot + 1) % _SLOTS
        if slots[slot] < 0:
            slots[slot] = number
            keys[number] = key
            number += 1
        cell, weight = slots[slot], colors[one, 3]
        for channel in range(3):
            sums[cell, channel] += weight * colors[one, channel]
        sums[cell, 3] += weight
        total += weight
    for cell in range(number):
        for channel in range(3):
            sums[cell, channel] /= sums[cell, 3]
        sums[cell, 3] /= total
    return sums[:number]


@kernel("float64(float64[:, ::1], int64, float64[::1], float64)")
def _apart(colors: Floats, one: int, other: Floats, scale: float) -> Scalar:
    """Squared ΔE of two colours, that of lightness scaled."""
    light, a, b = colors[one, 0] - other[0], colors[one, 1] - other[1], colors[one, 2] - other[2]
    return scale * light * light + a * a + b * b


@kernel("float64(float64[:, ::1], float64[::1], float64, float64, float64[::1])")
def _mean_near(colors: Floats, around: Floats, reach: float, scale: float, mean: Floats) -> float:
    """The weighted mean of what lies within a ΔE; returns its weight."""
    weight, light, a, b = 0.0, 0.0, 0.0, 0.0
    for one in range(len(colors)):
        if _apart(colors, one, around, scale) < reach * reach:
            weight += colors[one, 3]
            light += colors[one, 3] * colors[one, 0]
            a += colors[one, 3] * colors[one, 1]
            b += colors[one, 3] * colors[one, 2]
    if weight > 0:
        mean[0], mean[1], mean[2] = light / weight, a / weight, b / weight
    return weight


@kernel("float64[:, ::1](float32[:, :, ::1], boolean[:, ::1])")
def dominant(lab: Planes, subject: Mask) -> Floats:
    """Up to three dominant colours: mean-shift modes, each with what lies within ΔE 22 of it, lightness counting half.

    Args:
        lab: Shape (3, height, width).
        subject: Where it is, at one place at least; shape (height, width).

    Returns:
        Shape (colours, 7), in the order in which they are found: share, L, a and b of the mean, and of the mode.
    """
    colors = _binned(_sampled(lab, subject))
    found, number = np.empty((MOST, 7)), 0
    mode, mean = np.empty(3), np.empty(3)
    while number < MOST:
        heaviest, left = 0, 0.0
        for one in range(len(colors)):
            left += colors[one, 3]
            if colors[one, 3] > colors[heaviest, 3]:
                heaviest = one
        if left < _LEAST_SHARE:
            break
        for channel in range(3):
            mode[channel] = colors[heaviest, channel]
        for _ in range(5):
            _mean_near(colors, mode, _BALL, 1.0, mean)
            moved = 0.0
            for channel in range(3):
                moved = max(moved, abs(mean[channel] - mode[channel]))
                mode[channel] = mean[channel]
            if moved < _SETTLED:
                break
        found[number, 0] = _mean_near(colors, mode, _RADIUS, 0.25, mean)
        for channel in range(3):
            found[number, 1 + channel], found[number, 4 + channel] = mean[channel], mode[channel]
        for one in range(len(colors)):
            if _apart(colors, one, mode, 0.25) < _RADIUS * _RADIUS:
                colors[one, 3] = 0.0
        number += 1
    return found[:number]
