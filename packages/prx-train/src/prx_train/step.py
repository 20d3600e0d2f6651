"""One training step: photos, noise and times, loss of velocities, gradients of all processes, optimizers, average."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prx_train.buckets import Batch
from prx_train.objective import losses, noisy, times
from prx_train.optim import ema_decay, set_learning_rate
from prx_train.session import Session
from prx_train.storage import seed_from


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step came to."""

    loss: float
    """Mean over all photos of all processes; not finite where the step was skipped for it."""
    grad_norm: float
    """Of the sum of gradients, before it was clipped."""

    @property
    def finite(self) -> bool:
        """Whether the weights were changed by it."""
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


def step(session: Session, batches: Sequence[Batch], learning_rate: float) -> Step:
    """Trains on so many batches, of which this process takes its share; skips what would make weights infinite."""
    config, progress, crew = session.config, session.progress, session.crew
    began = session.clock.spent
    waited = session.data_seconds
    set_learning_rate(session.optimizers, learning_rate)
    total = backward(session, batches, progress.step)
    norm = torch.nn.utils.clip_grad_norm_(session.weights.values(), config.clip_grad)
    count = sum(len(batch.rows) for batch in batches)
    found = Step(loss=crew.sums(total)[0] / count, grad_norm=float(norm))
    updating = time.perf_counter()
    if found.finite:
        for optimizer in session.optimizers:
            optimizer.step()
        session.average.update(ema_decay(progress.step, config.ema_decay))
    for optimizer in session.optimizers:
        optimizer.zero_grad(set_to_none=True)
    updated = time.perf_counter() - updating
    session.progress = replace(progress, step=progress.step + 1, samples=progress.samples + count)
    session.schedule.pace.learn(session.clock.spent - began)
    row: dict[str, Any] = {
        "step": session.progress.step,
        "seconds": round(session.clock.spent, 3),
        "lr": learning_rate,
        "samples": session.progress.samples,
        "epoch": batches[-1].epoch,
        "data_seconds": round(session.data_seconds - waited, 4),
        "update_seconds": round(updated, 4),
    }
    if found.finite:
        row |= {"loss": found.loss, "grad_norm": found.grad_norm}
    else:
        keys = [session.train.rows[index].key for batch in batches for index in batch.rows]
        what = "gradient" if math.isfinite(found.loss) else "loss"
        row |= {"skipped": f"the {what} was not finite", "keys": keys}
    session.journal.append(session.run.metrics_file, row)
    return found


def backward(session: Session, batches: Sequence[Batch], number: int) -> float:
    """Leaves the sum of all processes' gradients in the weights; returns the loss summed over this one's photos."""
    config, crew = session.config, session.crew
    total = torch.zeros((), device=session.device)
    for part in range(crew.rank, len(batches), crew.size):
        loss = batch_losses(session, batches[part], seed_from("step", config.seed, number, part)).sum()
        # Divided by the full number of photos, so that one in a small batch counts as much as any other.
        (loss / (config.batch_size * len(batches))).backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    crew.sum_gradients(session.weights.values())
    return float(total)


def batch_losses(session: Session, batch: Batch, seed: int) -> Tensor:
    """The loss of each photo of a batch, shape (B,); every random number is a function of the seed."""
    config, space, count = session.config, session.space, len(batch.rows)
    random = torch.Generator().manual_seed(seed)
    began = time.perf_counter()
    x0 = torch.stack([session.clean(session.train, row) for row in batch.rows])
    session.data_seconds += time.perf_counter() - began
    eps = space.noise_scale * torch.randn(x0.shape, generator=random)
    normal = torch.randn(count, generator=random)
    uniform, choice, dropped, mirrored = torch.rand(4, count, generator=random)
    t = times(normal, uniform, choice, shift=config.shift)
    if config.flip:
        x0 = torch.where((mirrored < 0.5)[:, None, None, None], x0.flip(3), x0)
    captions = [
        "" if drop else session.train.rows[row].caption
        for row, drop in zip(batch.rows, (dropped < config.caption_dropout).tolist(), strict=True)
    ]
    x0, eps, t = x0.to(session.device), eps.to(session.device), t.to(session.device)
    prediction = session.predict(noisy(x0, eps, t), t, captions)
    return losses(prediction.float(), x0, eps, t, space.predicts)


def probe(session: Session) -> float:
    """Seconds of a step, tried without changing a weight: the second of two, as the first one warms up."""
    sizes = [row.size for row in session.train.rows]
    largest = [index for index, size in enumerate(sizes) if size == session.sample_size][: session.config.batch_size]
    batches = [Batch(epoch=0, rows=tuple(largest))] * session.batches_per_step
    for _ in range(2):
        began = session.clock.spent
        backward(session, batches, 0)
        session.transformer.zero_grad(set_to_none=True)
    session.ledger.close("rehearse", items=2, unit="steps")
    return session.clock.spent - began
