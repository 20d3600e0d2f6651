"""Processes that die or hang, disks that are full: one photo at most is lost, and the same command goes on."""

import importlib
import json
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data import Workspace, engine
from prx_data.engine import measure
from prx_data.measures import Measure, standard_measures
from prx_data.processes import Job
from prx_data.reading import Locator
from prx_data.storage import remove_leftovers
from prx_data.tasks import DECODED, DECODED_VERSION

from .conftest import draw_product, encode
from .jobs import converted, crash_on_multiples_of_seven, mark, memory

MEASURES = """
import os, signal, time
from pathlib import Path
import pyarrow as pa

class Marked:
    '''Takes its process down, sleeps or fails by the height of the picture; leaves a mark for each picture it sees.'''
    version = "1"
    schema = pa.schema([("mean", pa.float32())])

    def __init__(self, marks, name="marked", pause=0.0):
        self.marks, self.name, self.pause = Path(marks), name, pause

    def __call__(self, picture):
        height, width = picture.pixels.shape[:2]
        with (self.marks / str(height)).open("a") as mark:
            mark.write("x")
        time.sleep(self.pause)
        if height == 211:
            os.kill(os.getpid(), signal.SIGKILL)
        if height == 212 and len((self.marks / "212").read_text()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if height == 213:
            while True:
                pass
        if height == 214:
            raise ValueError("odd picture")
        return {"mean": float(picture.pixels.mean())}
"""


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "marked_measures.py").write_text(MEASURES)
    (tmp_path / "marks").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "modules")
    yield lambda **settings: importlib.import_module("marked_measures").Marked(tmp_path / "marks", **settings)
    del sys.modules["marked_measures"]


def workspace_of(tmp_path: Path, heights: dict[int, int], number: int, *measures: Measure) -> Workspace:
    folder = tmp_path / "photos"
    folder.mkdir()
    for one in range(number):
        picture = draw_product(one, size=(150, heights.get(one, 200)))
        (folder / f"{one:03}.jpg").write_bytes(encode(picture))
    photos = Workspace(tmp_path / "work", measures=[*standard_measures(), *measures])
    photos.add(folder)
    return photos


def reasons(photos: Workspace) -> dict[str, str]:
    return {one["origin"]: one["reason"] for one in photos.select().verdicts.to_pylist()}


def test_only_the_photo_that_kills_alone_and_twice_is_blamed(tmp_path: Path, marked: Any) -> None:
    # 211 always kills its process, 212 only the first time, as when another process took the memory.
    photos = workspace_of(tmp_path, {20: 211, 41: 212, 50: 214}, 70, marked())
    assert photos.measure(workers=2) == 70
    found = reasons(photos)
    assert len(found) == 70
    assert found["020.jpg"] == "decoder_crash"
    assert found["050.jpg"] == "measure_failed"
    assert {origin for origin, reason in found.items() if reason in ("decoder_crash", "measure_failed")} == {
        "020.jpg",
        "050.jpg",
    }
    # In its task, in ever smaller halves, and twice alone.
    assert len((tmp_path / "marks" / "211").read_text()) >= 3
    assert photos.measure(workers=2) == 0  # and nobody tries again


def test_workers_killed_from_outside_cost_no_photo(tmp_path: Path, marked: Any) -> None:
    photos = workspace_of(tmp_path, {}, 60, marked(pause=0.05))
    killed: list[int] = []

    def kill_two() -> None:
        # A worker that has left a mark is in the middle of a task.
        while len(killed) < 2:
            time.sleep(0.1)
            if (tmp_path / "marks" / "200").exists():
                for child in psutil.Process().children(recursive=True):
                    if "popen_loky_posix" in " ".join(child.cmdline()) and child.pid not in killed:
                        child.send_signal(signal.SIGKILL)
                        killed.append(child.pid)
                        break

    thread = threading.Thread(target=kill_two, daemon=True)
    thread.start()
    photos.measure(workers=2)
    assert killed
    statuses = photos.measured(DECODED, DECODED_VERSION)["status"].to_pylist()
    assert statuses == ["ok"] * 60
    assert not [one for one in reasons(photos).values() if one in ("decoder_crash", "measure_failed")]
    killed += [0, 0]
    thread.join()


@pytest.mark.alone
def test_a_photo_that_hangs_is_one_row(tmp_path: Path, marked: Any) -> None:
    photos = workspace_of(tmp_path, {3: 213}, 10, marked())
    measure(photos, photos.measures, workers=2, seconds_per_photo=1.5)
    found = reasons(photos)
    assert found["003.jpg"] == "decoder_timeout"
    assert sum(reason == "decoder_timeout" for reason in found.values()) == 1
    details = {one["origin"]: one["detail"] for one in photos.select().verdicts.to_pylist()}
    assert details["003.jpg"] == "It took more than 1.5 seconds."


