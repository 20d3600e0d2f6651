"""Kills training runs at random moments: prints a table, and 1 if anything was lost.

    python benchmarks/training_killed.py DATASET [--kills 20] [--seed 0]

Two runs of a small model over the same steps: one is left alone, the other is killed with SIGKILL again and again, at
moments drawn at random, and started again each time; when it finishes all the same, another begins. All must end with
the same weights, bit for bit, and the same losses on record, each step once.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from prx_train import Run

CONFIG = """
dataset = "{dataset}"
output = "{output}"
budget = "{steps} steps"
resolution = 32
batch_size = 8
checkpoint_every = "5 steps"
validate_every = "40 steps"
sample_steps = 2
validation_photos = 8
trackers = []
prompts = ["a red hoodie"]
[model]
hidden_size = 48
depth = 2
num_heads = 2
"""


def start(config: Path) -> "subprocess.Popen[bytes]":
    """The command, silent."""
    command = [sys.executable, "-m", "prx_train.cli", "fit", str(config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def weights(run: Run) -> dict[str, torch.Tensor]:
    """Of the last checkpoint, optimizer included."""
    last = max(run.checkpoints.glob("step-*"))
    files = {path.name: load_file(path) for path in sorted(last.glob("*.safetensors"))}
    return {f"{file}/{name}": tensor for file, found in files.items() for name, tensor in found.items()}


def losses(run: Run) -> list[tuple[int, float]]:
    """As they are on record."""
    return [(row["step"], row["loss"]) for row in run.metrics if "loss" in row]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=120)
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        runs = {kind: Run(Path(name) / kind) for kind in ("whole", "killed")}
        configs = {kind: Path(name) / f"{kind}.toml" for kind in runs}
        for kind, run in runs.items():
            text = CONFIG.format(dataset=options.dataset.resolve(), output=run.output, steps=options.steps)
            configs[kind].write_text(text, encoding="utf-8")
        began = time.monotonic()
        start(configs["whole"]).wait()
        whole = time.monotonic() - began
        print(f"left alone: {whole:.1f} s\nkill   after s   step on record", flush=True)
        kills, wrong = 0, 0
        while kills < options.kills:
            process = start(configs["killed"])
            # Half of them fall into reading and measuring, half into training and what comes after.
            moment = float(chance.uniform(0.1, 1.0) * whole)
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                step = max((row["step"] for row in runs["killed"].metrics), default=0)
                print(f"{kills:4}   {moment:7.1f}   {step:5}", flush=True)
            if runs["killed"].finished:
                wrong += differs(runs["whole"], runs["killed"])
                shutil.rmtree(runs["killed"].output)
        start(configs["killed"]).wait()
        wrong += differs(runs["whole"], runs["killed"])
    return int(wrong > 0)


def differs(whole: Run, killed: Run) -> bool:
    """Compares what they came to, and says it."""
    one, other = weights(whole), weights(killed)
    same = one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    alike = losses(whole) == losses(killed)
    print(f"finished; weights, averages and optimizers bit for bit: {same}; losses: {alike}", flush=True)
    return not (same and alike and killed.finished)


if __name__ == "__main__":
    sys.exit(main())
