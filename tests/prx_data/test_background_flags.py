"""Bars, frames, collages and writing: seen where they are made, and silent on photos that have none."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from prx_data.measures.background import background

from .composites import read

Pixels = npt.NDArray[np.uint8]


def real(photos: Path, pattern: str, count: int = 12) -> list[Pixels]:
    paths = sorted(photos.glob(pattern))
    return [read(path, 2 if "catalogue" in pattern else 1) for path in paths[:: max(1, len(paths) // count)][:count]]


def padded(pixels: Pixels, color: tuple[int, int, int]) -> Pixels:
    """On a square of its longer side."""
    side = max(pixels.shape[:2])
    square = np.full((side, side, 3), color, dtype=np.uint8)
    top, left = ((side - length) // 2 for length in pixels.shape[:2])
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return square


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0)])
def test_bars_are_measured_and_do_not_count_as_ground(photos: Path, color: tuple[int, int, int]) -> None:
    carpets = [one for one in real(photos, "grocery/natural-*") if one.shape[0] == one.shape[1]]
    for pixels in carpets:
        tall = pixels[:, pixels.shape[1] // 6 : -(pixels.shape[1] // 6)]
        found, without = background(padded(tall, color)), background(tall)
        if found.frame:
            assert found.frame == pytest.approx(1 / 3, abs=0.03)
            assert found.cleanliness == pytest.approx(without.cleanliness, abs=0.2)
    assert np.mean([background(padded(one[:, 60:-60], color)).frame > 0 for one in carpets]) >= 0.7


def test_a_frame_goes_all_round() -> None:
    pixels = np.full((300, 240, 3), (20, 60, 30), dtype=np.uint8)
    pixels[15:-15, 15:-15] = (220, 220, 210)
    pixels[100:200, 80:160] = (200, 30, 40)
    found = background(pixels)
    assert found.frame == pytest.approx(1 - 270 * 210 / (300 * 240), abs=0.03)
    assert found.color == "#dcdcd2"
    assert found.sides_touched == 0
    assert found.fill == pytest.approx(100 * 80 / (300 * 240), abs=0.01)


def test_a_box_on_white_is_no_picture_in_a_frame() -> None:
    pixels = np.full((300, 240, 3), 255, dtype=np.uint8)
    pixels[30:-30, 30:-30] = (200, 30, 40)
    assert background(pixels).frame == 0
    assert background(pixels).fill_side == pytest.approx(0.8, abs=0.02)


def test_two_photos_side_by_side_have_a_seam(photos: Path) -> None:
    shots = [np.asarray(Image.fromarray(one).resize((200, 200))) for one in real(photos, "phone/*.jpg", 16)]
    pairs = zip(shots[::2], shots[1::2], strict=True)
    seams = [background(np.concatenate(pair, axis=number % 2)).collage for number, pair in enumerate(pairs)]
    assert np.median(seams) > 0.95
    assert sum(background(one).collage > 0.95 for one in shots) <= 1


def test_writing_on_the_ground_is_an_overlay(photos: Path) -> None:
    font = ImageFont.load_default(size=36)
    for pixels in real(photos, "catalogue/*.jpg", 4):
        image = Image.fromarray(np.concatenate([np.full((90, pixels.shape[1], 3), 255, dtype=np.uint8), pixels]))
        assert background(np.asarray(image)).overlay == 0
        ImageDraw.Draw(image).text((12, 20), "SALE 50% OFF", fill=(220, 0, 0), font=font)
        assert background(np.asarray(image)).overlay > 0.003


@pytest.mark.parametrize("pattern", ["catalogue/*.jpg", "grocery/iconic-*", "phone/*.jpg", "grocery/natural-*"])
def test_photos_that_have_none_are_not_flagged(photos: Path, pattern: str) -> None:
    found = [background(one) for one in real(photos, pattern, 20)]
    assert sum(one.frame > 0 for one in found) == 0
    assert sum(one.collage > 0.95 for one in found) == 0
    assert sum(one.overlay > 0 for one in found) <= 1
