"""`fit`: the order of a run, on one screen."""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from prx_train.alone import alone
from prx_train.budget import Budget
from prx_train.callbacks import Callback, Callbacks
from prx_train.config import FILLED_IN, TrainConfig
from prx_train.errors import Stopped
from prx_train.heartbeat import Heartbeat
from prx_train.identity import check_identity, identify
from prx_train.measuring import MEASURED_STEPS, keep_plan
from prx_train.progress import ProgressLine, announce, print_line, validation_interval
from prx_train.recovery import Watch, last_validation, told
from prx_train.run import Run, open_run
from prx_train.schedule import Clock
from prx_train.session import Session, every
from prx_train.setup import restore_rehearsal, start_session
from prx_train.stages import finish, rehearse, save, validate, write_rehearsal
from prx_train.step import probe, step
from prx_train.storage import read_json
from prx_train.trackers import tracker_callbacks


def fit(
    config: TrainConfig,
    *,
    started_at: float | None = None,
    callbacks: Sequence[Callback] = (),
    stop: Callable[[], int] = lambda: 0,
    say: Callable[[str], None] = print_line,
) -> Run:
    """Trains within the budget and leaves the pipeline, the samples and the report in `config.output`.

    The same call after a kill goes on from the last checkpoint. Under `accelerate launch` or `torchrun` all processes
    train together.

    Args:
        config: The settings.
        started_at: A `time.monotonic()` reading; the caller's own time since then counts as spent.
        callbacks: May watch, log, validate, draw and stop.
        stop: Asked before every step, and between the parts of what comes before the first; when it says yes, or gives
            a signal's number, in any process, the run leaves a checkpoint and returns unfinished in all of them, with
            the largest of their answers as its `stopped`.
        say: Takes what the run has to say, line by line.

    Raises:
        ConfigError: a setting is wrong, or the output cannot be written, holds a run that differs, or is in use.
        DatasetError: the dataset is none, or holds nothing to train on.
        ModelError: a base model or a text encoder is missing.
        BudgetError: the budget is too short for one step and the end of the run.
        DivergedError: the loss was not finite from the start, or whatever was tried.
        ResourceError: memory or disk space ran out.
    """
    clock = Clock(started_at=time.monotonic() if started_at is None else started_at)
    run = open_run(config.output)
    if run.finished:
        _check_finished(config, run)
        say(f"{run.output}: finished already; choose another output to train again")
        return run
    with told(config), alone(run.output), Heartbeat(run.clock_file, clock, run.config_file.is_file):
        shutil.rmtree(run.trial_folder, ignore_errors=True)
        trackers = tracker_callbacks(config.trackers)
        try:
            session = start_session(config, run, clock, say, stop)
            prepare(session)
        except Stopped as asked:
            if asked.first:
                say("stopped before the first step of this start; the same command goes on from here")
            return replace(run, stopped=asked.number)
        watching = Callbacks([*callbacks, *trackers], session)
        stopped = train(session, watching)
        if not stopped:
            save(session)
            if session.crew.evaluates:
                finish(session, last_validation(session))
        watching.end(finished=not stopped)
        session.crew.wait()
    return replace(run, stopped=stopped)


def prepare(session: Session) -> None:
    """Tries and measures a step and every part of the end, unless an earlier start has.

    Raises:
        Stopped: somebody asked for an end; no checkpoint is needed before the first step.
    """
    clock, schedule = session.clock, session.schedule
    session.crew.agree()
    if not restore_rehearsal(session):
        number = 0
        try:
            rehearse(session)
        except Stopped as asked:
            number = asked.number
        session.crew.agree(number)
        schedule.pace.refer(*probe(session))
        write_rehearsal(session)
    if not session.progress.step:
        schedule.check("measuring one step")
        schedule.start = clock.spent if schedule.timed else 0.0
    announce(session)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What all processes do next."""

    go_on: bool
    stopped: int
    """Somebody asked for an end: the signal's number, or 1; 0 if nobody did."""
    learning_rate: float


