"""CSV and JSONL lists with broken lines, rows that end early, and odd characters."""

from pathlib import Path
from typing import Any

import pytest

from prx_data import Workspace
from prx_data.records import PhotoFile
from prx_data.sources import Findings, open_source

from .conftest import draw_product, encode

PHOTO = encode(draw_product(1), quality=92)


def scan(photos: Path) -> tuple[dict[str, PhotoFile], Findings]:
    findings = Findings()
    found = list(open_source(photos).photos(findings))
    return {one.origin: one for one in found}, findings


BROKEN: dict[str, tuple[str, dict[int, str], dict[str, dict[str, Any]]]] = {
    "csv": (
        'file_name,color,size\na.jpg,red,1\na.jpg,dark, red,1\nb.jpg,"red,1\nc.jpg\nd.jpg,"blue",1\n"',
        {3: "4 values for 3 columns", 4: "not CSV: ',' expected after '\"'", 7: "not CSV: unexpected end of data"},
        {"a.jpg": {"color": "red", "size": "1"}, "c.jpg": {}, "d.jpg": {"color": "blue", "size": "1"}},
    ),
    "jsonl": (
        '{"file_name": "a.jpg", "n": 1}\n{"file_name": "b.jpg"\n\n3\n{"file_name": "c.jpg"}\n'
        + '{"file_name": "d.jpg"}\n{"n": '
        + 5000 * "9"
        + "}\n",
        {
            2: "not JSON: Expecting ',' delimiter at character 22",
            4: "not a JSON object but '3'",
            7: "not JSON that can be",
        },
        {"a.jpg": {"n": 1}, "c.jpg": {}, "d.jpg": {}},
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("name", ["list", "metadata"])
def test_a_broken_line_is_a_row_and_the_others_are_read(tmp_path: Path, kind: str, name: str) -> None:
    text, broken, named = BROKEN[kind]
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, one in enumerate(named):
        (folder / one).write_bytes(encode(draw_product(number)))
    (folder / f"{name}.{kind}").write_text(text)
    source = folder if name == "metadata" else folder / f"{name}.{kind}"
    found, findings = scan(source)
    assert {one: found.pop(one).metadata for one in named} == named
    assert set(found) == {f"{name}.{kind}/{line}" for line in broken}
    for line, why in broken.items():
        problem = found[f"{name}.{kind}/{line}"].problem
        assert problem is not None
        assert problem[0] == "unreadable"
        assert f"line {line} of the " in problem[1]
        assert f" is broken: {why}" in problem[1]
    assert f"lines that are broken: {len(broken)}, the first of them line {next(iter(broken))} (" in findings.notes[0]
    photos = Workspace(tmp_path / "work")
    for _ in range(2):
        photos.add(source)
        photos.measure(workers=1)
        reasons = photos.select().verdicts["reason"].to_pylist()
        assert (len(reasons), reasons.count("unreadable")) == (6, 3)
    (folder / f"{name}.{kind}").write_text("file_name\na.jpg\n" if kind == "csv" else '{"file_name": "a.jpg"}\n')
    photos.add(source)
    assert "unreadable" not in photos.select().verdicts["reason"].to_pylist()


def test_rows_that_end_early_are_photos_and_noted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file_name,color,size\na.jpg,red,1\nb.jpg\nc.jpg,blue\n")
    found, findings = scan(tmp_path / "a.csv")
    assert [dict(one.metadata) for one in found.values()] == [{"color": "red", "size": "1"}, {}, {"color": "blue"}]
    assert findings.notes == [
        f"{tmp_path}/a.csv: rows that end before their last column: 2, the first of them in line 3."
    ]


@pytest.mark.parametrize("above", ["\n\n", "sep=;\n", '"sep=;"\r\n\n'])
def test_what_spreadsheets_write_above_a_header(tmp_path: Path, above: str) -> None:
    (tmp_path / "a.csv").write_bytes(f"{above}file_name;color\na.jpg;red\nb.jpg;x;y\n".encode())
    found, _ = scan(tmp_path / "a.csv")
    line = above.count("\n") + 3
    assert {name: dict(one.metadata) for name, one in found.items()} == {"a.jpg": {"color": "red"}, f"a.csv/{line}": {}}


def test_a_file_that_ends_within_a_character_of_utf16(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("file_name,name\na.jpg,grün\n".encode("utf-16") + b"\x00")
    found, findings = scan(tmp_path / "a.csv")
    assert {name: dict(one.metadata) for name, one in found.items()} == {"a.jpg": {"name": "grün"}}
    assert "not quite UTF-16" in findings.notes[0]


def test_one_byte_that_is_no_utf8_does_not_spoil_the_other_lines(tmp_path: Path) -> None:
    for name in ("größe.jpg", "schön.jpg"):
        (tmp_path / name).write_bytes(PHOTO + name.encode())
    text = "file_name,name\ngröße.jpg,groß\nschön.jpg,schön\n".encode() + b"a.jpg,Gr\xfcn\n"
    (tmp_path / "a.csv").write_bytes(text)
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "a.csv")
    rows = {row["origin"]: row["status"] for row in photos.photos().to_pylist()}
    assert rows == {"größe.jpg": "ok", "schön.jpg": "ok", "a.jpg": "missing"}
    assert scan(tmp_path / "a.csv")[1].notes == [
        f"{tmp_path}/a.csv: lines that are not UTF-8: 1, the first of them line 4."
    ]
