"""The background measure on kinds of products that shops show: boxes, white ones, hollow ones, sets."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import ndimage

from prx_data.measures.background import background, background_mask
from prx_data.measures.background_region import divide
from prx_data.measures.color import delta_e, srgb_to_lab
from prx_data.picture import Picture

from .composites import products, read

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@pytest.mark.parametrize("color", [(255, 255, 255), (200, 200, 200), (40, 60, 160)])
@pytest.mark.parametrize("share", [0.86, 0.94])
def test_a_box_that_fills_the_frame_stands_on_a_clean_ground(
    photos: Path, color: tuple[int, int, int], share: float
) -> None:
    for path in sorted((photos / "grocery").glob("natural-*"))[::90]:
        front = np.asarray(Image.fromarray(read(path)).resize((800, 800)))
        corners = 500 + 500 * share * np.array([[-1, -1.004], [1, -1], [1.003, 1], [-1, 1.002]])
        places = np.array([[0, 0], [800, 0], [800, 800], [0, 800]], dtype=np.float32)
        warp = cv2.getPerspectiveTransform(places, corners.astype(np.float32))
        box = cv2.warpPerspective(front, warp, (1000, 1000), borderMode=cv2.BORDER_CONSTANT, borderValue=color)
        found = background(np.asarray(box, dtype=np.uint8))
        assert found.cleanliness > 0.75
        assert found.sides_touched == 0
        assert found.frame == 0
        assert found.fill_side == pytest.approx(share, abs=0.02)


def test_clutter_in_a_white_frame_is_no_box(photos: Path) -> None:
    for path in sorted((photos / "grocery").glob("natural-*"))[::60]:
        framed = np.full((1000, 1000, 3), 255, dtype=np.uint8)
        framed[40:-40, 40:-40] = np.asarray(Image.fromarray(read(path)).resize((920, 920)))
        assert background(framed).cleanliness < 0.5


def mug(ground: int, color: int) -> tuple[Pixels, Mask]:
    """A pale mug with a dark handle and a soft shadow, on a ground hardly lighter, as a JPEG; and where it is."""
    light, covered = np.full((800, 800), float(ground)), np.zeros((800, 800), dtype=np.uint8)
    cv2.ellipse(covered, (400, 690), (200, 25), 0, 0, 360, 1, -1)
    light *= 1 - 0.35 * cv2.GaussianBlur(covered.astype(np.float64), (0, 0), 15)
    covered[:] = 0
    cv2.circle(covered, (590, 400), 110, 1, -1, cv2.LINE_AA)
    light[covered > 0] = ground
    cv2.circle(light, (590, 400), 100, color * 0.8, 24, cv2.LINE_AA)
    covered[120:680, 190:590] = 1
    light[120:680, 190:590] = color
    noisy = light + np.random.default_rng(3).normal(scale=1.0, size=light.shape)
    buffer = BytesIO()
    Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8)).convert("RGB").save(buffer, "JPEG", quality=88)
    return read(buffer), covered > 0


@pytest.mark.parametrize(("ground", "color"), [(255, 243), (248, 236), (215, 201)])
def test_a_pale_product_is_more_than_what_stands_out_of_it(ground: int, color: int) -> None:
    pixels, covered = mug(ground, color)
    found = background(pixels)
    assert found.fill == pytest.approx(covered.mean(), abs=0.06)
    assert found.fill_side == pytest.approx(0.72, abs=0.06)
    assert found.cleanliness > 0.95
    level = round(100 - found.whiteness), round(100 - background(np.full_like(pixels, ground)).whiteness)
    assert abs(level[0] - level[1]) <= 1


def test_white_shoes_below_trousers_belong_to_the_subject(photos: Path) -> None:
    pixels, covered = np.full((1000, 800, 3), 253, dtype=np.uint8), np.zeros((1000, 800), dtype=np.uint8)
    for left in (240, 440):
        for picture, color in ((pixels, (238, 238, 238)), (covered, 1)):
            cv2.ellipse(picture, (left + 60, 850), (80, 60), 0, 0, 360, color, -1, cv2.LINE_AA)
            color = 1 if picture is covered else (30, 30, 60)
            cv2.rectangle(picture, (left, 80), (left + 120, 820), color, -1)
            cv2.rectangle(picture, (240, 80), (560, 160), color, -1)
    found = background(pixels)
    assert found.margin_bottom == pytest.approx(0.09, abs=0.01)
    assert found.fill == pytest.approx(covered.mean(), abs=0.01)
    shod = background(read(photos / "catalogue" / "wp03-blue_main.jpg"))
    assert shod.margin_bottom < 0.06


def test_a_soft_shadow_is_no_pale_product() -> None:
    light = np.full((800, 800), 250.0)
    shade = np.zeros((800, 800))
    shade[300:700, 150:650] = 1
    light *= 1 - 0.12 * cv2.GaussianBlur(shade, (0, 0), 60)
    light[250:550, 300:500] = 60
    found = background(np.rint(light).astype(np.uint8)[:, :, None].repeat(3, axis=2))
    assert found.fill == pytest.approx(0.094, abs=0.02)


@pytest.mark.parametrize("ground", [(255, 255, 255), (12, 12, 13)])
def test_a_ring_has_its_own_colour_and_not_that_of_the_ground(ground: tuple[int, int, int]) -> None:
    pixels = np.full((800, 800, 3), ground, dtype=np.uint8)
    cv2.circle(pixels, (400, 400), 250, (180, 30, 40), 36, cv2.LINE_AA)
    found = background(pixels)
    assert found.subject_colors[0].name == "red"
    assert found.subject_colors[0].share > 0.9
    assert found.contrast > 40


@pytest.mark.parametrize("ground", [(255, 255, 255), (90, 150, 190)])
def test_ground_that_shows_through_a_product_is_ground(ground: tuple[int, int, int]) -> None:
    pixels = np.full((800, 800, 3), ground, dtype=np.uint8)
    cv2.circle(pixels, (400, 400), 250, (180, 30, 40), 60, cv2.LINE_AA)
    covered = (np.abs(pixels.astype(int) - ground).sum(axis=2) > 30).mean()
    found, mask = background(pixels), background_mask(pixels)
    assert found.fill == pytest.approx(covered, abs=0.03)
    assert found.fill_side == pytest.approx(560 / 800, abs=0.02)
    assert mask[64, 64]
    assert found.share + found.fill == pytest.approx(1, abs=0.01)


def test_ground_shows_between_an_arm_and_a_body_and_white_cloth_is_none(photos: Path) -> None:
    for name, least in (("mj10-red_main", 0.03), ("wsh07-blue_main", 0.05), ("wt05-purple_back", 0.05)):
        pixels = read(photos / "catalogue" / f"{name}.jpg")
        away = delta_e(srgb_to_lab(pixels), np.array([100.0, 0.0, 0.0])) > 4
        filled = ndimage.binary_fill_holes(away)
        assert (filled & ~away).mean() > least
        assert background(pixels).fill == pytest.approx(away.mean(), abs=0.015)
    shirt = read(photos / "catalogue" / "wh08-white_main.jpg", reduce=2)
    label = np.full((400, 400, 3), 255, dtype=np.uint8)
    label[80:340, 120:280] = (20, 90, 60)
    label[150:270, 140:260] = 246
    for pixels in (shirt, label):
        region = divide(Picture(np.ascontiguousarray(pixels)))
        assert not (region.mask & region.subject).any()


@pytest.mark.parametrize("thick", [6, 20])
def test_the_bars_of_a_chair_are_no_lines_of_the_ground(thick: int) -> None:
    pixels = np.full((1000, 800, 3), (244, 242, 235), dtype=np.uint8)
    for x in (150, 650):
        cv2.line(pixels, (x, 500), (x, 900), (30, 130, 150), thick)
    for x in range(150, 651, 100):
        cv2.line(pixels, (x, 120), (x, 500), (30, 130, 150), thick)
    cv2.rectangle(pixels, (150, 470), (650, 530), (30, 130, 150), -1)
    cv2.line(pixels, (150, 120), (650, 120), (30, 130, 150), thick)
    assert background(pixels).cleanliness > 0.95


@pytest.mark.parametrize("blur", [1.5, 4])
def test_the_outline_of_what_the_frame_cuts_off_is_no_line_of_the_ground(blur: float) -> None:
    pixels = np.full((1000, 800, 3), 255, dtype=np.uint8)
    corners = np.array([[250, 0], [550, 0], [560, 1000], [240, 1000]], dtype=np.int32)
    cv2.fillPoly(pixels, [corners], (60, 60, 70))
    found = background(np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur), dtype=np.uint8))
    assert found.sides_touched == 2
    assert found.lines < 0.1


def test_a_sleeve_is_no_shelf_though_its_outline_is_straight(photos: Path) -> None:
    random = np.random.default_rng(8)
    cloth = np.array([90, 100, 130], dtype=np.float64) + random.normal(scale=14, size=(1000, 800, 1))
    colors = read(sorted((photos / "grocery").glob("natural-*"))[3])
    scores = []
    for covered in (cloth, cv2.resize(colors, (800, 1000))):
        pixels = np.full((1000, 800, 3), 254, dtype=np.uint8)
        outline = np.array([[280, 0], [280, 450], [420, 1000], [800, 1000], [800, 0]], dtype=np.int32)
        inside = cv2.fillPoly(np.zeros(pixels.shape[:2], dtype=np.uint8), [outline], 1).astype(bool)
        pixels[inside] = np.clip(covered, 0, 255).astype(np.uint8)[inside]
        scores.append(background(pixels).cleanliness)
    assert scores[0] > 0.9
    assert scores[1] < scores[0] - 0.15


@pytest.mark.parametrize(("size", "least"), [((200, 120), 0.7), ((120, 80), 0.3)])
def test_a_hard_shadow_is_doubtful_and_a_product_of_its_own_colour_is_not(size: tuple[int, int], least: float) -> None:
    pixels = np.full((800, 800, 3), (210, 170, 150), dtype=np.uint8)
    shadow = pixels.copy()
    cv2.ellipse(shadow, (470, 480), size, 20, 0, 360, (140, 113, 100), -1, cv2.LINE_AA)
    for one in (pixels, shadow):
        cv2.circle(one, (350, 400), 150, (30, 60, 120), -1, cv2.LINE_AA)
    assert background(pixels).doubt < 0.1
    assert background(shadow).doubt > least


def test_a_mask_before_a_blurred_room_is_doubtful(photos: Path) -> None:
    product, inside = products(photos, 3, side=400)[1]
    rooms = [read(path) for path in sorted((photos / "phone").glob("*.jpg"))[5::90]]
    wrong = []
    for room in rooms:
        ground = cv2.GaussianBlur(cv2.resize(room, (800, 1000)), (0, 0), 30)
        ground[500 : 500 + inside.shape[0], 200 : 200 + inside.shape[1]][inside] = product[inside]
        found = background(np.asarray(ground, dtype=np.uint8))
        if abs(found.fill - inside.sum() / 8e5) > 0.03:
            wrong.append(found.doubt)
    assert len(wrong) > 5
    assert np.mean(np.array(wrong) > 0.2) > 0.85


@pytest.mark.parametrize("sigma", [6, 12])
def test_a_blurred_shelf_is_no_clean_ground(photos: Path, sigma: int) -> None:
    shelves = sorted((photos / "grocery").glob("natural-*"))[::20]
    scores = []
    for shelf, (product, inside) in zip(shelves, products(photos, len(shelves), side=150), strict=True):
        ground = cv2.GaussianBlur(cv2.resize(read(shelf), (256, 320)), (0, 0), sigma)
        ground[80 : 80 + inside.shape[0], 60 : 60 + inside.shape[1]][inside] = product[inside]
        scores.append(background(np.asarray(ground, dtype=np.uint8)).cleanliness)
    assert np.mean(np.array(scores) < 0.5) >= 0.8, scores


def test_a_shelf_that_comes_into_focus_does_not_become_clean_on_the_way(photos: Path) -> None:
    shelves = sorted((photos / "grocery").glob("natural-*"))[4::15]
    series: list[list[float]] = []
    for shelf, (product, inside) in zip(shelves, products(photos, len(shelves), side=150), strict=True):
        room = cv2.resize(read(shelf), (256, 320), interpolation=cv2.INTER_AREA)
        series.append([])
        for sigma in (8, 5, 3, 2):
            ground = cv2.GaussianBlur(room, (0, 0), sigma)
            ground[80 : 80 + inside.shape[0], 60 : 60 + inside.shape[1]][inside] = product[inside]
            series[-1].append(background(np.asarray(ground, dtype=np.uint8)).cleanliness)
    scores = np.array(series)
    assert np.diff(scores, axis=1).max() < 0.45
    assert np.count_nonzero((scores >= 0.5).any(axis=1)) <= 1


def test_a_set_is_no_clutter() -> None:
    pixels = np.full((800, 800, 3), 255, dtype=np.uint8)
    colors = ((180, 40, 40), (40, 90, 170), (50, 130, 70), (230, 180, 40), (120, 60, 140), (240, 120, 60))
    for number, color in enumerate(colors):
        top, left = 100 + 320 * (number // 3), 100 + 220 * (number % 3)
        pixels[top : top + 260, left : left + 120] = color
    found = background(pixels)
    assert found.parts == 6
    assert found.things == 0
    assert found.detached > 0
    assert found.cleanliness > 0.9


def test_a_necklace_is_more_than_its_pendant() -> None:
    pixels = np.full((800, 800, 3), 255, dtype=np.uint8)
    cv2.ellipse(pixels, (400, 300), (220, 220), 0, 10, 170, (150, 110, 40), 5, cv2.LINE_AA)
    cv2.circle(pixels, (400, 560), 45, (150, 110, 40), -1, cv2.LINE_AA)
    found = background(pixels)
    assert found.margin_left == pytest.approx(0.23, abs=0.03)
    assert found.margin_top == pytest.approx(0.42, abs=0.03)
    assert found.fill < 0.04


def test_a_wide_row_of_things_has_no_seam() -> None:
    pixels = np.full((600, 600, 3), 255, dtype=np.uint8)
    for number in range(8):
        pixels[200 - 10 * number : 450, 8 + 73 * number : 80 + 73 * number] = (160 - 15 * number, 20 + 20 * number, 50)
    assert background(pixels).collage < 0.95
    pixels[400:] = (90, 140, 200)
    assert background(pixels).collage > 0.95
