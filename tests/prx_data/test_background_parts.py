"""Several packshots on one white, and things beside a product: seen where they are made, and told from one product."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from prx_data.measures.background import background
from prx_data.measures.background_parts import pieces
from prx_data.measures.background_region import divide
from prx_data.picture import Picture

from .composites import draw_shape, products, read
from .sheets import main_picture, sheet, written

Pixels = npt.NDArray[np.uint8]


def shots(photos: Path, pattern: str, count: int = 8) -> list[Pixels]:
    paths = sorted(photos.glob(pattern))
    return [read(path, 2 if "catalogue" in pattern else 1) for path in paths[:: len(paths) // count][:count]]


@pytest.mark.parametrize("pattern", ["catalogue/*_main.jpg", "grocery/iconic-*"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 1), (2, 2)])
def test_a_sheet_of_packshots_has_parts(photos: Path, pattern: str, rows: int, columns: int) -> None:
    found = shots(photos, pattern)
    number = rows * columns
    counts = [background(sheet(found[at : at + number], columns)).parts for at in range(0, len(found), number)]
    assert np.mean([count > number // 2 for count in counts]) >= 0.75
    assert all(count <= number for count in counts)


@pytest.mark.parametrize("pattern", ["catalogue/*.jpg", "grocery/iconic-*", "phone/*.jpg"])
def test_a_photo_has_one(photos: Path, pattern: str) -> None:
    found = [background(one) for one in shots(photos, pattern, 15)]
    assert max(one.parts for one in found) == 1
    assert sum(one.detached > 0 for one in found) <= 1


@pytest.mark.parametrize(("size", "color"), [(20, (220, 0, 0)), (30, (0, 0, 0)), (60, (255, 200, 0))])
def test_a_word_in_a_corner_is_apart(photos: Path, size: int, color: tuple[int, int, int]) -> None:
    page = main_picture(read(photos / "grocery" / "iconic-Red-Delicious_Iconic.jpg"))
    assert background(np.asarray(page)).detached == 0
    assert background(np.asarray(written(page, "New!", size, color))).detached > 0


def boxes(heights: list[int], widths: list[int], gap: int) -> Pixels:
    """A grid of red boxes on white, so far apart."""
    pixels = np.full((sum(heights) + gap * (len(heights) + 1), sum(widths) + gap * (len(widths) + 1), 3), 255, np.uint8)
    y = gap
    for height in heights:
        x = gap
        for width in widths:
            pixels[y : y + height, x : x + width] = (170, 30, 40)
            x += width + gap
        y += height + gap
    return pixels


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(24, 40), min_size=1, max_size=2), st.lists(st.integers(24, 40), min_size=1, max_size=2))
def test_boxes_are_counted_and_all_but_one_are_apart(heights: list[int], widths: list[int]) -> None:
    region = divide(Picture(boxes(heights, widths, 12)))
    found = pieces(region)
    assert found["parts"] == len(heights) * len(widths)
    labels, count = ndimage.label(~region.mask | (region.off > 2), np.ones((3, 3)))
    assert count == len(heights) * len(widths)
    others = np.isin(labels, np.unique(labels[region.subject]), invert=True) & (labels > 0)
    assert found["detached"] == pytest.approx(others.mean())


def test_things_that_lie_about_make_a_ground_less_clean() -> None:
    pixels = boxes([120], [90], 40)
    places = [(20 + 28 * row, 8) for row in range(4)] + [(20 + 28 * row, len(pixels[0]) - 18) for row in range(4)]
    scores = [background(pixels).cleanliness]
    for number, (y, x) in enumerate(places, start=1):
        pixels[y : y + 10, x : x + 10] = (40 + 20 * number, 30, 200 - 20 * number)
        found = background(pixels)
        assert found.things == number
        scores.append(found.cleanliness)
    assert np.all(np.diff(scores) < 0)
    assert scores[1] > 0.93 * scores[0]
    assert scores[8] < 0.4


@pytest.mark.parametrize("kind", ["rectangles", "discs", "lines"])
def test_a_ground_strewn_with_flat_shapes_is_cluttered(photos: Path, kind: str) -> None:
    """What has no grain of its own, hides the corners' ground and leaves no thing apart."""
    for seed, (product, inside) in enumerate(products(photos, 6, side=150)):
        random = np.random.default_rng(seed)
        ground, scores = np.full((320, 256, 3), (225, 220, 215), dtype=np.uint8), []
        for number in range(65):
            if number in {0, 8, 32, 64}:
                pixels = ground.copy()
                pixels[80 : 80 + inside.shape[0], 60 : 60 + inside.shape[1]][inside] = product[inside]
                scores.append(background(pixels).cleanliness)
            draw_shape(ground, kind, random)
        assert max(np.diff(scores)) <= 0.05, scores
        assert scores[0] > 0.95
        assert scores[-1] < 0.4


def test_what_goes_on_outside_the_frame_with_the_subject_is_not_apart() -> None:
    pixels = boxes([200], [100, 40], 40)
    assert background(pixels).detached > 0
    assert background(pixels[:180]).detached == 0


def test_a_white_shirt_holds_head_and_trousers_together() -> None:
    pixels = np.full((300, 200, 3), 255, dtype=np.uint8)
    pixels[30:90, 60:140] = (150, 90, 70)
    pixels[90:200, 60:140] = (240, 240, 240)
    pixels[200:270, 60:140] = (40, 60, 120)
    assert background(pixels).parts == 1
    assert background(pixels).detached == 0
    pixels[90:200] = 255
    assert background(pixels).parts == 2
    assert background(pixels).detached > 0
