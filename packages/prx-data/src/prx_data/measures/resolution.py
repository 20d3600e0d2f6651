"""Whether a picture holds the detail that its size promises: upscaled pictures have no high frequencies."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.measures.kernels import luma, small
from prx_data.picture import Picture, Pixels

TILE = 128
_TILES = 4
_LEAST_TILE = 48
_LEAST_DEVIATION = 2.0  # grey levels
_ENERGY_SIDE = 384


def effective_resolution(picture: Picture) -> float | None:
    """The share of the nominal resolution, per side, up to which the picture holds detail, in [0, 1]; 1 is all of it.

    A picture enlarged s times holds detail up to 1/s. Natural pictures have a power spectrum of about 1/f² (Field 1987,
    "Relations between the statistics of natural images"), so f² times the power is level; it is taken along rows and
    columns of the most detailed tiles, and the answer is the frequency from which on it stays below a part of its level
    at low frequencies. None for a picture whose shorter side has less than 48 pixels, or that shows nothing.
    """
    tiles = _detailed_tiles(picture)
    lines = small.windowed(tiles, _window(tiles.shape[2]), _LEAST_DEVIATION)
    return small.cutoff(small.power(cv2.dft(lines, flags=cv2.DFT_ROWS))) if len(lines) else None


def _detailed_tiles(picture: Picture) -> Pixels:
    """The tiles of the full-size luma with the strongest gradients; shape (n, side, side)."""
    height, width = picture.pixels.shape[:2]
    side = min(TILE, width, height)
    if side < _LEAST_TILE:
        return np.empty((0, side, side), dtype=np.uint8)
    columns, rows = width // side, height // side
    left, top = (width - columns * side) // 2, (height - rows * side) // 2
    energy = luma.energy(picture.grey(_ENERGY_SIDE), rows, columns).ravel()
    chosen = np.argsort(-energy, kind="stable")[:_TILES].tolist()
    tiles = np.empty((len(chosen), side, side), dtype=np.uint8)
    for tile, place in zip(tiles, chosen, strict=True):
        x, y = left + place % columns * side, top + place // columns * side
        cv2.cvtColor(picture.pixels[y : y + side, x : x + side], cv2.COLOR_RGB2GRAY, dst=tile)
    return tiles


@lru_cache(maxsize=8)
def _window(side: int) -> npt.NDArray[np.float32]:
    return np.hanning(side).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """`effective_resolution`, a share in [0, 1]; null where it cannot be told, as of a picture that is not whole."""

    name: str = "resolution"
    version: str = "4"

    @property
    def schema(self) -> pa.Schema:
        """See `effective_resolution`."""
        return pa.schema([("effective_resolution", pa.float32())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `effective_resolution`."""
        return {"effective_resolution": effective_resolution(picture) if picture.whole else None}
