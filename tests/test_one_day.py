"""The main job, as a user runs it: photos to a report, inside its clock; and the mistakes that a user can make."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "one_day.py"
SMALL = """
[train]
resolution = 32
batch_size = 8
sample_steps = 4
[train.model]
hidden_size = 32
depth = 1
num_heads = 2
"""


def one_day(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.alone
def test_photos_to_a_report_inside_the_clock(photos: Path, tmp_path: Path) -> None:
    pile = tmp_path / "photos"
    (pile / "catalogue").mkdir(parents=True)
    chosen = sorted((photos / "catalogue").glob("*.jpg"))[:40]
    for photo in [*chosen, photos / "catalogue" / "metadata.csv"]:
        (pile / "catalogue" / photo.name).symlink_to(photo)
    (pile / "broken.jpg").write_bytes(b"")
    (tmp_path / "small.toml").write_text(SMALL)
    begun = time.monotonic()
    result = one_day("--photos", pile, "--minutes", "1.5", "--config", "small.toml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - begun < 100  # the clock's 90 s, and the interpreter's start
    page = (tmp_path / "runs/demo/report.html").read_text()
    assert "441 photos in" in page  # 40 files, 400 that metadata.csv names and that are missing, 1 broken
    assert "missing" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    again = one_day("--photos", pile, "--minutes", "1.5", "--config", "small.toml", cwd=tmp_path)
    assert again.returncode == 0, again.stderr  # finished: says so at once


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--photos", "nowhere"], "does not exist"),
        (["--photos", "empty"], "is empty"),
        (["--photos", "texts"], "holds 1 file and no picture"),
        (["--photos", "texts", "--config", "wrong.toml"], "Unknown setting min_sied"),
        (["--photos", "texts", "--output", "file/x"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("words")
    (tmp_path / "file").touch()
    (tmp_path / "wrong.toml").write_text("[curate]\nmin_sied = 3\n")
    result = one_day(*words, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
