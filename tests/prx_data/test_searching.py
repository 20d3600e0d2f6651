"""Looking photos up by words and by photos, zero-shot tags, and names of clusters."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from prx_data import Clip, ConfigError, Rules, Settings, SourceError, Workspace, WorkspaceError, cli, curate
from prx_data.captions.text import stem
from prx_data.decisions.names import tags_of_clusters, words_of_clusters
from prx_data.measures import standard_measures

from .conftest import draw_product, encode
from .tiny_clip import write_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Workspace:
    home = tmp_path_factory.mktemp("shop")
    (home / "photos").mkdir()
    rows = ["file_name,name"]
    for number in range(12):
        color, name = ("firebrick", "running shoe") if number % 2 else ("royalblue", "evening dress")
        (home / "photos" / f"{number:02}.png").write_bytes(encode(draw_product(number // 2 % 4, color=color), "PNG"))
        rows.append(f"{number:02}.png,{name} {number}")
    (home / "photos" / "empty.png").touch()
    (home / "photos" / "metadata.csv").write_text("\n".join(rows) + "\n")
    workspace = Workspace(home / "work", measures=[*standard_measures(), Clip(model="tiny-clip", weights=weights)])
    workspace.add(home / "photos")
    workspace.measure(workers=1)
    return workspace


def cosines(workspace: Workspace, wanted: Any) -> dict[str, float]:
    """The obvious reference, over rows of Python's objects."""
    clip = workspace.measures[-1]
    vectors = {row["key"]: row["clip"] for row in workspace.measured("clip", clip.version).to_pylist()}
    photos = workspace.photos().to_pylist()
    first: dict[str, str] = {}
    for row in photos:
        if vectors.get(row["key"]) is not None:
            first.setdefault(row["key"], row["origin"])
    return {origin: float(np.dot(vectors[key], wanted)) for key, origin in first.items()}


def test_a_search_orders_photos_by_the_cosine_with_the_text(shop: Workspace) -> None:
    hits = shop.search("red running shoes", limit=3)
    (wanted,) = shop.measures[-1].texts(["red running shoes"])  # type: ignore[attr-defined]
    expected = cosines(shop, wanted)
    best = sorted(expected, key=lambda origin: -expected[origin])[:3]
    assert hits.table["origin"].to_pylist() == best
    np.testing.assert_allclose(hits.table["similarity"], [expected[one] for one in best], atol=1e-3)
    page = hits._repr_html_()
    assert page.count("<img") == 3
    assert "red running shoes" in page


