"""What a person sees of a run: bars on a terminal, a line for each stage elsewhere, nothing from Python."""

import logging
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from prx_data import Workspace, export
from prx_data.cli import _stages_told
from prx_data.progress import LOG, progress, steps, tracked

RUN = "import sys; from prx_data.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def command(pile: Path, tmp_path: Path) -> list[str]:
    """`prx-data curate` of a pile."""
    places = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "dataset"}
    lines = [f'{setting} = "{place}"' for setting, place in places.items()]
    (tmp_path / "curate.toml").write_text("\n".join([*lines, "workers = 2"]))
    return [sys.executable, "-c", RUN, "curate", str(tmp_path / "curate.toml")]


def on_a_terminal(command: list[str]) -> str:
    """What a command writes to standard error if that is a terminal."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 120))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=follower) as process:
        os.close(follower)
        written = b""
        while True:
            try:
                part = os.read(leader, 1 << 16)
            except OSError:  # nobody holds the other end any more
                break
            if not part:
                break
            written += part
    os.close(leader)
    assert process.returncode == 0, written.decode()
    return written.decode()


def test_a_terminal_shows_every_stage_and_how_far_it_is(command: list[str]) -> None:
    written = on_a_terminal(command)
    expected = [
        *(
            "indexing",
            "measuring",
            "deciding: reading what was measured (1 of 8)",
            "deciding: near duplicates (4 of 8)",
        ),
        *("deciding: groups and splits (8 of 8)", "writing", "report: what was kept (1 of 8)", "report: map (8 of 8)"),
    ]
    places = [written.find(one) for one in expected]
    assert -1 not in places, dict(zip(expected, places, strict=True))
    assert places == sorted(places)
    assert re.search(r"measuring: +\d+%.* \d+/\d+ ", written)
    assert "photos in" not in written  # a line is for those who see no bars
    assert written.rsplit("\r", 1)[-1].strip() == ""  # and bars vanish


def test_a_log_has_a_line_for_each_stage(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [re.sub(r"[\d.]+ s$", "N s", one) for one in done.stderr.splitlines()]
    photos = re.search(r"([\d,]+) photos in", done.stdout)
    kept = re.search(r"([\d,]+) kept", done.stdout)
    assert photos is not None
    assert kept is not None
    assert lines[0] == f"indexing: {photos[1]} photos in N s"
    assert lines[1].startswith("measuring: ")
    assert lines[2:] == ["deciding in N s", f"writing: {kept[1]} photos in N s", "report in N s"]


def test_from_python_nothing_is_written_but_to_the_log(
    pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    photos = Workspace(tmp_path / "work")
    with caplog.at_level("INFO", logger=LOG.name):
        photos.add(pile)
        photos.measure(workers=1)
        photos.select().write(tmp_path / "dataset")
        export(tmp_path / "dataset", tmp_path / "out", format="kohya")
    stages = [one.split(" in ")[0].split(":")[0] for one in caplog.messages]
    assert [one for one in stages if not one.startswith("exporting")] == [
        *("indexing", "measuring", "deciding", "writing", "report")
    ]
    assert {one for one in stages if one.startswith("exporting")} == {"exporting train", "exporting validation"}
    assert capsys.readouterr() == ("", "")


def test_each_line_comes_once_though_a_library_gave_the_root_logger_a_handler(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        with _stages_told(), progress("reading", 3) as update:
            update(3)
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().err.count("reading: 3 photos") == 1
    assert LOG.propagate


def test_a_stage_that_fails_is_not_said_to_have_ended(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        with progress("reading", 3) as update, steps("looking", 2) as step:
            step("closely")
            update(2)
            raise RuntimeError

    with caplog.at_level("INFO", logger=LOG.name):
        with pytest.raises(RuntimeError):
            fail()
        assert list(tracked(range(3), "counting", unit="number")) == [0, 1, 2]
        assert caplog.messages == []
        with progress("reading", 3) as update:
            update(1200)
    (said,) = caplog.messages
    assert re.fullmatch(r"reading: 1,200 photos in \d+\.\d s", said)
