"""The shell opens what a notebook measured: with other measures, with fewer, at another size, or before a curation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from prx_data import Workspace
from prx_data.cli import main
from prx_data.measures import Measure, standard_measures
from prx_data.measures.background_columns import BackgroundColumns
from prx_data.measures.basics import Basics
from prx_data.picture import Picture

from .conftest import draw_product, encode

Capture = pytest.CaptureFixture[str]


class Redness:
    """What a user may measure besides."""

    name = "redness"
    version = "mine-1"
    schema = pa.schema([("redness", pa.float32())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        red, green, _ = picture.pixels.mean(axis=(0, 1))
        return {"redness": float(red - green)}


def measured(pile: Path, work: Path, measures: Sequence[Measure] | None = None, **options: Any) -> Workspace:
    photos = Workspace(work, measures, **options)
    photos.add(pile)
    photos.measure(workers=1)
    return photos


def explained(work: Path, origin: str, capsys: Capture) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["explain", origin, "--workspace", str(work), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def reasons(photos: Workspace) -> dict[str, str]:
    return {one["origin"]: one["reason"] for one in photos.select().verdicts.to_pylist()}


def config_of(pile: Path, tmp_path: Path) -> str:
    path = tmp_path / "curate.toml"
    places = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "dataset"}
    path.write_text("\n".join([*(f'{name} = "{place}"' for name, place in places.items()), "workers = 1"]))
    return str(path)


def test_measures_of_the_users_own_are_read(pile: Path, tmp_path: Path, capsys: Capture) -> None:
    # As a neural matte does: the same columns, from something else.
    others = [BackgroundColumns(version="other-1") if one.name == "background" else one for one in standard_measures()]
    photos = measured(pile, tmp_path / "work", [*others, Redness()])
    for origin, reason in reasons(photos).items():
        found = explained(tmp_path / "work", origin, capsys)
        assert found["verdict"]["reason"] == reason
        if found["status"] == "ok":
            assert -255 < found["redness"]["redness"] < 255
            assert found["background"]["cleanliness"] >= 0
    assert main(["show", str(tmp_path / "work")]) == 0
    assert main(["check", str(tmp_path / "work"), "any"]) == 0
    assert capsys.readouterr().err == ""


def test_photos_that_were_decoded_smaller_are_read(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "pile").mkdir()
    for number in range(3):
        data = encode(draw_product(number, size=(1200, 1500)))
        (tmp_path / "pile" / f"{number}.jpg").write_bytes(data)
    photos = measured(tmp_path / "pile", tmp_path / "work", decode_side=512)
    found = explained(tmp_path / "work", "0.jpg", capsys)
    assert found["verdict"]["reason"] == reasons(photos)["0.jpg"]
    assert (found["width"], found["height"]) == (1200, 1500)
    assert "pixel_digest" not in {name for name, value in found["basics"].items() if value is not None}


def test_too_little_to_decide_is_said_and_the_rest_is_shown(pile: Path, tmp_path: Path, capsys: Capture) -> None:
    measured(pile, tmp_path / "work", [Basics(), Redness()])
    found = explained(tmp_path / "work", "0.jpg", capsys)
    said = "Nothing can be decided without resolution, borders, perceptual, background, layout:"
    assert found["verdict"]["kept"] is None
    assert found["verdict"]["detail"].startswith(said)
    assert {"basics", "redness"} <= found.keys()
    assert found["status"] == "ok"
    for words in (["show", str(tmp_path / "work")], ["check", str(tmp_path / "work"), "any"]):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"prx-data: {said}")
        assert error.count("\n") == 1
    assert main(["curate", config_of(pile, tmp_path)]) == 0
    assert explained(tmp_path / "work", "0.jpg", capsys)["verdict"]["kept"]


def test_photos_that_were_added_later_are_said_to_lack_columns(pile: Path, tmp_path: Path, capsys: Capture) -> None:
    photos = measured(pile, tmp_path / "work", [*standard_measures(), Redness()])
    (pile / "new.jpg").write_bytes(encode(draw_product(77)))
    photos.add(pile)
    assert main(["explain", "new.jpg", "--workspace", str(tmp_path / "work")]) == 0
    error = capsys.readouterr().err
    assert "1 of " in error
    assert "photos lack decoded, basics, " in error
    assert "redness" not in error
    assert error.count("\n") == 1
    Workspace(tmp_path / "work").measure(workers=1)
    found = explained(tmp_path / "work", "new.jpg", capsys)
    assert found["verdict"]["reason"] == "kept"
    assert "redness" not in found  # it has none, and a rule or a profile could not look at it
    assert capsys.readouterr().err == ""


def test_what_is_measured_after_a_curation_is_shown_and_decides_nothing(
    pile: Path, tmp_path: Path, capsys: Capture
) -> None:
    config = config_of(pile, tmp_path)
    assert main(["curate", config]) == 0
    before = explained(tmp_path / "work", "0.jpg", capsys)
    measured(pile, tmp_path / "work", [*standard_measures(), Redness()])
    after = explained(tmp_path / "work", "0.jpg", capsys)
    assert after.pop("redness")["redness"] > 0
    assert after == before
    profile = tmp_path / "red.toml"
    check = '[[checks]]\ncolumn = "redness"\nmin = 9000\nmessage = "it is not red"\n'
    profile.write_text(check)
    assert main(["check", str(tmp_path / "work"), str(profile)]) == 0
    assert "fail: it is not red" in capsys.readouterr().out
    manifest = (tmp_path / "dataset" / "curation.json").read_bytes()
    assert main(["curate", config]) == 0
    assert "The workspace also has redness, not asked for here: it decides nothing" in capsys.readouterr().out
    assert (tmp_path / "dataset" / "curation.json").read_bytes() == manifest
