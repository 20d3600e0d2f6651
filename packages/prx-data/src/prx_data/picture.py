"""One decoded picture at the sizes that measures ask for: each is made once, from the next larger one."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from prx_data.kernels import pyramid

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""An upright sRGB picture, shape (height, width, 3)."""
GreyPixels: TypeAlias = npt.NDArray[np.uint8]
"""Its luma (ITU-R BT.601), shape (height, width)."""
T = TypeVar("T")


class Picture:
    """An upright sRGB picture.

    All measures of a photo share one `Picture`, so that none reduces the whole picture again. Reductions are means of
    2x2 pixels, again and again (a pyramid), and from the last one that is large enough bilinear. Where a side is odd,
    its last line is left out of the next level: places move by less than a pixel of that level. The arrays are shared:
    nobody may write to them.
    """

    def __init__(self, pixels: Pixels | Image.Image, *, whole: bool = True) -> None:
        """`pixels` is uint8 RGB of shape (height, width, 3), or an image of mode RGB; see `whole`."""
        self._levels: list[Pixels] = [np.ascontiguousarray(pixels, dtype=np.uint8)]
        self.long_side: int = max(self.pixels.shape[:2])
        """Pixels of the longer side, as decoded."""
        self.whole = whole
        """False if it was decoded at a fraction of its size."""
        self._greys: dict[int, GreyPixels] = {}
        self._fitted: dict[int, GreyPixels] = {}
        self._found: dict[tuple[Callable[[Pixels], Any], int], Any] = {}

    @property
    def pixels(self) -> Pixels:
        """As it was decoded; shape (height, width, 3), rows without gaps."""
        return self._levels[0]

    def level(self, side: int) -> Pixels:
        """The smallest level of the pyramid whose longer side has at least `side` pixels; the picture if none has."""
        depth = self._depth(side)
        while len(self._levels) <= depth:
            self._levels.append(halved(self._levels[-1]))
        return self._levels[depth]

    def grey_level(self, side: int) -> GreyPixels:
        """The luma of `level(side)`."""
        depth = self._depth(side)
        if depth not in self._greys:
            self._greys[depth] = pyramid.luma(self.level(side))
        return self._greys[depth]

    def at(self, side: int) -> Pixels:
        """The picture with a longer side of `side` pixels, aspect ratio kept; never enlarged."""
        return _fitted(self.level(side), side)

    def grey(self, side: int) -> GreyPixels:
        """The luma with a longer side of `side` pixels, aspect ratio kept; never enlarged."""
        if side not in self._fitted:
            self._fitted[side] = _fitted(self.grey_level(side), side)
        return self._fitted[side]

    def of_level(self, function: Callable[[Pixels], T], side: int) -> T:
        """What a function gives for `level(side)`: computed once, however many measures ask for it."""
        what = (function, self._depth(side))
        if what not in self._found:
            self._found[what] = function(self.level(side))
        found: T = self._found[what]
        return found

    def _depth(self, side: int) -> int:
        return max(0, (self.long_side // max(1, side)).bit_length() - 1)


def halved(pixels: Pixels) -> Pixels:
    """Means of 2x2 pixels, rounded half up; the last line of an odd side is left out, a side of one pixel stays one."""
    height, width = pixels.shape[:2]
    if pixels.ndim == 3 and min(height, width) > 1:
        return pyramid.halved(np.ascontiguousarray(pixels))
    size = (max(1, width // 2), max(1, height // 2))
    even = pixels[: 2 * size[1], : 2 * size[0]]
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _fitted(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    longer = max(height, width)
    if longer <= side:
        return pixels
    size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
