"""How a person is told: nouns that fit their numbers, and names that turn nothing around."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from prx_data import Workspace, curate
from prx_data.cli import main
from prx_data.explain import as_text, explain_file
from prx_data.report.render import render
from prx_data.told import counted, quoted, visible, visible_lines

from .conftest import draw_product, encode, write_pile

TURNED = "a\u202egpj.exe"
ODD = "b\x1b[2J\nc\u2066.jpg"


def test_a_noun_fits_its_number() -> None:
    assert [counted(number, "photo") for number in (0, 1, 2, 1000)] == [
        "0 photos",
        "1 photo",
        "2 photos",
        "1,000 photos",
    ]


def test_a_pile_of_one_photo_is_told_of_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_pile(tmp_path / "photos", [1])
    (folder / "metadata.csv").write_text("file_name,author\n1.jpg,N.\n")
    (folder / "empty.jpg").write_bytes(b"")
    (tmp_path / "curate.toml").write_text(
        f'photos = "{folder}"\nworkspace = "{tmp_path / "work"}"\noutput = "{tmp_path / "dataset"}"\nworkers = 1\n'
    )
    assert main(["curate", str(tmp_path / "curate.toml")]) == 0
    assert main(["caption", str(tmp_path / "curate.toml"), "--sample", "1"]) == 0
    assert main(["show", str(tmp_path / "work")]) == 0
    assert main(["export", str(tmp_path / "dataset"), str(tmp_path / "tars")]) == 0
    (folder / "empty.jpg").unlink()
    assert main(["curate", str(tmp_path / "curate.toml")]) == 0
    assert main(["check", str(tmp_path / "work"), "training_clean"]) == 0
    said = capsys.readouterr()
    chosen = Workspace(tmp_path / "work").select()
    pages = [*tmp_path.glob("*/*.html"), *tmp_path.glob("dataset/*.md")]
    assert len(pages) == 4
    texts = [said.out, said.err, repr(chosen), chosen._repr_html_(), *(page.read_text() for page in pages)]
    assert "1 photo in" in said.out
    assert "1 row of train = 1 photo in 1 shard" in said.out
    assert "1 photo in, 1 kept, in 1 cluster." in (tmp_path / "dataset" / "report.html").read_text()
    nouns = "photo|picture|row|cluster|file|shard|value|group|pair|word|caption"
    for text in texts:
        assert re.findall(rf"\b1 (?:\w+ )?(?:{nouns})s\b", text) == []


def test_what_is_no_character_to_read_is_escaped_and_all_else_stays() -> None:
    assert visible(TURNED) == "a\\u202egpj.exe"
    assert visible(ODD) == "b\\u001b[2J\\nc\\u2066.jpg"
    assert visible_lines("a\nb\r\x9b\udce9") == "a\nb\\r\\u009b\\udce9"
    fine = "Schuh größe 42, נעל, 靴, 👩‍👩‍👧, ك‌ت"
    assert visible(fine) == fine
    assert quoted('"\u202e') == '"\\"\\u202e"'
    assert json.loads(quoted(ODD + TURNED)) == ODD + TURNED


def test_names_turn_nothing_around(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate((ODD, TURNED, "copy.jpg")):
        (folder / name).write_bytes(encode(draw_product(max(number, 1))))
    (folder / "broken\u202e.jpg").write_bytes(b"")
    (folder / "metadata.csv").write_text(f"file_name,name\ncopy.jpg,\u202etrihs\n{TURNED},\u202etrihs\n")
    curate(photos=folder, workspace=tmp_path / "work", output=tmp_path / "dataset", workers=1)
    work = tmp_path / "work"
    capsys.readouterr()
    for command in (
        ["explain", TURNED, "--workspace", str(work)],
        ["explain", TURNED, "--workspace", str(work), "--json"],
        ["explain", str(folder / ODD)],
        ["check", str(work), "training_clean"],
        ["check", str(work), "training_clean", "--json"],
        ["show", str(work)],
    ):
        assert main(command) == 0
        said = capsys.readouterr()
        assert visible_lines(said.out) == said.out
        assert "\\u202e" in said.out or "\\u2066" in said.out or command[0] == "show"
        if command[-1] == "--json":
            json.loads(said.out)
    assert main(["explain", "none\u202e", "--workspace", str(work)]) == 2
    error = capsys.readouterr().err
    assert visible_lines(error) == error
    assert "\n" not in as_text(explain_file(folder / ODD)).splitlines()[0]
    chosen = Workspace(work).select()
    pages = [(work / "show-kept.html").read_text(), (tmp_path / "dataset" / "report.html").read_text()]
    for page in (*pages, chosen._repr_html_(), chosen.show("exact_duplicate")._repr_html_()):
        assert visible_lines(page) == page
        assert "\\u202e" in page
    assert "<bdi>a\\u202egpj.exe</bdi>" in pages[0]
    # What is stored is the name as it is.
    assert TURNED in pq.read_table(tmp_path / "dataset" / "verdicts.parquet")["origin"].to_pylist()


def test_a_name_in_a_page_is_apart_from_what_is_said_of_it() -> None:
    image = "data:image/png;base64,AAAA"
    items = [
        {"image": image, "alt": "", "name": "נעל.jpg", "label": "נעל.jpg: 12 <px>", "mark": ""},
        {"image": image, "alt": "", "name": "x.jpg", "label": "a shoe", "mark": ""},
        {"image": image, "alt": "", "name": "x.jpg", "label": "x.jpg", "mark": ""},
    ]
    blocks = [{"kind": "gallery", "caption": "a\nb", "items": items}]
    page = render({"title": "t", "headline": "h", "blocks": blocks})
    for shown in ("<bdi>נעל.jpg</bdi>: 12 &lt;px&gt;", "a shoe", "<bdi>x.jpg</bdi>"):
        assert f"<figcaption>{shown}</figcaption>" in page
    assert '<p class="caption">a\nb</p>' in page
