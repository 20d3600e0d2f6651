"""Semantic duplicates: what one after the other, compared with all, drops, and none for a colour variant."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from prx_data import Settings, Workspace
from prx_data.decisions.clusters import Rows, find_clusters
from prx_data.decisions.duplicates import matrix
from prx_data.decisions.resemblance import MAX_SHADE_DIFFERENCE, Palettes, same_colors
from prx_data.decisions.semantic import SemanticDuplicates, semantic_duplicates

from .conftest import draw_product, encode


def greedy(vectors: Any, order: Any, least: float, same: Any) -> dict[int, tuple[int, float]]:
    """One after the other: the first of those kept that is near, and for which `same` holds, stands for it."""
    cosines = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    kept: list[int] = []
    dropped = {}
    for one in order.tolist():
        keeper = next((other for other in kept if cosines[one, other] >= least and same[one, other]), None)
        if keeper is None:
            kept.append(one)
        else:
            dropped[one] = keeper, float(cosines[one, keeper])
    return dropped


def rows(found: SemanticDuplicates) -> dict[int, tuple[int, float]]:
    """By position."""
    pairs = zip(found.keeper.tolist(), found.similarity.tolist(), strict=True)
    return dict(zip(found.position.tolist(), pairs, strict=True))


def search(way: dict[str, Any], *args: Any, **keywords: Any) -> SemanticDuplicates:
    """With other constants, which change how and not what is found."""
    with patch.multiple("prx_data.decisions.semantic", **way):
        return semantic_duplicates(*args, **keywords)


BY_CLUSTER = {"_LOOKING": -1e12}  # however few they are
WAYS = st.sampled_from([{"_LEAF": 256}, BY_CLUSTER, {"_LEAF": 3, "_HELD": 0, **BY_CLUSTER}, {"_LEAF": 5}])
SIZES = (WAYS, st.integers(1, 150), st.integers(1, 12), st.integers(0, 1000), st.integers(1, 40), st.integers(1, 4))


@settings(deadline=None, max_examples=60)
@given(*SIZES, st.floats(0.3, 0.99), st.integers(2, 12))
def test_what_is_dropped_is_what_one_after_the_other_drops(
    way: dict[str, Any], count: int, k: int, seed: int, block: int, colors: int, least: float, dimensions: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimensions))
    half = count // 2
    vectors[half:] = vectors[: count - half] + 0.2 * random.standard_normal((count - half, dimensions))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    cosines = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    assume(not (abs(cosines - least) < 1e-5).any())  # sums in another order may fall on the other side of the limit
    order = random.permutation(count)
    color = random.integers(0, colors, count)
    clusters = find_clusters(vectors, min(k, count))
    found = search(
        way,
        vectors,
        clusters,
        least,
        preference=order,
        alike=lambda left, right: color[left] == color[right],
        block=block,
    )
    same = color[:, None] == color
    expected = greedy(vectors, order, least, same)
    assert found.position.tolist() == sorted(expected)
    assert found.keeper.tolist() == [expected[one][0] for one in sorted(expected)]
    np.testing.assert_allclose(found.similarity, [expected[one][1] for one in sorted(expected)], atol=1e-5)
    inside = search(way, vectors, clusters, least, preference=order, across=False, block=block)
    home = clusters.labels[:, None] == clusters.labels
    assert rows(inside).keys() == greedy(vectors, order, least, home).keys()


@settings(deadline=None, max_examples=40)
@given(*SIZES, st.sampled_from([0.25, 0.5, 0.625, 0.75, 1.0]))
def test_cosines_at_the_limit_are_near(
    way: dict[str, Any], count: int, k: int, seed: int, block: int, colors: int, least: float
) -> None:
    """Components of ±1/4 make cosines exact in any order of summing: they are multiples of 1/8, and many are equal."""
    random = np.random.default_rng(seed)
    few = random.choice([-0.25, 0.25], (max(1, count // 4), 16))
    vectors = few[random.integers(0, len(few), count)]
    vectors[random.random((count, 16)) < 0.05] *= -1
    vectors = vectors.astype(np.float16)
    order = random.permutation(count)
    color = random.integers(0, colors, count)
    same = color[:, None] == color
    found = search(
        way,
        vectors,
        find_clusters(vectors, min(k, count)),
        least,
        preference=order,
        alike=lambda left, right: same[left, right],
        block=block,
    )
    assert rows(found) == greedy(vectors, order, least, same)
    # In another order of the input it is the same.
    moved = random.permutation(count)
    again = search(
        way,
        vectors[moved],
        find_clusters(vectors[moved], min(k, count)),
        least,
        preference=np.argsort(moved)[order],
        alike=lambda left, right: same[moved[left], moved[right]],
        block=block,
    )
    back = {int(moved[one]): (int(moved[keeper]), cosine) for one, (keeper, cosine) in rows(again).items()}
    assert back == rows(found)


@pytest.mark.parametrize("colors", [1, 7])
def test_a_crowd_gives_one_row_for_each_that_is_dropped(colors: int) -> None:
    """3,000 vectors that are all near have 4.5 million pairs: none but those with a keeper are stored."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal(64) + 0.1 * random.standard_normal((3000, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    assert (vectors[:500].astype(np.float32) @ vectors.astype(np.float32).T).min() > 0.96
    color = random.integers(0, colors, len(vectors))
    asked = []

    def alike(left: Any, right: Any) -> Any:
        asked.append(len(left))
        return color[left] == color[right]

    found = semantic_duplicates(vectors, find_clusters(vectors), 0.95, alike=alike, block=256)
    assert len(found.position) == len(found.keeper) == len(found.similarity) == 3000 - colors
    best = np.unique(color, return_index=True)[1]
    assert found.keeper.tolist() == best[color[found.position]].tolist()
    # Each was compared with few but keepers: not with the other photos of the crowd.
    assert sum(asked) < 3000 * 2 * colors
    assert max(asked) <= 256 * 256


