"""What of the photos, or of another set, cannot be reached: nobody may take it for a set without leaks, or whole."""

import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prx_data import Workspace, curate
from prx_data.cli import main
from prx_data.config import load_config

from .conftest import draw_product, encode, write_pile

Capture = pytest.CaptureFixture[str]


def write_shard(path: Path, seed: int) -> None:
    """One photo, as a Parquet file or a tar."""
    data = encode(draw_product(seed))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"image": [data]}), path)
        return
    photo = path.with_name(f"{seed}.jpg")
    photo.write_bytes(data)
    with tarfile.open(path, "w") as tar:
        tar.add(photo, photo.name)
    photo.unlink()


def config_of(home: Path) -> str:
    places = {"photos": "photos", "workspace": "work", "output": "dataset", "against": "held out"}
    lines = [f'{name} = "{home / place}"' for name, place in places.items()]
    (home / "curate.toml").write_text("\n".join([*lines, "workers = 1"]))
    return str(home / "curate.toml")


def sentence_of(home: Path, name: str) -> str:
    return (
        f"1 file of against = {str(home / 'held out')!r} could not be read, and the photos in it were not looked for "
        f'among these: "{name}"; the same command tries again.'
    )


@pytest.mark.parametrize("name", ["b.parquet", "b.tar"])
def test_a_shard_that_cannot_be_reached_is_told_of_and_tried_again(name: str, tmp_path: Path, capsys: Capture) -> None:
    write_pile(tmp_path / "photos", [1, 2, 3])
    (tmp_path / "held out").mkdir()
    write_shard(tmp_path / "held out" / f"a{Path(name).suffix}", 1)
    write_shard(tmp_path / name, 2)
    (tmp_path / "held out" / name).symlink_to(tmp_path / "away")
    config, work, sentence = config_of(tmp_path), str(tmp_path / "work"), sentence_of(tmp_path, name)
    for command in (
        ["curate", config, "--dry-run"],
        ["curate", config],
        ["caption", config],
        ["explain", "2.jpg", "--workspace", work],
        ["show", work, "--reason", "leak"],
    ):
        assert main(command) == 3, command
        said = capsys.readouterr()
        assert said.err.splitlines()[-1] == f"prx-data: {sentence}"
        assert "were not looked for" not in said.out
    assert main(["check", work, "any"]) == 0  # asks for no leaks
    assert "were not looked for among these" in (tmp_path / "dataset" / "report.html").read_text()
    assert curate(load_config(Path(config))).unread_note == sentence
    assert {one["origin"] for one in pq.read_table(tmp_path / "dataset" / "leaks.parquet").to_pylist()} == {"1.jpg"}
    (tmp_path / name).rename(tmp_path / "away")
    assert main(["curate", config]) == 0
    leaks = pq.read_table(tmp_path / "dataset" / "leaks.parquet").to_pylist()
    assert {one["origin"] for one in leaks} == {"1.jpg", "2.jpg"}
    assert "prx-data: " not in capsys.readouterr().err


def test_a_report_says_what_is_so_now_where_no_verdict_changes(tmp_path: Path) -> None:
    write_pile(tmp_path / "photos", [1, 2, 3])
    (tmp_path / "held out").mkdir()
    write_shard(tmp_path / "held out" / "a.parquet", 1)
    write_shard(tmp_path / "b.parquet", 9)
    link = tmp_path / "held out" / "b.parquet"
    link.symlink_to(tmp_path / "b.parquet")
    config = load_config(Path(config_of(tmp_path)))
    told = []
    for reached in (True, False, True):
        link.unlink()
        link.symlink_to(tmp_path / ("b.parquet" if reached else "away"))
        fingerprint = curate(config).manifest["fingerprint"]
        report = (tmp_path / "dataset" / "report.html").read_text()
        told.append(("were not looked for among these" in report, fingerprint))
    assert told == [(False, fingerprint), (True, fingerprint), (False, fingerprint)]


def test_files_of_both_are_two_sentences_and_of_another_workspace_what_to_do(tmp_path: Path, capsys: Capture) -> None:
    for place, seeds in (("photos", [1, 2]), ("held out", [2, 3])):
        write_pile(tmp_path / place, seeds)
        (tmp_path / place / "b.tar").symlink_to(tmp_path / "away")
    assert main(["curate", config_of(tmp_path)]) == 3
    assert capsys.readouterr().err.splitlines()[-1] == (
        "prx-data: 1 file of the source could not be read, and the photos in it are missing: "
        f'"b.tar"; the same command tries again. {sentence_of(tmp_path, "b.tar")}'
    )
    evaluation = Workspace(tmp_path / "evaluation")
    evaluation.add(tmp_path / "held out")
    chosen = Workspace(tmp_path / "work").select(against=evaluation, workers=1)
    assert chosen.other_unread_note is not None
    assert chosen.other_unread_note.endswith('"b.tar"; adding that set to its workspace again tries again.')


@pytest.mark.parametrize("place", ["photos", "held out"])
def test_a_photo_that_is_lost_before_it_is_measured_is_told_of(
    place: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the network ends after the photos were listed."""
    write_pile(tmp_path / "photos", [1, 2, 3])
    write_pile(tmp_path / "held out", [3, 4])
    photo, away, config = tmp_path / place / "3.jpg", tmp_path / "away.jpg", config_of(tmp_path)
    honest = Workspace.measure

    def measure(self: Workspace, *, workers: int | None = None) -> int:
        if self.sources == [str(photo.parent)] and photo.exists():
            photo.rename(away)
        return honest(self, workers=workers)

    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "measure", measure)
        assert main(["curate", config]) == 3
    whose, so = "the source", "are missing"
    if place == "held out":
        whose, so = f"against = {str(photo.parent)!r}", "were not looked for among these"
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"prx-data: 1 photo of {whose} could not be read again to be measured, and {so}; the same command tries again."
    )
    away.rename(photo)
    assert main(["curate", config]) == 0
    assert pq.read_table(tmp_path / "dataset" / "leaks.parquet")["origin"].to_pylist() == ["3.jpg"]
