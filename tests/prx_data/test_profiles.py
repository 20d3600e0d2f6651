"""Profiles: data that says what a picture must fulfil."""

import html
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from prx_data import ConfigError, CurateConfig, Workspace, curate, profile
from prx_data.cli import main
from prx_data.config import load_config
from prx_data.decisions.profiles import Profile, built_in

GOOD = {
    "width": 1200,
    "height": 1500,
    "whiteness": 0.4,
    "purity": 1.0,
    "cleanliness": 0.99,
    "fill_side": 0.9,
    "sides_touched": 0,
    "overlay": 0.0,
    "frame": 0.0,
    "inset": 0.0,
    "collage": 0.4,
    "parts": 1,
    "detached": 0.0,
}


def test_the_built_in_ones_load() -> None:
    assert built_in() == ("any", "marketplace_main", "training_clean")
    assert all(profile(name).name == name and profile(name).description for name in built_in())
    assert profile("any").failures({}) == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ()),
        ({"whiteness": 9.25}, ("not white", "9.25", "3")),
        ({"width": 600, "height": 800}, ("too few pixels", "800", "1000")),
        ({"fill_side": 0.6}, ("too little", "0.6", "0.85")),
        ({"sides_touched": 2}, ("cut off", "2")),
        ({"overlay": 0.02}, ("writing",)),
        ({"frame": 0.1}, ("frame",)),
        ({"inset": 0.95}, ("set into a plain frame", "0.95", "0.7")),
        ({"collage": 0.97}, ("several pictures",)),
        ({"parts": 2}, ("apart from each other", "2", "1")),
        ({"detached": 0.002}, ("beside the product", "0.002")),
        ({"text_share": 0.2}, ("is text", "0.2", "0.15")),
    ],
)
def test_a_marketplace_says_what_is_wrong(changed: dict[str, Any], words: tuple[str, ...]) -> None:
    failures = profile("marketplace_main").failures({**GOOD, **changed})
    assert len(failures) == bool(words)
    assert all(word in failures[0] for word in words)


def test_every_failure_is_told() -> None:
    assert len(profile("marketplace_main").failures({**GOOD, "whiteness": 50, "fill_side": 0.1, "width": 9})) == 2
    assert len(profile("marketplace_main").failures({**GOOD, "whiteness": 50, "fill_side": 0.1, "height": 9})) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("checks = [", "not TOML"),
        ("check = []", "check"),
        ("[[checks]]\ncolumn = 'fill'\nmessage = 'no'", "neither min nor max"),
        ("[[checks]]\ncolumn = 'fill'\nmin = 2\nmax = 1\nmessage = 'no'", "min 2 above max 1"),
        ("[[checks]]\ncolumn = 'fill'\nmin = 'much'\nmessage = 'no'", "checks.0.min"),
        ("[[checks]]\ncolumn = 'fill'\nmin = 0.5", "checks.0.message"),
        ("[[checks]]\ncolumn = 'fill'\nmin = nan\nmessage = 'no'", "finite"),
    ],
)
def test_a_wrong_profile_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        profile(tmp_path / "mine.toml")
    assert "\n" not in str(raised.value)
    assert "mine.toml" in str(raised.value)


def test_an_unknown_profile_names_the_known() -> None:
    with pytest.raises(ConfigError, match="marketplace_main"):
        profile("amazon")
    with pytest.raises(ConfigError, match="cannot be read"):
        profile("nowhere/mine.toml")
    with pytest.raises(ConfigError, match="amazon"):
        CurateConfig(photos="p", workspace="w", output="o", profile="amazon")