def test_rows_are_copied_when_they_are_asked_for() -> None:
    whole = np.arange(12.0, dtype=np.float16).reshape(6, 2)
    some = Rows(whole, np.array([4, 0, 5]))
    assert len(some) == 3
    assert some.shape == (3, 2)
    assert some.dtype == np.float16
    assert some[1:].tolist() == [[0, 1], [10, 11]]
    assert some[np.array([2, 0])].tolist() == [[10, 11], [8, 9]]


def test_columns_become_arrays_without_a_copy_whatever_is_null() -> None:
    vectors = pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.float16(), 2))
    for column in (pa.chunked_array([vectors]), pa.chunked_array([vectors[:1], vectors[1:]])):
        assert matrix(column, np.float16)[[0, 2, 3]].tolist() == [[1, 2], [3, 4], [5, 6]]
    found = matrix(pa.chunked_array([vectors[2:]]), np.float16)
    assert found.tolist() == [[3, 4], [5, 6]]
    held = vectors.values.buffers()[1]
    assert held.address < found.ctypes.data < held.address + held.size
    assert matrix(pa.chunked_array([vectors[:0]]), np.float32).shape == (0, 2)


def shades(palette: Any) -> Any:
    """The slow reference of `Palettes`: Lab and shares of one subject."""
    rgb = np.array([list(bytes.fromhex(one["color"][1:])) for one in palette]).reshape(1, -1, 3) / 255
    return rgb2lab(rgb)[0], np.array([one["share"] for one in palette])


def same_colors_slowly(one: Any, other: Any) -> bool:
    """The largest distance of a main shade from the nearest of the other's."""
    (lab, shares), (other_lab, other_shares) = shades(one), shades(other)
    if not len(lab) or not len(other_lab):
        return False
    distance = np.linalg.norm(lab[:, None] - other_lab[None], axis=2)
    mine = distance.min(axis=1)[shares >= 0.1].max(initial=0)
    theirs = distance.min(axis=0)[other_shares >= 0.1].max(initial=0)
    return bool(max(mine, theirs) <= MAX_SHADE_DIFFERENCE)


