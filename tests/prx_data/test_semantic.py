"""Semantic duplicates: every pair that comparing all with all finds, and none across a colour variant."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from prx_data import Settings, Workspace
from prx_data.decisions.clusters import find_clusters
from prx_data.decisions.resemblance import same_colors, shades
from prx_data.decisions.semantic import similar_pairs

from .conftest import draw_product, encode


def brute_force(vectors: Any, least: float) -> dict[tuple[int, int], float]:
    cosines = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    return {
        (i, j): float(cosines[i, j])
        for i in range(len(vectors))
        for j in range(i + 1, len(vectors))
        if cosines[i, j] >= least
    }


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 120),
    st.integers(1, 12),
    st.floats(0.3, 0.99),
    st.integers(2, 12),
    st.integers(0, 10),
    st.sampled_from([3, 17, 4096]),
)
def test_the_pairs_are_those_of_all_with_all(
    count: int, k: int, least: float, dimensions: int, seed: int, block: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimensions))
    vectors[count // 2 :] = vectors[: count - count // 2] + 0.2 * random.standard_normal(
        (count - count // 2, dimensions)
    )
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    expected = brute_force(vectors, least)
    clusters = find_clusters(vectors, min(k, count))
    with patch.multiple("prx_data.decisions.semantic", _BLOCK=block, _MEMBERS=block + 2):
        found = similar_pairs(vectors, clusters, least)
    pairs = dict(
        zip(zip(found.left.tolist(), found.right.tolist(), strict=True), found.similarity.tolist(), strict=True)
    )
    # Sums in another order may fall on the other side of the limit.
    certain = {pair for pair, cosine in expected.items() if abs(cosine - least) > 1e-5}
    assert certain <= set(pairs)
    assert {pair for pair in pairs if abs(pairs[pair] - least) > 1e-5} <= certain
    assert list(pairs) == sorted(pairs)
    inside = similar_pairs(vectors, clusters, least, across=False)
    of_one = {pair for pair in pairs if clusters.labels[pair[0]] == clusters.labels[pair[1]]}
    assert set(zip(inside.left.tolist(), inside.right.tolist(), strict=True)) == of_one


def palette(*colors: tuple[str, float]) -> Any:
    return shades([{"color": color, "share": share} for color, share in colors])


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
    assert same_colors(*palette(*one), *palette(*other)) is same
    assert same_colors(*palette(*other), *palette(*one)) is same


def test_shades_are_those_of_skimage() -> None:
    lab, shares = palette(("#3a7fc4", 0.5), ("#010203", 0.25), ("#ffffff", 0.25))
    expected = rgb2lab(np.array([[0x3A, 0x7F, 0xC4], [1, 2, 3], [255, 255, 255]]) / 255)
    np.testing.assert_allclose(lab, expected, atol=0.1)
    assert shares.tolist() == [0.5, 0.25, 0.25]


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
    found = [shades(one) for one in table["subject_colors"].to_pylist()]
    assert all(same_colors(*one, *other) for one in found for other in found)
    for radius in (4, None):
        chosen = workspace.select(settings=Settings(duplicate_radius=radius, semantic_similarity=0.85))
        assert len(chosen.decisions.kept) == 3
    asked = workspace.select(settings=Settings(semantic_similarity=0.85, semantic_variants=True))
    assert len(asked.decisions.kept) == 1
