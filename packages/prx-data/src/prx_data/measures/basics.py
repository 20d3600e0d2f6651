"""Sharpness, exposure, and a digest of the pixels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import xxhash

from prx_data.kernels import luma
from prx_data.picture import GreyPixels, Picture, Pixels

WORKING_SIDE = 384
"""Sharpness is taken at a long side of at most this many pixels, so that it compares across sizes."""
_STRONGEST = 0.001
_DARK, _BRIGHT = 20, 243  # levels: luma below 0.08 and above 0.95


def sharpness(grey: GreyPixels) -> float:
    """Variance of the Laplacian, in grey levels², ≥ 0.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    # Each pixel is taken off as often as it is added to a neighbour: the mean is 0, and the variance that of squares.
    return luma.exposure(grey, _DARK, _BRIGHT)[0] / grey.size


def detail(grey: GreyPixels) -> float:
    """The strongest gradients that the picture holds: the 99.9th percentile of |∇|, in grey levels per pixel, ≥ 0.

    Unlike `sharpness` it does not fall with the share of plain background, so that a small sharp product on a large
    white ground is as sharp as it looks.
    """
    if min(grey.shape) < 2:
        return 0.0
    return math.sqrt(luma.strongest(grey, _STRONGEST))


def pixel_digest(pixels: Pixels) -> str:
    """XXH3 of 128 bits over the shape and the pixels, in hex: equal for two files that decode to the same picture.

    Not proof against those who mean to deceive, and far faster than what is; see Collet, https://xxhash.com.
    """
    digest = xxhash.xxh3_128(np.asarray(pixels.shape, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Basics:
    """Sharpness, exposure, and a digest of the pixels."""

    name: str = "basics"
    version: str = "4"

    @property
    def schema(self) -> pa.Schema:
        """`spread` is the largest standard deviation of a colour channel; shares are of the frame."""
        return pa.schema(
            [
                ("pixel_digest", pa.string()),
                ("sharpness", pa.float32()),
                ("detail", pa.float32()),
                ("brightness", pa.float32()),
                ("spread", pa.float32()),
                ("dark_share", pa.float32()),
                ("bright_share", pa.float32()),
            ]
        )

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """`brightness` and `spread` in [0, 1]; `dark_share` below luma 0.08, `bright_share` above 0.95.

        `pixel_digest` is null if the picture was decoded at a fraction of its size.
        """
        grey = picture.grey(WORKING_SIDE)
        squares, total, dark, bright = luma.exposure(grey, _DARK, _BRIGHT)
        _, deviations = cv2.meanStdDev(picture.level(64))
        return {
            "pixel_digest": pixel_digest(picture.pixels) if picture.whole else None,
            "sharpness": squares / grey.size,
            "detail": detail(grey),
            "brightness": total / grey.size / 255,
            "spread": float(deviations.max()) / 255,
            "dark_share": dark / grey.size,
            "bright_share": bright / grey.size,
        }
