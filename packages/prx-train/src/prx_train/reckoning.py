"""What a budget buys: pure arithmetic on what the start of a run and some of its steps have measured."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from prx_train.budget import Budget, spoken


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a machine needs for the parts of a run."""

    start: Mapping[str, float]
    """Seconds of what comes before the first step, by stage of the ledger."""
    end: float
    """Seconds kept for the end."""
    step: float
    """Seconds of a step, median."""
    waiting: float
    """Share of a step in which it waits for pictures, in [0, 1]."""
    updating: float
    """Share of a step that the optimizers take, in [0, 1]."""
    validation: float
    """Seconds."""
    checkpoint: float
    """Seconds."""
    photos: float
    """In a step, mean."""
    dataset: int
    """Photos to train on."""
    image_tokens: float
    """Of a photo, mean."""
    text_tokens: float
    """Of a caption, mean."""
    memory: int
    """Most bytes that the first process has held: on its GPU, or else of memory."""
    devices: int = 1
    price_per_hour: float | None = None
    """Of one device."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a budget buys."""

    budget: str
    """As it was asked for."""
    seconds: float
    """Of wall clock, everything included."""
    cost: float | None
    """Of all devices, in the currency of the price; None without a price."""
    devices: int
    steps: int
    step_seconds: float
    """Median."""
    photos: int
    """Seen in training, repeats counted."""
    epochs: float
    image_tokens: int
    """Of all photos seen."""
    text_tokens: int
    """Of all captions."""
    memory_bytes: int
    """As in `Measured`."""
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds of each part of the run."""
    step_parts: dict[str, float] = field(default_factory=dict)
    """Shares of a step: waiting for pictures, the model forwards and backwards, the optimizers."""
    faster: tuple[str, ...] = ()
    """What would make it faster, the weightiest first."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def reckon(
    measured: Measured,
    budget: Budget,
    *,
    asked: str,
    validate_every: Budget,
    checkpoint_every: Budget,
    settings: Mapping[str, Any],
) -> Plan:
    """The plan of a run.

    Args:
        measured: What its parts need.
        budget: Seconds or steps.
        asked: The budget in the user's words.
        validate_every: Interval, seconds or steps.
        checkpoint_every: The same.
        settings: The configuration, for what would make it faster.
    """
    began = sum(measured.start.values())
    if budget.unit == "seconds":
        left = max(budget.amount - began - measured.end, 0.0)
        steps = _steps_in(left, measured, validate_every, checkpoint_every)
    else:
        steps = int(budget.amount)
    train = steps * measured.step
    extras = {
        "validate": measured.validation * (steps // _in_steps(validate_every, measured.step)),
        "checkpoint": measured.checkpoint * (steps // _in_steps(checkpoint_every, measured.step)),
    }
    stages = {**measured.start, "train": train}
    for name, seconds in extras.items():
        stages[name] = stages.get(name, 0.0) + seconds
    stages["end"] = measured.end
    seconds = sum(stages.values())
    photos = steps * measured.photos
    price = measured.price_per_hour
    return Plan(
        budget=asked,
        seconds=round(seconds, 1),
        cost=None if price is None else round(seconds / 3600 * price * measured.devices, 4),
        devices=measured.devices,
        steps=steps,
        step_seconds=round(measured.step, 4),
        photos=round(photos),
        epochs=round(photos / measured.dataset, 2),
        image_tokens=round(photos * measured.image_tokens),
        text_tokens=round(photos * measured.text_tokens),
        memory_bytes=measured.memory,
        stages={name: round(value, 2) for name, value in stages.items()},
        step_parts={
            "waiting for pictures": round(measured.waiting, 3),
            "the model, forwards and backwards": round(1 - measured.waiting - measured.updating, 3),
            "the optimizers": round(measured.updating, 3),
        },
        faster=tuple(_faster(measured, stages, settings)),
    )


def elsewhere(measured: Measured, *, photos_per_second: float, devices: int) -> Measured:
    """The same run on other hardware whose training throughput, all devices together, is known.

    What the model computes before and during training is taken to be faster or slower by as much; what is read,
    written or encoded, and what is kept for the end, is left as it is.
    """
    ratio = measured.photos / measured.step / photos_per_second
    modelled = {"validate", "sample_before", "rehearse"}
    start = {name: value * (ratio if name in modelled else 1) for name, value in measured.start.items()}
    return replace(
        measured,
        start=start,
        step=measured.photos / photos_per_second,
        validation=measured.validation * ratio,
        devices=devices,
    )


def _in_steps(interval: Budget, step: float) -> int:
    """So many whole steps go by before an interval is over."""
    return max(1, int(interval.amount) if interval.unit == "steps" else math.ceil(interval.amount / step))


def _steps_in(left: float, measured: Measured, validate_every: Budget, checkpoint_every: Budget) -> int:
    """Steps that fit into what is left with their validations and checkpoints."""
    per_step = measured.step
    per_step += measured.validation / _in_steps(validate_every, measured.step)
    per_step += measured.checkpoint / _in_steps(checkpoint_every, measured.step)
    return int(left / per_step)


def _faster(measured: Measured, stages: Mapping[str, float], settings: Mapping[str, Any]) -> list[str]:
    """Sentences with what each would save, the weightiest first."""
    total = sum(stages.values())
    train = stages["train"] / total if total else 0.0
    found: list[tuple[float, str]] = []
    if measured.waiting > 0.02:
        sentence = (
            f"{measured.waiting:.0%} of a step is spent on waiting for pictures: raise ram_limit_gb, so that they stay "
            "decoded, or train at a smaller resolution."
        )
        found.append((measured.waiting * train, sentence))
    if measured.updating > 0.15:
        sentence = (
            f"{measured.updating:.0%} of a step goes into the optimizers: a larger batch or accumulate spreads that "
            "over more photos"
        )
        adamw = ", and AdamW is cheaper than Muon." if settings.get("optimizer") == "muon" else "."
        found.append((measured.updating * train, sentence + adamw))
    if settings.get("gradient_checkpointing"):
        found.append(
            (0.25 * train, "gradient_checkpointing computes every block twice: switch it off if memory allows.")
        )
    for stage, name in (("validate", "validation"), ("checkpoint", "checkpoints")):
        share = stages.get(stage, 0.0) / total if total else 0.0
        if share > 0.05:
            found.append((share, f"{share:.0%} of the time goes into {name}: raise {stage}_every."))
    caches = sum(stages.get(name, 0.0) for name in ("load", "text_cache", "latent_cache"))
    if total and caches / total > 0.2:
        sentence = (
            f"{caches / total:.0%} of the time, {spoken(caches)}, goes into reading and encoding; what is encoded once "
            "stays in the cache for the next run."
        )
        found.append((caches / total, sentence))
    if stages["end"] / (total or 1) > 0.2:
        found.append(
            (
                stages["end"] / total,
                f"{spoken(stages['end'])} are kept for the end: fewer prompts or sample_steps, or a longer budget.",
            )
        )
    return [sentence for _, sentence in sorted(found, key=lambda one: -one[0])]
