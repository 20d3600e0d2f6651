"""The embedding stage against the bare forward pass of its model on the same batches: prints one table.

    python benchmarks/embedding.py PHOTOS [EVERY] [MODEL]

PHOTOS is a folder of photos, of which each EVERY-th is taken (default 4); MODEL an architecture of open_clip (default
ViT-B-32), with random weights, which take as long as any. The stage reads, hashes, decodes and cuts the photos in two
processes, sends what the model is to see to this one, embeds it and writes it down; start and end of the processes are
included, loading the model is not. The bare forward pass has the same batches in memory, as tensors. Both are timed in
turn, and of ROUNDS the fastest of each stands: wall-clock, and processor time of all processes, which others on the
machine disturb less.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from prx_data import Clip, Workspace
from prx_data.decoding import decode
from prx_data.measures import standard_measures

ROUNDS = 2
WORKERS = 2
BATCH = 32


def random_weights(model: str, folder: Path) -> Path:
    """A file with the random weights that an architecture starts with."""
    path = folder / "weights.safetensors"
    save_file({name: one.contiguous() for name, one in open_clip.create_model(model).state_dict().items()}, path)
    return path


def bare(model: torch.nn.Module, batches: list[torch.Tensor]) -> None:
    """The forward pass and nothing else."""
    with torch.inference_mode():
        for batch in batches:
            model.encode_image(batch, normalize=True)  # type: ignore[operator]


def tensors(clip: Clip, paths: list[Path]) -> list[torch.Tensor]:
    """The stage's batches as open_clip has them: float32 of shape (B, 3, height, width), the last one filled up."""
    pictures = [decode(path.read_bytes()).picture for path in paths]
    prepared = np.stack([clip.prepare(one) for one in pictures if one is not None])
    spare = np.zeros((-len(prepared) % BATCH, *prepared.shape[1:]), dtype=np.uint8)
    colors = torch.from_numpy(np.concatenate([prepared, spare])).permute(0, 3, 1, 2).float() / 127.5 - 1
    return [colors[start : start + BATCH].contiguous() for start in range(0, len(colors), BATCH)]


def main(photos: Path, every: int, name: str) -> None:
    """Time in turn and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        clip = Clip(model=name, weights=random_weights(name, home), batch_size=BATCH)
        paths = sorted(photos.glob("*.jpg"))[::every]
        (home / "photos").mkdir()
        for path in paths:
            (home / "photos" / path.name).symlink_to(path.resolve())
        clip.ready()
        model = open_clip.create_model(name, pretrained=str(clip.weights)).eval()
        batches = tensors(clip, paths)
        bare(model, batches[:1])

        def stage(number: int) -> Callable[[], object]:
            workspace = Workspace(home / str(number))
            workspace.add(home / "photos")
            workspace.measure(workers=WORKERS)
            workspace.measures = (*standard_measures(), clip)
            return lambda: workspace.measure(workers=WORKERS)

        spent: dict[str, list[tuple[float, float]]] = {"bare forward pass": [], "embedding stage": []}
        for number in range(ROUNDS):
            staged = stage(number)
            spent["bare forward pass"].append(timed(lambda: bare(model, batches)))
            spent["embedding stage"].append(timed(staged))
    best = {what: (min(one for one, _ in some), min(one for _, one in some)) for what, some in spent.items()}
    print(f"{len(paths)} photos, {name}, batches of {BATCH}, {torch.get_num_threads()} threads, fastest of {ROUNDS}\n")
    print("| what | seconds | photos / s | throughput, of the bare one | processor seconds | the same |")
    print("|---|---|---|---|---|---|")
    wall, cpu = best["bare forward pass"]
    for what, (seconds, busy) in best.items():
        print(
            f"| {what} | {seconds:.1f} | {len(paths) / seconds:.1f} | {wall / seconds:.2f} | {busy:.1f} |"
            f" {cpu / busy:.2f} |"
        )


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of all processors, those of ended child processes included."""
    start, begin = time.perf_counter(), sum(os.times()[:4])
    run()
    return time.perf_counter() - start, sum(os.times()[:4]) - begin


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 4,
        sys.argv[3] if len(sys.argv) > 3 else "ViT-B-32",
    )
