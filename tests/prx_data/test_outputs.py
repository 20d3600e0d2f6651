"""What an output takes the place of: a dataset or an export of ours, and nothing that is still needed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from prx_data import ConfigError, SourceError, Workspace, WorkspaceError, curate
from prx_data.cli import main
from prx_data.exports import export
from prx_data.outputs import check_output, replacing
from prx_data.workspace import check_format

from .conftest import write_pile

Capture = pytest.CaptureFixture[str]


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("inside", ["photos", "workspace", "against"])
@pytest.mark.parametrize("itself", [False, True])
def test_an_output_does_not_hold_what_it_is_made_of(inside: str, itself: bool, tmp_path: Path) -> None:
    """Else the old dataset would take it along when it is replaced."""
    places = {name: tmp_path / name for name in ("photos", "workspace", "against")}
    dataset = tmp_path / "dataset"
    curate(photos=write_pile(tmp_path / "others", [5, 6]), workspace=tmp_path / "w", output=dataset, workers=1)
    places[inside] = dataset if itself else dataset / "more"
    if inside != "workspace":
        write_pile(places[inside], [7])
    for name, seeds in (("photos", [1, 2, 3]), ("against", [3])):
        write_pile(places[name], seeds)
    before = everything(tmp_path)
    with pytest.raises(WorkspaceError, match=r"^output = '.*dataset' holds '.*', and a dataset takes the place of all"):
        curate(**places, output=dataset, workers=1)
    assert everything(tmp_path) == before
    assert not (tmp_path / "workspace").exists()


def test_a_selection_is_not_written_over_its_photos(tmp_path: Path) -> None:
    photos = Workspace(tmp_path / "work")
    photos.add(write_pile(tmp_path / "out" / "photos", [1, 2]))
    photos.measure(workers=1)
    (tmp_path / "out" / "curation.json").write_text('{"files": {}}')
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(WorkspaceError, match=r"link' holds '.*out/photos'"):
        photos.select().write(tmp_path / "link")


def test_every_pile_is_looked_for_before_any_work(tmp_path: Path) -> None:
    piles = (write_pile(tmp_path / "one", [1]), tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"^photos = '.*nowhere' does not exist\.$"):
        curate(photos=piles, workspace=tmp_path / "work", output=tmp_path / "dataset")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"name": "mine"}', b"", b'{"files": ', b"\xff"])
def test_a_manifest_of_something_else_is_a_sentence(content: bytes, tmp_path: Path, capsys: Capture) -> None:
    config = tmp_path / "curate.toml"
    places = {"photos": write_pile(tmp_path / "photos", [1, 2]), "workspace": tmp_path / "work"}
    config.write_text("\n".join(f'{name} = "{one}"' for name, one in {**places, "output": tmp_path / "out"}.items()))
    for folder, name in (("out", "curation.json"), ("exported", "export.json")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(content)
        (tmp_path / folder / "mine.txt").write_text("mine")
    assert main(["curate", str(config)]) == 2
    assert str(tmp_path / "out" / "curation.json") in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
    assert main(["export", str(tmp_path / "out"), str(tmp_path / "exported")]) == 2
    assert str(tmp_path / "out" / "curation.json") in capsys.readouterr().err
    curate(**places, output=tmp_path / "dataset", workers=1)
    assert main(["export", str(tmp_path / "dataset"), str(tmp_path / "exported")]) == 2
    assert str(tmp_path / "exported" / "export.json") in capsys.readouterr().err
    assert len(list(tmp_path.glob("*/mine.txt"))) == 2


def test_a_dataset_of_another_version_is_replaced(tmp_path: Path) -> None:
    """What was written with other fields is a dataset all the same."""
    places = {"photos": write_pile(tmp_path / "photos", [1, 2]), "workspace": tmp_path / "work"}
    dataset = tmp_path / "dataset"
    whole = curate(**places, output=dataset, workers=1).manifest
    exported = export(dataset, tmp_path / "exported")
    for file in (dataset / "curation.json", tmp_path / "exported" / "export.json"):
        file.write_text(json.dumps({"format": 0, "files": {"a": 1}}))
    assert curate(**places, output=dataset, workers=1).manifest == whole
    assert export(dataset, tmp_path / "exported") == exported
    with pytest.raises(WorkspaceError, match=r"holds '.*dataset', and an export takes the place"):
        export(dataset.rename(tmp_path / "exported" / "dataset"), tmp_path / "exported")


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder, outside pytest's own, of somebody who is not the superuser, whom nothing is closed to."""
    with TemporaryDirectory() as home:
        superuser = os.geteuid() == 0
        if superuser:
            os.chown(home, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(home)
        finally:
            if superuser:
                os.seteuid(0)


def test_a_dataset_that_is_closed_is_not_moved_aside() -> None:
    """It could not be removed there, and no later run could put another in its place."""
    with nobody() as home:
        output = home / "dataset"
        (output / "data").mkdir(parents=True)
        (output / "curation.json").write_text('{"files": {}}')
        for folder in (output, output / "data"):
            folder.chmod(0o555)
            with pytest.raises(WorkspaceError, match=r"^output = '.*' cannot be written to: "), replacing(output):
                pass
            folder.chmod(0o755)
        output.chmod(0)
        with pytest.raises(WorkspaceError, match=r"^output = '.*dataset' cannot be read: Permission denied\.$"):
            check_output(output)
        output.chmod(0o755)
        with replacing(output) as aside:
            (aside / "new").touch()
        assert [one.name for one in home.iterdir()] == ["dataset"]
        assert [one.name for one in output.iterdir()] == ["new"]


def test_sources_that_are_closed_are_not_taken_for_none(capsys: Capture) -> None:
    with nobody() as home:
        (home / "work" / "sources").mkdir(parents=True)
        (home / "work" / "sources").chmod(0)
        assert main(["show", str(home / "work")]) == 2
        assert capsys.readouterr().err.endswith("work' cannot be read: Permission denied.\n")
        with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
            check_format(home / "work")
        (home / "work" / "sources").chmod(0o755)
        check_format(home / "work")
