"""Whether a picture holds the detail that its size promises.

Upscaled pictures have no high frequencies, and what was compressed too far once keeps the traces of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.kernels import luma, small
from prx_data.kernels.history import BLOCK
from prx_data.measures import history
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
    return _resolved(detailed_tiles(picture))


def _resolved(tiles: Pixels) -> float | None:
    lines = small.windowed(tiles, _window(tiles.shape[2]), _LEAST_DEVIATION)
    return small.cutoff(small.power(cv2.dft(lines, flags=cv2.DFT_ROWS))) if len(lines) else None


def detailed_tiles(picture: Picture) -> Pixels:
    """The tiles of the full-size luma with the strongest gradients, up to four; shape (n, side, side).

    The side is 128, or as much as divides by 8 of a shorter side of the picture; none below 48.
    """
    height, width = picture.pixels.shape[:2]
    side, left, top = _tiling(picture)
    if side < _LEAST_TILE:
        return np.empty((0, side, side), dtype=np.uint8)
    columns, rows = width // side, height // side
    energy = luma.energy(picture.grey(_ENERGY_SIDE), rows, columns).ravel()
    chosen = np.argsort(-energy, kind="stable")[:_TILES].tolist()
    tiles = np.empty((len(chosen), side, side), dtype=np.uint8)
    for tile, place in zip(tiles, chosen, strict=True):
        x, y = left + place % columns * side, top + place // columns * side
        cv2.cvtColor(picture.pixels[y : y + side, x : x + side], cv2.COLOR_RGB2GRAY, dst=tile)
    return tiles


def _tiling(picture: Picture) -> tuple[int, int, int]:
    """The tiles' side, and where the first begins: left and top."""
    height, width = picture.pixels.shape[:2]
    side = min(TILE, width, height) // BLOCK * BLOCK
    return (side, width % side // 2, height % side // 2) if side else (0, 0, 0)


def past_quality(picture: Picture) -> int | None:
    """The quality, 5 to 74, of the coarsest JPEG that the pixels show traces of, see `prx_data.measures.history`.

    Blocks are looked for where the picture's first corner has them, where they are once it was mirrored or turned, and
    where their edges show, as after a crop.
    """
    return _once_compressed(picture, detailed_tiles(picture))


def _once_compressed(picture: Picture, tiles: Pixels) -> int | None:
    height, width = picture.pixels.shape[:2]
    _, left, top = _tiling(picture)
    grids = product({-top % BLOCK, (height - top) % BLOCK}, {-left % BLOCK, (width - left) % BLOCK})
    return history.past_quality(tiles, grids)


@lru_cache(maxsize=8)
def _window(side: int) -> npt.NDArray[np.float32]:
    return np.hanning(side).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """`effective_resolution` and `past_quality`; null where they cannot be told, as of a picture that is not whole."""

    name: str = "resolution"
    version: str = "6"

    @property
    def schema(self) -> pa.Schema:
        """See `effective_resolution`, a share in [0, 1], and `past_quality`, a JPEG quality from 5 to 74."""
        return pa.schema([("effective_resolution", pa.float32()), ("past_quality", pa.int8())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See the schema."""
        if not picture.whole:
            return dict.fromkeys(self.schema.names)
        tiles = detailed_tiles(picture)
        return {"effective_resolution": _resolved(tiles), "past_quality": _once_compressed(picture, tiles)}
