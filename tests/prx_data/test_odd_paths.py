"""Names of another encoding, what is no regular file, closed folders, loops of links."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from prx_data import curate
from prx_data.records import Status
from prx_data.sources import Findings, open_source
from prx_data.workspace import WorkspaceStore

from .conftest import write_pile


def test_a_file_name_of_another_encoding(tmp_path: Path) -> None:
    folder = write_pile(tmp_path / "photos", [1])
    (folder / "1.jpg").rename(folder / os.fsdecode(b"caf\xe9.jpg"))
    write_pile(folder / os.fsdecode(b"gr\xfcn"), [2])
    (write_pile(folder, [3]) / "3.jpg").rename(folder / "caf\\udce9.jpg")
    curate(photos=folder, workspace=tmp_path / "work", output=tmp_path / "dataset", workers=1)
    verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()
    assert {row["origin"]: row["reason"] for row in verdicts} == {
        "caf\\udce9.jpg": "kept",
        "caf\\udce9.jpg (2)": "kept",
        "gr\\udcfcn/2.jpg": "kept",
    }


def test_what_is_no_regular_file_is_no_wait(tmp_path: Path) -> None:
    folder = write_pile(tmp_path / "photos", [1])
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.tar")
    os.mkfifo(folder / "pipe.parquet")
    photos = WorkspaceStore(tmp_path / "work")
    photos.add(folder)
    statuses = {row["origin"]: (row["status"], row["message"]) for row in photos.photos().to_pylist()}
    damaged = {
        f"pipe.{kind}": ("unreadable", f"the {words} is damaged: it is not a regular file")
        for kind, words in (("tar", "tar"), ("parquet", "Parquet file"))
    }
    assert statuses == {"1.jpg": ("ok", ""), "pipe.jpg": ("unreadable", "it is not a regular file"), **damaged}


def test_a_folder_that_cannot_be_listed_is_a_row() -> None:
    # Outside pytest's own folder, which only its owner may enter.
    with TemporaryDirectory() as home:
        folder = write_pile(Path(home) / "photos", [1])
        write_pile(folder / "closed", [2])
        Path(home).chmod(0o755)
        (folder / "closed").chmod(0)
        superuser = os.geteuid() == 0
        if superuser:  # whom nothing is closed to
            os.seteuid(65534)
        try:
            found = {one.origin: one.problem for one in open_source(folder).photos(Findings())}
        finally:
            if superuser:
                os.seteuid(0)
            (folder / "closed").chmod(0o755)
    problem = (Status.UNREADABLE, "the folder cannot be listed: Permission denied")
    assert found == {"1.jpg": None, "closed": problem}


def test_link_loops_and_links_out_of_a_folder(tmp_path: Path) -> None:
    folder, other = write_pile(tmp_path / "a", [1]), write_pile(tmp_path / "b", [2])
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "twice").symlink_to(other, target_is_directory=True)
    (folder / "again").symlink_to(other, target_is_directory=True)
    (folder / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    (folder / "file.jpg").symlink_to(other / "2.jpg")
    photos = WorkspaceStore(tmp_path / "work")
    photos.add(folder)
    statuses = {row["origin"]: row["status"] for row in photos.photos().to_pylist()}
    assert statuses == {"1.jpg": "ok", "again/2.jpg": "ok", "file.jpg": "ok", "dangling.jpg": "missing"}