def test_a_new_measure_that_kills_leaves_what_is_known(tmp_path: Path, marked: Any) -> None:
    photos = workspace_of(tmp_path, {3: 211}, 10)
    photos.measure(workers=1)
    photos.measures = (*photos.measures, marked())
    photos.measure(workers=2)
    assert photos.measured(DECODED, DECODED_VERSION)["status"].to_pylist() == ["ok"] * 10
    assert reasons(photos)["003.jpg"] == "measure_failed"


def test_processes_import_pandas_for_those_who_ask_alone() -> None:
    job: Job[list[int], tuple[int, bool, bool]] = Job(converted, halves=lambda _: (), blame=lambda *_: (0, True, False))
    assert list(job([[1, 2, 3]], 1)) == [(6, False, True)]


def test_processes_hold_their_memory_in_large_pages_and_what_the_user_set_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MALLOC_TOP_PAD_", "4096")
    names = ("GLIBC_TUNABLES", "MALLOC_TOP_PAD_")
    job = Job(memory, halves=lambda _: (), blame=lambda _task, _death: {})
    (found,) = job([names], workers=1)
    assert found == {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "MALLOC_TOP_PAD_": "4096"}


def test_processes_that_take_turns_rest_while_the_caller_works(tmp_path: Path) -> None:
    job: Job[Path, Path] = Job(mark, halves=lambda _: (), blame=lambda path, _: path, in_turn=True)
    paths = [tmp_path / str(number) for number in range(7)]
    found = []
    for path in job(paths, 3):
        found.append(path)
        assert len(list(tmp_path.glob("*.begun"))) == len(list(tmp_path.glob("*.done")))
    assert sorted(found) == paths


@pytest.mark.parametrize("in_turn", [False, True])
def test_isolation_finds_exactly_the_killers(in_turn: bool) -> None:
    blamed: list[int] = []

    def blame(task: list[int], death: str) -> int:
        assert "SIGKILL" in death
        blamed.extend(task)
        return len(task)

    def halves(task: list[int]) -> tuple[list[int], ...]:
        middle = len(task) // 2
        return (task[:middle], task[middle:]) if middle else ()

    job = Job(crash_on_multiples_of_seven, halves=halves, blame=blame, in_turn=in_turn)
    assert sum(job([[1, 2, 3], [4, 5, 6, 7], [8], [9, 10]], 2)) == 10
    assert blamed == [7]


LIMITED = """
import resource, sys
from prx_data.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


def curate(config: Path, limit: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, str(limit), "curate", str(config), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def config_of(tmp_path: Path, name: str) -> Path:
    config = tmp_path / f"{name}.toml"
    places = {"photos": "photos", "workspace": name, "output": f"{name}-data"}
    lines = [f'{setting} = "{tmp_path / place}"' for setting, place in places.items()]
    config.write_text("\n".join([*lines, "workers = 2"]))
    return config


def test_no_room_for_a_file_is_one_sentence_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """The system refuses to let files grow beyond a limit: first while measuring, then while writing the dataset."""
    workspace_of(tmp_path, {}, 40)
    config = config_of(tmp_path, "full")
    for limit in (20_000, 120_000):
        if limit == 120_000:  # A shard of measures may be larger than the dataset's: they are measured without a limit.
            assert curate(config, 1 << 30, "--dry-run").returncode == 0
        result = curate(config, limit)
        assert result.returncode == 2, result.stderr
        *stages, sentence = result.stderr.strip().splitlines()
        assert all(re.fullmatch(r"[a-z]+(: [\d,]+ photos)? in [\d.]+ s", one) for one in stages), result.stderr
        assert "cannot be written to: File too large" in sentence
        assert not (tmp_path / "full-data").exists()
        assert not list((tmp_path / "full").rglob("*.tmp"))
        assert not list(tmp_path.glob(".full-data*"))
    assert curate(config, 1 << 30).returncode == 0
    assert curate(config_of(tmp_path, "roomy"), 1 << 30).returncode == 0
    full, roomy = (json.loads((tmp_path / f"{name}-data/curation.json").read_text()) for name in ("full", "roomy"))
    assert full["fingerprint"] == roomy["fingerprint"]


FULL = """
import json, shutil, subprocess, sys
from pathlib import Path
from prx_data import Workspace, WorkspaceError

