"""The background measure's fast maps against slow, obvious references."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prx_data.kernels.lab import halved
from prx_data.measures.background_maps import DETAIL_SIDE, fitted, middle, positions, ring, ring_places
from prx_data.picture import Picture


@given(st.sampled_from([(7, 5), (30, 64)]), st.sampled_from([0.1, 0.3]))
def test_the_ring_is_what_the_inner_part_leaves(shape: tuple[int, int], part: float) -> None:
    width = max(2, round(part * min(shape)))
    inside = np.zeros(shape, dtype=bool)
    inside[width:-width, width:-width] = True
    np.testing.assert_array_equal(ring(shape, part), ~inside)
    np.testing.assert_array_equal(ring_places(shape, part), np.flatnonzero(~inside))


def test_positions_of_every_other_line_are_those_of_the_whole() -> None:
    ys, xs = positions((7, 10), 2)
    np.testing.assert_allclose(ys, [-1, -1 / 3, 1 / 3, 1], atol=1e-6)
    np.testing.assert_allclose(xs, np.linspace(-1, 1, 10)[::2], atol=1e-6)


@given(arrays(np.float32, st.integers(1, 40).map(lambda n: 2 * n - 1), elements=st.floats(-9, 9, width=32)))
def test_the_middle_of_an_odd_number_is_the_median(values: npt.NDArray[np.float32]) -> None:
    assert middle(values) == np.median(values)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 1500))
def test_any_size_becomes_the_working_one(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), (10, 200, 90), dtype=np.uint8)
    found = fitted(Picture(pixels).level(DETAIL_SIDE))
    assert max(found.shape[:2]) == DETAIL_SIDE
    assert not any(side % 4 for side in found.shape[:2])
    assert (found == (10, 200, 90)).all()


def test_halves_are_means_of_four() -> None:
    values = np.random.default_rng(0).uniform(0, 100, (3, 6, 10)).astype(np.float32)
    np.testing.assert_allclose(halved(values), values.reshape(3, 3, 2, 5, 2).mean(axis=(2, 4)), rtol=1e-5)
