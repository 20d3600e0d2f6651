"""Upscaled pictures are told from native ones, bars from plain backgrounds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prx_data.decoding import decode
from prx_data.measures.background import background
from prx_data.measures.borders import WORKING_SIDE, Borders, bars, borders
from prx_data.measures.lines import SIDES
from prx_data.measures.resolution import Resolution, effective_resolution
from prx_data.picture import Picture

from .conftest import draw_product, encode
from .frames import boxed


def pictures(photos: Path, folder: str, number: int) -> list[Image.Image]:
    files = sorted((photos / folder).rglob("*.jpg"))
    decoded = [decode(one.read_bytes()) for one in files[:: len(files) // number][:number]]
    return [Image.fromarray(one.pixels) for one in decoded if one.pixels is not None]


def compressed(image: Image.Image) -> Image.Image:
    decoded = decode(encode(image, quality=85))
    assert decoded.pixels is not None
    return Image.fromarray(decoded.pixels)


@pytest.mark.parametrize("folder", ["catalogue", "phone"])
@pytest.mark.parametrize(("factor", "agreement"), [(1.5, 0.7), (2, 0.9), (3, 1)])
def test_an_upscaled_picture_holds_less_detail_than_its_size_promises(
    photos: Path, folder: str, factor: float, agreement: float
) -> None:
    told = []
    for image in pictures(photos, folder, 10):
        native = effective_resolution(Picture(image))
        for kernel in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
            size = (round(image.width * factor), round(image.height * factor))
            upscaled = effective_resolution(Picture(compressed(image.resize(size, kernel))))
            assert native is not None
            assert upscaled is not None
            told.append(upscaled < native and upscaled < 0.85)
    assert np.mean(told) >= agreement


def test_resolution_of_what_is_too_small_or_blank_is_not_told() -> None:
    assert effective_resolution(Picture(draw_product(1, size=(300, 47)))) is None
    assert effective_resolution(Picture(Image.new("RGB", (300, 300), "white"))) is None
    assert Resolution()(Picture(draw_product(1, size=(10, 10)))) == {"effective_resolution": None, "past_quality": None}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 5))
def test_any_size_can_be_measured(width: int, height: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    share = effective_resolution(Picture(noise))
    assert share is None or 0 <= share <= 1
    found = Borders()(Picture(noise))
    assert list(found) == Borders().schema.names
    assert all(0 <= value <= 0.45 for name, value in found.items() if name != "inset")
    assert 0 <= found["inset"] <= 1


def test_no_photo_has_borders(photos: Path) -> None:
    for folder in ("catalogue", "phone", "grocery"):
        for image in pictures(photos, folder, 25):
            assert not any(Borders()(Picture(image)).values())


@pytest.mark.parametrize("color", ["black", "white", (40, 60, 160)])
@pytest.mark.parametrize("across", [False, True])
def test_two_bars_are_found_with_their_widths(photos: Path, color: str, across: bool) -> None:
    found = 0
    images = pictures(photos, "phone", 20)
    for image in images:
        (width, height), bar = image.size, round(0.1 * image.size[not across])
        padded = Image.new("RGB", (width + 2 * bar * across, height + 2 * bar * (not across)), color)
        padded.paste(image, (bar * across, bar * (not across)))
        share = bar / padded.size[not across]
        wanted = {side: share * (across == (side in ("left", "right"))) for side in SIDES}
        got = Picture(compressed(padded)).of_level(borders, WORKING_SIDE)
        found += all(abs(got[side] - wanted[side]) < 0.011 for side in SIDES)
    assert found >= 0.8 * len(images)


def test_a_frame_is_found_and_a_white_margin_is_none(photos: Path) -> None:
    for image in pictures(photos, "phone", 5):
        for color, wide in (("black", True), ("white", False)):
            framed = Image.new("RGB", (image.width + 40, image.height + 40), color)
            framed.paste(image, (20, 20))
            widths = bars(Picture(framed)).values()
            assert all(widths) == any(widths) == wide


@pytest.mark.parametrize("color", [(200, 200, 200), (235, 232, 226), (40, 60, 160)])
def test_a_box_before_a_plain_ground_is_no_frame(photos: Path, color: tuple[int, int, int]) -> None:
    random, tempted = np.random.default_rng(1), 0
    for image in pictures(photos, "phone", 8):
        picture = Picture(boxed(np.asarray(image), random, tilt=0.0025, color=color))
        tempted += all(borders(picture.level(WORKING_SIDE)).values())
        assert not any(bars(picture).values())
        assert background(picture.pixels).border_share == 1
    assert tempted >= 4


def test_a_bar_of_the_pictures_own_ground_is_none() -> None:
    product = draw_product(3, size=(240, 300))
    padded = Image.new("RGB", (360, 300), "white")
    padded.paste(product, (60, 0))
    assert borders(np.asarray(padded)) == dict.fromkeys(SIDES, 0.0)


def test_what_ends_straight_on_a_ground_that_goes_all_round_is_no_bar() -> None:
    pixels = np.full((300, 300, 3), 215, dtype=np.uint8)
    for left in range(20, 280, 54):  # a row of bottles, on one line
        pixels[90 + left // 4 : 250, left : left + 50] = (160, 40, 50)
    assert not any(borders(pixels).values())
    pixels[90:250, :8] = (40, 60, 160)  # three sides show the ground, too
    assert not any(borders(pixels).values())


def test_a_frame_of_a_line_is_cut_off() -> None:
    pixels = np.full((1200, 1200, 3), 255, dtype=np.uint8)
    pixels[400:800, 400:800] = (160, 40, 50)
    pixels[:4] = pixels[-4:] = pixels[:, :4] = pixels[:, -4:] = 60
    assert 0 < max(bars(Picture(pixels)).values()) < 0.01


def test_bars_turn_with_the_picture(photos: Path) -> None:
    image = pictures(photos, "phone", 3)[0]
    padded = Image.new("RGB", (image.width, image.height + 30), "black")
    padded.paste(image, (0, 30))
    straight = borders(np.asarray(padded))
    assert [side for side in SIDES if straight[side]] == ["top"]
    for turn, side in (("ROTATE_90", "left"), ("ROTATE_180", "bottom"), ("ROTATE_270", "right")):
        turned = borders(np.asarray(padded.transpose(Image.Transpose[turn])))
        assert turned == {one: straight["top"] * (one == side) for one in SIDES}
