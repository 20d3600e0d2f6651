"""`explain`, `show` and `--dry-run`: what a person asks about single photos, from the shell and from a notebook."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import imagehash
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import prx_data
from prx_data import ConfigError, Profile, Rules, SourceError, Workspace
from prx_data.cli import main
from prx_data.decisions.settings import Settings
from prx_data.explain import as_text, explain_file, explain_photo, settings_of
from prx_data.storage import write_table


@pytest.fixture
def config(pile: Path, tmp_path: Path) -> Path:
    path = tmp_path / "curate.toml"
    path.write_text(
        f'photos = "{pile}"\nworkspace = "{tmp_path / "work"}"\noutput = "{tmp_path / "dataset"}"\nworkers = 1\n'
        "[rules]\nmin_side = 100\n"
    )
    return path


def reasons(workspace: Workspace) -> dict[str, str]:
    chosen = workspace.select(settings=settings_of(workspace))
    return {one.origin: str(one.reason) for one in chosen.decisions.verdicts}


def test_a_file_outside_any_workspace_is_measured_on_the_spot(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = sorted((photos / "catalogue").glob("*.jpg"))[0]
    assert main(["explain", str(photo), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "ok"
    with Image.open(photo) as image:
        assert found["phash"] == str(imagehash.phash(image))
        assert (found["width"], found["height"]) == image.size
    assert found["background"]["cleanliness"] > 0.9
    assert 0.1 < found["background"]["fill"] < 0.8
    said = "Passes the default rules; duplicates, leaks, profile and balance need --workspace."
    assert found["verdict"] == {"kept": None, "reason": None, "detail": said}
    assert as_text(found).splitlines()[:2] == [f"{photo}: not decided", f"  {said}"]
    assert list(tmp_path.iterdir()) == []
    assert prx_data.explain_file(photo) == found | {"notes": ()}


def test_a_file_is_judged_by_the_rules_of_a_config(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(sorted((photos / "catalogue").glob("*.jpg"))[0])
    config = tmp_path / "curate.toml"
    check = '[[checks]]\ncolumn = "long_side"\nmin = 9000\nmessage = "it is small"\n'
    (tmp_path / "huge.toml").write_text(check)
    places = 'photos = "photos"\nworkspace = "work"\noutput = "dataset"\n'
    said = {
        "": "Passes the rules; duplicates, leaks, profile and balance need --workspace.",
        'profile = "any"': "Passes the rules and any; duplicates, leaks and balance need --workspace.",
        "[rules]\nmin_side = 5000": "the shorter side is below 5000 px.",
        f'profile = "{tmp_path / "huge.toml"}"': "Fails huge: it is small: long_side ",
    }
    for more, sentence in said.items():
        config.write_text(places + more)
        assert main(["explain", photo, "--config", str(config)]) == 0
        assert sentence in capsys.readouterr().out.splitlines()[1]
    assert main(["explain", photo, "--config", str(config), "--workspace", str(tmp_path)]) == 2
    assert "--config goes without --workspace" in capsys.readouterr().err


def test_what_was_not_measured_of_a_file_cannot_be_judged(photos: Path) -> None:
    photo = sorted((photos / "catalogue").glob("*.jpg"))[0]
    basics, *others = prx_data.standard_measures()

    def verdict(**settings: Any) -> dict[str, Any]:
        found: dict[str, Any] = explain_file(photo, **settings)["verdict"]
        return found

    missing = "Cannot be judged by the rules without what these measures do not give: "
    gone = "bright_share, brightness, cleanliness, detail, spread"
    assert verdict(measures=[]) == {"kept": None, "reason": None, "detail": f"{missing}{gone}."}
    assert verdict(measures=[basics])["detail"] == f"{missing}cleanliness."
    assert verdict(measures=[basics], rules=Rules(min_cleanliness=None))["detail"].startswith("Passes the rules; ")
    assert verdict(rules=Rules(max_nsfw=0.5))["detail"] == f"{missing}nsfw."
    # What was measured is enough to drop it.
    assert verdict(measures=others, rules=Rules(min_cleanliness=1.0))["reason"] == "cluttered_background"
    assert verdict(measures=[], rules=Rules(min_side=10**6))["reason"] == "too_small"
    fill, side = {"column": "fill", "min": 0.0, "message": "empty"}, {"column": "short_side", "message": "small"}
    mine = Profile(name="mine", checks=[fill, {**side, "min": 1}])
    detail = verdict(measures=[basics], rules=Rules(min_cleanliness=None), profile=mine)["detail"]
    assert detail == "Cannot be judged by the rules and mine without what these measures do not give: fill."
    small = Profile(name="mine", checks=[fill, {**side, "min": 10**6}])
    assert verdict(measures=[basics], profile=small)["reason"] == "profile"


def test_a_photo_of_a_workspace_is_found_by_any_path(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "work")
    workspace.add(pile)
    workspace.measure(workers=1)
    selection = workspace.select()
    (tmp_path / "link").symlink_to(pile)
    (tmp_path / "other name.jpg").symlink_to(pile / "3.jpg")
    monkeypatch.chdir(tmp_path)
    absent = tmp_path / "elsewhere"
    absent.mkdir()
    (absent / "3.jpg").write_bytes((pile / "4.jpg").read_bytes())
    for name in (pile / ".." / pile.name / "3.jpg", "link/3.jpg", f"{pile.name}/3.jpg", "other name.jpg"):
        found = explain_photo(workspace, selection, str(name))
        assert found is not None
        assert found["origin"] == "3.jpg"
    assert explain_photo(workspace, selection, str(absent / "3.jpg")) is None


def test_a_photo_of_several_piles_is_found_by_the_end_of_its_name(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "work", [])
    for name in ("a", "b"):
        (tmp_path / name / "in").mkdir(parents=True)
        (tmp_path / name / "in" / "same.jpg").write_bytes((pile / "1.jpg").read_bytes())
        (tmp_path / name / "in" / f"{name}.jpg").write_bytes((pile / "2.jpg").read_bytes())
        workspace.add(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.jpg", "b.jpg"):
        found = explain_photo(workspace, None, name)
        assert found is not None
        assert found["origin"] == "b/in/b.jpg"
    with pytest.raises(SourceError, match=r"^'same.jpg' is the end of 2 photos' names, such as \"a/in/same.jpg\" and"):
        explain_photo(workspace, None, "same.jpg")
    (tmp_path / "b.jpg").write_bytes(b"another file, which is no photo of the workspace")
    assert explain_photo(workspace, None, "b.jpg") is None


def test_a_url_is_measured_on_the_spot(pile: Path) -> None:
    (here := fsspec.filesystem("memory")).pipe_file("/shop/1.jpg", (pile / "1.jpg").read_bytes())
    found, there = explain_file("memory://shop/1.jpg"), explain_file(pile / "1.jpg")
    assert found | {"file": ""} == there | {"file": ""}
    here.rm("/shop/1.jpg")
    with pytest.raises(SourceError, match=r"^The photo memory://shop/1\.jpg cannot be read: "):
        explain_file("memory://shop/1.jpg")


def test_what_is_no_regular_file_is_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"cannot be read: it is not a regular file\.$"):
        explain_file(tmp_path / "pipe")


def test_nobody_who_reads_on_is_no_error(photos: Path) -> None:
    photo = sorted((photos / "catalogue").glob("*.jpg"))[0]
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from prx_data.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", str(photo)], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_hash_of_a_file_is_imagehashs_to_the_bit(photos: Path) -> None:
    for photo in sorted((photos / "catalogue").glob("*.jpg"))[::40]:
        with Image.open(photo) as image:
            assert explain_file(photo)["phash"] == str(imagehash.phash(image))


@pytest.mark.parametrize(("data", "status"), [(b"", "empty"), (b"<html>404</html>", "not_an_image")])
def test_a_broken_file_is_explained_too(tmp_path: Path, data: bytes, status: str) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    found = explain_file(tmp_path / "a.jpg")
    assert found["verdict"]["reason"] == found["status"] == status
    assert "background" not in found
    assert status.replace("_", " ") in as_text(found).splitlines()[0]


def test_every_photo_of_a_workspace_is_explained_as_its_curation_decided(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curate", str(config)]) == 0
    workspace = Workspace(tmp_path / "work")
    assert settings_of(workspace).rules.min_side == 100
    selection = workspace.select(settings=settings_of(workspace))
    capsys.readouterr()
    for origin, reason in reasons(workspace).items():
        assert main(["explain", origin, "--workspace", str(tmp_path / "work"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["origin"], found["verdict"]["reason"]) == (origin, reason)
        assert found["verdict"]["kept"] == (reason == "kept") == ("split" in found)
        assert as_text(found).startswith(f"{origin}: {reason.replace('_', ' ')}\n")
        if found["key"] is not None:
            by_key = explain_photo(workspace, selection, found["key"][:12])
            assert by_key is not None
            assert by_key["key"] == found["key"]
        if reason == "exact_duplicate":
            assert len(found["group"]["copies"]) >= 2
    assert main(["explain", "nowhere.jpg", "--workspace", str(tmp_path / "work")]) == 2
    assert "has no photo 'nowhere.jpg'" in capsys.readouterr().err


def test_show_writes_a_page_of_one_reason(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["curate", str(config)])
    capsys.readouterr()
    assert main(["show", str(tmp_path / "work"), "--reason", "exact_duplicate"]) == 0
    out = Path(capsys.readouterr().out.splitlines()[-1])
    page = out.read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!doctype html>")
    expected = [one for one, reason in reasons(Workspace(tmp_path / "work")).items() if reason == "exact_duplicate"]
    assert page.count("<img ") == 2 * len(expected) > 0
    assert page.count('data-mark="kept">') == page.count('data-mark="dropped">') == len(expected)
    assert main(["show", str(tmp_path / "work"), "--out", str(tmp_path)]) == 2
    assert f"--out '{tmp_path}' is a folder; name a file in it." in capsys.readouterr().err


def test_what_was_dropped_for_another_photo_is_shown_beside_it(pile: Path, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.mkdir()
    (known / "seven.jpg").write_bytes((pile / "7.jpg").read_bytes())
    workspace = Workspace(tmp_path / "work")
    workspace.add(pile)
    workspace.measure(workers=1)
    chosen = workspace.select(settings=Settings(variants="drop"), against=known, workers=1)
    for reason in ("exact_duplicate", "near_duplicate", "color_variant", "leak"):
        shown = chosen.show(reason)
        assert len(shown.groups) == chosen.counts["dropped"][reason] > 0
        for group in shown.groups:
            dropped, winner = group["items"]
            assert dropped["mark"] == "dropped"
            assert winner["mark"] == ("known" if reason == "leak" else "kept")
            assert winner["label"] in group["label"]
            assert winner["label"] != dropped["label"]
    assert chosen.show("kept").groups == ()
    assert len(chosen.show("exact_duplicate", 1).groups) == 1
    with pytest.raises(ConfigError, match=r"'leaks' is unknown; known are missing, .*leak, "):
        chosen.show("leaks")


def test_a_shell_is_told_in_a_line(pile: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    workspace.add(pile)
    workspace.measure(workers=1)
    chosen = workspace.select(Rules())
    number = len(chosen.decisions.verdicts)
    assert repr(chosen).startswith(f"Selection of {number} photos: {len(chosen.decisions.kept)} kept, ")
    assert repr(chosen.show("near_duplicate")).startswith("near duplicate: ")
    for shown in (chosen, chosen.show(), chosen.show("near_duplicate"), chosen.show_captions(2), workspace):
        assert len(repr(shown)) < 500
    with pytest.raises(ConfigError, match="takes rules = Rules"):
        workspace.select(Settings())  # type: ignore[arg-type]


def test_a_dry_run_counts_what_a_run_counts_and_writes_no_dataset(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curate", str(config), "--dry-run"]) == 0
    dry = capsys.readouterr().out.splitlines()
    assert not (tmp_path / "dataset").exists()
    assert main(["curate", str(config)]) == 0
    real = capsys.readouterr().out.splitlines()
    assert dry[:-1] == real[: len(dry) - 1]
    assert dry[-2].endswith("kept")


def mistakes(tmp_path: Path) -> list[tuple[list[Any], str]]:
    return [
        (["explain", tmp_path / "absent.jpg"], "cannot be read: No such file"),
        (["explain", "a.jpg", "--workspace", tmp_path], "is no workspace"),
        (["show", tmp_path], "is no workspace"),
        (["show", tmp_path, "--limit", "0"], "--limit 0 is wrong: it should be at least 1"),
        (["show", tmp_path, "--limit", "-3"], "--limit -3 is wrong: it should be at least 1"),
        (["show", tmp_path, "--reason", "ugly"], "'ugly' is unknown; known are missing"),
    ]


def test_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in mistakes(tmp_path):
        assert main([str(word) for word in words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


def test_a_beginning_that_fits_several_keys_is_refused(config: Path, tmp_path: Path) -> None:
    main(["curate", str(config)])
    workspace = Workspace(tmp_path / "work")
    selection = workspace.select(settings=settings_of(workspace))
    assert explain_photo(workspace, selection, "0") is None
    (path,) = workspace.folder.glob("sources/*.parquet")
    table = pq.read_table(path)
    alike = pa.array([key and "ab" * 4 + key[8:] for key in table["key"].to_pylist()], pa.string())
    write_table(path, table.set_column(table.column_names.index("key"), "key", alike))
    with pytest.raises(SourceError, match="'abababab' is the beginning of"):
        explain_photo(workspace, selection, "abababab")


def test_a_notebook_shows_the_funnel_and_every_reason(pile: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    workspace.add(pile)
    workspace.measure(workers=1)
    selection = workspace.select()
    shown = selection._repr_html_()
    assert "<html" not in shown
    for reason, number in {**selection.counts["dropped"], **selection.counts["failed"]}.items():
        assert reason.replace("_", " ") in shown.lower()
        assert f"{number:,}" in shown
    assert shown.count("<img ") >= 1 + len(selection.counts["dropped"])