def decide(session: Session, stop: Callable[[], int]) -> Decision:
    """The first process reads the clock, and any may ask for an end."""
    schedule, crew, number = session.schedule, session.crew, session.progress.step
    go_on, rate = False, 0.0
    if crew.first:
        go_on = schedule.has_time(number)
        rate = schedule.learning_rate(number) if go_on else 0.0
        rate *= 1.0 if schedule.replayed else session.progress.rate_scale
    going, rate, stopped = crew.largest(float(go_on), rate, float(stop()))
    return Decision(go_on=going > 0, stopped=int(stopped), learning_rate=rate)


def train(session: Session, watching: Callbacks) -> int:
    """Steps until the schedule ends; what `stop` said if that ended it before, or 0."""
    config, progress = session.config, session.progress
    due_checkpoint = Due(every(config.checkpoint_every, session.schedule.budget, 12))
    due_validation = Due(validation_interval(session), part="validate")
    order = session.order().batches_from(progress.epoch, progress.position)
    unbooked, watch = 0, Watch()
    keep_plan(session)
    watching.start()

    def asked() -> int:
        return session.crew.stop() or watching.training.stopping

    with ProgressLine(session) as line, session.feed(order) as feed:
        while (decision := decide(session, asked)).go_on and not decision.stopped:
            group = next(feed)
            done = step(session, group.batches, decision.learning_rate)
            session.progress = replace(session.progress, epoch=group.epoch, position=group.position)
            line.show(done.loss)
            unbooked += 1
            watch.saw(session, finite=done.finite)
            watching.step(done.row)
            if session.progress.step == MEASURED_STEPS:
                keep_plan(session)
            at_validation, at_checkpoint = (due.now(session) for due in (due_validation, due_checkpoint))
            if at_validation or at_checkpoint:
                session.ledger.close("train", items=unbooked, unit="steps")
                unbooked = 0
            if at_validation:
                at_checkpoint |= _validated(session, watching)
            if at_checkpoint and done.finite:
                save(session)
        session.ledger.close("train", items=unbooked, unit="steps")
    if decision.stopped:
        save(session)
        session.say(f"stopped after step {session.progress.step}; the same command goes on from here")
    return decision.stopped


def _validated(session: Session, watching: Callbacks) -> bool:
    """Validates; whether the loss is the lowest so far, which a checkpoint then keeps."""
    loss = validate(session)
    session.say(f"step {session.progress.step}: validation loss {loss:.4f}")
    watching.validation(loss)
    best = session.progress.best_loss
    if not loss < (math.inf if best is None else best):
        return False
    session.progress = replace(session.progress, best_loss=loss, best_step=session.progress.step)
    return True


@dataclass
class Due:
    """Says when an interval of seconds or steps has gone by."""

    interval: Budget
    part: str = ""
    """What is due is this part of the end of the run too: where that is near, it is left to it."""
    last: float | None = None

    def now(self, session: Session) -> bool:
        """Whether it is time again, asked after every step; True in those processes alone that take part."""
        crew = session.crew
        due = crew.first and self._due(session)
        return crew.from_first(float(due))[0] > 0 if crew.sharding else due

    def _due(self, session: Session) -> bool:
        if not session.schedule.fits(session.schedule.reserve.parts.get(self.part, 0.0)):
            return False
        if self.interval.unit == "steps":
            return session.progress.step % int(self.interval.amount) == 0
        if self.last is None:
            self.last = session.clock.spent
        if session.clock.spent - self.last < self.interval.amount:
            return False
        self.last = session.clock.spent
        return True


def _check_finished(config: TrainConfig, run: Run) -> None:
    """A finished run is not trained on, but asking for it with other settings is a mistake to be told of."""
    begun = run.summary["identity"]
    now = identify(config, begun["dataset"])
    if config.accumulate == read_json(run.config_file)["accumulate"]:
        now["accumulate"] = begun["accumulate"]  # that of all processes, however many ask now
    left_open = {key: begun[key] for key in FILLED_IN if now[key] is None}
    unread = {key: begun[key] for key in begun if key.startswith("weights.")}
    check_identity({**now, **left_open, **unread}, begun)
