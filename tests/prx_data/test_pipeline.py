"""From a folder to a dataset: verdicts, splits, resumption, refusal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from prx_data import ConfigError, Rules, SourceError, Workspace, WorkspaceError, curate
from prx_data.cli import main
from prx_data.config import load_config
from prx_data.decisions.settings import Settings

from .conftest import draw_product, encode

Curate = Callable[..., dict[str, Any]]

EXPECTED = {
    "copy of 0.jpg": "exact_duplicate",
    "same pixels as 1.png": "exact_duplicate",
    "small 2.jpg": "near_duplicate",
    "empty.jpg": "empty",
    "page.jpg": "not_an_image",
    "cut.jpg": "truncated",
    "white.png": "blank",
    "tiny.png": "too_small",
    "gone.jpg": "missing",
    "sub/blue 3.jpg": "kept",
    **{f"{number}.jpg": "kept" for number in range(8)},
}


def test_every_photo_has_a_verdict_with_its_reason(curated: Curate, tmp_path: Path) -> None:
    manifest = curated()
    verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()
    assert {one["origin"]: one["reason"] for one in verdicts} == EXPECTED
    assert all(one["kept"] == (one["reason"] == "kept") and one["detail"] for one in verdicts)
    assert [one["origin"] for one in verdicts if one["key"] is None] == ["gone.jpg"]
    counts = manifest["counts"]
    assert (
        counts["photos"]
        == len(EXPECTED)
        == counts["kept"] + sum(sum(counts[kind].values()) for kind in ("dropped", "failed"))
    )


def test_variants_are_kept_grouped_or_dropped(curated: Curate, tmp_path: Path) -> None:
    def rows(**settings: Any) -> dict[str, dict[str, Any]]:
        curated(**settings)
        shards = (tmp_path / "dataset" / "data").glob("*.parquet")
        table = [row for shard in shards for row in pq.read_table(shard).drop_columns("image").to_pylist()]
        return {row["origin"]: row for row in table}

    assert {row["family"] for row in rows().values()} == {None}
    grouped = rows(variants="group")
    assert grouped["3.jpg"]["family"] == grouped["sub/blue 3.jpg"]["family"] == grouped["3.jpg"]["key"]
    assert len({row["family"] for row in grouped.values()}) == len(grouped) - 1
    assert set(grouped) - set(rows(variants="drop")) == {"sub/blue 3.jpg"}
    verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()
    (dropped,) = [one for one in verdicts if one["reason"] == "color_variant"]
    assert dropped["detail"] == (
        'The same shape as "3.jpg" in other colours; that one is kept for has metadata (metadata against none).'
    )


def test_the_keep_policy_is_a_setting_and_says_why(curated: Curate, tmp_path: Path) -> None:
    def detail(origin: str) -> str:
        verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()
        return str(next(one["detail"] for one in verdicts if one["origin"] == origin))

    curated()
    assert detail("small 2.jpg").startswith('Near duplicate of "2.jpg": ')
    assert "that one is kept for resolution (" in detail("small 2.jpg")
    curated(keep=["has_metadata", "resolution"])
    assert detail("small 2.jpg").endswith("that one is kept for has metadata (metadata against none).")


def test_leaks_into_another_set_are_dropped_and_listed(curated: Curate, pile: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "held out"
    held_out.mkdir()
    (held_out / "one.jpg").write_bytes((pile / "1.jpg").read_bytes())
    image = Image.open(pile / "5.jpg")
    ImageOps.mirror(image).crop((0, 0, 240, 270)).save(held_out / "two.png")
    (held_out / "other.jpg").write_bytes(encode(draw_product(50)))
    fingerprint = curated(against=held_out)["fingerprint"]
    leaks = {one["origin"]: one for one in pq.read_table(tmp_path / "dataset" / "leaks.parquet").to_pylist()}
    assert {origin: one["known"] for origin, one in leaks.items()} == {"1.jpg": "one.jpg", "5.jpg": "two.png"}
    assert leaks["1.jpg"]["how"] == "the same pixels"
    assert leaks["5.jpg"]["how"].startswith("mirrored, ")
    verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()
    assert {one["origin"] for one in verdicts if one["reason"] == "leak"} == set(leaks)
    evaluation = Workspace(tmp_path / "evaluation")
    evaluation.add(held_out)
    assert curated(against=tmp_path / "evaluation", workspace=tmp_path / "w2")["fingerprint"] == fingerprint
    assert "leak" not in curated()["counts"]["dropped"]


def test_leaks_into_a_written_dataset_are_found(curated: Curate, pile: Path, tmp_path: Path) -> None:
    """A dataset's rows are photos like any others: its key and the row that knows the photo are listed."""
    held_out = tmp_path / "held out"
    held_out.mkdir()
    (held_out / "one.jpg").write_bytes((pile / "1.jpg").read_bytes())
    (held_out / "two.png").write_bytes(encode(Image.open(pile / "5.jpg").rotate(90, expand=True), "PNG"))
    (held_out / "other.jpg").write_bytes(encode(draw_product(50)))
    written = tmp_path / "evaluation"
    curate(photos=held_out, workspace=tmp_path / "w2", output=written, validation_fraction=0)
    rows = pq.read_table(written / "data").to_pylist()
    curated(against=written)
    leaks = {one["origin"]: one for one in pq.read_table(tmp_path / "dataset" / "leaks.parquet").to_pylist()}
    known = {origin: rows[int(one["known"].rpartition("/")[2])] for origin, one in leaks.items()}
    assert {origin: row["origin"] for origin, row in known.items()} == {"1.jpg": "one.jpg", "5.jpg": "two.png"}
    assert all(leaks[origin]["known_key"] == row["key"] for origin, row in known.items())
    assert leaks["5.jpg"]["how"].startswith("turned by 90° to the right, the same content")


