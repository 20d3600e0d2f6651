"""Sharpness, exposure and a digest of the pixels."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from scipy import ndimage

from prx_data.decoding import Pixels

WORKING_SIDE = 512
"""Sharpness is taken at a long side of at most this many pixels, so that it compares across sizes."""


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian of the grey picture, in grey levels², ≥ 0; long side reduced to 512 px.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", LAP4/VAR.
    """
    image = Image.fromarray(pixels).convert("L")
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    grey = np.asarray(image, dtype=np.float32)
    return float(ndimage.laplace(grey).var())


def detail(pixels: Pixels) -> float:
    """Largest gradient that the picture holds: the 99.9th percentile of |∇| of the grey picture, in grey levels.

    Unlike `sharpness` it does not fall with the share of plain background, so that a small sharp product on a large
    white ground is as sharp as it looks. Long side reduced to 512 px.
    """
    image = Image.fromarray(pixels).convert("L")
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    grey = np.asarray(image, dtype=np.float32)
    if min(grey.shape) < 2:
        return 0.0
    down, right = np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1]
    return float(np.percentile(np.hypot(down, right), 99.9))


def luma(pixels: Pixels) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rec. 601 luma in [0, 1], float32 of shape (height, width)."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32) / 255.0
    return pixels.astype(np.float32) @ weights


def pixel_digest(pixels: Pixels) -> str:
    """SHA-256 over the shape and the pixels, in hex: equal for two files that decode to the same picture."""
    digest = hashlib.sha256(np.asarray(pixels.shape, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(pixels))
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
        grey = luma(pixels)
        small = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX), dtype=np.float32)
        return {
            "pixel_digest": pixel_digest(pixels),
            "sharpness": sharpness(pixels),
            "detail": detail(pixels),
            "brightness": float(grey.mean()),
            "spread": float(small.reshape(-1, 3).std(axis=0).max() / 255.0),
            "dark_share": float((grey < 0.08).mean()),
            "bright_share": float((grey > 0.95).mean()),
        }
