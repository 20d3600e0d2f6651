"""The radius join and the groups against brute force, on ordinary and on skewed codes."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prx_data import ConfigError, hamming_join, near_duplicates
from prx_data.decisions import groups, join
from prx_data.decisions.groups import cross_pairs, keeper_groups
from prx_data.decisions.join import TooManyPairs, cross_join

Codes = npt.NDArray[np.uint64]


@st.composite
def skewed_codes(draw: st.DrawFn, largest: int = 40) -> Codes:
    """Codes around a few centres, some equal, in few or in all bits."""
    bits = draw(st.sampled_from([6, 20, 64]))
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    flips = st.lists(st.integers(0, bits - 1), max_size=10)
    codes = []
    for _ in range(draw(st.integers(0, largest))):
        code = draw(st.sampled_from(centres))
        for bit in draw(flips):
            code ^= 1 << bit
        codes.append(code)
    return np.array(codes, dtype=np.uint64)


def near(codes: Codes, others: Codes, radius: int) -> npt.NDArray[np.bool_]:
    """The obvious reference: every pair."""
    return np.asarray(np.bitwise_count(codes[:, None] ^ others[None, :]) <= radius)


@settings(max_examples=150, deadline=None)
@given(skewed_codes(), st.integers(0, 12))
def test_the_join_equals_brute_force(codes: Codes, radius: int) -> None:
    found = hamming_join(codes, radius)
    unique = np.unique(codes)
    left, right = np.nonzero(np.triu(near(unique, unique, radius), k=1))
    assert found.codes.tolist() == unique.tolist()
    assert (found.left.tolist(), found.right.tolist()) == (left.tolist(), right.tolist())
    assert found.distance.tolist() == np.bitwise_count(unique[left] ^ unique[right]).tolist()
    for number, code in enumerate(unique):
        assert found.bearers(number).tolist() == np.flatnonzero(codes == code).tolist()


@settings(max_examples=100, deadline=None)
@given(skewed_codes(), skewed_codes(), st.integers(0, 8))
def test_the_join_of_two_sets_equals_brute_force(codes: Codes, others: Codes, radius: int) -> None:
    mine, theirs = np.unique(codes), np.unique(np.concatenate([others, codes[::3]]))
    left, right = cross_join(mine, theirs, radius)
    assert [left.tolist(), right.tolist()] == [one.tolist() for one in np.nonzero(near(mine, theirs, radius))]
    chunks = [np.empty((2, 0), dtype=np.int64), *cross_pairs(codes, others, radius)]
    pairs = sorted(map(tuple, np.concatenate(chunks, axis=1).T.tolist()))
    assert pairs == sorted(map(tuple, np.argwhere(near(codes, others, radius)).tolist()))


@pytest.mark.parametrize("radius", [1, 3, 4, 6])
@pytest.mark.parametrize("kind", ["random", "biased", "hot"])
def test_many_codes_in_tables_and_hot_buckets(kind: str, radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough codes for tables, buckets of their own within them, and planted near copies."""
    monkeypatch.setattr(join, "_HOT", 200)
    random = np.random.default_rng(radius)
    bits = random.random((4000, 64)) < (np.linspace(0.02, 0.98, 64) if kind == "biased" else 0.5)
    if kind == "hot":
        bits[:3000, :40] = bits[0, :40]
    flips = np.zeros((1000, 64), dtype=bool)
    for row in flips:
        row[random.integers(0, 64, radius)] = True
    bits[:1000] = bits[1000:2000] ^ flips
    codes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    found = hamming_join(codes, radius)
    left, right = np.nonzero(np.triu(near(found.codes, found.codes, radius), k=1))
    assert len(left) > 900
    assert (found.left.tolist(), found.right.tolist()) == (left.tolist(), right.tolist())


def slow_keepers(codes: Codes, radius: int, order: list[int], colors: list[int]) -> list[int]:
    """One position after the other; a colour is alike if it differs by less than two."""
    keeper, kept = list(range(len(codes))), list[int]()
    for one in order:
        reaching = [k for k in kept if (int(codes[one]) ^ int(codes[k])).bit_count() <= radius]
        reaching = [k for k in reaching if abs(colors[one] - colors[k]) < 2]
        if reaching:
            keeper[one] = reaching[0]
        else:
            kept.append(one)
    return keeper


@pytest.mark.parametrize("held", [1, 40, 1 << 22])
@settings(max_examples=60, deadline=None)
@given(data=st.data(), radius=st.integers(0, 7))
def test_groups_equal_one_photo_after_the_other(held: int, data: st.DataObject, radius: int) -> None:
    """However few pairs may be held at a time, and whether or not a further condition is asked for."""
    codes = data.draw(skewed_codes())
    order = data.draw(st.permutations(range(len(codes))))
    preference = np.array(order, dtype=np.int64)
    colors = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(codes), max_size=len(codes))), dtype=int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_HELD", held)
        patch.setattr(groups, "_PORTION", 8 if held > 40 else 2)
        plain = near_duplicates(codes, radius, preference=preference)
        colored = near_duplicates(
            codes, radius, preference=preference, alike=lambda a, b: np.abs(colors[a] - colors[b]) < 2
        )
    assert plain.tolist() == slow_keepers(codes, radius, list(order), [0] * len(codes))
    assert colored.tolist() == slow_keepers(codes, radius, list(order), colors.tolist())


def test_any_order_of_the_codes_gives_the_same_groups() -> None:
    random = np.random.default_rng(5)
    codes = random.integers(0, 2**64, 300, dtype=np.uint64)
    codes = np.concatenate([codes, codes ^ (np.uint64(1) << random.integers(0, 64, 300).astype(np.uint64))])
    rank = random.permutation(600)
    keeper = near_duplicates(codes, 3, preference=np.argsort(rank))
    shuffled = random.permutation(600)
    again = near_duplicates(codes[shuffled], 3, preference=np.argsort(rank[shuffled]))
    assert shuffled[again].tolist() == keeper[shuffled].tolist()


def test_a_million_equal_codes_and_a_dense_ball_are_grouped_without_listing_their_pairs() -> None:
    """10¹¹ pairs within the radius; the groups need none of them."""
    flips = np.array([1 << a | 1 << b for a in range(64) for b in range(a)], dtype=np.uint64)
    codes = np.concatenate([np.full(500_000, 7, dtype=np.uint64), flips ^ np.uint64(7)])
    keeper = near_duplicates(codes, 4)
    assert keeper.max() == 0
    with pytest.raises(TooManyPairs):
        hamming_join(codes, 4, most=1_000_000)


def test_groups_do_not_chain() -> None:
    # 1 - 3 - 2 - 0 by preference reach each other in the row 0 - 1, 1 - 2, 2 - 3 of these positions.
    assert keeper_groups(4, np.array([0, 1, 2]), np.array([1, 2, 3])).tolist() == [0, 0, 2, 2]
    assert keeper_groups(4, np.array([0, 0, 1]), np.array([3, 2, 2])).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("radius", [-1, 17])
def test_a_radius_out_of_range_is_one_sentence(radius: int) -> None:
    with pytest.raises(ConfigError, match=f"radius = {radius} must lie between 0 and 16"):
        hamming_join(np.empty(0, dtype=np.uint64), radius)
