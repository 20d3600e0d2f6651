"""Sharpness, exposure, and a digest of the pixels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import xxhash

from prx_data.picture import GreyPixels, Picture, Pixels

WORKING_SIDE = 384
"""Sharpness is taken at a long side of at most this many pixels, so that it compares across sizes."""
_STRONGEST = 0.001
_LEVELS = tuple(round(255 * 0.75**step) for step in range(20))
_DARK, _BRIGHT = 20, 243  # levels: luma below 0.08 and above 0.95


def sharpness(grey: GreyPixels) -> float:
    """Variance of the Laplacian, in grey levels², ≥ 0.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    laplacian = cv2.Laplacian(grey, cv2.CV_16S, ksize=1, borderType=cv2.BORDER_REPLICATE)
    # Each pixel is taken off as often as it is added to a neighbour: the mean is 0, and the variance that of squares.
    return float(cv2.norm(laplacian, cv2.NORM_L2SQR)) / grey.size


def detail(grey: GreyPixels) -> float:
    """The strongest gradients that the picture holds: the 99.9th percentile of |∇|, in grey levels per pixel, ≥ 0.

    Unlike `sharpness` it does not fall with the share of plain background, so that a small sharp product on a large
    white ground is as sharp as it looks.
    """
    if min(grey.shape) < 2:
        return 0.0
    here = grey[:-1, :-1]
    down, right = cv2.absdiff(grey[1:, :-1], here), cv2.absdiff(grey[:-1, 1:], here)
    larger = cv2.max(down, right)
    rank = 1 + int(_STRONGEST * larger.size)
    # Counting is many times as fast as ordering: the level that so many reach, from above in steps of a quarter.
    level = next((level for level in _LEVELS if np.count_nonzero(larger >= level) >= rank), 0)
    # |∇| lies between the larger of the two and √2 times that: few gradients can be among the strongest.
    candidates = (larger >= int(level / math.sqrt(2))).ravel().nonzero()[0]
    x, y = right.take(candidates).astype(np.int32), down.take(candidates).astype(np.int32)
    return math.sqrt(float(np.partition(x * x + y * y, -rank)[-rank]))


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
    version: str = "3"

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
        _, deviations = cv2.meanStdDev(picture.level(64))
        return {
            "pixel_digest": pixel_digest(picture.pixels) if picture.whole else None,
            "sharpness": sharpness(grey),
            "detail": detail(grey),
            "brightness": cv2.mean(grey)[0] / 255,
            "spread": float(deviations.max()) / 255,
            "dark_share": np.count_nonzero(grey <= _DARK) / grey.size,
            "bright_share": np.count_nonzero(grey >= _BRIGHT) / grey.size,
        }
