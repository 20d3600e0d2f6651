"""How many photos make a step and how many go through the model at once, where the settings leave it open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prx_train import model
from prx_train.config import TrainConfig
from prx_train.crew import Crew
from prx_train.hardware import free_memory, has_bf16

STEP_PHOTOS = 16
"""Photos of a step, of all processes together."""

_SHARE = 0.8
"""Of the memory that is free; the rest is for what a backward pass needs for a moment, and for others."""
_PICTURES = 0.25
"""Of the memory of a machine that is free, at most, for decoded pictures; a GPU holds none."""


@dataclass(frozen=True, kw_only=True)
class Batches:
    """What a step is made of."""

    batch_size: int
    accumulate: int
    """Batches of a step in each process."""
    why: str


def choose_batches(
    settings: TrainConfig,
    base: model.Base,
    space: model.Space,
    crew: Crew,
    *,
    resolution: int,
    begun: Mapping[str, Any] | None = None,
) -> Batches:
    """As set; else as the run began; else as many of a step's photos at once as fit into memory, the rest in turn.

    All processes take the least that any of them has room for.

    Args:
        settings: Where `batch_size` or both are left open.
        base: What is trained.
        space: Of the base.
        crew: The processes.
        resolution: Side of a square photo in pixels.
        begun: The identity of the run's last checkpoint, see `prx_train.identity`; None before there is one.
    """
    if settings.batch_size is not None:
        return Batches(batch_size=settings.batch_size, accumulate=settings.accumulate or 1, why="as set")
    if begun is not None:
        in_turn = settings.accumulate or max(1, begun["accumulate"] // crew.size)
        return Batches(batch_size=int(begun["batch_size"]), accumulate=in_turn, why="as this run began")
    share = max(1, STEP_PHOTOS // (crew.size * (settings.accumulate or 1)))
    needs = model.needs(base, space, resolution=resolution, device=crew.device, half=has_bf16(crew.device))
    room, held = _room(settings, crew), _held(needs, crew)
    size = share
    while size > 1 and held + size * needs.photo > room:
        size //= 2
    size = -int(crew.largest(-size)[0])
    fits = held + size * needs.photo <= room
    why = (
        f"{'fits' if fits else 'may not fit'} into memory: about {needs.photo / 1e9:.2g} GB for each photo and "
        f"{held / 1e9:.2g} GB for the rest, of {room / 1e9:.2g} GB"
    )
    return Batches(batch_size=size, accumulate=settings.accumulate or -(-share // size), why=why)


def _room(settings: TrainConfig, crew: Crew) -> float:
    """Bytes that one process may take."""
    free = free_memory(crew.device)
    if crew.device.startswith("cuda"):
        return _SHARE * free
    # Each process keeps its own pictures, and all share the machine's memory.
    free //= crew.size
    return _SHARE * (free - min(1e9 * settings.ram_limit_gb, _PICTURES * free))


def _held(needs: model.Needs, crew: Crew) -> float:
    return needs.encoder + needs.weights / (crew.size if crew.sharding else 1)
