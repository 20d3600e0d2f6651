"""The layout embedding: where colours and edges are, from pixels alone, no weights needed.

Two descriptors of MPEG-7 (ISO/IEC 15938-3; Manjunath et al. 2001, "Color and Texture Descriptors"), side by side:
colour layout (the low frequencies of an 8x8 YCbCr picture) and the edge histogram (five kinds of edge in each of 4x4
parts, with the semi-global and global histograms that Park et al. 2000 add for matching).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.kernels import small
from prx_data.picture import GreyPixels, Picture, Pixels, halved

COLOR_COEFFICIENTS = (15, 10, 10)
"""Coefficients in zigzag order of Y, Cb and Cr."""
_PARTS = 4
_BLOCKS = 16  # blocks along a side of a part
_EDGE_SIDE = _PARTS * _BLOCKS * 2
DIMENSIONS = sum(COLOR_COEFFICIENTS) + 5 * (_PARTS * _PARTS + 13 + 1)

Vector = npt.NDArray[np.float32]


def _zigzag(side: int) -> npt.NDArray[np.intp]:
    """Flat indices of a square in zigzag order."""
    cells = [(row, column) for row in range(side) for column in range(side)]
    cells.sort(key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return np.array([row * side + column for row, column in cells], dtype=np.intp)


_ORDER = _zigzag(8)


def _wider() -> npt.NDArray[np.float64]:
    """Means over rows, columns, 2x2 neighbourhoods, the centre and all of the parts; shape (14, parts)."""
    part = np.arange(_PARTS**2).reshape(_PARTS, _PARTS)
    groups = [*part, *part.T, *(part[r : r + 2, c : c + 2] for r in (0, 2) for c in (0, 2)), part[1:3, 1:3], part]
    return np.array([np.isin(part, group).ravel() / group.size for group in groups])


_WIDER = _wider()


def _dct_matrix(side: int) -> Vector:
    """The orthonormal DCT-II as a matrix of shape (frequencies, places)."""
    places = (np.arange(side) + 0.5) / side
    waves = np.cos(np.pi * np.arange(side)[:, None] * places) * np.sqrt(2 / side)
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, dtype=np.float32)


_DCT = _dct_matrix(8)
# ITU-R BT.601, full range, with Cb and Cr around 0.
_TO_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], dtype=np.float32
)


@lru_cache(maxsize=256)
def _waves(side: int) -> Vector:
    """The DCT-II of the means of eight equal parts of a side, as a matrix of shape (8, side)."""
    ends = np.arange(1, 9)[:, None] * side / 8
    places = np.arange(side)
    covered = np.clip(np.minimum(ends, places + 1) - np.maximum(ends - side / 8, places), 0, 1)
    return np.asarray(_DCT @ (covered * 8 / side), dtype=np.float32)


def color_layout(pixels: Pixels) -> Vector:
    """MPEG-7 colour layout, unquantised: float32 of length 35, in [-1, 1].

    Orthonormal DCT-II of the 8x8 mean colours in YCbCr, divided by its largest possible value of 8 · 255.
    """
    height, width = pixels.shape[:2]
    rows = _waves(height) @ pixels.reshape(height, -1).astype(np.float32)
    channels = rows.reshape(8, width, 3).transpose(0, 2, 1) @ _waves(width).T
    frequencies = (_TO_YCBCR @ channels).transpose(1, 0, 2).reshape(3, 64)[:, _ORDER] / (8 * 255)
    return np.concatenate([frequencies[channel, :n] for channel, n in enumerate(COLOR_COEFFICIENTS)])


def edge_histogram(grey: GreyPixels) -> Vector:
    """MPEG-7 edge histogram with semi-global and global bins: float32 of length 150, each in [0, 1].

    Five shares (vertical, horizontal, 45°, 135°, no direction) of the blocks of each of 4x4 parts; then of rows,
    columns, 2x2 neighbourhoods and centre; then of the whole.
    """
    double = (2 * _EDGE_SIDE, 2 * _EDGE_SIDE)
    square = halved(cv2.resize(grey, double, interpolation=cv2.INTER_LINEAR))
    local = small.edges(square)
    return np.concatenate([local, _WIDER @ local]).ravel().astype(np.float32)


def layout(pixels: Pixels) -> Vector:
    """The layout embedding: float32 of length 185, Euclidean norm 1.

    Both descriptors are scaled to norm 1 before they are joined, so that colour and edges weigh the same.

    Args:
        pixels: uint8 RGB of shape (height, width, 3).
    """
    return _layout(Picture(pixels))


def _layout(picture: Picture) -> Vector:
    """From reduced pictures: the smallest cell of edges is a 128th of a side, that of colours an eighth."""
    halves = []
    for half in (color_layout(picture.level(64)), edge_histogram(picture.grey_level(2 * _EDGE_SIDE))):
        norm = float(np.linalg.norm(half))
        halves.append(half / norm if norm > 1e-6 else half)
    joined = np.concatenate(halves)
    norm = float(np.linalg.norm(joined))
    return (joined / norm if norm > 0 else joined).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The layout embedding as a column `layout`."""

    name: str = "layout"
    version: str = "5"

    @property
    def schema(self) -> pa.Schema:
        """float16 is enough: the components lie in [-1, 1]."""
        return pa.schema([("layout", pa.list_(pa.float16(), DIMENSIONS))])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `layout`."""
        return {"layout": _layout(picture).astype(np.float16)}