SHADES = pa.list_(pa.struct({"color": pa.string(), "share": pa.float32()}))


def palettes(*several: Any) -> Palettes:
    return Palettes.of(pa.chunked_array([pa.array(several, SHADES)]))


def test_pairs_of_palettes_are_compared_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    base = random.integers(30, 220, (5, 3))  # so that some are near
    several: list[Any] = [None, []]
    for _ in range(80):
        colors = base[random.integers(0, 5, random.integers(0, 4))] + random.integers(-7, 8, 3)
        several.append(
            [
                {"color": f"#{r:02x}{g:02x}{b:02x}", "share": float(np.float32(share))}
                for (r, g, b), share in zip(colors.tolist(), random.choice([0.05, 0.1, 0.4], len(colors)), strict=True)
            ]
        )
    left, right = (one.ravel() for one in np.indices((len(several), len(several))))
    expected = [
        same_colors_slowly(several[a] or [], several[b] or [])
        for a, b in zip(left.tolist(), right.tolist(), strict=True)
    ]
    assert 200 < sum(expected) < len(expected) / 2
    assert same_colors(palettes(*several), left, right).tolist() == expected
    assert not same_colors(palettes(None, []), left[:1], right[:1]).any()


def palette(*colors: tuple[str, float]) -> Any:
    return [{"color": color, "share": share} for color, share in colors]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([("#2c2a2c", 0.9)], [("#302d30", 0.8)], True),
        ([("#2c2a2c", 0.9)], [("#585158", 0.9)], False),  # black and gray
        ([("#b02020", 0.8), ("#f0f0f0", 0.2)], [("#b02222", 0.9)], False),  # white stripes, and none
        ([("#b02020", 0.9), ("#f0f0f0", 0.05)], [("#b02222", 0.9)], True),
        ([], [("#b02222", 0.9)], False),
        ([], [], False),  # nobody knows
    ],
)
def test_subjects_have_the_same_colours_if_each_shade_is_on_both(one: Any, other: Any, same: bool) -> None:
    both = palettes(palette(*one), palette(*other))
    assert same_colors(both, np.array([0, 1]), np.array([1, 0])).tolist() == [same, same]
    assert same_colors_slowly(palette(*one), palette(*other)) is same


def test_shades_are_those_of_skimage() -> None:
    colors = palette(("#3a7fc4", 0.5), ("#010203", 0.0625), ("#ffffff", 0.25))
    found = palettes(colors)
    np.testing.assert_allclose(found.lab[0], shades(colors)[0], atol=0.1)
    assert found.main.tolist() == [[True, False, True]]


