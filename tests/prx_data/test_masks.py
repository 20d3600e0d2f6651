"""Growing and shrinking by shifts against scipy's morphology."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from prx_data.measures.masks import grown, opened, shrunk

masks = arrays(np.bool_, (7, 5))


@given(masks, st.integers(1, 3))
def test_they_are_those_of_scipy(mask: npt.NDArray[np.bool_], times: int) -> None:
    np.testing.assert_array_equal(grown(mask, times), ndimage.binary_dilation(mask, iterations=times))
    inner = ndimage.binary_erosion(mask, iterations=times, border_value=1)
    np.testing.assert_array_equal(shrunk(mask, times), inner)
    np.testing.assert_array_equal(opened(mask, times), ndimage.binary_dilation(inner, iterations=times))
