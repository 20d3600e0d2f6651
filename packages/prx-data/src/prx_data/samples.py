"""One picture of a dataset's own pictures, for its card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prx_data.decoding import decode, encode_png
from prx_data.picture import Pixels
from prx_data.reading import read_many
from prx_data.storage import atomic_path

_ACROSS, _DOWN, _SIDE, _GAP = 6, 2, 160, 8
_WHITE = 255


def write_samples(path: Path, locators: Sequence[str]) -> None:
    """Write a PNG of some photos, evenly spaced in the given order; what cannot be read any more is left out.

    Args:
        path: Where to.
        locators: Of all photos, ordered by key: as good as shuffled, and the same on every run.
    """
    number = min(len(locators), _ACROSS * _DOWN)
    chosen = [locators[len(locators) * one // number] for one in range(number)]
    contents = dict(read_many(chosen))
    decoded = [decode(data, at_least=_SIDE) for one in chosen if not isinstance(data := contents[one], OSError)]
    pictures = [one.picture.at(_SIDE) for one in decoded if one.picture is not None]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode_png(grid(pictures)))


def grid(pictures: Sequence[Pixels]) -> Pixels:
    """Pictures in rows, each in the middle of a white cell.

    Args:
        pictures: uint8 RGB, none with a side of more than 160 pixels.
    """
    across = max(1, min(len(pictures), _ACROSS))
    down = max(1, -(-len(pictures) // _ACROSS))
    cell = _SIDE + _GAP
    sheet = np.full((down * cell + _GAP, across * cell + _GAP, 3), _WHITE, dtype=np.uint8)
    for number, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        top = _GAP + number // _ACROSS * cell + (_SIDE - height) // 2
        left = _GAP + number % _ACROSS * cell + (_SIDE - width) // 2
        sheet[top : top + height, left : left + width] = picture
    return sheet
