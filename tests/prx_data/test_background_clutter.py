"""Cleanliness falls as clutter is added, things count however they lie, and a set of products is none."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from prx_data.measures.background import Background, background

from .composites import Mask, gradient, products, read

Pixels = npt.NDArray[np.uint8]
Thing = tuple[Pixels, Mask]
Random = np.random.Generator

SHAPE = (320, 256)


def piece(photos: Path, sides: tuple[int, int] = (18, 60)) -> Callable[[Random], Thing]:
    """Squares of photos of shelves."""
    shelves = [read(path) for path in sorted((photos / "grocery").glob("natural-*"))[::30]]

    def take(random: Random) -> Thing:
        photo = cv2.resize(shelves[int(random.integers(len(shelves)))], SHAPE[::-1])
        side = int(random.integers(*sides))
        y, x = (int(random.integers(0, length - side)) for length in SHAPE)
        return np.asarray(photo[y : y + side, x : x + side], dtype=np.uint8), np.ones((side, side), dtype=bool)

    return take


def small_product(photos: Path) -> Callable[[Random], Thing]:
    """Cut-outs of other products."""
    found = products(photos, 20, side=45)
    return lambda random: found[int(random.integers(len(found)))]


def paste(pixels: Pixels, thing: Thing, top: int, left: int) -> None:
    colors, inside = thing
    pixels[top : top + inside.shape[0], left : left + inside.shape[1]][inside] = colors[inside]


def strewn(product: Thing, ground: Pixels, take: Callable[[Random], Thing], random: Random) -> list[Background]:
    """A product before a ground with nothing, one, two, ... ten things on it."""
    found = []
    for number in range(11):
        if number:
            thing = take(random)
            top, left = (
                int(random.integers(0, whole - part)) for whole, part in zip(SHAPE, thing[1].shape, strict=True)
            )
            paste(ground, thing, top, left)
        pixels = ground.copy()
        paste(pixels, product, (SHAPE[0] - product[1].shape[0]) // 2, (SHAPE[1] - product[1].shape[1]) // 2)
        found.append(background(pixels))
    return found


@pytest.mark.parametrize("kind", [piece, small_product])
@pytest.mark.parametrize("light", ["even", "falling"])
def test_ten_things_laid_about_are_clutter_and_each_makes_it_less_clean(
    photos: Path, kind: Callable[[Path], Callable[[Random], Thing]], light: str
) -> None:
    take, random, scores = kind(photos), np.random.default_rng(4), []
    for number, product in enumerate(products(photos, 10)):
        color = ((250, 250, 250), (120, 150, 190), (200, 60, 60), (90, 90, 95))[number % 4]
        ground = np.tile(np.array(color, dtype=np.float32), (*SHAPE, 1))
        ground = ground * gradient(SHAPE, random) if light == "falling" else ground
        found = strewn(product, np.rint(ground).astype(np.uint8), take, random)
        scores.append([one.cleanliness for one in found])
    series = np.array(scores)
    assert series[:, 0].min() > 0.9
    rises = np.diff(series, axis=1)
    # What all has grown onto the product is missed: that is one series, and in it one step.
    assert np.mean(rises, axis=0).max() < 0.03
    assert np.sort(rises, axis=0)[:-1].mean(axis=0).max() < 0
    assert series[:, -1].mean() < 0.3
    assert np.mean(series[:, -1] < 0.5) >= 0.8
    assert np.mean(rises > 0.02) <= 0.1
    assert np.quantile(rises, 0.95) <= 0.1


def test_large_things_that_all_lie_behind_a_product_are_a_heap(photos: Path) -> None:
    """Hardly any of them stays apart, and only their colours tell; a set of products may have as many."""
    take, random, found = piece(photos, (60, 110)), np.random.default_rng(4), []
    for number, product in enumerate(products(photos, 20)):
        color = ((250, 250, 250), (120, 150, 190), (200, 60, 60), (90, 90, 95))[number % 4]
        found.append(strewn(product, np.full((*SHAPE, 3), color, dtype=np.uint8), take, random))
    series = np.array([[one.cleanliness for one in row] for row in found])
    assert series[:, 0].min() > 0.9
    mean = series.mean(axis=0)
    assert np.diff(mean[:7]).max() < 0
    assert np.diff(mean[6:]).max() < 0.03
    assert mean[-1] < 0.7
    assert np.mean([row[-1].detached == 0 for row in found]) >= 0.5
    assert min(row[-1].cleanliness for row in found if row[-1].things == row[-1].detached == 0) > 0.5


@pytest.mark.parametrize("of", ["catalogue/**/*.jpg", "grocery/iconic-*"])
def test_people_in_clothes_and_packshots_are_no_heaps(photos: Path, of: str) -> None:
    paths = sorted(photos.glob(of))
    found = [background(read(path)) for path in paths[:: max(1, len(paths) // 80)]]
    assert len(found) >= 80
    assert max(one.crowding for one in found) < 0.05


def test_things_that_touch_each_other_count_for_more_than_one(photos: Path) -> None:
    """Four of them in a row, apart and with no gap between; and both for more than the first alone."""
    take = piece(photos)
    found = [take(np.random.default_rng(seed)) for seed in range(8)]
    things = [(colors[:30, :30], inside[:30, :30]) for colors, inside in found if len(inside) >= 30][:4]
    crowding = []
    for gap, number in ((0, 1), (0, 4), (20, 4)):
        pixels = np.full((*SHAPE, 3), (225, 220, 215), dtype=np.uint8)
        pixels[130:280, 80:180] = (170, 30, 40)
        for place, (colors, inside) in enumerate(things[:number]):
            paste(pixels, (colors, inside), 20, 20 + (30 + gap) * place)
        crowding.append(background(pixels).crowding)
    assert crowding[0] > 0
    assert crowding[1] > 2 * crowding[0]
    assert crowding[1] > 0.6 * crowding[2]


def test_a_thing_that_a_neck_joins_to_the_product_counts_as_one_that_is_apart(photos: Path) -> None:
    """With another one about; alone it may be the product's."""
    pixels = np.full((*SHAPE, 3), 255, dtype=np.uint8)
    pixels[100:260, 80:180] = (170, 30, 40)
    pixels[20:50, 200:230] = (30, 60, 150)
    before = background(pixels)
    apart, joined = pixels.copy(), pixels.copy()
    for one, left in ((apart, 20), (joined, 54)):
        one[253:283, left : left + 30] = (40, 120, 60)
    assert background(joined).things == before.things == background(apart).things - 1
    assert background(joined).cleanliness < before.cleanliness - 0.05


