"""The objects of a run while it runs, and what can be said of them."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prx_train import data, decoding, model
from prx_train.batching import Batches
from prx_train.buckets import Batch, Order
from prx_train.budget import Budget, parse_interval, spoken
from prx_train.caching import TensorCache, TextCache, padded
from prx_train.checkpoint import Progress
from prx_train.config import ResolvedConfig
from prx_train.crew import Crew
from prx_train.decoding import Pixels
from prx_train.evaluate import Example
from prx_train.feed import Feed
from prx_train.hardware import has_bf16
from prx_train.journal import Journal
from prx_train.ledger import Ledger
from prx_train.optim import Average
from prx_train.places import Folder
from prx_train.run import Run
from prx_train.schedule import Clock, Schedule
from prx_train.sharding import let_go
from prx_train.told import counted

Say = Callable[[str], None]

_PADDED = "photos padded"


@dataclass
class Session:
    """The objects of a run while it runs."""

    config: ResolvedConfig
    run: Run
    say: Say
    crew: Crew
    clock: Clock
    schedule: Schedule
    ledger: Ledger
    journal: Journal
    folder: Folder
    """Of the dataset."""
    train: data.Split
    validation: data.Split
    """What `examples` are from: `train` itself where no photos are held out."""
    examples: list[Example]
    encoder: model.TextEncoder
    texts: TextCache
    latents: TensorCache
    base: model.Base
    space: model.Space
    transformer: Any
    weights: Mapping[str, nn.Parameter]
    """What is trained, by name."""
    average: Average
    optimizers: tuple[torch.optim.Optimizer, ...]
    identity: dict[str, Any]
    batches: Batches
    """Why they are as they are in `config`."""
    progress: Progress
    saved: Path | None
    """The checkpoint that it goes on from."""
    prompts: tuple[str, ...]
    sample_size: tuple[int, int]
    """(height, width) in pixels."""
    val_loss_before: float | None = None
    data_seconds: float = 0.0
    """Spent on waiting for pictures, in this process."""

    @property
    def held_out(self) -> bool:
        """Whether `examples` were kept out of training."""
        return self.validation is not self.train

    @property
    def device(self) -> str:
        """Where this process computes."""
        return self.crew.device

    @property
    def batches_per_step(self) -> int:
        """Of all processes together."""
        return self.config.accumulate * self.crew.size

    def text(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Embeddings (B, L, D) and mask (B, L) of captions, on the device."""
        text, mask = padded([self.texts[caption] for caption in captions])
        return text.to(self.device), mask.to(self.device)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the model has the averaged weights."""
        with self.average.applied():
            yield
            let_go(self.transformer)

    def predict(self, x_t_BCHW: Tensor, t_B: Tensor, captions: Sequence[str]) -> Tensor:
        """What the transformer predicts with the weights it has, on the device."""
        text, mask = self.text(captions)
        # bf16 only where the hardware has it; the weights stay in fp32 either way. On a CPU it is for training alone:
        # pipelines run in float32 there, and samples are to be what the exported one draws.
        kind = self.device.partition(":")[0]
        training = torch.is_grad_enabled()
        half = has_bf16(kind) and (kind != "cpu" or training)
        # Validation and samples have many sizes and numbers of photos, and each would be compiled for itself: minutes,
        # and past the compiler's limit training would go on uncompiled without a word.
        eager = self.config.compile and not training
        as_is = torch.compiler.set_stance("force_eager") if eager else nullcontext()
        with as_is, torch.autocast(kind, torch.bfloat16, enabled=half):
            return model.predict(self.transformer, x_t_BCHW.to(self.device), t_B.to(self.device), text, mask)

    def clean_batch(
        self, split: data.Split, rows: Sequence[int], pictures: Sequence[Pixels | None]
    ) -> tuple[Tensor, list[int]] | None:
        """x₀ of photos of one size, float32, shape BCHW, and the places of those that could be read; None if none.

        Args:
            split: Theirs.
            rows: Their indices.
            pictures: Their pixels; not looked at where latents are used.
        """
        if self.space.vae is None:
            found = {n: picture for n, picture in enumerate(pictures) if picture is not None}
            return (as_signal(np.stack(list(found.values()))), list(found)) if found else None
        keys = {n: latent_key(split, row, self.config.fit) for n, row in enumerate(rows)}
        there = {n: self.latents.tensor(key) for n, key in keys.items() if key in self.latents}
        return (torch.stack(list(there.values())).float(), list(there)) if there else None

    def feed(self, order: Iterator[tuple[Batch, int, int]]) -> Feed:
        """Batches in this order, with their pictures."""
        fetch = self.train.picture if self.space.vae is None else None
        crew, kept = self.crew, self.train.kept
        return Feed(order, fetch, kept=kept, batches=self.batches_per_step, rank=crew.rank, processes=crew.size)

    def order(self) -> Order:
        """The order of the run's batches."""
        rows, config = self.train.rows, self.config
        return Order(
            sizes=[row.size for row in rows],
            weights=[row.weight for row in rows],
            batch_size=config.batch_size,
            seed=config.seed,
            groups=self.train.groups() if config.shuffle_groups else (),
            pool=config.shuffle_groups,
        )