def test_blocks_of_embeddings_give_what_the_whole_gives(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [shop.search("red running shoes", limit=limit).table for limit in (1, 3, 20)]
    tags = shop.tags(["shoe", "dress"])
    monkeypatch.setattr("prx_data.searching._BLOCK", 2)
    for limit, wanted in zip((1, 3, 20), found, strict=True):
        some = shop.search("red running shoes", limit=limit).table
        assert some["origin"].to_pylist() == wanted["origin"].to_pylist()
        np.testing.assert_allclose(some["similarity"], wanted["similarity"], atol=1e-6)
    assert shop.tags(["shoe", "dress"])["tag"].to_pylist() == tags["tag"].to_pylist()


def test_similar_photos(shop: Workspace, tmp_path: Path) -> None:
    found = shop.similar("01.png", limit=20).table
    assert "01.png" not in found["origin"].to_pylist()
    assert found["similarity"].to_pylist() == sorted(found["similarity"].to_pylist(), reverse=True)
    # 09 has the bytes of 01: one content, which is the photo itself.
    assert len(found) == 7
    (tmp_path / "mine.png").write_bytes(encode(draw_product(0, color="firebrick"), "PNG"))
    nearest = shop.similar(tmp_path / "mine.png", limit=1).table.to_pylist()[0]
    assert (nearest["origin"], round(nearest["similarity"], 2)) == ("01.png", 1.0)
    by_layout = shop.similar("01.png", by="layout", limit=20).table
    assert by_layout["origin"].to_pylist() != found["origin"].to_pylist()
    with pytest.raises(SourceError, match="no photo of this workspace"):
        shop.similar("nowhere.png")
    with pytest.raises(ConfigError, match="it has layout, clip"):
        shop.similar("01.png", by="dino")


def test_each_origin_of_a_content_is_a_photo(shop: Workspace) -> None:
    first, again = shop.similar("01.png", limit=20).table, shop.similar("09.png", limit=20).table
    assert again["origin"].to_pylist() == first["origin"].to_pylist()
    assert again["similarity"].to_pylist() == first["similarity"].to_pylist()
    with pytest.raises(SourceError, match=r"'empty.png' has no embedding"):
        shop.similar("empty.png")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda photos: photos.tags(["shoe"], prompt="a photo"), "prompt = 'a photo' is wrong: .* {} once"),
        (lambda photos: photos.tags(["shoe"], prompt="{} {}"), "prompt = '{} {}' is wrong: .* {} once"),
        (lambda photos: photos.tags(["shoe"], prompt="a {label}"), "prompt = 'a {label}' is wrong: .* {} once"),
        (lambda photos: photos.tags("shoe"), r"labels = 'shoe' is wrong: it should be a list, such as \['shoe'\]"),
        (lambda photos: photos.search(""), "The text is empty: say what the photos should show"),
        (lambda photos: photos.search(" \n"), "The text is empty: say what the photos should show"),
        (lambda photos: photos.search("shoe", limit=-1), "limit = -1 is wrong: it should be at least 1"),
        (lambda photos: photos.similar("01.png", limit=0), "limit = 0 is wrong: it should be at least 1"),
    ],
)
def test_what_is_wrong_with_a_look_up_is_one_sentence(shop: Workspace, call: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        call(shop)
    assert "\n" not in str(caught.value)


def test_nothing_is_found_before_it_is_measured(tmp_path: Path, shop: Workspace) -> None:
    photos = Workspace(tmp_path / "work", measures=shop.measures)
    photos.add(shop.folder.parent / "photos")
    for call in (lambda: photos.search("shoe"), lambda: photos.tags(["shoe"]), lambda: photos.similar("01.png")):
        with pytest.raises(WorkspaceError, match=r"no measure 'clip' .* yet: call measure\(\)"):
            call()


def test_tags_are_the_most_probable_labels(shop: Workspace) -> None:
    labels = ["shoe", "dress", "handbag"]
    table = shop.tags(labels, prompt="a {}")
    clip = shop.measures[-1]
    wanted = clip.texts([f"a {one}" for one in labels])  # type: ignore[attr-defined]
    columns = [cosines(shop, one) for one in wanted]
    assert len(table) == 8
    for row in table.to_pylist():
        mine = np.array([one[row["origin"]] for one in columns], dtype=np.float32)
        assert row["tag"] == labels[int(mine.argmax())]
        assert row["probability"] == pytest.approx(clip.probabilities(mine[None])[0].max(), abs=0.02)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="labels is empty"):
        shop.tags([])


def test_words_need_a_model(shop: Workspace) -> None:
    plain = Workspace(shop.folder)
    with pytest.raises(ConfigError, match="Words need a model that knows texts"):
        plain.search("shoes")
    assert plain.similar("01.png").table["origin"].to_pylist()


def test_clusters_are_named_by_what_sets_their_metadata_apart() -> None:
    labels = [0] * 30 + [1] * 20 + [2] * 5
    texts = ["running shoe for men"] * 30 + ["silk dress for women"] * 20 + ["for men"] * 5
    names = words_of_clusters(labels, texts, stem=stem)
    assert set(names[0].split(", ")) == {"running", "shoe", "men"}
    assert set(names[1].split(", ")) == {"silk", "dress", "women"}
    assert "for" not in " ".join(names.values()).split()
    assert words_of_clusters([0, 0], ["a dress", "a dress"], stem=stem) == {0: ""}
    assert tags_of_clusters([1, 0, 1, 1, 0], ["b", "x", "b", "a", "a"]) == {0: "a", 1: "b"}


def test_forms_of_a_word_are_one_word_of_a_name() -> None:
    labels = [0] * 30 + [1] * 30
    texts = [*["short, a shoe"] * 10, *["shorts, a shoe"] * 20, *["hoodie, shoes"] * 30]
    names = words_of_clusters(labels, texts, stem=stem)
    assert names == {0: "shorts", 1: "hoodie"}
    assert "short, shorts" in ", ".join(
        words_of_clusters(labels, ["short, shorts"] * 30 + ["x"] * 30, stem=str).values()
    )


