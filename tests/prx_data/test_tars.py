"""Tars as sources: the texts beside their photos, and what did not change, is packed, or ends too early."""

import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from prx_data import Workspace
from prx_data.reading import read
from prx_data.sources import Findings, open_source, tars

from .conftest import Pile
from .piles import write_memory_tars, write_one_tar, write_tar, write_tars


def test_tar_texts_are_captions_and_classes(photos_in: Pile, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        members = [
            ("./x/1.jpg", photos_in["1.jpg"][0]),
            ("./x/1.cls", b"7\n"),
            ("./x/1.txt", "ein schöner Schuh\n".encode()),
            ("x/2.front.jpg", photos_in["2.jpg"][0]),
            ("x/2.back.jpg", photos_in["3.jpg"][0]),
            ("x/2.json", b'{"caption": "two", "n": 1, "more": {"a": [1]}}'),
            ("x/2.txt", b"two"),
            ("x/3", photos_in["4.jpg"][0]),
            ("x/3.json", b"{broken"),
            ("x/._3.jpg", b"mac"),
            ("x/3.npy", b"numbers"),
        ]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    findings = Findings()
    found = {one.origin: one for one in open_source(tmp_path / "a.tar").photos(findings)}
    assert {name: one.metadata for name, one in found.items()} == {
        "a.tar/x/1.jpg": {"caption": "ein schöner Schuh", "cls": 7},
        "a.tar/x/2.front.jpg": {"caption": "two", "n": 1, "more": '{"a": [1]}'},
        "a.tar/x/2.back.jpg": {"caption": "two", "n": 1, "more": '{"a": [1]}'},
        "a.tar/x/3": {"json": "{broken"},
    }
    assert read(found["a.tar/x/2.back.jpg"].locator) == photos_in["3.jpg"][0]
    assert findings.ignored == 1


@pytest.mark.parametrize("write", [write_tars, write_memory_tars], ids=lambda write: write.__name__)
def test_a_tar_that_did_not_change_is_not_looked_into(
    write: Callable[[Pile, Path], Path | str], photos_in: Pile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / f"again-{write.__name__}"
    home.mkdir()
    source = write(photos_in, home)
    looked: list[str] = []
    honest = tars._scan

    def counted(location: str, **how: bool) -> Any:
        looked.append(location)
        return honest(location, **how)

    monkeypatch.setattr(tars, "_scan", counted)
    photos = Workspace(tmp_path / "work")
    photos.add(source)
    table, features, ignored = photos.photos(), photos.features, photos.ignored_files
    assert len(looked) == 2
    photos.add(source)
    assert len(looked) == 2
    assert (photos.photos(), photos.features, photos.ignored_files) == (table, features, ignored)
    if write is write_tars:
        write_tar(home / "shards" / "001.tar", dict(list(photos_in.items())[2:]))
        photos.add(source)
        assert len(looked) == 3
        assert len(photos.photos()) == 4 + 8
        photos.add(source)
        assert len(looked) == 3


def test_a_packed_tar_is_read_again_only_if_its_bytes_are_gone(
    photos_in: Pile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tars(photos_in, tmp_path, "tar.gz")
    photos = Workspace(tmp_path / "work")
    looked: list[str] = []
    honest = tars._scan

    def counted(location: str, **how: bool) -> Any:
        looked.append(location)
        return honest(location, **how)

    monkeypatch.setattr(tars, "_scan", counted)
    photos.add(source)
    table = photos.photos()
    assert (tmp_path / "work" / "spool").is_dir()
    photos.add(source)
    assert (len(looked), photos.photos()) == (2, table)
    next((tmp_path / "work" / "spool").glob("*/*")).unlink()
    photos.add(source)
    assert (len(looked), photos.photos()) == (3, table)
    assert len(list((tmp_path / "work" / "spool").glob("*/*"))) == len(set(table["key"].to_pylist()))


def test_a_cut_packed_tar_loses_no_row(photos_in: Pile, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    write_tar(tmp_path / "shards" / "good.tgz", photos_in)
    whole = (tmp_path / "shards" / "good.tgz").read_bytes()
    (tmp_path / "shards" / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "shards" / "other.tgz").write_bytes(b"\x1f\x8b no tar at all")
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "shards")
    rows = {row["origin"]: row for row in photos.photos().to_pylist()}
    assert rows["cut.tgz"]["status"] == rows["other.tgz"]["status"] == "unreadable"
    of_cut = [row["status"] for origin, row in rows.items() if origin.startswith("cut.tgz/")]
    assert 0 < of_cut.count("ok") < len(photos_in)
    assert set(of_cut) <= {"ok", "unreadable"}
    assert sum(row["status"] == "ok" for origin, row in rows.items() if origin.startswith("good.tgz/")) == len(
        photos_in
    )


@pytest.mark.parametrize("name", ["0.jpg", "2.jpg"])
def test_a_cut_tar_gives_what_it_holds_and_says_so(photos_in: Pile, tmp_path: Path, name: str) -> None:
    source = write_one_tar(photos_in, tmp_path)
    whole = source.read_bytes()
    with tarfile.open(source) as tar:
        cut = tar.getmember(name).offset_data + 100
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "cut.tar").write_bytes(whole[:cut])
    (tmp_path / "shards" / "good.tar").write_bytes(whole)
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "shards")
    rows = {row["origin"]: row for row in photos.photos().to_pylist()}
    assert rows["cut.tar"]["status"] == "unreadable"
    assert "ends within" in rows["cut.tar"]["message"]
    assert rows["good.tar/0.jpg"]["status"] == "ok"
    of_cut = {origin: row["status"] for origin, row in rows.items() if origin.startswith("cut.tar/")}
    assert of_cut.pop(f"cut.tar/{name}") == "unreadable"
    assert set(of_cut.values()) <= {"ok"}
