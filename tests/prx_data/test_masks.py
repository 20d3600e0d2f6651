"""Masks against scipy's morphology and labels."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from prx_data.measures.masks import border_connected, components, grown, opened, shrunk

masks = arrays(np.bool_, (7, 5))


@given(masks, st.integers(1, 3))
def test_they_are_those_of_scipy(mask: npt.NDArray[np.bool_], times: int) -> None:
    np.testing.assert_array_equal(grown(mask, times), ndimage.binary_dilation(mask, iterations=times))
    inner = ndimage.binary_erosion(mask, iterations=times, border_value=1)
    np.testing.assert_array_equal(shrunk(mask, times), inner)
    np.testing.assert_array_equal(opened(mask, times), ndimage.binary_dilation(inner, iterations=times))


@given(masks)
def test_parts_are_those_of_scipy(mask: npt.NDArray[np.bool_]) -> None:
    labels, count = components(mask)
    wanted, wanted_count = ndimage.label(mask)
    assert count == wanted_count
    pairs = set(zip(labels.ravel().tolist(), wanted.ravel().tolist(), strict=True))
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


@given(masks)
def test_what_the_frame_reaches_is_every_part_that_touches_it(mask: npt.NDArray[np.bool_]) -> None:
    labels, _ = ndimage.label(mask)
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = True
    touching = set(labels[~inner].tolist()) - {0}
    np.testing.assert_array_equal(border_connected(mask), np.isin(labels, list(touching)))
