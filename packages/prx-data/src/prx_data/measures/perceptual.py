"""Perceptual hash, and the small pictures that tell colour variants from duplicates and find cropped copies."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from prx_data.kernels import lab, lines, small
from prx_data.picture import GreyPixels, Picture, Pixels, halved

HASH_SIDE = 8
_DCT_SIDE = 32
GRID_SIDE = 32
DETAIL_SIDE = 64
HASH_NOISE = 2.0
"""Grey levels by which a coefficient has to differ from the median for its bit to be more than noise."""

REDUCED_SIDE = 256
"""The columns are taken from the picture halved until its longer side is the last one of at least this many pixels.

That moves the hash by at most 2 bits: by none for 390 and by 2 for 48 of 438 photos; from 128 px on 1 % move by more
(`benchmarks/decode_side.py`). `phash` of a whole picture stays that of `imagehash`.
"""

_MARGIN_TOLERANCE = 14

Box = tuple[float, float, float, float]


def phash(pixels: Pixels) -> int:
    """64-bit perceptual hash, bit for bit that of `imagehash.phash`; the first bit is the most significant.

    Signs against their median of the 8x8 lowest frequencies of the DCT-II of the 32x32 grey picture (Zauner 2010,
    "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1, with the constant term kept).

    Args:
        pixels: uint8 RGB of shape (height, width, 3).

    Returns:
        An integer in [0, 2**64).
    """
    return _judged(_frequencies(pixels))[0]


def hash_information(pixels: Pixels) -> int:
    """How many of the 64 bits of `phash` are more than noise, in [0, 64].

    A bit counts if its coefficient, in the orthonormal DCT of the 32x32 grey picture, is more than 2 grey levels away
    from the median. Rounding to 8 bits alone moves coefficients by 0.3, JPEG by up to about 2.
    """
    return _judged(_frequencies(pixels))[1]


def _frequencies(pixels: Pixels) -> npt.NDArray[np.float64]:
    from scipy import fftpack  # slow to import, and no measuring process needs it

    grey = Image.fromarray(pixels).convert("L").resize((_DCT_SIDE, _DCT_SIDE), Image.Resampling.LANCZOS)
    frequencies = fftpack.dct(fftpack.dct(np.asarray(grey), axis=0), axis=1)[:HASH_SIDE, :HASH_SIDE]
    return np.asarray(frequencies, dtype=np.float64)


def reduced_hash(grey: GreyPixels) -> tuple[int, int]:
    """`phash` and `hash_information` of a picture that is small already, from its luma, by matrix products alone.

    The same but where a rounding decides. Frequencies are rounded, so that a picture without any has none.
    """
    return _judged(np.round(_DCT @ small_grey(grey) @ _DCT.T, 6))


# The lowest frequencies of the DCT-II as scipy scales it.
_DCT = 2 * np.cos(np.pi * np.arange(HASH_SIDE)[:, None] * (np.arange(_DCT_SIDE) + 0.5) / _DCT_SIDE)


def small_grey(grey: GreyPixels) -> GreyPixels:
    """A small picture's luma at 32x32, as Pillow's Lanczos filter gives it.

    Like Pillow it rounds to whole levels after each of the two passes; that along rows is the first, also for what is
    so tall that Pillow begins with columns.
    """
    height, width = grey.shape
    return small.resampled(cv2.transpose(grey), *_lanczos(width), *_lanczos(height))


@lru_cache(maxsize=256)
def _lanczos(size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Weights that bring a line of pixels to 32, times 2²²: a Lanczos window of three lobes.

    Returns:
        Where the pixels that are weighted begin, shape (32,), and their weights, shape (32, pixels).
    """
    scale = size / small.SIDE
    centres = (np.arange(small.SIDE)[:, None] + 0.5) * scale
    x = (np.arange(size) + 0.5 - centres) / max(scale, 1.0)
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    weights = np.rint(weights / weights.sum(axis=1, keepdims=True) * (1 << small.BITS)).astype(np.int32)
    starts, ends = (weights != 0).argmax(axis=1), size - (weights[:, ::-1] != 0).argmax(axis=1)
    taps = int((ends - starts).max())
    starts = np.minimum(starts, size - taps)
    return starts, np.take_along_axis(weights, starts[:, None] + np.arange(taps), axis=1)


def _judged(frequencies: npt.NDArray[np.float64]) -> tuple[int, int]:
    """The hash, and how many of its bits are more than noise."""
    # 2 * 32 is how much larger than the orthonormal transform this one is.
    return small.signs(np.ascontiguousarray(frequencies).ravel(), HASH_NOISE * 2 * _DCT_SIDE)


def stretched(pixels: Pixels, side: int) -> Pixels:
    """A picture at `side` by `side`, each pixel the mean of what it covers; shape (side, side, 3).

    By means of 2x2 pixels as far as these go, which cost a tenth of means of other sizes.
    """
    while max(pixels.shape[:2]) >= 4 * side and min(pixels.shape[:2]) >= 2 * side:
        pixels = halved(pixels)
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def lab_grid(pixels: Pixels) -> npt.NDArray[np.int8]:
    """The picture at 32x32 in CIE Lab (D65), rounded to whole units; int8 of shape (32, 32, 3).

    L in [0, 100], a and b in [-128, 127]. Colours are averaged in sRGB, as a viewer of a thumbnail sees them.
    """
    return lab.grid(stretched(pixels, GRID_SIDE))


def content_box(pixels: Pixels) -> Box:
    """The picture without plain margins: frames, padding and empty ground on any side.

    A margin is a run of outer lines of which at least 99 % of the pixels lie within 14 levels of the median colour of
    the outermost; margins within margins are taken off too, up to four. A longer side of 256 to 511 px is enough.

    Returns:
        Left, top, right, bottom in [0, 1] of the picture's sides; the whole picture if hardly anything would be left.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = lines.content_box(pixels, _MARGIN_TOLERANCE)
    if right - left < width / 10 or bottom - top < height / 10:
        return 0.0, 0.0, 1.0, 1.0
    return left / width, top / height, right / width, bottom / height


def content_thumbnail(pixels: Pixels, box: Box) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8]]:
    """What `box` holds, to the nearest pixel, stretched to a square: lightness at 64x64 and colour at 32x32.

    Returns:
        L* times 2.55 as uint8 of shape (64, 64), and a* and b* as int8 of shape (32, 32, 2).
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = (round(one * side) for one, side in zip(box, (width, height) * 2, strict=True))
    return lab.thumbnail(stretched(pixels[top:bottom, left:right], DETAIL_SIDE))


@dataclass(frozen=True, kw_only=True)
class Perceptual:
    """What duplicates are found by: about 9 KB a photo."""

    name: str = "perceptual"
    version: str = "6"

    @property
    def schema(self) -> pa.Schema:
        """See `phash`, `hash_information`, `lab_grid`, `content_box` and `content_thumbnail`.

        Small pictures are the bytes of their arrays, row by row: Parquet would give each number of a list four bytes.
        """
        return pa.schema(
            [
                ("phash", pa.uint64()),
                ("hash_information", pa.uint8()),
                ("lab_grid", pa.binary(GRID_SIDE * GRID_SIDE * 3)),
                ("content_box", pa.list_(pa.float32(), 4)),
                ("content_lightness", pa.binary(DETAIL_SIDE * DETAIL_SIDE)),
                ("content_color", pa.binary(DETAIL_SIDE * DETAIL_SIDE // 2)),
            ]
        )

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See the schema; all from a reduced picture, see `REDUCED_SIDE`, and the grid from a smaller one still."""
        pixels = picture.level(REDUCED_SIDE)
        code, informative = reduced_hash(picture.grey_level(REDUCED_SIDE))
        box = content_box(pixels)
        light, color = content_thumbnail(pixels, box)
        return {
            "phash": code,
            "hash_information": informative,
            "lab_grid": lab_grid(picture.level(2 * GRID_SIDE)).tobytes(),
            "content_box": list(box),
            "content_lightness": light.tobytes(),
            "content_color": color.tobytes(),
        }
