"""One decoded picture at the sizes that measures ask for: each is made once, from the next larger one."""

from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""An upright sRGB picture, shape (height, width, 3)."""
GreyPixels: TypeAlias = npt.NDArray[np.uint8]
"""Its luma (ITU-R BT.601), shape (height, width)."""


class Picture:
    """An upright sRGB picture.

    All measures of a photo share one `Picture`, so that none reduces the whole picture again. Reductions are means of
    2x2 pixels, again and again (a pyramid), and from the last one that is large enough a box filter. Where a side is
    odd, the last mean is of what is left and counts as a whole pixel: places move by less than a pixel of that level.
    """

    def __init__(self, image: Image.Image) -> None:
        """`image` is of mode RGB; it may have been decoded at a part of its size."""
        self._levels = [image]
        self._fitted: dict[int, Image.Image] = {}

    @classmethod
    def of(cls, pixels: Pixels) -> "Picture":
        """A picture of uint8 RGB of shape (height, width, 3)."""
        return cls(Image.fromarray(np.ascontiguousarray(pixels)))

    @property
    def image(self) -> Image.Image:
        """As it was decoded; mode RGB."""
        return self._levels[0]

    @cached_property
    def pixels(self) -> Pixels:
        """As it was decoded; shape (height, width, 3)."""
        return np.asarray(self.image, dtype=np.uint8)

    @property
    def long_side(self) -> int:
        """Pixels of the longer side, as decoded."""
        return max(self.image.size)

    def level(self, side: int) -> Image.Image:
        """The smallest level of the pyramid whose longer side has at least `side` pixels; the picture if none has."""
        depth = 0
        while self.long_side >> (depth + 1) >= side:
            depth += 1
            if depth == len(self._levels):
                self._levels.append(self._levels[-1].reduce(2))
        return self._levels[depth]

    def at(self, side: int) -> Pixels:
        """The picture with a longer side of `side` pixels, aspect ratio kept; never enlarged."""
        return np.asarray(self._fit(side), dtype=np.uint8)

    def grey(self, side: int) -> GreyPixels:
        """The luma with a longer side of `side` pixels, aspect ratio kept; never enlarged."""
        return np.asarray(self._fit(side).convert("L"), dtype=np.uint8)

    def _fit(self, side: int) -> Image.Image:
        if side not in self._fitted:
            self._fitted[side] = _fitted(self.level(side), side)
        return self._fitted[side]


def _fitted(image: Image.Image, side: int) -> Image.Image:
    longer = max(image.size)
    if longer <= side:
        return image
    width, height = (max(1, round(one * side / longer)) for one in image.size)
    return image.resize((width, height), Image.Resampling.BOX)
