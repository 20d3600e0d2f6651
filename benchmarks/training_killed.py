"""Kills training runs at random moments: prints a table, and 1 if anything was lost.

    python benchmarks/training_killed.py DATASET [--kills 20] [--seed 0] [--lora] [--latents] [--processes 2]
    python benchmarks/training_killed.py DATASET --budget 120 [--kills 5] …

Two runs of a small model over the same steps: one is left alone, the other is killed with SIGKILL again and again, at
moments drawn evenly from all that each start has before it, and started again each time; when it finishes all the same,
another begins. All must end with the same weights, bit for bit, and the same losses on record, each step once. `--lora`
trains adapters on a base, `--latents` in an autoencoder's latents, and with `--processes` so many share each run, which
are killed together.

With a budget in seconds there is one run, killed at moments drawn from the whole budget: it must finish, with all that
is exported, and within the budget by its own account, which a start that is killed before its first record is not on.

The moments are counted by what a kill fell into: all that comes before the first checkpoint; the rest of the set-up, or
that of a later start; steps; validations, checkpoints and the end of the run.
"""

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from prx_train import Run
from prx_train.model.base import TINY

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.budget import start
from tests.prx_train.tiny import save_tiny_pipeline

CONFIG = """
dataset = "{dataset}"
output = "{output}"
budget = "{budget}"
resolution = 32
batch_size = 8
checkpoint_every = "{every}"
validate_every = "{validations}"
sample_steps = 2
validation_photos = 8
trackers = []
device = "cpu"
prompts = ["a red hoodie"]
"""
NEW = "[model]\nhidden_size = 48\ndepth = 2\nnum_heads = 2\n"
ADAPTERS = "[lora]\nrank = 4\n"
_BETWEEN = 0.02  # seconds
PHASES = ("before the first checkpoint", "in set-up", "in steps", "in validation, checkpoint or end")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is trained, and how."""

    dataset: Path
    folder: Path
    """Of configurations and runs."""
    base: Path | None
    lora: bool
    processes: int
    budget: str

    def config(self, run: Run) -> Path:
        """The settings of a run as a file."""
        by_steps = self.budget.endswith("steps")
        every, validations = ("5 steps", "40 steps") if by_steps else ("5s", "20s")
        text = CONFIG.format(
            dataset=self.dataset, output=run.output, budget=self.budget, every=every, validations=validations
        )
        text += NEW if self.base is None else f'base = "{self.base}"\n{ADAPTERS if self.lora else ""}'
        file = self.folder / f"{run.output.name}.toml"
        file.write_text(text, encoding="utf-8")
        return file


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends a launcher and all that it has started, without a warning."""
    parent = psutil.Process(process.pid)
    parent.suspend()  # it must not start another meanwhile
    for one in (*parent.children(recursive=True), parent):
        one.kill()
    process.wait()


def weights(run: Run) -> dict[str, torch.Tensor]:
    """Of the last checkpoint, optimizer included."""
    last = max(run.checkpoints.glob("step-*"))
    files = {path.name: load_file(path) for path in sorted(last.glob("*.safetensors"))}
    return {f"{file}/{name}": tensor for file, found in files.items() for name, tensor in found.items()}


