"""`fit`: the order of a run, and the order of a step, each on one screen."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from tqdm import tqdm

from prx_train.buckets import Batch, batches_from
from prx_train.budget import Budget, Clock, spoken
from prx_train.config import FILLED_IN, TrainConfig
from prx_train.identity import check_identity, identify
from prx_train.objective import losses, noisy, times
from prx_train.optim import ema_decay, set_learning_rate
from prx_train.run import Run, open_run
from prx_train.session import Session, describe, every, interval_text
from prx_train.setup import restore_rehearsal, start_session
from prx_train.stages import finish, rehearse, save, validate, write_rehearsal
from prx_train.storage import append_jsonl, seed_from, write_json


def fit(
    config: TrainConfig,
    *,
    started_at: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda text: tqdm.write(text),
) -> Run:
    """Trains within the budget and leaves the pipeline, the samples and the report in `config.output`.

    The same call after a kill goes on from the last checkpoint. `started_at`, a `time.monotonic()` reading, counts
    the caller's own time since then as spent; `stop` is asked after every step, and when it says yes the run leaves a
    checkpoint and returns unfinished.

    Raises:
        ConfigError: a setting is wrong, the output cannot be written, or differs from the run that lies there.
        DatasetError: the dataset is none, or holds nothing to train on.
        ModelError: a base model or a text encoder is missing.
        BudgetError: the budget is too short for one step and the end of the run.
    """
    clock = Clock(started_at=time.monotonic() if started_at is None else started_at)
    run = open_run(config.output)
    if run.finished:
        _check_finished(config, run)
        say(f"{run.output}: finished already; choose another output to train again")
        return run
    session = start_session(config, run, clock, say)
    if not restore_rehearsal(session):
        rehearse(session)
        session.schedule.pace.learn(probe(session))
        write_rehearsal(session)
    if not session.progress.step:
        session.schedule.check("measuring one step")
        session.schedule.start = 0.0 if session.schedule.budget.unit == "steps" else clock.spent
    _announce(session)
    if train(session, stop):
        save(session)
        finish(session)
    return run


def train(session: Session, stop: Callable[[], bool]) -> bool:
    """Steps until the schedule ends; False if it was stopped before."""
    config, schedule = session.config, session.schedule
    due_checkpoint = Due(every(config.checkpoint_every, schedule.budget, 12))
    due_validation = Due(_validation_interval(session))
    order = batches_from(
        [row.size for row in session.train.rows],
        [row.weight for row in session.train.rows],
        batch_size=config.batch_size,
        seed=config.seed,
        epoch=session.progress.epoch,
        position=session.progress.position,
    )
    with ProgressLine(session) as line:
        unbooked = 0
        while schedule.has_time(session.progress.step):
            group = [next(order) for _ in range(config.accumulate)]
            loss = step(session, [batch for batch, _, _ in group])
            _, epoch, position = group[-1]
            session.progress = replace(session.progress, epoch=epoch, position=position)
            line.show(loss)
            unbooked += 1
            stopped = stop()
            at_validation, at_checkpoint = (due.now(session) for due in (due_validation, due_checkpoint))
            if at_validation or at_checkpoint or stopped:
                session.ledger.close("train", items=unbooked, unit="steps")
                unbooked = 0
            if at_validation:
                session.say(f"step {session.progress.step}: validation loss {validate(session):.4f}")
            if at_checkpoint or stopped:
                save(session)
            if stopped:
                session.say(f"stopped after step {session.progress.step}; the same command goes on from here")
                return False
        session.ledger.close("train", items=unbooked, unit="steps")
    return True


def step(session: Session, batches: Sequence[Batch]) -> float:
    """One step: photos, noise and times, loss of velocities, optimizers, average; returns the mean loss of a photo."""
    config, progress, schedule = session.config, session.progress, session.schedule
    began = session.clock.spent
    learning_rate = config.learning_rate * schedule.factor(progress.step)
    set_learning_rate(session.optimizers, learning_rate)

    total = 0.0
    for part, batch in enumerate(batches):
        loss = batch_losses(session, batch, seed_from("step", config.seed, progress.step, part)).sum()
        # Divided by the full number of photos, so that one in a small batch counts as much as any other.
        (loss / (config.batch_size * config.accumulate)).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    norm = torch.nn.utils.clip_grad_norm_(session.weights.values(), config.clip_grad)
    for optimizer in session.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    session.average.update(ema_decay(progress.step, config.ema_decay))

    count = sum(len(batch.rows) for batch in batches)
    session.progress = replace(progress, step=progress.step + 1, samples=progress.samples + count)
    schedule.pace.learn(session.clock.spent - began)
    row = {
        "step": session.progress.step,
        "seconds": round(session.clock.spent, 3),
        "loss": total / count,
        "lr": learning_rate,
        "grad_norm": float(norm),
        "samples": session.progress.samples,
        "epoch": batches[-1].epoch,
    }
    append_jsonl(session.run.metrics_file, row)
    return total / count


def batch_losses(session: Session, batch: Batch, seed: int) -> Tensor:
    """The loss of each photo of a batch, shape (B,); every random number is a function of the seed."""
    config, space, count = session.config, session.space, len(batch.rows)
    random = torch.Generator().manual_seed(seed)
    x0 = torch.stack([session.clean(session.train, row) for row in batch.rows])
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
    for _ in range(2):
        began = session.clock.spent
        for _ in range(session.config.accumulate):
            loss = batch_losses(session, Batch(epoch=0, rows=tuple(largest)), 0).sum()
            loss.backward()  # type: ignore[no-untyped-call]
        session.transformer.zero_grad(set_to_none=True)
    session.ledger.close("rehearse", items=2, unit="steps")
    return session.clock.spent - began


@dataclass
class Due:
    """Says when an interval of seconds or steps has gone by."""

    interval: Budget
    last: float | None = None

    def now(self, session: Session) -> bool:
        """Whether it is time again; asked after every step."""
        if self.interval.unit == "steps":
            return session.progress.step % int(self.interval.amount) == 0
        if self.last is None:
            self.last = session.clock.spent
        if session.clock.spent - self.last < self.interval.amount:
            return False
        self.last = session.clock.spent
        return True


@dataclass
class ProgressLine:
    """A progress bar on a terminal; elsewhere a line now and then."""

    session: Session
    quiet_seconds: float = 15.0
    _last: float = field(default=float("-inf"))

    def __enter__(self) -> "ProgressLine":
        budget = self.session.schedule.budget
        self.bar = tqdm(
            total=round(budget.amount),
            unit="s" if budget.unit == "seconds" else "step",
            disable=not sys.stderr.isatty(),
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, loss: float) -> None:
        """Brings the line up to date."""
        session = self.session
        at = session.clock.spent if session.schedule.budget.unit == "seconds" else session.progress.step
        self.bar.update(max(0, round(at) - self.bar.n))
        self.bar.set_postfix_str(f"step {session.progress.step}, loss {loss:.3f}", refresh=False)
        if self.bar.disable and session.clock.spent - self._last >= self.quiet_seconds:
            self._last = session.clock.spent
            session.say(
                f"step {session.progress.step}, {spoken(session.clock.spent)} of {session.schedule.budget}, "
                f"loss {loss:.3f}"
            )


def _validation_interval(session: Session) -> Budget:
    """As set, or an eighth of the budget, but never so often that it takes over 5 % of the time."""
    interval = every(session.config.validate_every, session.schedule.budget, 8)
    if session.config.validate_every is None and interval.unit == "seconds":
        return replace(interval, amount=max(interval.amount, 20 * session.schedule.reserve.worst["validate"]))
    return interval


def _announce(session: Session) -> None:
    """Prints what was derived, and notes it for the report."""
    schedule, config = session.schedule, session.config
    derived = describe(session)
    if schedule.budget.unit == "seconds":
        left = max(0.0, schedule.end - session.clock.spent)
        steps, photos = int(left / schedule.pace.seconds), config.batch_size * config.accumulate
        derived += [
            ("kept for the end", f"{spoken(schedule.reserve.seconds)}, measured"),
            ("a step", f"{schedule.pace.seconds:.2f} s, measured"),
            ("steps that fit", f"about {steps}, {steps * photos / len(session.train.rows):.1f} epochs"),
        ]
    derived += [
        ("checkpoints", interval_text(every(config.checkpoint_every, schedule.budget, 12))),
        ("validations", interval_text(_validation_interval(session))),
    ]
    for name, value in derived:
        session.say(f"  {name}: {value}")
    write_json(session.run.derived_file, derived)


def _check_finished(config: TrainConfig, run: Run) -> None:
    """A finished run is not trained on, but asking for it with other settings is a mistake to be told of."""
    begun = run.summary["identity"]
    now = identify(config, begun["dataset"])
    left_open = {key: begun[key] for key in FILLED_IN if now[key] is None}
    check_identity({**now, **left_open}, begun)
