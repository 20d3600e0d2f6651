"""Signals, and what else asks a run to end: while it is put together, while it trains, in one process of several."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prx_train import ConfigError, Run, TrainConfig, fit, plan
from prx_train.alone import LOCK
from prx_train.checkpoint import list_checkpoints
from prx_train.cli import main

from .launched import Launched
from .test_fit import COMMAND


def last_step(run: Run) -> int:
    return max((row["step"] for row in run.metrics if "loss" in row), default=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_and_its_exit_code(
    toml: Callable[..., Path], tmp_path: Path, number: signal.Signals
) -> None:
    run = Run(tmp_path / "run")
    process = subprocess.Popen([*COMMAND, "fit", toml(budget="100000 steps", validate_every="100000 steps")])
    while process.poll() is None and not last_step(run):
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait() == 128 + number
    assert (run.checkpoints / f"step-{last_step(run):09d}" / "checkpoint.json").is_file()


def test_a_signal_to_one_of_two_processes_ends_both_alike(toml: Callable[..., Path], tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    config = toml(budget="100000 steps", validate_every="100000 steps", output=run.output)
    words: list[str | Path] = ["--multi_gpu", "-m", "tests.prx_train.exit_codes", config, tmp_path]
    both = Launched(tmp_path / "both.log", *words)
    while both.process.poll() is None and not last_step(run):
        time.sleep(0.02)
    os.kill(int((tmp_path / "process-1").read_text()), signal.SIGTERM)
    both.end_well()
    assert [(tmp_path / f"code-{rank}").read_text() for rank in (0, 1)] == ["143", "143"]
    assert (run.checkpoints / f"step-{last_step(run):09d}" / "checkpoint.json").is_file()


def stopped_at(settings: dict[str, Any], question: int) -> tuple[Run, int]:
    """A run whose `stop` gives SIGTERM's number from the given question on, and how often it was asked."""
    asked: list[int] = []

    def stop() -> int:
        asked.append(len(asked))
        return signal.SIGTERM if asked[-1] >= question else 0

    run = fit(TrainConfig(**settings), stop=stop, say=lambda text: None)
    assert not run.finished
    assert run.stopped == signal.SIGTERM
    return run, len(asked)


def test_a_run_ends_where_it_is_asked_to_while_it_is_put_together(settings: dict[str, Any]) -> None:
    """Each start gets one question further than the one before, and none of them trains."""
    done = []
    for question in range(100):
        run, asked = stopped_at(settings, question)
        assert asked == question + 1  # it ends at once
        done.append({row["stage"] for row in run.ledger})
        if list_checkpoints(run.checkpoints):
            break
        assert not last_step(run)
    assert done[0] == {"load"}
    parts = [stage for stages in done for stage in stages]
    assert {"text_cache", "validate", "sample_before"} <= {*parts}
    assert fit(TrainConfig(**settings)).finished


@pytest.mark.usefixtures("signals")
def test_two_starts_at_once_are_kept_apart_and_a_kill_lets_go(
    settings: dict[str, Any], toml: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = TrainConfig(**{**settings, "budget": "100000 steps", "validate_every": "100000 steps"})
    run = Run(config.output)
    file = toml(budget=config.budget, validate_every=config.validate_every)
    process = subprocess.Popen([*COMMAND, "fit", file])
    while process.poll() is None and not last_step(run):
        time.sleep(0.02)
    assert main(["fit", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"prx-train: config key 'output' = '{run.output}' is in use: process {process.pid} on {platform.node()} is at "
        "work there; wait for its end, or choose another output.\n"
    )
    with pytest.raises(ConfigError, match="is in use"):
        plan(config)
    assert process.poll() is None
    process.kill()
    process.wait()
    assert (run.output / LOCK).exists()
    assert fit(config, stop=lambda: 1).stopped == 1
    assert not (run.output / LOCK).exists()


def test_where_there_are_no_locks_a_run_goes_on_without(tmp_path: Path) -> None:
    code = "import sys; sys.modules['fcntl'] = None\nfrom prx_train.alone import alone\n"
    code += "with alone(__import__('pathlib').Path(sys.argv[1])): print('in')"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "in\n"


def test_an_interrupted_plan_says_so_and_what_a_killed_one_left_goes_with_the_next_start(
    settings: dict[str, Any], toml: Callable[..., Path]
) -> None:
    run = Run(settings["output"])

    def ended_by(number: signal.Signals) -> tuple[int, str]:
        command: list[str | Path] = [*COMMAND, "plan", toml(), "--steps", "100000"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not Run(run.trial_folder).rehearsal_file.exists():
            time.sleep(0.02)
        process.send_signal(number)
        return process.wait(), process.communicate()[1].splitlines()[-1]

    assert ended_by(signal.SIGINT) == (130, "prx-train: interrupted")
    assert not run.trial_folder.exists()
    assert ended_by(signal.SIGKILL)[0] == -signal.SIGKILL
    assert run.trial_folder.exists()
    assert fit(TrainConfig(**settings), stop=lambda: 1).stopped == 1
    assert not run.trial_folder.exists()


def test_a_signal_before_anything_heavy_is_loaded_is_no_traceback(toml: Callable[..., Path]) -> None:
    """As soon as there is a handler; a process that has none yet ends at once, too."""
    code = (
        "import importlib.abc, os, signal, sys\n"
        "class Interrupts(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'pydantic':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from prx_train.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "fit", toml()], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