def test_a_selection_names_its_clusters(shop: Workspace) -> None:
    chosen = shop.select(settings=Settings(duplicate_radius=None, clusters=2))
    labels = ["shoe", "dress"]
    tagged = {row["key"]: row["tag"] for row in shop.tags(labels).to_pylist()}
    names = chosen.cluster_names(labels)
    for number, name in names.items():
        mine = [tagged[one.key] for one in chosen.decisions.kept if one.place.cluster == number]
        assert mine.count(name) * 2 >= len(mine)
    assert set(chosen.cluster_names()) == set(names)
    page = chosen.show_clusters(labels).page()
    sizes = Counter(one.place.cluster for one in chosen.decisions.kept)
    for number, name in names.items():
        assert f"{name}: {sizes[number]} photos" in page
    assert page.count("<img") == len(chosen.decisions.kept)


def test_clusters_are_named_by_what_the_template_takes_and_by_all_where_that_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    rows = ["file_name,name,story,view"]
    for number in range(24):
        kind = ("plate", "tall vase")[number % 2]
        name, picture = f"{number}.png", draw_product(number)
        picture.paste("black", (0, 0, 240, 100) if number % 2 else (0, 200, 240, 300))
        (tmp_path / "photos" / name).write_bytes(encode(picture, "PNG"))
        rows.append(
            f"{name},{kind if number < 22 else ''},{'made with love' if number % 2 else 'sold with care'},"
            f"{'back' if number % 2 else 'front'}"
        )
    (tmp_path / "photos" / "metadata.csv").write_text("\n".join(rows) + "\n")
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "photos")
    photos.measure(workers=1)
    chosen = photos.select(settings=Settings(rules=Rules(min_cleanliness=None), duplicate_radius=None, clusters=2))
    kept = chosen.decisions.kept
    told = [one.metadata["name"] or one.metadata["story"] for one in kept]
    names = chosen.cluster_names()
    assert names == words_of_clusters([one.place.cluster for one in kept], told, stem=stem)
    assert {word for name in names.values() for word in name.split(", ")} == {"plate", "tall", "vase"}
    assert {"plate", "tall vase", "made with love", "sold with care"} >= set(told) >= {"plate", "tall vase"}
    page = chosen.show_captions(3).page()
    assert page.count("<img") == 3
    assert f"3 of {len(kept)} photos to keep, captioned by template." in page
    assert "a photo of a" in page


def test_search_from_the_command_line(
    shop: Workspace, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curate(
        photos=shop.folder.parent / "photos",
        workspace=tmp_path / "work",
        output=tmp_path / "dataset",
        workers=1,
        clip={"model": "tiny-clip", "weights": str(weights)},
        cluster_labels=["shoe", "dress"],
        clusters=2,
    )
    labels = [
        group["label"].split(":")[0]
        for block in json.loads((tmp_path / "dataset" / "report.json").read_text())["blocks"]
        if block["kind"] == "groups" and "clusters of the kept" in block["caption"]
        for group in block["groups"]
    ]
    assert set(labels) <= {"shoe", "dress"}
    assert labels
    (data,) = (tmp_path / "dataset" / "data").glob("train-*.parquet")
    rows = pq.read_table(data, columns=["cluster", "cluster_name"]).to_pylist()
    assert {row["cluster_name"] for row in rows} <= set(labels)
    named = {row["cluster"]: row["cluster_name"] for row in rows}
    assert all(named[row["cluster"]] == row["cluster_name"] for row in rows)
    assert f"the largest are: {labels[0]} (" in (tmp_path / "dataset" / "README.md").read_text()
    report = json.loads((tmp_path / "dataset" / "report.json").read_text())
    (drawn,) = [block for block in report["blocks"] if block["kind"] == "map"]
    assert len(drawn["points"]) == 8
    assert all(0 <= point[axis] <= 100 for point in drawn["points"] for axis in "xy")
    assert sum(point["kept"] for point in drawn["points"]) > 1
    assert (tmp_path / "dataset" / "report.html").read_text().count('<i tabindex="0"') == 8
    assert cli.main(["search", str(tmp_path / "work"), "red shoes", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3
    assert Path(lines[-1]).read_text().count("<img") == 2
    assert cli.main(["search", str(tmp_path / "work"), "red shoes", "--limit", "0"]) == 2
    assert "--limit 0 is wrong" in capsys.readouterr().err
    assert cli.main(["search", str(tmp_path), "red shoes"]) == 2
