"""Colour science against scikit-image, and names against what people call the colours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_cie76, deltaE_ciede2000, rgb2lab

from prx_data.measures.color import delta_e, delta_e_2000, hex_color, lab_to_srgb, srgb_to_lab
from prx_data.measures.color_names import color_name, dominant_colors, sure_name


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


def striped(*colors: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    pixels = np.empty((90, 60, 3), dtype=np.uint8)
    for number, color in enumerate(colors):
        pixels[90 * number // len(colors) : 90 * (number + 1) // len(colors)] = color
    return np.ascontiguousarray(srgb_to_lab(pixels).transpose(2, 0, 1))


def test_dominant_colours_are_those_that_are_there() -> None:
    found = dominant_colors(striped((200, 20, 30), (20, 60, 180)), np.ones((90, 60), dtype=bool))
    assert {one.name for one in found} == {"red", "blue"}
    assert sum(one.share for one in found) == pytest.approx(1, abs=0.01)
    assert found[0].share >= found[1].share
    red = next(one for one in found if one.name == "red")
    assert max(abs(a - b) for a, b in zip(bytes.fromhex(red.color[1:]), (200, 20, 30), strict=True)) <= 3


def test_folds_are_one_colour() -> None:
    found = dominant_colors(striped((25, 80, 175), (30, 95, 205), (22, 72, 155)), np.ones((90, 60), dtype=bool))
    assert len(found) == 1
    assert sure_name(found) == "blue"


def test_several_colours_have_no_one_name() -> None:
    many = dominant_colors(striped((200, 20, 30), (20, 40, 160), (250, 250, 250)), np.ones((90, 60), dtype=bool))
    assert len(many) == 3
    assert sure_name(many) == ""
    assert sure_name(()) == ""


def test_skin_is_not_what_is_for_sale() -> None:
    found = dominant_colors(striped((190, 140, 115), (20, 120, 60), (190, 140, 115)), np.ones((90, 60), dtype=bool))
    assert sure_name(found) == "green"


def test_no_subject_has_no_colours() -> None:
    assert dominant_colors(striped((1, 2, 3)), np.zeros((90, 60), dtype=bool)) == ()
