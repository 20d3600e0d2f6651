"""Signals, and what else asks a run to end: while it is put together, while it trains, in one process of several."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prx_train import Run, TrainConfig, fit
from prx_train.checkpoint import list_checkpoints

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