@pytest.fixture
def shapes(tmp_path: Path) -> Workspace:
    """Pictures of shapes: each moved a little, which the hash does not forgive, and in another colour."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = ["file_name,color"]
    for number in range(6):
        whole = draw_product(number, size=(300, 360))
        wide = whole.crop((-40, -30, 290, 345))
        wide.paste("white", (0, 0, 40, 400))
        wide.paste("white", (0, 0, 400, 30))
        (folder / f"{number}.png").write_bytes(encode(whole, "PNG"))
        (folder / f"{number} moved.png").write_bytes(encode(wide, "PNG"))
        (folder / f"{number} blue.png").write_bytes(
            encode(draw_product(number, color="royalblue", size=(300, 360)), "PNG")
        )
    (folder / "named.png").write_bytes(encode(draw_product(0, size=(304, 366)), "PNG"))
    rows += ["named.png,Crimson", "0.png,Red"]
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    workspace = Workspace(tmp_path / "work")
    workspace.add(folder)
    workspace.measure(workers=1)
    return workspace


def reasons(shapes: Workspace, **settings: Any) -> dict[str, str]:
    chosen = shapes.select(settings=Settings(duplicate_radius=None, **settings))
    return {one["origin"]: one["reason"] for one in chosen.verdicts.to_pylist()}


def test_what_shows_the_same_is_dropped_but_no_colour_variant(shapes: Workspace) -> None:
    found = reasons(shapes, semantic_similarity=0.5)
    gone = {origin for origin, reason in found.items() if reason == "semantic_duplicate"}
    assert gone
    # Reds stand for reds and blues for blues: at least one of each is left.
    assert any(found[f"{number} blue.png"] == "kept" for number in range(6))
    every = shapes.select(settings=Settings(duplicate_radius=None, semantic_similarity=0.5))
    colors = {one["origin"]: "blue" in one["origin"] for one in every.verdicts.to_pylist()}
    assert every.decisions.duplicates
    for dropped, kept in every.decisions.duplicates:
        assert colors[dropped] == colors[kept]
        assert {dropped, kept} != {"named.png", "0.png"}
    asked = shapes.select(settings=Settings(duplicate_radius=None, semantic_similarity=0.5, semantic_variants=True))
    assert any(colors[dropped] != colors[kept] for dropped, kept in asked.decisions.duplicates)
    assert reasons(shapes) == dict.fromkeys(found, "kept")


def test_the_verdict_says_how_near(shapes: Workspace) -> None:
    chosen = shapes.select(settings=Settings(duplicate_radius=None, semantic_similarity=0.6))
    details = [one["detail"] for one in chosen.verdicts.to_pylist() if one["reason"] == "semantic_duplicate"]
    assert details
    assert all("the cosine of their layout embeddings is 0." in one for one in details)


def test_every_colour_of_a_real_catalogue_is_kept(tmp_path: Path, photos: Path) -> None:
    """Every colour of the catalogue is a product of its own, which its metadata says: none may stand for another."""
    lines = (photos / "catalogue" / "metadata.csv").read_text().splitlines()
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "metadata.csv").write_text("\n".join(lines[:61]) + "\n")
    for line in lines[1:61]:
        name = line.split(",")[0]
        (folder / name).symlink_to(photos / "catalogue" / name)
    workspace = Workspace(tmp_path / "work", decode_side=384)
    workspace.add(folder)
    workspace.measure(workers=2)
    colors = {row["origin"]: json.loads(row["metadata"])["color"] for row in workspace.photos().to_pylist()}
    chosen = workspace.select(settings=Settings(semantic_similarity=0.85))
    pairs = chosen.decisions.duplicates
    assert len(pairs) > 3
    assert [pair for pair in pairs if colors[pair[0]] != colors[pair[1]]] == []
    asked = workspace.select(settings=Settings(semantic_similarity=0.85, semantic_variants=True))
    assert [pair for pair in asked.decisions.duplicates if colors[pair[0]] != colors[pair[1]]]


def test_no_trim_of_a_family_stands_for_another(tmp_path: Path, photos: Path) -> None:
    """Shorts whose hashes are equal and whose shades are too: a hem alone has another colour. No metadata says so."""
    folder = tmp_path / "shop"
    folder.mkdir()
    names = [f"wsh10-{color}_main.jpg" for color in ("black", "orange", "white")]
    for name in names:
        (folder / name).symlink_to(photos / "catalogue" / name)
    workspace = Workspace(tmp_path / "work")
    workspace.add(folder)
    workspace.measure(workers=1)
    table = workspace.columns()
    assert len(set(table["phash"].to_pylist())) == 1
    left, right = np.indices((3, 3)).reshape(2, -1)
    assert same_colors(Palettes.of(table["subject_colors"]), left, right).all()
    for radius in (4, None):
        chosen = workspace.select(settings=Settings(duplicate_radius=radius, semantic_similarity=0.85))
        assert len(chosen.decisions.kept) == 3
    asked = workspace.select(settings=Settings(semantic_similarity=0.85, semantic_variants=True))
    assert len(asked.decisions.kept) == 1
