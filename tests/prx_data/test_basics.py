"""Basics against slow, obvious references; the pyramid that all measures share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter
from scipy import ndimage

from prx_data.measures.basics import Basics, detail, pixel_digest, sharpness
from prx_data.picture import Picture

from .conftest import draw_product

greys = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 255))


@settings(max_examples=80, deadline=None)
@given(greys)
def test_sharpness_is_the_variance_of_scipys_laplacian(grey: np.ndarray) -> None:
    assert sharpness(grey) == pytest.approx(ndimage.laplace(grey.astype(np.float64)).var(), rel=1e-4, abs=1e-3)


@settings(max_examples=80, deadline=None)
@given(greys, st.booleans())
def test_detail_is_an_order_statistic_of_the_gradient(grey: np.ndarray, soft: bool) -> None:
    levels = (grey // 12 if soft else grey).astype(np.uint8)
    if min(levels.shape) < 2:
        assert detail(levels) == 0
        return
    wide = levels.astype(float)
    gradient = np.hypot(np.diff(wide, axis=0)[:, :-1], np.diff(wide, axis=1)[:-1]).ravel()
    assert detail(levels) == pytest.approx(np.sort(gradient)[::-1][int(0.001 * len(gradient))])


def test_blur_lowers_both_and_a_larger_ground_only_sharpness() -> None:
    product = draw_product(3, size=(300, 300))
    large = Image.new("RGB", (384, 384), "white")
    large.paste(product, (40, 40))
    sharp, blurred, small = (
        Basics()(Picture(one)) for one in (product, product.filter(ImageFilter.GaussianBlur(4)), large)
    )
    assert blurred["sharpness"] < 0.2 * sharp["sharpness"]
    assert blurred["detail"] < 0.3 * sharp["detail"]
    assert small["sharpness"] < 0.75 * sharp["sharpness"]
    assert small["detail"] == pytest.approx(sharp["detail"], rel=0.1)


def test_exposure_of_known_pictures() -> None:
    half = Image.new("RGB", (100, 80), "black")
    half.paste((255, 255, 255), (0, 0, 50, 80))
    found = Basics()(Picture(half))
    assert found["brightness"] == pytest.approx(0.5)
    assert found["dark_share"] == found["bright_share"] == pytest.approx(0.5)
    assert found["spread"] == pytest.approx(0.5, abs=0.01)
    grey = Basics()(Picture(Image.new("RGB", (90, 90), (243, 243, 243))))
    assert (grey["bright_share"], grey["spread"], grey["sharpness"]) == (1, 0, 0)


def test_a_digest_tells_any_change_of_a_pixel_and_of_the_shape() -> None:
    pixels = np.asarray(draw_product(1, size=(60, 40))).copy()
    before = pixel_digest(pixels)
    assert before == pixel_digest(np.asfortranarray(pixels))
    assert before != pixel_digest(pixels.reshape(60, 40, 3))
    pixels[3, 4, 1] ^= 1
    assert before != pixel_digest(pixels)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.sampled_from([64, 128, 200, 384]))
def test_the_pyramid(width: int, height: int, side: int) -> None:
    ramp = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    picture = Picture(ramp.astype(np.uint8))
    level = picture.level(side)
    assert max(level.shape[:2]) >= min(side, picture.long_side)
    assert max(level.shape[:2]) < 2 * side + 2 or level is picture.pixels
    fitted = picture.at(side)
    assert max(fitted.shape[:2]) == min(side, picture.long_side)
    assert picture.grey(side).shape == fitted.shape[:2]
    reference = np.asarray(Image.fromarray(ramp.astype(np.uint8)).resize(fitted.shape[1::-1], Image.Resampling.BOX))
    if min(fitted.shape[:2]) >= 20:
        # Where a side is odd, its last line is left out and the others are drawn wider.
        shift = 255 / level.shape[1]
        assert np.abs(fitted.astype(int) - reference).mean() < 2 + shift
    assert picture.level(side) is level