def bottle(color: tuple[int, int, int], turned: float = 0.0) -> Thing:
    """A bottle of 90 by 30 pixels."""
    covered = np.zeros((110, 110), dtype=np.uint8)
    cv2.rectangle(covered, (40, 35), (70, 100), 1, -1)
    cv2.rectangle(covered, (49, 10), (61, 40), 1, -1)
    spin = cv2.getRotationMatrix2D((55, 55), turned, 1)
    inside = np.asarray(cv2.warpAffine(covered, spin, (110, 110), flags=cv2.INTER_NEAREST) > 0)
    return np.full((110, 110, 3), color, dtype=np.uint8), inside


COLORS = ((180, 40, 40), (40, 90, 170), (50, 130, 70), (230, 180, 40), (120, 60, 140), (240, 120, 60))


@pytest.mark.parametrize("turned", [0, 35])
@pytest.mark.parametrize("ground", [(255, 255, 255), (205, 215, 225)])
def test_a_row_of_bottles_is_clean(turned: int, ground: tuple[int, int, int]) -> None:
    pixels = np.full((420, 420, 3), ground, dtype=np.uint8)
    for number, color in enumerate(COLORS):
        slant = turned if number % 2 else -turned
        paste(pixels, bottle(color, slant), 70 + 160 * (number // 3), 40 + 120 * (number % 3))
    found = background(pixels)
    assert found.detached > 0
    assert found.crowding == 0
    assert found.cleanliness > 0.9


def test_a_pair_of_shoes_and_pencils_are_no_things_that_lie_about() -> None:
    shoes, pencils = (np.full((400, 400, 3), 255, dtype=np.uint8) for _ in range(2))
    for left, slant in ((110, 10), (270, -10)):
        cv2.ellipse(shoes, (left, 200), (45, 130), slant, 0, 360, (90, 60, 40), -1, cv2.LINE_AA)
    for number, color in enumerate(COLORS):
        top = 50 + 55 * number
        cv2.line(pencils, (60, top), (340, top + 12 * (number % 3)), color, 9, cv2.LINE_AA)
    assert background(shoes).cleanliness > 0.9
    assert background(pencils).detached > 0
    assert background(pencils).crowding == 0


def test_a_bottle_beside_its_carton_is_no_clutter() -> None:
    pixels = np.full((400, 400, 3), 255, dtype=np.uint8)
    paste(pixels, bottle((180, 40, 40)), 150, 60)
    pixels[120:260, 220:320] = (60, 90, 160)
    assert background(pixels).cleanliness > 0.8


@pytest.mark.parametrize("share", [0.12, 0.2, 0.3, 0.5])
def test_one_accessory_beside_a_product_is_no_clutter_whatever_its_size(photos: Path, share: float) -> None:
    """Of the product's area; the same groceries beside each other."""
    made, scores = products(photos, 40), []
    for (colors, inside), (others, where) in zip(made, made[1:] + made[:1], strict=True):
        scale = (share * inside.sum() / where.sum()) ** 0.5
        size = (max(4, round(where.shape[1] * scale)), max(4, round(where.shape[0] * scale)))
        small = cv2.resize(others, size, interpolation=cv2.INTER_AREA)
        seen = np.asarray(cv2.resize(where.astype(np.uint8), size) > 0)
        height = max(len(inside), len(seen))
        pixels = np.full((height + 60, inside.shape[1] + size[0] + 60, 3), 250, dtype=np.uint8)
        paste(pixels, (colors, inside), 30 + height - len(inside), 20)
        paste(pixels, (np.asarray(small, dtype=np.uint8), seen), 30 + height - len(seen), 40 + inside.shape[1])
        scores.append(background(pixels).cleanliness)
    assert np.median(scores) > 0.75
    assert np.mean(np.array(scores) < 0.5) <= 0.15


@pytest.mark.parametrize(("rows", "columns", "most"), [(1, 3, 0.05), (2, 2, 0.1), (2, 3, 0.2)])
def test_different_products_side_by_side_are_a_set(photos: Path, rows: int, columns: int, most: float) -> None:
    made, random, scores = products(photos, 40, side=110), np.random.default_rng(2), []
    for number in range(30):
        color = (250, 250, 250) if number % 2 else (225, 222, 215)
        pixels = np.full((130 * rows + 20, 130 * columns + 20, 3), color, dtype=np.uint8)
        for place in range(rows * columns):
            thing = made[int(random.integers(len(made)))]
            top, left = 130 * (place // columns), 130 * (place % columns)
            paste(pixels, thing, top + 75 - len(thing[1]) // 2, left + 75 - thing[1].shape[1] // 2)
        scores.append(background(pixels).cleanliness)
    assert np.median(scores) > 0.75
    assert np.mean(np.array(scores) < 0.5) <= most


@pytest.mark.parametrize("sigma", [3, 8])
def test_a_border_of_many_colours_is_cluttered_out_of_focus_too(photos: Path, sigma: int) -> None:
    scores, motley = [], []
    for shelf, product in zip(
        sorted((photos / "grocery").glob("natural-*"))[7::12], products(photos, 20), strict=False
    ):
        pixels = cv2.GaussianBlur(cv2.resize(read(shelf), SHAPE[::-1], interpolation=cv2.INTER_AREA), (0, 0), sigma)
        paste(pixels, product, 60, 60)
        found = background(np.asarray(pixels, dtype=np.uint8))
        scores.append(found.cleanliness)
        motley.append(found.motley)
        assert found.cleanliness <= 1 - 0.97 * found.motley
    assert np.mean(scores) < 0.15
    assert np.median(motley) > 0.9
