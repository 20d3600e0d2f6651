"""sRGB to CIE Lab, and the small pictures in Lab that duplicates are found by."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import Scalar, kernel

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
_SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_TO_WHITE = (_SRGB_TO_XYZ / np.array([[0.95047], [1.0], [1.08883]])).astype(np.float32)
_DARK, _SLOPE = np.float32(216 / 24389), np.float32(24389 / 27 / 116)  # CIE 15: below, the root is a line
_OFFSET = np.float32(16 / 116)
_AT_ONCE = 256  # pixels
_GUESS = np.int32(0x2A5119F2)  # of the bits of a cube root, from a third of the bits of the number


@kernel("float32(float32)")
def _root(value: Scalar) -> Scalar:
    """The cube root: Halley's method, twice, from a third of the exponent; what is dark lies on a line instead."""
    third = np.float32(np.float32(value).view(np.int32)) * np.float32(1 / 3)
    root = np.int32(np.int32(third) + _GUESS).view(np.float32)
    for _ in range(2):
        cube = root * root * root
        root = root * (cube + value + value) / (cube + cube + value)
    return root if value > _DARK else _SLOPE * value + _OFFSET


@kernel("float32[:, ::1](Array(uint8, 2, 'C', readonly=True))")
def srgb_to_lab(pixels: Pixels) -> Floats:
    """Pixels of shape (n, 3) in Lab, plane by plane: shape (3, n)."""
    number = len(pixels)
    lab = np.empty((3, number), dtype=np.float32)
    linear, roots = np.empty((3, _AT_ONCE), dtype=np.float32), np.empty((3, _AT_ONCE), dtype=np.float32)
    for start in range(0, number, _AT_ONCE):
        some = min(_AT_ONCE, number - start)
        for place in range(some):
            for channel in range(3):
                linear[channel, place] = _LINEAR[pixels[start + place, channel]]
        for axis in range(3):
            red, green, blue = _TO_WHITE[axis, 0], _TO_WHITE[axis, 1], _TO_WHITE[axis, 2]
            for place in range(some):
                value = red * linear[0, place] + green * linear[1, place] + blue * linear[2, place]
                roots[axis, place] = _root(value)
        for place in range(some):
            x, y, z = roots[0, place], roots[1, place], roots[2, place]
            lab[0, start + place] = np.float32(116) * y - np.float32(16)
            lab[1, start + place] = np.float32(500) * (x - y)
            lab[2, start + place] = np.float32(200) * (y - z)
    return lab


@kernel("float32[:, :, ::1](float32[:, :, ::1])")
def halved(planes: Floats) -> Floats:
    """Means of 2x2 pixels, plane by plane; a last odd line is left out."""
    half = np.empty((planes.shape[0], planes.shape[1] // 2, planes.shape[2] // 2), dtype=np.float32)
    for plane in range(half.shape[0]):
        for y in range(half.shape[1]):
            for x in range(half.shape[2]):
                above = planes[plane, 2 * y, 2 * x] + planes[plane, 2 * y, 2 * x + 1]
                below = planes[plane, 2 * y + 1, 2 * x] + planes[plane, 2 * y + 1, 2 * x + 1]
                half[plane, y, x] = (above + below) * np.float32(0.25)
    return half


@kernel("int8(float32)")
def _byte(value: Scalar) -> Scalar:
    return np.int8(min(max(np.rint(value), np.float32(-128)), np.float32(127)))


@kernel("int8[:, :, ::1](Array(uint8, 3, 'C', readonly=True))")
def grid(pixels: Pixels) -> npt.NDArray[np.int8]:
    """A picture in Lab, rounded to whole units; shape (height, width, 3)."""
    height, width = pixels.shape[:2]
    lab, found = srgb_to_lab(pixels.reshape(height * width, 3)), np.empty((height, width, 3), dtype=np.int8)
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                found[y, x, channel] = _byte(lab[channel, y * width + x])
    return found


@kernel("Tuple((uint8[:, ::1], int8[:, :, ::1]))(Array(uint8, 3, 'C', readonly=True))")
def thumbnail(pixels: Pixels) -> tuple[Pixels, npt.NDArray[np.int8]]:
    """L* times 2.55 of a picture of even sides; and a* and b* of half its size, shape (height / 2, width / 2, 2)."""
    height, width = pixels.shape[:2]
    planes = srgb_to_lab(pixels.reshape(height * width, 3)).reshape(3, height, width)
    half, light = halved(planes), np.empty((height, width), dtype=np.uint8)
    color = np.empty((height // 2, width // 2, 2), dtype=np.int8)
    for y in range(height):
        for x in range(width):
            light[y, x] = np.uint8(min(max(np.rint(planes[0, y, x] * np.float32(2.55)), 0.0), 255.0))
    for y in range(height // 2):
        for x in range(width // 2):
            for channel in range(2):
                color[y, x, channel] = _byte(half[1 + channel, y, x])
    return light, color
