"""Time is counted from the first second on, also of a start that was killed while it got ready."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prx_train import TrainConfig, fit
from prx_train.heartbeat import Heartbeat, last_beat
from prx_train.run import Run
from prx_train.schedule import Clock

HANGS = """
import sys, time
from pathlib import Path
from prx_train import fit
from prx_train.config import load_config
fit(load_config(Path(sys.argv[1])), stop=lambda: time.sleep(60) or 0)
"""


def test_beats_go_on_from_the_last_one(tmp_path: Path) -> None:
    path, now = tmp_path / "spent.txt", [100.0]
    assert last_beat(path) == 0
    with Heartbeat(path, Clock(started_at=100.0, now=lambda: now[0])):
        now[0] = 107.5
    assert last_beat(path) == 7.5
    with Heartbeat(path, clock := Clock(started_at=200.0, now=lambda: 201.0)):
        assert clock.spent == 8.5
    path.write_text("7.")
    path.write_bytes(b"\xff")
    assert last_beat(path) == 0


def test_of_several_processes_the_first_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with Heartbeat(tmp_path / "spent.txt", Clock()):
        pass
    assert not list(tmp_path.iterdir())


def test_a_start_that_is_killed_before_it_trains_has_spent_its_time(
    settings: dict[str, Any], toml: Callable[..., Path]
) -> None:
    run, config = Run(Path(settings["output"])), toml()
    process = subprocess.Popen([sys.executable, "-c", HANGS, config], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while process.poll() is None and last_beat(run.clock_file) < 2:
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    spent, on_record = last_beat(run.clock_file), sum(row["seconds"] for row in run.ledger)
    assert spent > on_record + 1
    done = fit(TrainConfig(**settings))
    assert done.finished
    (lost,) = [row for row in done.ledger if row["stage"] == "lost"]
    assert lost["seconds"] == pytest.approx(spent - on_record, abs=0.01)
