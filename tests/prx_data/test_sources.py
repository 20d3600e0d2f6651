"""What is a photo in a folder, and what its metadata says."""

from pathlib import Path

import pytest

from prx_data.errors import SourceError
from prx_data.records import PhotoFile
from prx_data.sources import Findings, open_source

from .conftest import draw_product, encode


def scan(photos: str | Path, metadata: Path | None = None) -> tuple[list[PhotoFile], Findings]:
    findings = Findings()
    found = list(open_source(photos, metadata).photos(findings))
    return sorted(found, key=lambda one: one.origin), findings


def test_photos_are_found_by_name_by_content_and_by_metadata(pile: Path) -> None:
    (pile / "no suffix").write_bytes(encode(draw_product(20)))
    (pile / ".hidden.jpg").write_bytes(encode(draw_product(21)))
    found = {one.origin: one for one in scan(pile)[0]}
    assert {"no suffix", "sub/blue 3.jpg", "empty.jpg", "page.jpg", "gone.jpg"} <= found.keys()
    assert not {".hidden.jpg", "notes.txt", "metadata.csv"} & found.keys()
    assert found["0.jpg"].metadata == {"sku": "sku0", "name": "thing 0", "color": "red"}
    assert found["copy of 0.jpg"].metadata == {}
    assert scan(pile)[1].ignored == 1
    assert list(found) == sorted(found)


def test_metadata_of_subfolders_is_relative_to_them(pile: Path) -> None:
    (pile / "sub" / "metadata.csv").write_text("file_name,label\nblue 3.jpg,Shirt\n")
    found = {one.origin: one.metadata for one in scan(pile)[0]}
    assert found["sub/blue 3.jpg"] == {"label": "Shirt"}


def test_link_loops_end(pile: Path) -> None:
    before = len(scan(pile)[0])
    (pile / "sub" / "loop").symlink_to(pile, target_is_directory=True)
    assert len(scan(pile)[0]) == before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "does not exist"),
        (lambda folder: folder.mkdir(), "is empty"),
        (lambda folder: folder.write_text("x"), "is a file, not a folder"),
        (lambda folder: (folder.mkdir(), (folder / "a.txt").write_text("x")), "holds 1 file and no picture"),
        (lambda folder: (folder.mkdir(), (folder / "a.csv").write_text("x")), "if a.csv is a list of photos, name it"),
        (lambda folder: (folder.mkdir(), (folder / "metadata.csv").write_text("a,b\n1,2\n")), "no column 'file_name'"),
        (
            lambda folder: (folder.mkdir(), (folder / "metadata.csv").write_text("file_name\n../x.jpg\n")),
            "is not a path below",
        ),
    ],
)
def test_an_unusable_folder_is_one_sentence(tmp_path: Path, make: object, words: str) -> None:
    folder = tmp_path / "folder"
    assert callable(make)
    make(folder)
    with pytest.raises(SourceError, match=words) as error:
        scan(folder)
    assert "\n" not in str(error.value)
