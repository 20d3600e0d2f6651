"""What can be seen on a ground: planks, tiles, creases, textures, and what a blur takes away."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from prx_data.measures.background import background
from prx_data.measures.background_texture import softness

from .composites import products, read, texture
from .test_background import scene


def test_planks_have_lines_and_a_flat_ground_has_none() -> None:
    planks = scene((180, 140, 90), (20, 20, 90))
    planks[::20, :60] = planks[::20, 180:] = (90, 60, 30)
    assert background(scene((180, 140, 90), (20, 20, 90))).lines < 0.1
    assert background(planks).lines > 0.3
    assert background(planks).cleanliness < 0.5


@pytest.mark.parametrize("ground", [(40, 120, 190), (200, 70, 60)])
def test_tiles_of_a_strong_colour_are_no_backdrop(ground: tuple[int, int, int]) -> None:
    pixels = scene(ground, (240, 240, 235))
    assert background(pixels).cleanliness > 0.95
    tiles = np.full_like(pixels, ground)
    tiles[20::56] = tiles[:, 30::56] = np.array(ground) * 0.85
    product = (pixels == 240).any(axis=2)
    tiles[product] = pixels[product]
    assert background(tiles).cleanliness < 0.5


def test_creases_are_here_and_there_and_a_texture_is_everywhere() -> None:
    random = np.random.default_rng(6)
    plain = scene((190, 185, 175), (40, 60, 120))
    creased, woven = plain.copy(), plain.astype(float)
    for _ in range(160):
        (x, y), slant = random.integers(0, (240, 300)), int(random.integers(-60, 60))
        cv2.line(creased, (int(x), int(y)), (int(x) + slant, int(y) + 60), (150, 145, 137), 1, cv2.LINE_AA)
    woven += random.normal(scale=3, size=(*plain.shape[:2], 1))
    creases, weave = background(creased), background(woven.clip(0, 255).astype(np.uint8))
    assert creases.texture < 0.1 < weave.texture
    assert creases.grain > 2 * weave.grain / 3
    assert weave.cleanliness < creases.cleanliness


@pytest.mark.parametrize("seed", range(4))
def test_the_stronger_a_texture_the_less_clean(photos: Path, seed: int) -> None:
    pattern = texture((400, 320), np.random.default_rng(seed)) - 1
    noise = np.random.default_rng(5).normal(scale=1, size=(400, 320, 1))
    product, inside = products(photos, 1, side=200)[0]
    scores = []
    for contrast in (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0):
        ground = np.array([200, 190, 170]) * (1 + contrast * pattern) + noise
        pixels = np.rint(ground.clip(0, 255)).astype(np.uint8)
        pixels[150 : 150 + inside.shape[0], 100 : 100 + inside.shape[1]][inside] = product[inside]
        scores.append(background(pixels).cleanliness)
    assert max(np.diff(scores)) <= 0.01
    assert scores[0] > 0.95
    assert scores[-1] < 0.1


def test_softness_is_what_a_blur_takes_away(photos: Path) -> None:
    phone = [read(path) for path in sorted((photos / "phone").glob("*.jpg"))[::90]]
    sharp = [background(pixels).softness for pixels in phone]
    soft = [background(cv2.GaussianBlur(pixels, (0, 0), 2)).softness for pixels in phone]
    assert np.median(sharp) == 1
    assert np.median(soft) > 1.5
    assert all(1 <= one <= 3.5 for one in sharp + soft)
    assert softness(np.zeros((8, 6), dtype=np.float32), np.zeros((4, 3), dtype=np.float32)) <= 3.5
    assert softness(np.zeros((8, 0), dtype=np.float32), np.zeros((4, 0), dtype=np.float32)) == 1
