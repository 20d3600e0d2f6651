"""Packshots on white as tests and benchmarks need them: in sheets of several, and large with a word in a corner."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from prx_data.measures.background_region import divide
from prx_data.picture import Picture

Pixels = npt.NDArray[np.uint8]


def sheet(shots: Sequence[Pixels], columns: int, side: int = 420) -> Pixels:
    """Packshots in rows of so many, each in a white cell of `side` pixels, 10 of them around it."""
    cells = []
    for pixels in shots:
        image, cell = Image.fromarray(pixels), Image.new("RGB", (side, side), "white")
        image.thumbnail((side - 20, side - 20))
        cell.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        cells.append(np.asarray(cell))
    rows = [np.concatenate(cells[start : start + columns], axis=1) for start in range(0, len(cells), columns)]
    return np.concatenate(rows)


def main_picture(pixels: Pixels, side: int = 1400, fill: float = 0.9) -> Image.Image:
    """A packshot cut to its subject's box and a little more, so large that it fills a white square's side."""
    region = divide(Picture(pixels))
    rows, columns = (np.flatnonzero(region.subject.any(axis=axis)) for axis in (1, 0))
    scale = pixels.shape[0] / region.shape[0]
    ends = (columns[0] - 1, rows[0] - 1, columns[-1] + 2, rows[-1] + 2)
    box = Image.fromarray(pixels).crop(tuple(round(scale * end) for end in ends))
    factor = fill * side / max(box.size)
    box = box.resize((round(box.width * factor), round(box.height * factor)), Image.Resampling.BICUBIC)
    page = Image.new("RGB", (side, side), "white")
    page.paste(box, ((side - box.width) // 2, (side - box.height) // 2))
    return page


def written(
    image: Image.Image, words: str, size: int, color: str | tuple[int, int, int], place: tuple[int, int] = (20, 20)
) -> Image.Image:
    """A copy with words of `size` pixels at a place."""
    copy = image.copy()
    ImageDraw.Draw(copy).text(place, words, fill=color, font=ImageFont.load_default(size=size))
    return copy
