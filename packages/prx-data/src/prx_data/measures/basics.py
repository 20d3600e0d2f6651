"""Sharpness, exposure and a digest of the pixels."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from scipy import ndimage

from prx_data.decoding import Pixels

WORKING_SIDE = 512
"""Sharpness is taken at a long side of at most this many pixels, so that it compares across sizes."""


Grey = npt.NDArray[np.float32]


def working_grey(pixels: Pixels) -> Grey:
    """The grey picture at a long side of at most 512 px: float32 in [0, 255]."""
    image = Image.fromarray(pixels).convert("L")
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float32)


def sharpness(grey: Grey) -> float:
    """Variance of the Laplacian, in grey levels², ≥ 0.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    return float(ndimage.laplace(grey).var())


def detail(grey: Grey) -> float:
    """The strongest gradients that the picture holds: the 99.9th percentile of |∇|, in grey levels per pixel, ≥ 0.

    Unlike `sharpness` it does not fall with the share of plain background, so that a small sharp product on a large
    white ground is as sharp as it looks.
    """
    if min(grey.shape) < 2:
        return 0.0
    down, right = np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1]
    return float(np.percentile(np.hypot(down, right), 99.9))


def pixel_digest(pixels: Pixels) -> str:
    """SHA-256 over the shape and the pixels, in hex: equal for two files that decode to the same picture."""
    digest = hashlib.sha256(np.asarray(pixels.shape, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Basics:
    """Sharpness, exposure and a digest of the pixels."""

    name: str = "basics"
    version: str = "1"

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

    def __call__(self, pixels: Pixels) -> Mapping[str, Any]:
        """`brightness` and `spread` in [0, 1]; `dark_share` below luma 0.08, `bright_share` above 0.95."""
        grey = working_grey(pixels)
        small = np.asarray(
            Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0), dtype=np.float32
        )
        return {
            "pixel_digest": pixel_digest(pixels),
            "sharpness": sharpness(grey),
            "detail": detail(grey),
            "brightness": float(grey.mean() / 255),
            "spread": float(small.reshape(-1, 3).std(axis=0).max() / 255),
            "dark_share": float((grey < 0.08 * 255).mean()),
            "bright_share": float((grey > 0.95 * 255).mean()),
        }