def test_what_leaks_are_looked_for_in_is_checked_before_any_work(curated: Curate, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^against = '.*nowhere' does not exist\.$"):
        curated(against=tmp_path / "nowhere")
    assert not (tmp_path / "work").exists()


def test_what_no_leak_can_be_looked_for_in_is_said(pile: Path, tmp_path: Path) -> None:
    """Also of another folder's workspace, asked from elsewhere, by an object or by its name."""
    held_out = tmp_path / "held out"
    held_out.mkdir()
    (held_out / "page.jpg").write_bytes(b"<!doctype html>")
    photos = Workspace(tmp_path / "work")
    photos.add(pile)
    photos.measure(workers=1)
    with pytest.raises(SourceError, match=r"^against = '.*held out' has no photo that can be read: no leak"):
        photos.select(against=held_out, workers=1)
    (held_out / "one.jpg").write_bytes((pile / "1.jpg").read_bytes())
    evaluation = Workspace(tmp_path / "evaluation")
    evaluation.add(held_out)
    chosen = photos.select(against=evaluation, workers=1)
    assert [one.origin for one in chosen.decisions.leaks] == ["1.jpg"]
    (note,) = chosen.notes
    assert note.startswith("1 of 2 photos in against = ")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"^against = '.*empty' is empty\.$"):
        photos.select(against=tmp_path / "empty", workers=1)


def test_the_same_bytes_are_a_leak_whatever_is_known_of_their_pixels(tmp_path: Path) -> None:
    """Of JPEGs that were decoded smaller the pixels are not known; and truncated ones are used if a rule says so."""
    large = encode(draw_product(1).resize((800, 1000)), quality=92)
    cut = encode(draw_product(2), quality=92)[:-200]
    for side in ("here", "there"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "large.jpg").write_bytes(large)
        (tmp_path / side / "cut.jpg").write_bytes(cut)
    settings = Settings(rules=Rules(min_decoded_share=0.5), duplicate_radius=None)
    photos = Workspace(tmp_path / "work", decode_side=384)
    photos.add(tmp_path / "here")
    photos.measure(workers=1)
    chosen = photos.select(settings=settings, against=tmp_path / "there", workers=1)
    assert chosen.counts["dropped"] == {"leak": 2}
    assert chosen.notes == ()


