"""Pictures cut to the size that a model wants, as open_clip and torchvision cut them, without torch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from prx_data.picture import Pixels


@dataclass(frozen=True, kw_only=True)
class Crop:
    """The geometry of open_clip's preprocessing (`open_clip.transform.image_transform`), pixel by pixel."""

    height: int
    width: int
    mode: Literal["shortest", "longest", "squash"] = "shortest"
    """`shortest` fills the frame and cuts what juts out; `longest` shows all and pads; `squash` gives up the shape."""
    interpolation: str = "bicubic"
    fill: int = 0
    """Grey level of what is padded."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """uint8 RGB of shape (height, width, 3) from one of any shape."""
        wide, high = self._size(*pixels.shape[1::-1])
        resized = Image.fromarray(pixels).resize((wide, high), self._resampling)
        return self._centred(np.asarray(resized, dtype=np.uint8))

    @property
    def _resampling(self) -> Image.Resampling:
        # A frame that is not square is filled in bicubic steps, whatever is asked for: open_clip does so.
        filled = self.mode == "shortest" and self.height != self.width
        return (
            Image.Resampling.BILINEAR if self.interpolation == "bilinear" and not filled else Image.Resampling.BICUBIC
        )

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to resize to; rounded as each of the libraries' functions rounds."""
        if self.mode == "squash":
            return self.width, self.height
        if self.mode == "shortest" and self.height == self.width:
            longer = int(self.width * max(width, height) / min(width, height))
            return (self.width, longer) if width <= height else (longer, self.width)
        ratios = height / self.height, width / self.width
        ratio = max(ratios) if self.mode == "longest" else min(ratios)
        return max(1, round(width / ratio)), max(1, round(height / ratio))

    def _centred(self, pixels: Pixels) -> Pixels:
        high, wide = pixels.shape[:2]
        down, across = max(self.height - high, 0), max(self.width - wide, 0)
        if down or across:
            framed = np.full((high + down, wide + across, 3), self.fill, dtype=np.uint8)
            framed[down // 2 : down // 2 + high, across // 2 : across // 2 + wide] = pixels
            pixels, high, wide = framed, high + down, wide + across
        top, left = round((high - self.height) / 2), round((wide - self.width) / 2)
        return np.ascontiguousarray(pixels[top : top + self.height, left : left + self.width])