def test_a_column_that_is_not_there_is_named(pile: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[[checks]]\ncolumn = 'beauty'\nmin = 1\nmessage = 'not beautiful'\n")
    with pytest.raises(ConfigError, match=r"mine checks 'beauty'.*fill_side"):
        curate(photos=pile, workspace=tmp_path / "w", output=tmp_path / "o", workers=1, profile=tmp_path / "mine.toml")


def test_a_selection_is_checked_photo_by_photo(pile: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    workspace.add(pile)
    workspace.measure(workers=1)
    chosen = workspace.select()
    table = chosen.check("marketplace_main")
    assert table.column_names == ["key", "origin", "passed", "reasons", "unchecked"]
    rows = {row["origin"]: row for row in table.to_pylist()}
    assert list(rows) == chosen.verdicts["origin"].to_pylist()
    assert not any(row["passed"] for row in rows.values())
    assert any("too few pixels" in reason for reason in rows["0.jpg"]["reasons"])
    assert rows["empty.jpg"]["reasons"] == ["there are no pixels to judge: empty"]
    assert {tuple(row["unchecked"]) for row in rows.values()} == {("text_beside", "text_share")}
    assert rows["gone.jpg"]["reasons"] == ["there are no pixels to judge: missing"]
    everything = {row["origin"]: row for row in chosen.check("any").to_pylist()}
    assert everything["0.jpg"]["passed"]
    assert not everything["empty.jpg"]["passed"]


def test_a_required_profile_drops_with_the_numbers(pile: Path, tmp_path: Path) -> None:
    (tmp_path / "wide.toml").write_text("[[checks]]\ncolumn = 'fill'\nmin = 0.33\nmessage = 'the product is small'\n")
    places = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "out", "workers": 1}
    config = tmp_path / "curate.toml"
    config.write_text("\n".join(f"{k} = {str(v)!r}" for k, v in places.items() if k != "workers") + "\nworkers = 1\n")
    config.write_text(config.read_text() + f"profile = {str(tmp_path / 'wide.toml')!r}\n")
    manifest = curate(load_config(config)).manifest
    assert manifest["counts"]["dropped"]["profile"] > 0
    assert manifest["config"]["profile"]["checks"][0]["min"] == 0.33
    kept_before = curate(**{**places, "output": tmp_path / "all"}).manifest["counts"]["kept"]
    assert manifest["counts"]["kept"] < kept_before


def test_what_was_not_measured_is_said(pile: Path, tmp_path: Path) -> None:
    wanted = Profile(name="mine", checks=[{"column": "text_beside", "max": 0, "optional": True, "message": "text"}])
    done = curate(photos=pile, workspace=tmp_path / "work", output=tmp_path / "out", workers=1, profile=wanted)
    (note,) = (one for one in done.notes if "mine did not check text_beside" in one)
    assert "pip install 'prx-data[text]'" in note
    assert note in html.unescape((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    measured = pa.schema([("text_beside", pa.float32())])
    assert wanted.unchecked(measured) == ()
    assert wanted.unchecked_note(measured) is None


def test_every_photo_is_checked_on_the_command_line(
    pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "out"}
    config = tmp_path / "curate.toml"
    config.write_text("".join(f"{k} = {str(v)!r}\n" for k, v in places.items()) + "workers = 1\n")
    config.write_text(config.read_text() + 'profile = "marketplace_main"\n')
    assert main(["curate", str(config)]) == 2
    assert f"prx-data check {tmp_path / 'work'} marketplace_main" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "work"), "marketplace_main", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    workspace = Workspace(tmp_path / "work")
    assert found["photos"] == workspace.select().check("marketplace_main").to_pylist()
    counts = found["counts"]
    assert counts["photos"] == len(found["photos"]) == counts["passed"] + counts["failed"]
    small = sum("too few pixels" in " ".join(one["reasons"]) for one in found["photos"])
    assert counts["reasons"]["the longer side has too few pixels to zoom into"] == small > 0
    assert main(["check", str(tmp_path / "work"), "marketplace_main"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "fail  empty.jpg" in lines
    assert lines[lines.index("fail  empty.jpg") + 1] == "    there are no pixels to judge: empty"
    assert lines[-2].split() == ["0", "pass", "marketplace_main"]
    assert "did not check text_beside" in lines[-1]
    assert main(["check", str(tmp_path / "work"), "any"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("pass any")


def test_a_profile_can_be_made_in_code() -> None:
    made = Profile(name="mine", checks=[{"column": "aspect_ratio", "max": 1, "message": "not square"}])
    assert made.columns == ("height", "width")
    assert made.failures({"width": 200, "height": 300}) == ("not square: aspect_ratio 1.5 is above 1",)


def test_the_profile_of_the_readme_loads(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "packages" / "prx-data" / "README.md").read_text(encoding="utf-8")
    text = next(block for block in readme.split("```toml\n")[1:] if "checks" in block).split("```")[0]
    (tmp_path / "square.toml").write_text(text, encoding="utf-8")
    assert [one.column for one in profile(tmp_path / "square.toml").checks] == ["aspect_ratio", "whiteness"]