def test_another_folder_asks_for_the_same_leaks(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "held out").mkdir()
    (tmp_path / "held out" / "one.jpg").write_bytes((pile / "1.jpg").read_bytes())
    monkeypatch.chdir(tmp_path)
    curate(photos=pile, workspace="work", output="dataset", against="held out", workers=1)
    monkeypatch.chdir(pile)
    assert main(["explain", "1.jpg", "--workspace", str(tmp_path / "work")]) == 0
    assert capsys.readouterr().out.startswith("1.jpg: leak\n")


def test_the_dataset_loads_with_images_and_metadata(curated: Curate, tmp_path: Path) -> None:
    manifest = curated(validation_fraction=0.3)
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == manifest["splits"]
    rows = [row for part in loaded.values() for row in part]
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    assert all(row["image"].size == (row["width"], row["height"]) == (240, 300) for row in rows)
    captions = {row["origin"]: row["caption"] for row in rows}
    assert captions["0.jpg"].startswith("a photo of a red thing 0, on a")
    assert {row["sku"] for row in rows} == {None, "sku0", "sku1", "sku2", "sku3"}


def test_no_product_and_no_color_variant_straddles_the_split(curated: Curate, tmp_path: Path) -> None:
    for seed in range(4):
        curated(validation_fraction=0.4, seed=seed)
        sides: dict[str, set[str]] = {}
        for split in ("train", "validation"):
            for shard in (tmp_path / "dataset" / "data").glob(f"{split}-*"):
                for row in pq.read_table(shard, columns=["origin", "product", "group"]).to_pylist():
                    for name in (
                        row["product"],
                        row["group"],
                        {"sub/blue 3.jpg": "3", "3.jpg": "3"}.get(row["origin"]),
                    ):
                        if name:
                            sides.setdefault(name, set()).add(split)
        assert sides
        assert all(len(one) == 1 for one in sides.values())


def test_again_gives_the_same_and_decodes_nothing(curated: Curate, tmp_path: Path) -> None:
    first = curated()
    before = (tmp_path / "dataset" / "curation.json").stat().st_mtime_ns
    assert curated() == first
    assert (tmp_path / "dataset" / "curation.json").stat().st_mtime_ns == before
    stages = [json.loads(line)["stage"] for line in (tmp_path / "work" / "ledger.jsonl").read_text().splitlines()]
    assert stages.count("measure") == 1


def test_the_report_sums_the_runs_of_a_stage(curated: Curate, tmp_path: Path) -> None:
    for output in ("once", "twice"):
        curated(output=tmp_path / output)
    blocks = json.loads((tmp_path / "twice" / "report.json").read_text())["blocks"]
    (table,) = [one for one in blocks if one["kind"] == "table" and one["header"][0] == "stage"]
    rows = {row[0]: dict(zip(table["header"], row, strict=True)) for row in table["rows"]}
    ledger = [json.loads(line) for line in (tmp_path / "twice" / "ledger.jsonl").read_text().splitlines()]
    decided = [one for one in ledger if one["stage"] == "decide"]
    assert len(rows) == len(table["rows"])
    assert rows["decide"]["runs"] == "2"
    assert rows["decide"]["handled"] == f"{sum(one['items'] for one in decided):,} photos"
    assert rows["decide"]["time"] == f"{sum(one['seconds'] for one in decided):.1f} s"
    assert rows["measure"]["runs"] == "1"


def test_photos_added_later_give_what_one_run_gives(curated: Curate, pile: Path, tmp_path: Path) -> None:
    held_back = {name: (pile / name).read_bytes() for name in ("2.jpg", "5.jpg", "cut.jpg")}
    for name in held_back:
        (pile / name).unlink()
    curated()
    for name, data in held_back.items():
        (pile / name).write_bytes(data)
    grown = curated()
    assert grown["fingerprint"] == curated(workspace=tmp_path / "fresh", output=tmp_path / "other")["fingerprint"]


