"""Candidates for copies: what is looked up in lists, in a few turns, against comparing everything with everything."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data.decisions import neighbors
from prx_data.decisions.neighbors import Candidates, find_candidates
from prx_data.decisions.thumbnails import Thumbnails
from prx_data.decisions.turns import TURNS

Distances = dict[tuple[int, int, int], float]


def pictures(count: int, seed: int) -> Thumbnails:
    """Some of which are turned, brighter or noisy ones of others."""
    random = np.random.default_rng(seed)
    coarse = random.integers(30, 220, (count, 4, 4)).astype(np.float32)
    light = np.kron(coarse, np.ones((1, 16, 16), dtype=np.float32))
    color = np.kron(random.integers(-40, 40, (count, 2, 2, 2)), np.ones((1, 16, 16, 1)))
    base = Thumbnails(
        aspect=np.full(count, 1, dtype=np.float32), lightness=light.astype(np.uint8), color=color.astype(np.int8)
    )
    other = base.turned(random.integers(0, 8, count).astype(np.uint8))
    noisy = np.clip(other.lightness + random.normal(0, 12, light.shape), 0, 255).astype(np.uint8)
    return Thumbnails(
        aspect=np.concatenate([base.aspect, other.aspect]),
        lightness=np.concatenate([base.lightness, noisy]),
        color=np.concatenate([base.color, other.color]),
    )


def everything(some: Thumbnails) -> Distances:
    """The least squared distance of a window of one picture from another whole one, for each pair and turn."""
    found: Distances = {}
    for turn in TURNS:
        whole = next(neighbors._vectors(some.turned(np.full(len(some), turn, dtype=np.uint8))))[:, 0]
        windows = next(neighbors._vectors(some))
        for one in range(len(some)):
            for two in range(len(some)):
                least = float(np.square(windows[one] - whole[two]).sum(axis=1).min())
                if one != two and least <= neighbors._MAX_DISTANCE:
                    # `turn` brings the second to how the first one stands.
                    pair = (one, two, turn) if one < two else (two, one, inverse(turn))
                    found[pair] = min(least, found.get(pair, least))
    return found


def inverse(turn: int) -> int:
    return {5: 6, 6: 5}.get(turn, turn)


def distances(found: Candidates) -> Distances:
    rows = zip(found.left.tolist(), found.right.tolist(), found.turn.tolist(), strict=True)
    return dict(zip(rows, found.distance.tolist(), strict=True))


@given(st.integers(0, 30))
def test_with_nothing_left_out_it_is_everything_with_everything(seed: int) -> None:
    some = pictures(7, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbors, "_UNSURE", 9.0)
        patch.setattr(neighbors, "_NEIGHBORS", 14)
        patch.setattr(neighbors, "_MOST", 1000)
        found = distances(find_candidates(some))
    slow = everything(some)
    sure = {pair for pair, distance in slow.items() if distance < neighbors._MAX_DISTANCE - 1e-3}
    assert sure <= set(found) <= set(slow)
    assert all(abs(found[pair] - slow[pair]) < 1e-4 for pair in found)


@given(st.integers(0, 30))
def test_copies_are_found_in_the_turns_that_are_looked_at(seed: int) -> None:
    found = distances(find_candidates(pictures(7, seed)))
    slow = everything(pictures(7, seed))
    assert set(found) <= set(slow)
    assert {(one, one + 7) for one in range(7)} <= {(left, right) for left, right, _ in found}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=20))
def test_ranks_are_those_of_a_walk_over_the_rows(rows: list[tuple[int, int]]) -> None:
    owner = np.array([one for one, _ in rows], dtype=np.int64)
    distance: npt.NDArray[np.float32] = np.array([far for _, far in rows], dtype=np.float32)
    slow = [
        sum(one == own and (far, row) < (mine, place) for row, (one, far) in enumerate(rows))
        for place, (own, mine) in enumerate(rows)
    ]
    assert neighbors._rank(owner, distance).tolist() == slow


def test_a_crowd_costs_each_picture_a_few_candidates() -> None:
    random = np.random.default_rng(0)
    crowd = pictures(1, 0).take(np.zeros(60, dtype=np.int64))
    noise = random.normal(0, 6, crowd.lightness.shape)
    crowd = Thumbnails(
        aspect=crowd.aspect,
        lightness=np.clip(crowd.lightness + noise, 0, 255).astype(np.uint8),
        color=crowd.color,
    )
    found = find_candidates(crowd)
    assert len(found) <= 2 * neighbors._MOST * len(crowd)
    assert set(np.append(found.left, found.right).tolist()) == set(range(60))
