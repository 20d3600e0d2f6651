"""The layout embedding: where colours and edges are, from pixels alone, no weights needed.

Two descriptors of MPEG-7 (ISO/IEC 15938-3; Manjunath et al. 2001, "Color and Texture Descriptors"), side by side:
colour layout (the low frequencies of an 8x8 YCbCr picture) and the edge histogram (five kinds of edge in each of 4x4
parts, with the semi-global and global histograms that Park et al. 2000 add for matching).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from scipy import fft

from prx_data.picture import Picture, Pixels

COLOR_COEFFICIENTS = (15, 10, 10)
"""Coefficients in zigzag order of Y, Cb and Cr."""
_PARTS = 4
_BLOCKS = 16  # blocks along a side of a part
_EDGE_SIDE = _PARTS * _BLOCKS * 2
_EDGE_THRESHOLD = 11.0
DIMENSIONS = sum(COLOR_COEFFICIENTS) + 5 * (_PARTS * _PARTS + 13 + 1)

Vector = npt.NDArray[np.float32]

# Filters of the standard on a block's four quarters: top left, top right, bottom left, bottom right.
_ROOT = float(np.sqrt(2.0))
_EDGE_FILTERS = np.array(
    [
        [1, -1, 1, -1],  # vertical
        [1, 1, -1, -1],  # horizontal
        [_ROOT, 0, 0, -_ROOT],  # 45 degrees
        [0, _ROOT, -_ROOT, 0],  # 135 degrees
        [2, -2, -2, 2],  # without direction
    ],
    dtype=np.float32,
)


def _zigzag(side: int) -> npt.NDArray[np.intp]:
    """Flat indices of a square in zigzag order."""
    cells = [(row, column) for row in range(side) for column in range(side)]
    cells.sort(key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return np.array([row * side + column for row, column in cells], dtype=np.intp)


_ORDER = _zigzag(8)


def color_layout(pixels: Pixels) -> Vector:
    """MPEG-7 colour layout, unquantised: float32 of length 35, in [-1, 1].

    Orthonormal DCT-II of the 8x8 mean colours in YCbCr, divided by its largest possible value of 8 · 255.
    """
    small = Image.fromarray(pixels).resize((8, 8), Image.Resampling.BOX, reducing_gap=2.0).convert("YCbCr")
    planes = np.asarray(small, dtype=np.float32) - np.array([0, 128, 128], dtype=np.float32)
    frequencies = fft.dctn(planes, axes=(0, 1), norm="ortho").reshape(64, 3)[_ORDER] / (8 * 255)
    return np.concatenate([frequencies[:n, channel] for channel, n in enumerate(COLOR_COEFFICIENTS)]).astype(np.float32)


def edge_histogram(pixels: Pixels) -> Vector:
    """MPEG-7 edge histogram with semi-global and global bins: float32 of length 150, each in [0, 1].

    Five shares (vertical, horizontal, 45°, 135°, no direction) of the blocks of each of 4x4 parts; then of rows,
    columns, 2x2 neighbourhoods and centre; then of the whole.
    """
    side = (_EDGE_SIDE, _EDGE_SIDE)
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize(side, Image.Resampling.BOX), dtype=np.float32)
    n = _PARTS * _BLOCKS
    quarters = grey.reshape(n, 2, n, 2).transpose(0, 2, 1, 3).reshape(n, n, 4)
    strengths = np.abs(quarters @ _EDGE_FILTERS.T)
    kind = np.where(strengths.max(axis=2) > _EDGE_THRESHOLD, strengths.argmax(axis=2), 5)
    parts = kind.reshape(_PARTS, _BLOCKS, _PARTS, _BLOCKS).transpose(0, 2, 1, 3).reshape(_PARTS, _PARTS, -1)
    local = np.stack([(parts == edge).mean(axis=2) for edge in range(5)], axis=2)
    corners = [local[r : r + 2, c : c + 2].mean(axis=(0, 1)) for r in (0, 2) for c in (0, 2)]
    wide = [*local.mean(axis=1), *local.mean(axis=0), *corners, local[1:3, 1:3].mean(axis=(0, 1))]
    bins = np.concatenate([local.reshape(-1), np.concatenate(wide), local.mean(axis=(0, 1))])
    return bins.astype(np.float32)


def layout(pixels: Pixels) -> Vector:
    """The layout embedding: float32 of length 185, Euclidean norm 1.

    Both descriptors are scaled to norm 1 before they are joined, so that colour and edges weigh the same.
    """
    halves = []
    for half in (color_layout(pixels), edge_histogram(pixels)):
        norm = float(np.linalg.norm(half))
        halves.append(half / norm if norm > 1e-6 else half)
    joined = np.concatenate(halves)
    norm = float(np.linalg.norm(joined))
    return (joined / norm if norm > 0 else joined).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The layout embedding as a column `layout`."""

    name: str = "layout"
    version: str = "2"

    @property
    def schema(self) -> pa.Schema:
        """float16 is enough: the components lie in [-1, 1]."""
        return pa.schema([("layout", pa.list_(pa.float16(), DIMENSIONS))])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `layout`; from a reduced picture, as its smallest cell is a 128th of a side."""
        return {"layout": layout(np.asarray(picture.level(2 * _EDGE_SIDE), dtype=np.uint8)).astype(np.float16)}
