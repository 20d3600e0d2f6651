"""What bf16 is worth on this processor: seconds of a product, of a training step of prx-tiny, and of Muon's update.

    python benchmarks/precision.py

Each row is the median of several, float32 and bf16 taken in turns, so that a busy machine is as busy for both.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from prx_train import TrainConfig, model
from prx_train.hardware import has_bf16
from prx_train.optim import orthogonalized

ROUNDS = 7
PICTURES = 16


def main() -> None:
    """Prints the table."""
    print(f"bf16 in hardware: {has_bf16('cpu')}; torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| what | float32, s | bf16, s | ratio |\n|---|---|---|---|")
    for name, work in (
        ("product of 4096×256 and 256×1536", _product()),
        (f"forward and backward of prx-tiny, {PICTURES} pictures of 64×64", _step()),
        ("Muon's update of 7 matrices of 1344×224", _muon()),
    ):
        seconds = {torch.float32: [_timed(work, torch.float32)], torch.bfloat16: [_timed(work, torch.bfloat16)]}
        for dtype in list(seconds) * ROUNDS:
            seconds[dtype].append(_timed(work, dtype))
        full, half = (statistics.median(some[1:]) for some in seconds.values())
        print(f"| {name} | {full:.4f} | {half:.4f} | {full / half:.1f} |", flush=True)


def _timed(work: Callable[[torch.dtype], None], dtype: torch.dtype) -> float:
    began = time.perf_counter()
    work(dtype)
    return time.perf_counter() - began


def _product() -> Callable[[torch.dtype], None]:
    a, b = torch.randn(4096, 256), torch.randn(256, 1536)

    def work(dtype: torch.dtype) -> None:
        a.to(dtype) @ b.to(dtype)

    return work


def _step() -> Callable[[torch.dtype], None]:
    base = model.open_base(TrainConfig(dataset=Path(), output=Path()))
    transformer = base.transformer(text_width=128)
    x, t = torch.randn(PICTURES, 3, 64, 64), torch.rand(PICTURES)
    text, mask = torch.randn(PICTURES, 16, 128), torch.ones(PICTURES, 16, dtype=torch.bool)

    def work(dtype: torch.dtype) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            found = model.predict(transformer, x, t, text, mask)
        found.float().square().mean().backward()  # type: ignore[no-untyped-call]

    return work


def _muon() -> Callable[[torch.dtype], None]:
    matrices = torch.randn(7, 1344, 224)

    def work(dtype: torch.dtype) -> None:
        orthogonalized(matrices, dtype=dtype)

    return work


if __name__ == "__main__":
    main()