def test_moving_a_threshold_decodes_nothing(pile: Path, tmp_path: Path) -> None:
    photos = Workspace(tmp_path / "work")
    photos.add(pile)
    assert photos.measure(workers=1) > 0
    assert photos.measure(workers=1) == 0
    for file in pile.glob("*.jpg"):
        file.unlink()  # nothing left to decode
    strict = photos.select(Rules(min_side=250))
    assert strict.counts["kept"] == 0
    assert strict.counts["dropped"]["too_small"] > 8
    assert photos.select().counts["kept"] == 9


def test_workers_and_order_make_no_difference(curated: Curate, tmp_path: Path) -> None:
    one = curated()
    two = curated(workers=2, workspace=tmp_path / "w2", output=tmp_path / "d2")
    assert one["fingerprint"] == two["fingerprint"]


def test_a_changed_photo_is_a_new_photo(curated: Curate, pile: Path) -> None:
    before = curated()
    (pile / "7.jpg").write_bytes(encode(draw_product(77), quality=92))
    after = curated()
    assert after["counts"]["kept"] == before["counts"]["kept"]
    assert after["fingerprint"] != before["fingerprint"]


RUN = "import sys; from prx_data.cli import main; sys.exit(main(sys.argv[1:]))"


def test_killed_at_any_moment_it_goes_on(tmp_path: Path) -> None:
    """Kill -9 at a dozen moments, then let it finish: the same fingerprint as a run that nobody killed."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(150):
        (folder / f"{number}.jpg").write_bytes(encode(draw_product(number, size=(300, 380)), quality=90))
    config = tmp_path / "config.toml"

    def settings(name: str) -> str:
        return f'photos = "{folder}"\nworkspace = "{tmp_path / name}"\noutput = "{tmp_path / name}-data"\nworkers = 2\n'

    config.write_text(settings("killed"))
    shards_seen = []
    for delay in (0.3, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, "curate", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shards_seen.append(len(list((tmp_path / "killed").glob("measures/*/*.parquet"))))
        output = tmp_path / "killed-data"
        assert not output.exists() or (output / "curation.json").exists()
    subprocess.run([sys.executable, "-c", RUN, "curate", str(config)], check=True, capture_output=True)
    assert shards_seen == sorted(shards_seen)  # finished work is kept
    config.write_text(settings("whole"))
    subprocess.run([sys.executable, "-c", RUN, "curate", str(config)], check=True, capture_output=True)
    killed, whole = (
        json.loads((tmp_path / f"{name}-data" / "curation.json").read_text()) for name in ("killed", "whole")
    )
    assert killed["fingerprint"] == whole["fingerprint"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_side": 3}, "Unknown setting min_side; known are photos, workspace"),
        ({"rules": {"min_sied": 3}}, "Unknown setting rules.min_sied; known are min_side"),
        ({"rules": {"min_cleanliness": 7}}, "rules.min_cleanliness = 7 is wrong"),
        ({"validation_fraction": "half"}, "validation_fraction = 'half' is wrong"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_nothing_is_done(
    pile: Path, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        curate(photos=pile, workspace=tmp_path / "work", output=tmp_path / "dataset", **settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "work").exists()


def test_an_output_with_other_files_is_refused(pile: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(WorkspaceError, match="holds files that are not a dataset"):
        curate(photos=pile, workspace=tmp_path / "work", output=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_an_unwritable_output_is_refused_before_any_work(pile: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="cannot be written"):
        curate(photos=pile, workspace=tmp_path / "work", output=tmp_path / "file" / "dataset")
    assert not (tmp_path / "work").exists()


def test_nothing_kept_says_why(pile: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"No photo was kept: .*12 too small"):
        curate(photos=pile, workspace=tmp_path / "work", output=tmp_path / "d", rules={"min_side": 5000}, workers=1)


def test_a_folder_given_as_the_config_is_told_what_a_config_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder, and a config is a TOML file") as error:
        load_config(tmp_path)
    lines = str(error.value).partition("enough: ")[2].rstrip(".").replace(" and ", ", ").split(", ")
    config = tmp_path / "curate.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    assert load_config(config).output == Path("dataset")
