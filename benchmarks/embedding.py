"""The embedding stage against the bare forward pass of its model on the same batches: prints one table.

    python benchmarks/embedding.py PHOTOS [EVERY] [MODEL]

PHOTOS is a folder of photos, of which each EVERY-th is taken (default 1); MODEL an architecture of open_clip (default
ViT-B-32), with random weights, which take as long as any. The stage reads, hashes, decodes and cuts the photos in two
processes, sends what the model is to see to this one, embeds it and writes it down; start and end of the processes are
included, loading the model is not. The bare forward pass has the same batches in memory, as tensors. Both are timed in
turn, with all photos and with a quarter of them, and of ROUNDS the fastest of each stands: wall-clock, and processor
time of all processes, which others on the machine disturb less. The third row is what the other three quarters took:
the stage without its start, which is a second for however many photos.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from safetensors.torch import save_file

from prx_data import Clip, Workspace
from prx_data.decoding import decode
from prx_data.measures import standard_measures

Spent = npt.NDArray[np.float64]
"""Seconds by the clock and of all processors."""
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
        whole = sorted(photos.glob("*.jpg"))[::every]
        whole = whole[: len(whole) // (4 * BATCH) * 4 * BATCH]  # whole batches, in a quarter of them too
        clip.ready()
        model = open_clip.create_model(name, pretrained=str(clip.weights)).eval()
        batches = tensors(clip, whole)
        bare(model, batches[:1])
        best = [_fastest(home / f"of {share}", whole, batches, share, model, clip) for share in (1, 4)]
    (all_bare, all_stage), (part_bare, part_stage) = best
    rows = {
        "bare forward pass": (len(whole), all_bare, all_bare),
        "embedding stage": (len(whole), all_stage, all_bare),
        "the stage, of further photos": (len(whole) * 3 // 4, all_stage - part_stage, all_bare - part_bare),
    }
    print(f"{len(whole)} photos, {name}, batches of {BATCH}, {torch.get_num_threads()} threads, fastest of {ROUNDS}\n")
    print("| what | seconds | photos / s | throughput, of the bare one | processor seconds | the same |")
    print("|---|---|---|---|---|---|")
    for what, (count, (seconds, busy), (wall, cpu)) in rows.items():
        rates = f"{seconds:.1f} | {count / seconds:.1f} | {wall / seconds:.2f} | {busy:.1f} | {cpu / busy:.2f}"
        print(f"| {what} | {rates} |")


def _fastest(
    home: Path, paths: list[Path], batches: list[torch.Tensor], share: int, model: torch.nn.Module, clip: Clip
) -> tuple[Spent, Spent]:
    """Clock and processor time of the bare forward pass and of the stage, for one of `share` parts of the photos."""
    paths, batches = paths[: len(paths) // share], batches[: len(batches) // share]
    (home / "photos").mkdir(parents=True)
    for path in paths:
        (home / "photos" / path.name).symlink_to(path.resolve())

    def stage(number: int) -> Callable[[], object]:
        workspace = Workspace(home / str(number))
        workspace.add(home / "photos")
        workspace.measure(workers=WORKERS)
        workspace.measures = (*standard_measures(), clip)
        return lambda: workspace.measure(workers=WORKERS)

    passes, stages = [], []
    for number in range(ROUNDS):
        staged = stage(number)
        passes.append(timed(lambda: bare(model, batches)))
        stages.append(timed(staged))
    return np.min(passes, axis=0), np.min(stages, axis=0)


def timed(run: Callable[[], object]) -> Spent:
    """Seconds by the clock, and of all processors, those of ended child processes included."""
    start, begin = time.perf_counter(), sum(os.times()[:4])
    run()
    return np.array([time.perf_counter() - start, sum(os.times()[:4]) - begin])


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1,
        sys.argv[3] if len(sys.argv) > 3 else "ViT-B-32",
    )
