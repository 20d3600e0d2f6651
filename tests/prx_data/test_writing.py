"""Writing over a photo is told from a trim in another colour: on real photos, and against a walk over the cells."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from prx_data import color_difference, lab_grid, phash
from prx_data.decisions.groups import cross_pairs
from prx_data.decisions.writing import writing_on, written_over

from .conftest import encode

Grids = npt.NDArray[np.int8]


@pytest.fixture(scope="module")
def images(photos: Path) -> list[Image.Image]:
    files = sorted((photos / "catalogue").glob("*.jpg"))[::40] + sorted((photos / "phone").glob("*.jpg"))[::90]
    return [Image.open(file).convert("RGB") for file in files]


def grids(images: list[Image.Image]) -> Grids:
    return np.stack([lab_grid(np.asarray(one)).ravel() for one in images])


def over(
    image: Image.Image, *, corner: bool, color: tuple[int, int, int] | None = None, alpha: int = 150
) -> Image.Image:
    layer = Image.new("RGBA", image.size)
    grey = 255 if np.asarray(image.convert("L")).mean() < 128 else 0
    font = ImageFont.load_default(image.width // (18 if corner else 9))
    text, place, anchor = "SAMPLE SHOP", (image.width / 2, image.height / 2), "mm"
    if corner:
        text, place, anchor = "(c) sample-shop.com", (0.98 * image.width, 0.98 * image.height), "rs"
    ImageDraw.Draw(layer).text(place, text, font=font, fill=(grey, grey, grey, 255 if corner else 150), anchor=anchor)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(encode(image, quality=quality))).convert("RGB")


def striped(image: Image.Image, level: int) -> Image.Image:
    """A band across what is not white ground: what a hem or a stripe in another colour looks like."""
    pixels = np.array(image)
    height, width = pixels.shape[:2]
    band = pixels[height // 2 : round(0.55 * height), width // 5 : 4 * width // 5]
    band[band.min(axis=2) < 225] = level
    return Image.fromarray(pixels)


def judged(before: Grids, after: Grids) -> list[bool]:
    count = len(before)
    both = np.concatenate([before, after])
    found = written_over(both, np.arange(count), np.arange(count, 2 * count))
    assert np.array_equal(found, written_over(both, np.arange(count, 2 * count), np.arange(count)))
    return [bool(one) for one in found]


@pytest.mark.parametrize("corner", [False, True])
def test_writing_is_recognised(images: list[Image.Image], corner: bool) -> None:
    before, after = grids(images), grids([over(one, corner=corner) for one in images])
    first = np.arange(len(images))
    other = color_difference(np.concatenate([before, after]), first, first + len(images)) > 10
    assert other.sum() >= 8
    assert (np.array(judged(before, after)) & other).sum() >= 0.9 * other.sum()


@pytest.mark.parametrize("corner", [False, True])
def test_which_of_two_copies_has_the_writing_is_told_in_any_size(images: list[Image.Image], corner: bool) -> None:
    """Of the larger copy that has it, and of none that is smaller, brighter or worse compressed."""
    count = len(images)
    marked = grids([over(one, corner=corner) for one in images])
    halves = [one.resize((one.width // 2, one.height // 2)) for one in images]
    left, right = np.arange(count), np.arange(count, 2 * count)
    on_clean, on_marked = writing_on(np.concatenate([grids(halves), marked]), left, right)
    assert on_marked.sum() >= 0.6 * count
    assert on_clean.sum() <= 0.05 * count
    swapped = writing_on(np.concatenate([grids(halves), marked]), right, left)
    assert np.array_equal(np.stack(swapped), np.stack([on_marked, on_clean]))
    for changed in (halves, [jpeg(one, 30) for one in images], [one.point(lambda x: 0.9 * x) for one in images]):
        assert np.sum(writing_on(np.concatenate([grids(images), grids(changed)]), left, right)) <= 1


@pytest.mark.parametrize("level", [20, 128, 240])
def test_a_stripe_is_hardly_ever_writing(images: list[Image.Image], level: int) -> None:
    assert sum(judged(grids(images), grids([striped(one, level) for one in images]))) <= 1


def test_two_photos_are_not_one_with_writing(images: list[Image.Image]) -> None:
    rows = np.arange(len(images))
    left, right = (axis.ravel() for axis in np.meshgrid(rows, rows))
    assert not written_over(grids(images), left[left != right], right[left != right]).any()


def test_no_color_variant_of_the_catalogue_is_one_with_writing(photos: Path) -> None:
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(photos.glob("catalogue/w*_main.jpg"))]
    codes = np.array([phash(one) for one in pictures], dtype=np.uint64)
    pairs = np.concatenate(list(cross_pairs(codes, codes, 8)), axis=1)
    left, right = pairs[:, pairs[0] < pairs[1]]
    assert len(left) > 80
    assert not written_over(np.stack([lab_grid(one).ravel() for one in pictures]), left, right).any()


def test_it_is_what_a_walk_over_the_cells_finds(images: list[Image.Image]) -> None:
    before = grids([*images, *images, *images])
    changed = [over(one, corner=corner) for corner in (False, True) for one in images]
    after = grids([*changed, *(striped(one, 128) for one in images)])
    slow = [walked(a, b) for a, b in zip(before.reshape(-1, 32, 32, 3), after.reshape(-1, 32, 32, 3), strict=True)]
    assert judged(before, after) == slow


def walked(a: Grids, b: Grids) -> bool:
    first, second = a.astype(float), b.astype(float)
    changed = [(y, x) for y in range(32) for x in range(32) if np.linalg.norm(first[y, x] - second[y, x]) > 4]
    if not changed or len(changed) > 0.12 * 1024:
        return False
    rows = [y for y in range(32) if sum(row == y for row, _ in changed) >= 2] or [0, 31]
    top, bottom = min(rows), max(rows)
    line = [(y, x) for y, x in changed if top <= y <= bottom]
    start, end = (min(x for _, x in line), max(x for _, x in line)) if line else (0, 31)
    height, width = bottom - top + 1, end - start + 1
    if height > 6 or width < 3 * height or len(line) < 0.85 * len(changed):
        return False
    corner = min(top, 31 - bottom) <= 2 and min(start, 31 - end) <= 2
    for before, after in ((first, second), (second, first)):
        level = faded(before, after, changed)
        if level is not None:
            box = [[(before[y, x, 0], after[y, x, 0]) for y in range(top, bottom + 1)] for x in range(32)]
            if (width >= 16 and letters(box, start, end, level)) or (corner and width <= 21):
                return True
    return False


def letters(box: list[list[tuple[float, float]]], start: int, end: int, level: float) -> bool:
    """`box` has a list for each column of the picture: lightness before and after."""
    changes = [sum(abs(after - before) for before, after in column) for column in box]
    hidden = [sum(abs(level - before) for before, _ in column) for column in box]
    opacity = [min(change / max(below, 1), 2) for change, below in zip(changes, hidden, strict=True)]
    was, now = ([sum(cell[moment] for cell in column) for column in box] for moment in (0, 1))
    told = [below >= 5 * len(box[0]) for below in hidden]
    inner = [x for x in range(start + 1, end) if told[x - 1] and told[x] and told[x + 1]]
    bent = sum(abs(2 * opacity[x] - opacity[x - 1] - opacity[x + 1]) for x in inner)
    rough = bent / max(2 * sum(opacity[x] for x in inner), 1e-3)
    return rough >= 0.3 and bends(was, start, end) - bends(now, start, end) <= 2 * 0.15 * sum(changes)


def bends(line: list[float], start: int, end: int) -> float:
    return sum(abs(2 * line[x] - line[x - 1] - line[x + 1]) for x in range(start + 1, end))


def faded(
    before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], changed: list[tuple[int, int]]
) -> float | None:
    """The level towards which everything fades; None if there is none."""
    off = 0
    for cell in changed:
        hue, now = before[cell][1:], after[cell][1:]
        left = min(max(float(hue @ now) / max(float(hue @ hue), 1), 0), 1)
        off += float(np.linalg.norm(now - left * hue)) > 8
    if off > 0.1 * len(changed) + 1e-9:
        return None
    steps = [(before[cell][0], after[cell][0]) for cell in changed]
    whole = sum(abs(after - before) for before, after in steps)
    nearest = [
        (sum(abs(after - level) for _, after in steps), level)
        for level in range(0, 101, 5)
        if sum(abs(b - a) for a, b in steps if np.sign(level - a) == np.sign(b - a)) >= 0.99 * whole
    ]
    return min(nearest)[1] if nearest else None