def as_signal(pictures_BHWC: Pixels) -> Tensor:
    """Pixels as float32 in [-1, 1], shape BCHW."""
    pixels = torch.from_numpy(pictures_BHWC).permute(0, 3, 1, 2)
    # Laid out as noise and predictions are: arithmetic on two layouts takes twice as long.
    return torch.empty(pixels.shape).copy_(pixels).div_(127.5).sub_(1)


def latent_key(split: data.Split, index: int, fit: str) -> str:
    """Names a photo's latent: by its content, whatever the dataset calls it, and by how that becomes pixels."""
    row = split.rows[index]
    return f"{split.contents[index]}-{fit}{decoding.VERSION}-{row.size[0]}x{row.size[1]}"


def describe(session: Session) -> list[tuple[str, str]]:
    """What was derived rather than set, as (name, value with unit)."""
    total = sum(parameter.numel() for parameter in session.transformer.parameters())
    trained = sum(weight.numel() for weight in session.weights.values())
    adapted = "" if trained == total else f", {trained / 1e6:.2f} M of them trained"
    buckets = session.train.buckets()
    shapes = ", ".join(f"{w}×{h}: {count}" for (h, w), count in buckets.most_common(6))
    rest = f" and {len(buckets) - 6} shapes more" if len(buckets) > 6 else ""
    height, width = session.sample_size
    some = islice((row.caption for row in session.train.rows), 1000)
    length = max(len(session.texts[caption]) for caption in some)
    return [
        (
            "device",
            f"{session.device}, {torch.get_num_threads()} threads of {os.cpu_count()} cores"
            + (f", {session.crew.size} processes" if session.crew.size > 1 else "")
            + (", a part of the model in each" if session.crew.sharding else ""),
        ),
        ("model", f"{total / 1e6:.1f} M parameters{adapted}"),
        (
            "photos of a step",
            f"{session.config.batch_size * session.batches_per_step}, {session.config.batch_size} at once: "
            f"{session.batches.why}",
        ),
        ("photos to train on", f"{len(session.train.rows)}"),
        (
            "photos to validate with",
            f"{len(session.examples)}, {'held out' if session.held_out else 'trained on too, as none are held out'}",
        ),
        ("rows that hold no picture", f"{len(session.train.skipped)}"),
        ("shapes in pixels (width×height: photos)", shapes + rest),
        ("samples", f"{width}×{height} pixels, the most common shape"),
        *padding(session),
        ("longest of the first 1000 captions", counted(length, "token")),
        ("learning rate", f"{session.config.learning_rate:g} at its peak"),
    ]


def padding(session: Session) -> list[tuple[str, str]]:
    """Of how many photos the ground was even where they were padded, as a line of `describe`; [] without padding."""
    if session.config.fit != "pad":
        return []
    splits = [session.train, session.validation] if session.held_out else [session.train]
    found = Counter(kind for split in splits for kind in split.padding.values())
    text = (
        f"{found['even']} with an even ground, {found['uneven']} with the colours of uneven edges, of "
        f"{found.total()} that were decoded so far"
    )
    return [(_PADDED, text)]


def every(text: str | None, budget: Budget, parts: int) -> Budget:
    """The interval between two checkpoints or validations: as set and checked, or the budget in so many parts."""
    if text is not None:
        return parse_interval(text, key="every")
    if budget.unit == "steps":
        return Budget(amount=max(1, budget.amount // parts), unit="steps")
    return Budget(amount=budget.amount / parts, unit="seconds")


def interval_text(interval: Budget) -> str:
    """An interval in words."""
    return f"every {interval}" if interval.unit == "steps" else f"every {spoken(interval.amount)}"
