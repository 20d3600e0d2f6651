"""Groups, splits and clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data.decisions.clusters import cluster, default_k
from prx_data.decisions.splits import connected_groups, validation_groups
from prx_data.errors import ConfigError


@given(st.integers(1, 12), st.data())
def test_groups_are_the_connected_components(count: int, data: st.DataObject) -> None:
    position = st.integers(0, count - 1)
    links = data.draw(st.lists(st.tuples(position, position), max_size=15))
    keys = data.draw(st.permutations([f"k{i:02}" for i in range(count)]))
    groups = connected_groups(keys, links)
    # The obvious reference: spread the smallest key along the links until nothing changes.
    expected = list(keys)
    for _ in range(count):
        for a, b in links:
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert groups == expected


def test_a_group_stays_on_its_side_when_photos_are_added() -> None:
    few = [f"group {i}" for i in range(300)]
    many = few + [f"new {i}" for i in range(300)]
    chosen = validation_groups(few, 0.1)
    assert 10 < len(chosen) < 60
    assert chosen == validation_groups(many, 0.1) & set(few)


@given(st.integers(0, 30), st.floats(0, 0.99), st.integers(0, 3))
def test_neither_side_is_empty(count: int, fraction: float, seed: int) -> None:
    groups = [f"group {i}" for i in range(count)]
    chosen = validation_groups(groups, fraction, seed)
    assert chosen <= set(groups)
    assert (0 < len(chosen) < count) == (count >= 2 and fraction > 0)


def test_clusters_find_what_is_there_and_are_the_same_every_time() -> None:
    random = np.random.default_rng(0)
    centres = np.eye(3, 7, dtype=np.float32)
    truth = np.repeat([0, 1, 2], [30, 20, 10])
    vectors = centres[truth] + 0.05 * random.standard_normal((60, 7)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = cluster(vectors, 3)
    np.testing.assert_array_equal(labels, truth)  # numbered from the largest
    np.testing.assert_array_equal(labels, cluster(vectors, 3))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_vectors_without_a_direction_are_named(wrong: float) -> None:
    vectors = np.eye(6, dtype=np.float16)
    vectors[4, 2] = wrong
    with pytest.raises(ConfigError, match=r"embeddings\[4\] is wrong: it holds NaN or infinity"):
        cluster(vectors, 2)


def test_cluster_counts() -> None:
    assert [default_k(count) for count in (0, 1, 8, 1000, 10**8)] == [1, 1, 2, 22, 1000]
    assert cluster(np.empty((0, 5), dtype=np.float32), 1).shape == (0,)
    with pytest.raises(ConfigError, match="clusters = 4"):
        cluster(np.eye(3, dtype=np.float32), 4)
