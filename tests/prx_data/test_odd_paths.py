"""Names of another encoding, what is no regular file, closed folders, loops of links."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest

from prx_data import curate
from prx_data.cli import main
from prx_data.config import load_config
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
            findings = Findings()
            found = {one.origin: one.problem for one in open_source(folder).photos(findings)}
        finally:
            if superuser:
                os.seteuid(0)
            (folder / "closed").chmod(0o755)
    problem = (Status.UNREADABLE, "the folder cannot be listed: Permission denied")
    assert found == {"1.jpg": None, "closed": problem}
    assert findings.unread == ["closed"]


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz", "b.parquet", "b.zip", "data.arrow"])
def test_a_shard_that_cannot_be_reached_is_told_of_and_tried_again(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pile(tmp_path / "photos", [1, 2])
    (folder / "damaged.tar").write_text("no tar")  # that is its own fault
    (folder / "state.json").write_text("{}")  # as beside Arrow files that `datasets` saved
    (folder / name).symlink_to(tmp_path / name)
    config = tmp_path / "curate.toml"
    config.write_text(f'photos = "{folder}"\nworkspace = "{tmp_path / "work"}"\noutput = "{tmp_path / "dataset"}"\n')
    for command in (["curate", str(config), "--dry-run"], ["curate", str(config)], ["caption", str(config)]):
        assert main(command) == 3
        said = capsys.readouterr()
        assert said.err.splitlines()[-1] == (
            "prx-data: 1 file of the source could not be read, and the photos in it are missing: "
            f'"{name}"; the same command tries again.'
        )
        assert "could not be read" not in said.out
    verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()
    message = next(one["detail"] for one in verdicts if one["origin"] == name)
    assert message.endswith(" cannot be read: No such file or directory.")
    assert "1 file of the source could not be read" in (tmp_path / "dataset" / "report.html").read_text()
    (folder / name).unlink()
    done = curate(load_config(config))
    assert done.unread_note is None
    assert main(["curate", str(config)]) == 0


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
