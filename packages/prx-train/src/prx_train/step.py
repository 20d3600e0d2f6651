"""One training step: photos, noise and times, loss of velocities, gradients of all processes, optimizers, average."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prx_train.buckets import Batch
from prx_train.decoding import Pixels
from prx_train.feed import AHEAD, Fed
from prx_train.objective import losses, noisy, times
from prx_train.optim import average_decay, clipped, set_learning_rate
from prx_train.session import Session
from prx_train.storage import seed_from


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step came to."""

    loss: float
    """Mean over all photos of all processes; nan if none of them could be read."""
    finite: bool
    """Whether it could change the weights, and did."""
    row: Mapping[str, Any]
    """As in `metrics.jsonl`."""


def step(session: Session, batches: Sequence[Fed], learning_rate: float) -> Step:
    """Trains on so many batches, of which this process takes its share; skips what would make weights infinite."""
    config, progress, crew = session.config, session.progress, session.crew
    began = session.clock.spent
    waited = session.data_seconds
    set_learning_rate(session.optimizers, learning_rate)
    total, count = crew.sums(*backward(session, batches, progress.step))
    norm = clipped(list(session.weights.values()), config.clip_grad)
    loss = total / count if count else math.nan
    finite = math.isfinite(loss) and math.isfinite(norm)
    updating = time.perf_counter()
    if finite:
        for optimizer in session.optimizers:
            optimizer.step()
        if (decay := average_decay(progress.step, config.ema_decay)) is not None:
            session.average.update(decay)
    for optimizer in session.optimizers:
        optimizer.zero_grad(set_to_none=True)
    updated = time.perf_counter() - updating
    session.progress = replace(progress, step=progress.step + 1, samples=progress.samples + int(count))
    took = session.clock.spent - began
    session.schedule.pace.learn(took, passes=took - updated, photos=int(count))
    row: dict[str, Any] = {
        "step": session.progress.step,
        "seconds": round(session.clock.spent, 3),
        "lr": learning_rate,
        "samples": session.progress.samples,
        "epoch": batches[-1].batch.epoch,
        "data_seconds": round(session.data_seconds - waited, 4),
        "update_seconds": round(updated, 4),
    }
    if finite:
        row |= {"loss": loss, "grad_norm": norm}
    else:
        keys = [session.train.rows[index].key for fed in batches for index in fed.batch.rows]
        what = "the gradient" if math.isfinite(loss) else "the loss"
        row |= {"skipped": f"{what} was not finite" if count else "no picture could be read", "keys": keys}
    session.journal.append(session.run.metrics_file, row)
    return Step(loss=loss, finite=finite, row=row)


def backward(session: Session, batches: Sequence[Fed], number: int) -> tuple[float, float]:
    """Leaves the sum of all processes' gradients in the weights; returns this one's loss, summed, and its photos."""
    config, crew = session.config, session.crew
    total, count = torch.zeros((), device=session.device), 0
    # Divided by the full number of photos, so that one in a small batch counts as much as any other. Between processes
    # gradients are added, but those of a sharded model are averaged.
    photos = config.batch_size * len(batches) / (crew.size if crew.sharding else 1)
    for part in range(crew.rank, len(batches), crew.size):
        fed = batches[part]
        began = time.perf_counter()
        pictures = fed.pictures()
        session.data_seconds += time.perf_counter() - began
        found = batch_losses(session, fed.batch, pictures, seed_from("step", config.seed, number, part))
        if found is None:
            if crew.sharding:
                _nothing(session)
            continue
        (found.sum() / photos).backward()  # type: ignore[no-untyped-call]
        total += found.detach().sum()
        count += len(found)
    crew.sum_gradients(session.weights.values())
    return float(total), float(count)


def _nothing(session: Session) -> None:
    """A forward and a backward of zeros: of a sharded model the other processes wait for this one's part in theirs."""
    space, (height, width) = session.space, session.sample_size
    x_t = torch.zeros(1, space.channels, height // space.compression, width // space.compression)
    (0.0 * session.predict(x_t, torch.ones(1), [""]).float().sum()).backward()  # type: ignore[no-untyped-call]


def batch_losses(session: Session, batch: Batch, pictures: Sequence[Pixels | None], seed: int) -> Tensor | None:
    """The loss of each photo of a batch, shape (B,); every random number is a function of the seed.

    Photos that cannot be read are left out, without a change for the others; None if none can.
    """
    config, space, count = session.config, session.space, len(batch.rows)
    found = session.clean_batch(session.train, batch.rows, pictures)
    if found is None:
        return None
    x0, there = found
    random = torch.Generator().manual_seed(seed)
    shape = (count, *x0.shape[1:])
    eps = torch.randn(shape, generator=random).mul_(space.noise_scale)
    normal = torch.randn(count, generator=random)
    uniform, choice, dropped, mirrored = torch.rand(4, count, generator=random)
    worded = torch.rand(count, generator=random)
    t = times(normal, uniform, choice, shift=config.shift)
    if len(there) < count:
        eps, t = eps[there], t[there]
    if config.flip:
        x0 = torch.where((mirrored[there] < 0.5)[:, None, None, None], x0.flip(3), x0)
    captions = [
        "" if dropped[n] < config.caption_dropout else session.train.rows[batch.rows[n]].text(float(worded[n]))
        for n in there
    ]
    x0, eps, t = x0.to(session.device), eps.to(session.device), t.to(session.device)
    prediction = session.predict(noisy(x0, eps, t), t, captions)
    return losses(prediction.float(), x0, eps, t, space.predicts)


def probe(session: Session) -> tuple[float, int]:
    """Seconds of a step's forward and backward pass, and its photos.

    Tried without changing a weight: the second of two, as the first one warms up.
    """
    config = session.config
    sizes = [row.size for row in session.train.rows]
    rows = tuple([index for index, size in enumerate(sizes) if size == session.sample_size][: config.batch_size])
    order = iter([(Batch(epoch=0, rows=rows), 0, 0)] * 2 * session.batches_per_step * (AHEAD + 2))
    with session.feed(order) as feed:
        for _ in range(2):
            began = session.clock.spent
            _, count = backward(session, next(feed).batches, 0)
            took = session.clock.spent - began
            session.transformer.zero_grad(set_to_none=True)
    session.ledger.close("rehearse", items=2, unit="steps")
    return took, int(count) * session.crew.size
