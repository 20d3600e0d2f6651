"""What pixels tell of the JPEGs that they have been: coefficients that were once quantised keep to multiples."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from prx_data.jpeg import luma_steps
from prx_data.picture import GreyPixels

Floats = npt.NDArray[np.float32]

BLOCK = 8
LEAST_FIT = 0.35
"""Mean of cos(2π c / step) over the coefficients c, from which on they keep to multiples of the steps.

It is 1 for exact multiples and about 0 for what was not quantised on these blocks. On phone and studio photos it was
0.6 to 0.99 for one compression, also below a second of quality 90 and more, and up to 0.19 for none.
"""

_LEAST_COUNT = 200  # coefficients that are not rounded to nothing
_LOWEST, _HIGHEST = 5, 74  # qualities; the steps of better ones drown in those of the next compression
_LEAST_STEP = 4
_COUNTED = 2  # tiles: of 128 pixels these are 450 blocks or more
_LEVELS = 256  # of a coefficient's size; larger ones are left out
_FREQUENCIES = 4
_PLACES = tuple((v, u) for v in range(_FREQUENCIES) for u in range(_FREQUENCIES) if 1 <= u + v <= 3)
_CLIP = 4  # grey levels: an edge of a block counts no more than that, so that edges of what is shown do not


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
    found = [_quality(tiles[:_COUNTED, top:, left:]) for top, left in {*grids, (_grid(tiles, 1), _grid(tiles, 2))}]
    return min((one for one in found if one is not None), default=None)


def _quality(tiles: GreyPixels) -> int | None:
    """The same for blocks that begin in the tiles' corners."""
    counts = _sizes(tiles)
    cosines, looked_at = _comb()
    number = counts @ looked_at
    fit = counts @ cosines / np.maximum(number, 1)
    fit[number < _LEAST_COUNT] = 0
    best = int(np.argmax(fit))
    return _LOWEST + best if fit[best] >= LEAST_FIT else None


def _grid(tiles: GreyPixels, axis: int) -> int:
    """Where blocks begin along an axis, in [0, 8): where steps between lines stand out from those beside them."""
    lines = np.moveaxis(tiles, axis, 0)[:, :, ::2].astype(np.int16).reshape(tiles.shape[axis], -1)
    steps = np.abs(lines[1:] - lines[:-1])
    out = np.clip(2 * steps[1:-1] - steps[:-2] - steps[2:], -_CLIP, _CLIP).mean(axis=1)
    # out[k] tells of the step from line k + 1 to line k + 2.
    means = [out[(place - 2) % BLOCK :: BLOCK].mean() for place in range(BLOCK)]
    return int(np.argmax(means))


def _sizes(tiles: GreyPixels) -> Floats:
    """How often each coefficient has each size, of the blocks from the tiles' corners; shape (places * sizes,)."""
    number, height, width = tiles.shape
    rows, columns = height // BLOCK, width // BLOCK
    whole = tiles[:, : rows * BLOCK, : columns * BLOCK].astype(np.float32)
    blocks = whole.reshape(number, rows, BLOCK, columns, BLOCK).swapaxes(2, 3).reshape(-1, BLOCK * BLOCK)
    found = np.rint(np.abs(blocks @ _transform())).astype(np.int64)
    found[found >= _LEVELS] = 0  # as what was rounded to nothing, which is not looked at
    found += _LEVELS * np.arange(len(_PLACES))
    return np.bincount(found.ravel(), minlength=_LEVELS * len(_PLACES)).astype(np.float32)


@lru_cache(maxsize=1)
def _transform() -> Floats:
    """The orthonormal DCT-II of blocks at the places that are looked at; shape (64, places)."""
    frequency = np.arange(_FREQUENCIES)[:, None]
    basis = np.cos(np.pi * frequency * (np.arange(BLOCK) + 0.5) / BLOCK) * np.where(frequency, 0.5, np.sqrt(1 / 8))
    return np.stack([np.outer(basis[v], basis[u]).ravel() for v, u in _PLACES], axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _comb() -> tuple[Floats, Floats]:
    """For each place and size cos(2π size / step), 0 where it is not looked at, and whether it is.

    Both of shape (places * sizes, qualities).
    """
    steps = luma_steps()[_LOWEST - 1 : _HIGHEST].reshape(-1, BLOCK, BLOCK)
    step = np.stack([steps[:, v, u] for v, u in _PLACES])[:, None, :]
    size = np.arange(_LEVELS)[None, :, None]
    looked_at = (size > step / 2) & (step >= _LEAST_STEP)
    cosines = np.where(looked_at, np.cos(2 * np.pi * size / step), 0)
    shape = (len(_PLACES) * _LEVELS, -1)
    return cosines.astype(np.float32).reshape(shape), looked_at.astype(np.float32).reshape(shape)
