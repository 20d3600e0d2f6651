"""Colour science against scikit-image, and names against what people call the colours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_cie76, deltaE_ciede2000, rgb2lab

from prx_data.measures.color import color_name, delta_e, delta_e_2000, hex_color, lab_to_srgb, srgb_to_lab


def grid(step: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    levels = np.arange(0, 256, step, dtype=np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)


def test_lab_is_scikit_images() -> None:
    colors = grid(15)
    assert np.abs(srgb_to_lab(colors) - rgb2lab(colors[None] / 255.0)[0]).max() < 0.02


def test_lab_keeps_the_shape() -> None:
    assert srgb_to_lab(np.zeros((2, 5, 4, 3), dtype=np.uint8)).shape == (2, 5, 4, 3)
    assert srgb_to_lab(np.zeros((4, 7, 3), dtype=np.uint8)).dtype == np.float32


def test_lab_and_back_is_the_same_colour() -> None:
    colors = grid(17)
    assert np.array_equal(lab_to_srgb(srgb_to_lab(colors)), colors)


def test_delta_e_is_scikit_images() -> None:
    lab = np.random.default_rng(0).uniform((0, -80, -80), (100, 80, 80), size=(2, 500, 3))
    np.testing.assert_allclose(delta_e(lab[0], lab[1]), deltaE_cie76(lab[0], lab[1]), rtol=1e-4)


def test_delta_e_2000_is_scikit_images() -> None:
    lab = np.random.default_rng(0).uniform((0, -80, -80), (100, 80, 80), size=(2, 2000, 3))
    lab[:, :100, 1:] = 0
    np.testing.assert_allclose(delta_e_2000(lab[0], lab[1]), deltaE_ciede2000(lab[0], lab[1]), atol=1e-6)
    assert delta_e_2000(lab[0], lab[0]).max() == 0


@given(st.tuples(*[st.integers(0, 255)] * 3))
@settings(max_examples=60, deadline=None)
def test_hex_names_the_pixel(color: tuple[int, int, int]) -> None:
    written = hex_color(srgb_to_lab(np.array(color, dtype=np.uint8)))
    assert written == "#{:02x}{:02x}{:02x}".format(*color)
    assert color_name(written)


@pytest.mark.parametrize(
    ("color", "name"),
    [
        ("#ffffff", "white"),
        ("#000000", "black"),
        ("#808080", "gray"),
        ("#cc1018", "red"),
        ("#ff8800", "orange"),
        ("#ffe020", "yellow"),
        ("#208030", "green"),
        ("#1f5fbf", "blue"),
        ("#6a3c9c", "purple"),
        ("#f080a0", "pink"),
        ("#6b4426", "brown"),
        ("#d8c4a4", "beige"),
        ("#1b2444", "navy"),
        ("#107c80", "teal"),
    ],
)
def test_names_people_use(color: str, name: str) -> None:
    assert color_name(color) == name


def test_no_colour_has_no_name() -> None:
    assert color_name("") == ""
