"""The next level of a picture's pyramid, and a level's luma."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import kernel

Pixels = npt.NDArray[np.uint8]


@kernel("uint8[:, :, ::1](Array(uint8, 3, 'C', readonly=True))")
def halved(pixels: Pixels) -> Pixels:
    """Means of 2x2 pixels, rounded half up; a last odd line is left out.

    Args:
        pixels: Shape (height, width, 3), at least 2x2.
    """
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    half = np.empty((height, width, 3), dtype=np.uint8)
    means = np.empty(3 * pixels.shape[1], dtype=np.uint8)
    for y in range(height):
        above, below, line = pixels[2 * y].reshape(-1), pixels[2 * y + 1].reshape(-1), half[y].reshape(-1)
        # The mean is taken from every pixel on, and half of them are thrown away: a loop without gaps is vectorised.
        for place in range(len(means) - 3):
            left = np.uint16(above[place]) + np.uint16(below[place])
            right = np.uint16(above[place + 3]) + np.uint16(below[place + 3])
            means[place] = np.uint8(np.uint16(left + right + np.uint16(2)) >> np.uint16(2))
        for x in range(width):
            for channel in range(3):
                line[3 * x + channel] = means[6 * x + channel]
    return half


@kernel("uint8[:, ::1](Array(uint8, 3, 'C', readonly=True))")
def luma(pixels: Pixels) -> Pixels:
    """Luma (ITU-R BT.601) of shape (height, width), to the bit as OpenCV's: in 32768ths, rounded half up.

    Args:
        pixels: Shape (height, width, 3).
    """
    height, width = pixels.shape[:2]
    found, colors = np.empty((height, width), dtype=np.uint8), pixels.reshape(-1)
    levels = found.reshape(-1)
    for place in range(height * width):
        red, green, blue = (
            np.uint32(colors[3 * place]),
            np.uint32(colors[3 * place + 1]),
            np.uint32(colors[3 * place + 2]),
        )
        total = red * np.uint32(9798) + green * np.uint32(19235) + blue * np.uint32(3735) + np.uint32(16384)
        levels[place] = np.uint8(total >> np.uint32(15))
    return found
