"""Checkpoints that are complete or absent: safetensors and JSON, written beside their place and renamed there.

The manifest, `checkpoint.json`, is written last and holds a checksum of every other file. What a disk has lost or
changed since is found before it is loaded, and an older checkpoint is taken instead.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prx_train.errors import ConfigError
from prx_train.sharding import like, part, put_together
from prx_train.storage import checksum, read_json, write_folder, write_json

MANIFEST = "checkpoint.json"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands. There is no generator to save: every random number is a function of (seed, step)."""

    step: int = 0
    """Steps done."""
    samples: int = 0
    """Photos seen, repeats counted."""
    epoch: int = 0
    """0-based epoch of the next batch."""
    position: int = 0
    """Index of the next batch in its epoch."""
    seconds: float = 0.0
    """Spent on the run, all starts together."""
    start: float = 0.0
    """Where on the clock training began, seconds."""
    decayed: float = 1.0
    """Lowest share of the peak learning rate since decay began."""
    rate_scale: float = 1.0
    """On the schedule's learning rate: halved with each return to an earlier checkpoint."""
    rollbacks: int = 0
    """So many returns there were."""
    best_loss: float | None = None
    """Lowest validation loss so far."""
    best_step: int | None = None
    """After so many steps."""


def save_checkpoint(
    folder: Path,
    progress: Progress,
    *,
    weights: Mapping[str, nn.Parameter],
    average: Mapping[str, Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    identity: Mapping[str, Any],
    config: Mapping[str, Any],
    keep: int,
    writes: bool = True,
) -> Path:
    """Writes `folder/step-N` and removes all but the last ones and that of the lowest validation loss.

    Args:
        folder: Of the run's checkpoints.
        progress: Where the run stands.
        weights: What is trained, by name; what is frozen is the base's and can be had from there.
        average: The moving average of the weights.
        optimizers: Whose state is kept.
        identity: What run it belongs to.
        config: The settings as resolved, ready for JSON.
        keep: So many of the last ones stay, >= 1.
        writes: False in a process that only hands over its parts of sharded tensors. The files hold whole ones, so
            that any number of processes can go on.
    """
    files = {
        "weights": put_together(weights.items(), keep=writes),
        "average": put_together(average.items(), keep=writes),
        "optimizer": put_together(_optimizer_tensors(weights, optimizers), keep=writes),
    }

    def fill(place: Path) -> None:
        for name, tensors in files.items():
            save_file(tensors, place / f"{name}.safetensors")
        sums = {file.name: checksum(file) for file in sorted(place.iterdir())}
        manifest = {"progress": asdict(progress), "identity": dict(identity), "config": dict(config), "files": sums}
        write_json(place / MANIFEST, manifest)

    path = checkpoint_path(folder, progress.step)
    if not writes:
        return path
    write_folder(path, fill)
    for old in list_checkpoints(folder)[:-keep]:
        if old.name != _name(progress.best_step):
            shutil.rmtree(old)
    return path


def _name(step: int | None) -> str:
    return "" if step is None else f"step-{step:09d}"


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint after so many steps lies."""
    return folder / _name(step)


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints, oldest first; whether they are sound has not been looked at."""
    return sorted(folder.glob("step-*"))


def newest_sound(saved: Sequence[Path], say: Callable[[str], None]) -> int:
    """The step of the last checkpoint that is as it was written; only those after it are read beside it.

    Args:
        saved: Checkpoints, oldest first; at least one.
        say: Takes a sentence on each that is damaged, if there is another to take.

    Raises:
        ConfigError: all are damaged.
    """
    damages: list[str] = []
    for path in reversed(saved):
        if (damage := damage_of(path)) is None:
            for sentence in damages:
                say(f"{sentence}; {path.name} is taken instead")
            return read_progress(path)[0].step
        damages.append(f"the checkpoint '{path}' is damaged, {damage}")
    raise ConfigError(f"{'; '.join(damages)}; there is no other to go on from, so choose another output.")


def damage_of(path: Path) -> str | None:
    """What is wrong with a checkpoint, in words; None if every file is as it was written."""
    try:
        read_progress(path)
        sums = dict(read_json(path / MANIFEST)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} cannot be read"
    for name, found in sums.items():
        try:
            if checksum(path / name) != found:
                return f"{name} is not as it was written"
        except OSError:
            return f"{name} cannot be read"
    return None


def read_progress(path: Path) -> tuple[Progress, dict[str, Any]]:
    """The progress and the identity that a checkpoint holds."""
    manifest = read_json(path / MANIFEST)
    return Progress(**manifest["progress"]), manifest["identity"]


@torch.no_grad()
def load_checkpoint(
    path: Path,
    *,
    weights: Mapping[str, nn.Parameter],
    average: Mapping[str, Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
) -> None:
    """Puts weights, average and optimizer state back, bit for bit."""
    for file, targets in (("weights", weights), ("average", average)):
        saved = load_file(path / f"{file}.safetensors")
        for name, target in targets.items():
            part(target).copy_(part(like(saved[name], target)))
    saved = load_file(path / "optimizer.safetensors")
    owners = {id(p): optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in weights.items():
        state = {key.rpartition("/")[2]: value for key, value in saved.items() if key.rpartition("/")[0] == name}
        if state:
            owners[id(parameter)].state[parameter] = {key: like(value, parameter) for key, value in state.items()}


def _optimizer_tensors(
    weights: Mapping[str, nn.Parameter], optimizers: Sequence[torch.optim.Optimizer]
) -> Iterator[tuple[str, Tensor]]:
    return (
        (f"{name}/{key}", value.contiguous())
        for name, parameter in weights.items()
        for optimizer in optimizers
        for key, value in optimizer.state.get(parameter, {}).items()
    )
