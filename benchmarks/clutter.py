"""Whether cleanliness falls as clutter is added: prints how often it rises instead.

    python benchmarks/clutter.py PHOTOS [PRODUCTS]

PHOTOS holds `grocery`. Cut-outs of PRODUCTS products (default 24) stand in the middle of a plain ground, and clutter
comes step by step, in six ways:

- things: ten pieces of photos of shelves, one after the other, anywhere on the ground or behind the product.
- large things: the same, a quarter to two fifths of the frame's width each, so that most lie behind the product.
- products: ten cut-outs of others, smaller than the one in the middle.
- shapes: rectangles, discs and lines of one colour each, in turn; 1, 2, 4, ... 64 of them.
- fading in: a photo of a shelf in place of the ground, in ten steps of opacity.
- focus: that photo behind the product, from a blur in which nothing can be told (a standard deviation of 12 pixels of
  320) to its full detail, in seven steps.

A rise counts if it is above 0.02; the largest is printed too, and that of the mean over all products.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.prx_data.composites import Mask, draw_shape, products, read

from prx_data.measures.background import background

Pixels = npt.NDArray[np.uint8]
Random = np.random.Generator
Steps = Iterator[Pixels]
Grounds = Callable[[Pixels, Callable[[], Pixels], Random], Steps]

SHAPE = (320, 256)
COLORS = ((250, 250, 250), (230, 225, 215), (120, 150, 190), (200, 60, 60), (90, 90, 95))
RISE = 0.02
NUMBER = 10
LARGE = (60, 110)


def things(plain: Pixels, shelf: Callable[[], Pixels], random: Random, sides: tuple[int, int] = (18, 60)) -> Steps:
    """The ground with nothing, one, two, ... ten pieces of photos on it."""
    ground = plain.copy()
    yield ground
    for _ in range(NUMBER):
        side, photo = int(random.integers(*sides)), shelf()
        (y, x), (row, column) = (
            (int(random.integers(0, length - side)) for length in shape) for shape in (SHAPE, photo.shape[:2])
        )
        ground = ground.copy()
        ground[y : y + side, x : x + side] = photo[row : row + side, column : column + side]
        yield ground


def others(made: list[tuple[Pixels, Mask]]) -> Grounds:
    """The ground with nothing, one, two, ... ten of some products on it, at 0.15 to 0.45 of their size."""

    def strewn(plain: Pixels, shelf: Callable[[], Pixels], random: Random) -> Steps:
        ground = plain.copy()
        yield ground
        for _ in range(NUMBER):
            pixels, mask = made[int(random.integers(len(made)))]
            scale = random.uniform(0.15, 0.45)
            height, width = (max(4, int(side * scale)) for side in mask.shape)
            small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
            seen = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR) > 0
            y, x = (int(random.integers(0, side - part)) for side, part in zip(SHAPE, seen.shape, strict=True))
            ground = ground.copy()
            ground[y : y + height, x : x + width][seen] = small[seen]
            yield ground

    return strewn


def shapes(plain: Pixels, shelf: Callable[[], Pixels], random: Random) -> Steps:
    """The ground, and twice as many flat shapes on it at each step."""
    ground = plain.copy()
    yield ground
    for number in range(64):
        draw_shape(ground, ("rectangles", "discs", "lines")[number % 3], random)
        if (number + 1).bit_count() == 1:
            yield ground


def fading_in(plain: Pixels, shelf: Callable[[], Pixels], random: Random) -> Steps:
    """The ground, and more and more of a photo in its place."""
    photo = shelf()
    for part in np.linspace(0, 1, 11):
        yield np.rint((1 - part) * plain + part * photo).astype(np.uint8)


def focus(plain: Pixels, shelf: Callable[[], Pixels], random: Random) -> Steps:
    """A photo, less and less blurred."""
    photo = shelf()
    for sigma in (12, 8, 5, 3, 2, 1.2, 0.7):
        yield np.asarray(cv2.GaussianBlur(photo, (0, 0), sigma), dtype=np.uint8)
    yield photo


def behind(ground: Pixels, product: tuple[Pixels, Mask]) -> Pixels:
    """The ground with a product in its middle."""
    pixels, mask = product
    picture = ground.copy()
    top, left = (max(0, (whole - part) // 2) for whole, part in zip(ground.shape[:2], mask.shape, strict=True))
    picture[top : top + len(pixels), left : left + pixels.shape[1]][mask] = pixels[mask]
    return picture


def main(photos: Path, count: int) -> None:
    """Print the table."""
    shelves = sorted((photos / "grocery").glob("natural-*"))
    made = products(photos, count)
    print(
        "| clutter | steps | rises | the largest | of the mean | at first | in the end |\n|---|---|---|---|---|---|---|"
    )
    ways: dict[str, Grounds] = {
        "things": things,
        "large things": partial(things, sides=LARGE),
        "products": others(made),
        "shapes": shapes,
        "fading in": fading_in,
        "focus": focus,
    }
    for name, grounds in ways.items():
        random, series = np.random.default_rng(5), list[list[float]]()

        def shelf(random: Random = random) -> Pixels:
            photo = read(shelves[int(random.integers(len(shelves)))])
            return np.asarray(cv2.resize(photo, SHAPE[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)

        for product in made:
            plain = np.tile(np.array(COLORS[int(random.integers(len(COLORS)))], dtype=np.uint8), (*SHAPE, 1))
            series.append([background(behind(ground, product)).cleanliness for ground in grounds(plain, shelf, random)])
        mean, changes = np.mean(series, axis=0), np.diff(series, axis=1)
        rises = changes[changes > RISE]
        print(f"| {name} | {changes.size} | {rises.size} | {rises.max(initial=0):.3f} |", end="")
        print(f" {max(np.diff(mean).max(), 0):.3f} | {mean[0]:.2f} | {mean[-1]:.2f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24)
