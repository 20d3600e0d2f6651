"""The map of a catalogue: where dots stand, how they are coloured, and what is seen when one is pointed at."""

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prx_data import Rules, Settings, Workspace
from prx_data.report import map as drawing
from prx_data.report.map import principal_axes, spread
from prx_data.report.render import render

from .conftest import draw_product, encode


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = tmp_path_factory.mktemp("map")
    (home / "photos").mkdir()
    for number in range(14):
        color, size = ("firebrick", (240, 320)) if number % 2 else ("royalblue", (320, 200))
        image = draw_product(number, color=color, size=size)
        (home / "photos" / f"{number:02} <b>.png").write_bytes(encode(image, "PNG"))
    (home / "photos" / "small.png").write_bytes(encode(draw_product(30).resize((60, 75)), "PNG"))
    (home / "photos" / "again.png").write_bytes((home / "photos" / "03 <b>.png").read_bytes())
    (home / "photos" / "broken.png").touch()
    workspace = Workspace(home / "work")
    workspace.add(home / "photos")
    workspace.measure(workers=1)
    return workspace


def blocks_of(workspace: Workspace) -> tuple[dict[str, Any], Any]:
    chosen = workspace.select(settings=Settings(rules=Rules(min_side=100, min_cleanliness=None), clusters=3))
    names = {0: "blue & <i>wide</i>"}
    made = drawing.map_blocks(chosen.pictures(), chosen.decisions, workspace.columns(), "layout", names)
    return made[1], chosen.decisions


def test_axes_from_blocks_are_those_of_the_whole() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((101, 7)) @ random.standard_normal((7, 7)) + 40
    centre, axes = principal_axes(iter([vectors[:0], vectors[:3], vectors[3:64], vectors[64:]]))
    np.testing.assert_allclose(centre, vectors.mean(axis=0))
    wanted = np.linalg.svd(vectors - vectors.mean(axis=0))[2][:2]
    assert axes.shape == (2, 7)
    for axis, other in zip(axes, wanted, strict=True):
        assert axis[np.abs(axis).argmax()] > 0
        np.testing.assert_allclose(axis, other * np.sign(other[np.abs(other).argmax()]), atol=1e-8)


def test_dots_are_spread_evenly_in_their_order() -> None:
    along = np.random.default_rng(1).standard_normal((50, 2)) ** 3 * 10
    places = spread(along)
    for axis in range(2):
        assert sorted(places[:, axis].tolist()) == pytest.approx(np.linspace(0, 100, 50).tolist())
        np.testing.assert_array_equal(np.argsort(places[:, axis]), np.argsort(along[:, axis]))


def test_every_content_is_a_dot_with_both_its_colors(workspace: Workspace) -> None:
    block, decisions = blocks_of(workspace)
    verdicts = {f"{one.origin}: {one.detail}": one for one in decisions.verdicts}
    assert len(block["points"]) == 15  # fourteen and the small one; neither the copy nor the broken one
    assert block["caption"].startswith("15 photos by the two directions")
    clusters = {one.origin: one.place.cluster for one in decisions.kept}
    of_cluster: dict[int, set[int | None]] = {}
    by_cluster, by_verdict = block["colorings"]
    for point in block["points"]:
        verdict = verdicts[point["label"]]
        assert point["kept"] == verdict.kept == (verdict.origin != "small.png")
        if verdict.kept:
            of_cluster.setdefault(clusters[verdict.origin], set()).add(point["hues"][0])
        else:
            assert point["hues"][0] is None
    assert all(len(hues) == 1 for hues in of_cluster.values())
    assert len(set.union(*of_cluster.values())) == len(of_cluster) == 3
    assert [one["label"] for one in by_verdict["legend"]] == ["kept: 14", "too small: 1"]
    assert {point["hues"][1] for point in block["points"]} == {one["hue"] for one in by_verdict["legend"]}
    assert by_cluster["legend"][-1] == {"label": "dropped: 1", "hue": None, "kept": False}
    assert sum(int(one["label"].rpartition(" ")[2]) for one in by_cluster["legend"]) == 15


def test_a_dots_cell_shows_its_photo(workspace: Workspace) -> None:
    block, decisions = blocks_of(workspace)
    sheets, locators = block["sheets"], workspace.locators()
    (image,) = sheets["images"]
    sheet = np.asarray(Image.open(BytesIO(base64.b64decode(image.partition(",")[2]))), dtype=np.float64)
    keys = {f"{one.origin}: {one.detail}": one.key for one in decisions.verdicts}
    cell = sheets["cell"]
    for place, point in enumerate(block["points"]):
        if not point["kept"]:
            continue  # smaller than a cell
        down, across = place // sheets["across"] * cell, place % sheets["across"] * cell
        shown = sheet[down : down + cell, across : across + cell]
        photo = Image.open(locators[keys[point["label"]]]).convert("RGB")
        inked = np.asarray(photo.convert("L")) < 250
        (top, left), (bottom, right) = (edge(np.argwhere(inked), axis=0) for edge in (np.min, np.max))
        content = photo.crop((left, top, right + 1, bottom + 1))
        content.thumbnail((cell, cell))
        wanted = np.asarray(content, dtype=np.float64)
        gap = [(cell - side) // 2 for side in wanted.shape[:2]]
        inside = shown[gap[0] : gap[0] + wanted.shape[0], gap[1] : gap[1] + wanted.shape[1]]
        assert np.abs(inside - wanted).mean() < 20, point["label"]
        assert np.abs(inside[:, ::-1] - wanted).mean() > 20


def test_beyond_a_number_it_shows_a_sample_and_says_so(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = blocks_of(workspace)
    monkeypatch.setattr(drawing, "SHOWN", 6)
    monkeypatch.setattr(drawing, "_BLOCK", 4)
    monkeypatch.setattr(drawing, "_ACROSS", 2)
    monkeypatch.setattr(drawing, "_DOWN", 2)
    block, _ = blocks_of(workspace)
    assert block["caption"].startswith("6 of 15 photos, chosen at random, by")
    assert len(block["sheets"]["images"]) == 2
    assert block["points"] == blocks_of(workspace)[0]["points"]
    # The directions are still those of all photos, so that the order along them stays.
    labels = {point["label"] for point in block["points"]}
    for axis in "xy":
        before = [one["label"] for one in sorted(whole["points"], key=lambda one: one[axis]) if one["label"] in labels]
        assert [one["label"] for one in sorted(block["points"], key=lambda one: one[axis])] == before


def test_the_page_escapes_what_it_is_told(workspace: Workspace, tmp_path: Path) -> None:
    block, _ = blocks_of(workspace)
    page = render({"title": "t", "headline": "h", "blocks": [block]})
    assert "<b>" not in page
    assert "<i>wide" not in page
    assert "blue &amp; &lt;i&gt;wide&lt;/i&gt;" in page
    assert len(re.findall(r"<i tabindex=", page)) == 15
    assert not re.findall(r"<script|https?://", page)
    for uri in ('data:image/png;base64,AA"),url(http://a', "data:image/png,<svg>", "http://a/b.png"):
        with pytest.raises(ValueError, match="only data:image/ URIs"):
            render({"title": "", "headline": "", "blocks": [{**block, "sheets": {**block["sheets"], "images": [uri]}}]})
