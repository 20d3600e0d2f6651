"""The background measure's fast maps against slow, obvious references."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from prx_data.measures.background_maps import (
    DETAIL_SIDE,
    fitted,
    halved,
    level,
    middle,
    near,
    on_ring,
    ring,
    row_means,
    row_steps,
    squares,
)
from prx_data.measures.background_region import divide
from prx_data.measures.color import delta_e

Lab = npt.NDArray[np.float32]

labs = arrays(np.float32, (11, 6, 3), elements=st.floats(0, 100, width=32))


@given(labs, labs)
def test_squares_are_those_of_delta_e(lab: Lab, other: Lab) -> None:
    np.testing.assert_allclose(squares(lab, other), delta_e(lab, other) ** 2, rtol=1e-4, atol=1e-3)
    colors, color = lab.reshape(-1, 3), other[0, 0]
    np.testing.assert_array_equal(
        near(colors, color, 20.0), squares(lab, np.broadcast_to(color, lab.shape)).ravel() < 400
    )


@given(labs)
def test_steps_are_those_told_row_by_row(lab: Lab) -> None:
    wanted = np.zeros(lab.shape[:2], dtype=bool)
    change = {row: delta_e(lab[row - 1], lab[row + 1]) ** 2 for row in range(1, len(lab) - 1)}
    for row in range(3, len(lab) - 3):
        calm = np.minimum(change[row - 2], change[row + 2])
        wanted[row] = (change[row] > 64) & (change[row] > 4 * calm)
    assert (row_steps(lab) != wanted).mean() < 0.02  # sums of squares in another order


def test_too_few_rows_have_no_steps() -> None:
    assert not row_steps(np.zeros((4, 9, 3), dtype=np.float32)).any()


@given(arrays(np.bool_, (7, 5)), st.sampled_from([0.1, 0.3]))
def test_the_ring_is_what_the_inner_part_leaves(mask: npt.NDArray[np.bool_], part: float) -> None:
    inside = np.zeros_like(mask)
    inside[2:-2, 2:-2] = True
    np.testing.assert_array_equal(ring((7, 5), part), ~inside)
    np.testing.assert_array_equal(on_ring(mask, part), mask[~inside])
    np.testing.assert_allclose(row_means(mask), mask.mean(axis=1), rtol=1e-6)


@given(arrays(np.float32, st.integers(1, 40).map(lambda n: 2 * n - 1), elements=st.floats(-9, 9, width=32)))
def test_the_middle_of_an_odd_number_is_the_median(values: npt.NDArray[np.float32]) -> None:
    assert middle(values) == np.median(values)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 1500))
def test_any_size_becomes_the_working_one(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), (10, 200, 90), dtype=np.uint8)
    found = fitted(level(pixels))
    assert max(found.shape[:2]) == DETAIL_SIDE
    assert not any(side % 4 for side in found.shape[:2])
    assert (found == (10, 200, 90)).all()


def test_halves_are_means_of_four() -> None:
    values = np.random.default_rng(0).uniform(0, 100, (6, 10)).astype(np.float32)
    np.testing.assert_allclose(halved(values), values.reshape(3, 2, 5, 2).mean(axis=(1, 3)), rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_detail_is_what_a_median_takes_away(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (256, 200), dtype=np.uint8)
    region = divide(pixels[:, :, None].repeat(3, axis=2))
    light = region.light.astype(np.float64)
    detail = np.abs(light - ndimage.median_filter(light, 3, mode="nearest")) * 100 / 255
    height, width = detail.shape
    wanted = detail.reshape(height // 4, 4, width // 4, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(region.detail, wanted, rtol=1e-4)
