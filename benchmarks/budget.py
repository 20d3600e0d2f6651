"""Whether runs end on time: prints the share of the budget that each took, from outside, by the wall clock.

    python benchmarks/budget.py DATASET [--minutes 2 5 15] [--cases plain slowed late restarted processes]

DATASET is a folder that prx-data has written, or any Parquet with the columns image and caption. Each run is the
command `prx-train fit`, and its time is that from the start of the process to its end, interpreter included; goal:
[0.97, 1.00]. Everything that a run leaves has to be there.

`slowed`: four other processes compute without a pause during the second quarter. `late`: they do so during the last
eighth but one, and are gone when the end of the run begins, which nobody can know: it has to be in time, and will be
early.
`restarted`: killed with SIGKILL in the middle, and started again; the pause between does not count, and nothing else
is forgiven. `processes`: two of them, started by `torchrun`.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prx_train import Run

FIT = ["-m", "prx_train.cli", "fit"]
_EARLIEST = 0.97
BUSY = "while True: sum(range(10**6))"


def start(config: Path, processes: int = 1) -> "subprocess.Popen[bytes]":
    """The command, silent."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}
    return subprocess.Popen(
        [sys.executable, *launcher, *FIT, str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def plain(config: Path, _budget: float) -> float:
    """From start to end."""
    began = time.monotonic()
    start(config).wait()
    return time.monotonic() - began


def processes(config: Path, _budget: float) -> float:
    """Two of them."""
    began = time.monotonic()
    start(config, 2).wait()
    return time.monotonic() - began


def slowed(config: Path, budget: float) -> float:
    """Among others in the middle."""
    return _among_others(config, budget, 0.25, 0.5)


def late(config: Path, budget: float) -> float:
    """Among others just before the end."""
    return _among_others(config, budget, 0.75, 0.875)


def _among_others(config: Path, budget: float, begin: float, end: float) -> float:
    began = time.monotonic()
    process = start(config)
    others: list[subprocess.Popen[bytes]] = []
    while process.poll() is None:
        share = (time.monotonic() - began) / budget
        wanted = begin < share < end
        if wanted and not others:
            others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(4)]
        if not wanted:
            _end(others)
        time.sleep(0.05)
    _end(others)
    return time.monotonic() - began


def restarted(config: Path, budget: float) -> float:
    """Killed in the middle."""
    began = time.monotonic()
    process = start(config)
    time.sleep(budget / 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return time.monotonic() - began + plain(config, budget)


def _end(others: "list[subprocess.Popen[bytes]]") -> None:
    for one in others:
        one.kill()
        one.wait()
    others.clear()


CASES: dict[str, Callable[[Path, float], float]] = {
    "plain": plain,
    "slowed": slowed,
    "late": late,
    "restarted": restarted,
    "processes": processes,
}


def complete(run: Run) -> bool:
    """Whether everything is there that a run leaves."""
    return run.finished and run.report_file.is_file() and (run.pipeline_folder / "model_index.json").is_file()


def main() -> int:
    """Print the table; 1 if a run was early, late or not complete."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 5, 15])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[*CASES])
    options = parser.parse_args()
    failed = False
    print("minutes  case          seconds   share  steps  complete", flush=True)
    for minutes in options.minutes:
        for case in options.cases:
            with tempfile.TemporaryDirectory() as name:
                run, config = Run(Path(name) / "run"), Path(name) / "train.toml"
                lines = (f'dataset = "{options.dataset.resolve()}"', f'output = "{run.output}"')
                config.write_text("\n".join((*lines, f'budget = "{60 * minutes:g}s"')), encoding="utf-8")
                took = CASES[case](config, 60 * minutes)
                share, whole = took / (60 * minutes), complete(run)
                failed |= not whole or share > 1 or (share < _EARLIEST and case != "late")
                steps = run.summary.get("steps", 0)
                print(f"{minutes:7g}  {case:<12} {took:8.1f}  {share:6.3f}  {steps:5}  {whole}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
