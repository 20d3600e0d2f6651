"""Vectors that others are near to: those that comparing all with all finds, whatever few components are looked at."""

from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prx_data.decisions.company import Company


def near_somebody(vectors: npt.NDArray[np.float16], least: float) -> npt.NDArray[np.bool_]:
    """All with all."""
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    np.fill_diagonal(cosines, -1)
    assume(not (abs(cosines - least) < 1e-4).any())  # sums in another order may fall on the other side of the limit
    return np.asarray((cosines >= least).any(axis=1))


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 120),
    st.integers(2, 160),
    st.integers(0, 1000),
    st.integers(1, 12),
    st.integers(1, 50),
    st.floats(0.3, 0.99),
    st.floats(0.02, 1.5),
    st.booleans(),
)
def test_those_are_found_that_are_near_another(
    count: int, dimensions: int, seed: int, components: int, block: int, least: float, noise: float, crowd: bool
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimensions)) * random.uniform(0.05, 1, dimensions)
    if crowd:
        vectors[: count // 2] = vectors[0] if count else 0
    half = count // 3
    vectors[half : 2 * half] = vectors[:half]
    vectors += noise * random.standard_normal(vectors.shape) / dimensions**0.5
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    expected = near_somebody(vectors, least)
    order = random.permutation(count)
    cell = random.integers(0, 3, count)
    cells = [np.flatnonzero(cell == one) for one in range(3)]
    # Of each two cells one looks at the other's members: here the later at the earlier.
    guests = [np.flatnonzero(cell < one) for one in range(3)]
    with patch("prx_data.decisions.company._COMPONENTS", components):
        company = Company(embeddings=vectors, order=order, least=least, block=block)
        found = company.find(zip(cells, guests, strict=True))
    assert found.tolist() == np.flatnonzero(expected[order]).tolist()
