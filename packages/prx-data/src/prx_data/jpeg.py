"""The quality of a JPEG file, read from its quantisation tables."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

# ITU-T T.81, tables K.1 and K.2, row by row.
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *([99] * 32)),
)


def _scaled(table: Sequence[int]) -> npt.NDArray[np.float64]:
    """A table at qualities 1 to 100, as `jpeg_set_quality` of the IJG library scales it; shape (100, 64)."""
    quality = np.arange(1, 101)[:, None]
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.asarray(np.clip((np.array(table) * percent + 50) // 100, 1, 255), dtype=np.float64)


_SCALED = (_scaled(_LUMA), _scaled(_CHROMA))


def luma_steps() -> npt.NDArray[np.float64]:
    """The IJG library's steps for luma at qualities 1 to 100; shape (100, 64), row by row."""
    return _SCALED[0]


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """The quality, 1 to 100, at which the IJG library's tables are nearest to these; None without tables.

    Exact for files that the library or a relative of it wrote (libjpeg-turbo, Pillow, OpenCV); for tables of a camera's
    or an editor's own it is the quality that quantises as coarsely: the distance is that of the logarithms.

    Args:
        tables: 64 steps each, row by row, by the number of the table: 0 is that of luma.
    """
    return _nearest(tuple(tuple(tables[number]) for number in sorted(tables))) if tables else None


@lru_cache(maxsize=256)  # the photos of a pile share few tables
def _nearest(tables: tuple[tuple[int, ...], ...]) -> int:
    distance = np.zeros(100)
    for found, scaled in zip(tables, _SCALED, strict=False):
        distance += np.abs(np.log(scaled) - np.log(np.maximum(found, 1))).sum(axis=1)
    return int(np.argmin(distance)) + 1
