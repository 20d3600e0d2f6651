"""What pixels tell of the JPEGs that they have been: coefficients that were once quantised keep to multiples."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from prx_data.jpeg import luma_steps
from prx_data.kernels import history as kernels
from prx_data.kernels.history import BLOCK, PLACES, SIZES
from prx_data.picture import GreyPixels

_LOWEST, _HIGHEST = 5, 74  # qualities; the steps of better ones drown in those of the next compression
_LEAST_STEP = 4


def past_quality(tiles: GreyPixels, grids: Iterable[tuple[int, int]] = ()) -> int | None:
    """The quality of the JPEG that pixels were once quantised by, 5 to 74, whatever file they are in now.

    Each low frequency's coefficients are held to multiples of the IJG library's steps (Fan & de Queiroz 2003,
    "Identification of bitmap compression history: JPEG detection and quantizer estimation", of which this takes the
    two parts: find the grid of blocks, then the steps). Of several compressions it is the coarsest.

    Args:
        tiles: Parts of a picture's luma at its full size, on one grid of blocks: at distances that divide by 8;
            uint8 of shape (n, side, side). Edges of blocks are looked for in all, coefficients in the first two.
        grids: Where blocks may begin in a tile, (top, left), each in [0, 8); besides where edges of blocks show.

    Returns:
        None where there is no trace: after a resize, in another encoder's steps, or in too little detail.
    """
    if not len(tiles):
        return None
    places = sorted({*grids, kernels.grid(tiles)})
    found = kernels.coarsest(tiles, np.array(places, dtype=np.int64), *_comb())
    return None if found < 0 else _LOWEST + found


@lru_cache(maxsize=1)
def _comb() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """cos(2π size / step), 0 where that is not looked at, and from which size on it is; the number of sizes for none.

    Of shape (places, sizes, qualities) and (places, qualities).
    """
    steps = luma_steps()[_LOWEST - 1 : _HIGHEST].reshape(-1, BLOCK, BLOCK)
    step = np.stack([steps[:, v, u] for v, u in PLACES])
    first = np.where(step >= _LEAST_STEP, step // 2 + 1, SIZES)
    size = np.arange(SIZES)[None, :, None]
    cosines = np.where(size >= first[:, None, :], np.cos(2 * np.pi * size / step[:, None, :]), 0)
    return cosines.astype(np.float32), np.minimum(first, SIZES).astype(np.int64)