def losses(run: Run) -> list[tuple[int, float]]:
    """As they are on record."""
    return [(row["step"], row["loss"]) for row in run.metrics if "loss" in row]


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a run had on record when it was started."""

    rows: int
    """Of the ledger."""
    spent: float
    """Seconds."""

    @classmethod
    def of(cls, run: Run) -> "Record":
        """Now."""
        ledger = run.ledger
        spent = max((row["seconds"] for row in run.metrics), default=0.0)
        return cls(rows=len(ledger), spent=max(spent, _booked(ledger)))


def _booked(ledger: list[dict[str, Any]]) -> float:
    return sum(float(row["seconds"]) for row in ledger)


def phase(run: Run, begun: Record) -> str:
    """Which of `PHASES` a run was in when it was killed, by what it had written since it was started."""
    if not [*run.checkpoints.glob("step-*")]:
        return PHASES[0]
    ledger = run.ledger
    stages = [row["stage"] for row in ledger[begun.rows :]]
    steps = [row["seconds"] for row in run.metrics if "loss" in row and row["seconds"] > begun.spent]
    if not steps and "train" not in stages:
        return PHASES[1]
    # The ledger is closed before whatever is no step, so a step that it does not hold was not the last one of its row.
    return PHASES[2] if steps and steps[-1] > _booked(ledger) + 0.01 else PHASES[3]


def wall(process: psutil.Process) -> float:
    """Seconds since a process was started."""
    return time.time() - float(process.create_time())


def computed(process: psutil.Process) -> float:
    """Seconds of a processor that a process and those that it has started have taken so far."""
    seconds = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            seconds += sum(one.cpu_times()[:2])
    return seconds


def run_until(case: Case, run: Run, clock: Callable[[psutil.Process], float], moment: float) -> tuple[bool, float]:
    """Starts a run and kills it at a moment of a clock; whether it was killed, and what the clock said at the end."""
    process = start(case.config(run), case.processes)
    watched, now = psutil.Process(process.pid), 0.0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            now = max(now, clock(watched))
        if now >= moment:
            kill(process)
            return True, now
        time.sleep(_BETWEEN)
    if process.returncode:
        raise SystemExit(f"a start ended by itself, with exit code {process.returncode}")
    return False, now


def spread(kills: int, chance: np.random.Generator) -> list[float]:
    """So many shares of a start, one from each of as many equal parts: few kills, too, fall everywhere."""
    return [float(share) for share in (chance.permutation(kills) + chance.random(kills)) / kills]


def by_steps(case: Case, kills: int, chance: np.random.Generator, steps: int) -> bool:
    """The table of kills, and whether anything was lost.

    Moments are those of the processor's time, as others may have most of it.
    """
    whole, killed = (Run(case.folder / name) for name in ("whole", "killed"))
    _, took = run_until(case, whole, computed, math.inf)
    print(f"left alone: {took:.1f} s of a processor\nkill   after s   step on record   fell", flush=True)
    rows = whole.ledger
    training = sum(row["seconds"] for row in rows if row["stage"] in {"train", "checkpoint", "validate"}) / _booked(
        rows
    )
    found, wrong = Counter[str](), False
    while found.total() < kills:
        for share in spread(kills - found.total(), chance):
            done = max((row["step"] for row in killed.metrics), default=0)
            begun = Record.of(killed)
            hit, after = run_until(case, killed, computed, share * took * (1 - training * done / steps))
            if hit:
                found[fell := phase(killed, begun)] += 1
                step = max((row["step"] for row in killed.metrics), default=0)
                print(f"{found.total():4}   {after:7.1f}   {step:14}   {fell}", flush=True)
            if killed.finished:
                wrong |= differs(whole, killed)
                shutil.rmtree(killed.output)
    run_until(case, killed, computed, math.inf)
    wrong |= differs(whole, killed)
    say_phases(found)
    return wrong


def by_clock(case: Case, kills: int, chance: np.random.Generator, budget: float) -> bool:
    """The table of kills, and whether the run was lost or took too long."""
    run, found = Run(case.folder / "timed"), Counter[str]()
    print("kill   after s   step on record   fell", flush=True)
    began, outside = time.monotonic(), 0.0
    for moment in [*sorted(budget * share for share in spread(kills, chance)), math.inf]:
        begun = Record.of(run)
        hit, _ = run_until(case, run, wall, moment - (time.monotonic() - began))
        outside = time.monotonic() - began
        if hit:
            found[fell := phase(run, begun)] += 1
            step = max((row["step"] for row in run.metrics), default=0)
            print(f"{found.total():4}   {outside:7.1f}   {step:14}   {fell}", flush=True)
        if run.finished:
            break
    exported = (run.lora_folder if case.lora else run.pipeline_folder).is_dir() and run.report_file.is_file()
    exported &= (run.samples / "after.png").is_file()
    spent = float(run.summary.get("seconds", "nan"))
    print(
        f"finished: {run.finished}; everything exported: {exported}; {run.summary.get('steps', 0)} steps; "
        f"{spent / budget:.3f} of the budget by its own account, {outside / budget:.3f} by the wall clock, with starts "
        "that left no record and the interpreter's end"
    )
    say_phases(found)
    return not (run.finished and exported and spent <= budget)


def say_phases(found: Counter[str]) -> None:
    """How many kills fell into what."""
    print("; ".join(f"{name}: {found[name]}" for name in PHASES), flush=True)


def differs(whole: Run, killed: Run) -> bool:
    """Compares what they came to, and says it."""
    one, other = weights(whole), weights(killed)
    same = one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    alike = losses(whole) == losses(killed)
    print(f"finished; weights, averages and optimizers bit for bit: {same}; losses: {alike}", flush=True)
    return not (same and alike and killed.finished)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--budget", type=float)
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--latents", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder, base = Path(name), None
        if options.lora or options.latents:
            tokenizer = AutoTokenizer.from_pretrained(TINY / "tokenizer")
            base = save_tiny_pipeline("kl" if options.latents else "pixel", folder / "base", tokenizer)
        case = Case(
            dataset=options.dataset.resolve(),
            folder=folder,
            base=base,
            lora=options.lora,
            processes=options.processes,
            budget=f"{options.steps} steps" if options.budget is None else f"{options.budget:g}s",
        )
        if options.budget is None:
            return int(by_steps(case, options.kills, chance, options.steps))
        return int(by_clock(case, options.kills, chance, options.budget))


if __name__ == "__main__":
    sys.exit(main())