disk, photos = map(Path, sys.argv[1:])
workspace = Workspace(disk / "work")
workspace.add(photos)
try:
    workspace.measure(workers=1)
except WorkspaceError as error:
    print(json.dumps([str(error), len(list(disk.rglob("*.parquet"))), len(list(disk.rglob("*.tmp")))]))
subprocess.run(["mount", "-o", "remount,size=30m", str(disk)], check=True)
workspace.measure(workers=1)
chosen = workspace.select()
print(json.dumps({one["origin"]: one["reason"] for one in chosen.verdicts.to_pylist()}))

def fill(path):  # but for a few pages
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(shutil.disk_usage(disk).free - 40_000))

fill(disk / "filled" / "up")
try:
    chosen.write(disk / "dataset")
except WorkspaceError as error:
    print(json.dumps([str(error), sorted(path.name for path in disk.iterdir())]))
shutil.rmtree(disk / "filled")
fill(disk / ".dataset.partial" / "data")  # as a run that was killed leaves it
chosen.write(disk / "dataset")
print(json.dumps([str(chosen.write(disk / "dataset")["counts"]["kept"]), sorted(path.name for path in disk.iterdir())]))
"""


def test_a_full_disk_is_one_sentence_and_nothing_is_corrupt(tmp_path: Path) -> None:
    """On a file system of 80 kB in a name space of its own, that nobody else sees and that ends with the process."""
    photos = workspace_of(tmp_path, {}, 60)
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=80k tmpfs "$1" || exit 77; exec "$3" -c "$4" "$1" "$2"'
    places = [str(tmp_path / "disk"), str(tmp_path / "photos"), sys.executable, FULL]
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *places]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode in (1, 77) and ("unshare" in result.stderr or "mount:" in result.stderr):
        pytest.skip(f"no file system can be mounted here: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    (sentence, kept, leftovers), found, *writing = map(json.loads, result.stdout.splitlines())
    (dataset_sentence, beside), (number, written) = writing
    for one in (sentence, dataset_sentence):
        assert "cannot be written to: No space left on device" in one
        assert "\n" not in one
    assert kept > 1
    assert leftovers == 0
    assert beside == ["filled", "work"]
    assert written == ["dataset", "work"]
    photos.measure(workers=1)
    assert found == reasons(photos)
    assert int(number) == list(found.values()).count("kept")


def test_the_limit_of_file_sizes_can_be_set_here() -> None:
    # What the test above stands on.
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    write = (
        "import os, sys, time\nfrom pathlib import Path\nfrom prx_data.storage import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])):\n    print('open', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", write]
    with (
        subprocess.Popen([*command, tmp_path / "work" / "a.parquet"], stdout=subprocess.PIPE) as dead,
        subprocess.Popen([*command, tmp_path / "work" / "b.parquet"], stdout=subprocess.PIPE) as alive,
    ):
        for one in (dead, alive):
            assert one.stdout is not None
            assert one.stdout.readline() == b"open\n"
        dead.kill()
        dead.wait()
        (tmp_path / "work" / ".c.parquet.0123abcd-1-x.tmp").touch()  # of another machine
        assert remove_leftovers(tmp_path) == 1
        names = sorted(path.name[:10] for path in (tmp_path / "work").iterdir())
        assert names == [".b.parquet", ".c.parquet"]
        alive.kill()


@given(st.lists(st.tuples(st.sampled_from(["file", "range", "parquet", "arrow"]), st.integers(1, 9)), max_size=6))
def test_portions_are_all_photos_and_keep_the_cells_of_a_file_together(files: list[tuple[str, int]]) -> None:
    places = [
        Locator(location=f"/{number}", kind=kind, block=row, row=row, size=1, column="image" * (kind != "range"))
        for number, (kind, rows) in enumerate(files)
        for row in range(rows)
    ]
    photos = pa.table({"key": [str(number) for number in range(len(places))], "locator": pa.array(map(str, places))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_PORTION", 4)
        portions = [
            one for one in engine._portions(photos.slice(start, 3) for start in range(0, len(places), 3)) if len(one)
        ]
    assert [key for one in portions for key in one["key"].to_pylist()] == photos["key"].to_pylist()
    cells = [
        (one.location, number)
        for number, part in enumerate(portions)
        for one in _parsed(part)
        if one.kind in ("parquet", "arrow")
    ]
    assert len({location for location, _ in cells}) == len(set(cells))
    assert all(len(one) <= 4 + 3 + 9 for one in portions)


def _parsed(photos: pa.Table) -> list[Locator]:
    return [Locator.parse(one) for one in photos["locator"].to_pylist()]
