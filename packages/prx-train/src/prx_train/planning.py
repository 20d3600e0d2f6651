"""Plans a run by starting it: its set-up, its end and some of its steps are done and measured, and then thrown away."""

import math
import shutil
import time
from collections.abc import Callable

from prx_train.alone import alone
from prx_train.budget import parse_budget, settled
from prx_train.config import TrainConfig
from prx_train.errors import ConfigError
from prx_train.loop import prepare
from prx_train.measuring import MEASURED_STEPS, measure, plan_of, write_plan
from prx_train.reckoning import Plan, elsewhere
from prx_train.run import Run, open_run
from prx_train.schedule import Clock
from prx_train.session import Session
from prx_train.setup import start_session
from prx_train.step import step
from prx_train.told import counted


def plan(
    config: TrainConfig,
    *,
    steps: int = MEASURED_STEPS,
    photos_per_second: float | None = None,
    devices: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Measures the start of a run, its end and some steps, and reckons the rest; trains nothing that is kept.

    What it encodes stays in the run's cache, and the plan in its folder as `plan.json`, so that the report of the run
    can compare; but not one for other hardware, nor where the run has begun, which has its own.

    Args:
        config: The run's.
        steps: To measure, >= 1.
        photos_per_second: Of training on other hardware, all its devices together, as its maker or another run's
            report has it; None for this machine.
        devices: Of that hardware; for the cost.
        say: Takes what happens meanwhile.

    Raises:
        PrxTrainError: what would stop the run.
    """
    if steps < 1 or devices < 1:
        raise ConfigError(
            f"a plan of {counted(steps, 'step')} on {counted(devices, 'device')}: both must be 1 or more."
        )
    if devices > 1 and photos_per_second is None:
        raise ConfigError(f"a plan for {devices} devices that are not here needs their photos a second, all together.")
    if photos_per_second is not None and not 0 < photos_per_second < math.inf:
        raise ConfigError(f"a plan for {photos_per_second:g} photos a second: it must be a number above zero.")
    run = open_run(config.output)
    with alone(run.output):
        return _plan(config, run, steps, photos_per_second, devices, say)


def _plan(
    config: TrainConfig,
    run: Run,
    steps: int,
    photos_per_second: float | None,
    devices: int,
    say: Callable[[str], None],
) -> Plan:
    trial = run.trial_folder
    shutil.rmtree(trial, ignore_errors=True)
    changes = {"output": trial, "cache": config.cache or config.output / "cache"}
    clock = Clock(started_at=time.monotonic())
    try:
        session = start_session(config.model_copy(update=changes), Run(trial), clock, say)
        prepare(session)
        _train(session, steps)
        measured = measure(session)
        if photos_per_second is not None:
            measured = elsewhere(measured, photos_per_second=photos_per_second, devices=devices)
            if (asked := parse_budget(config.budget)).unit == "money":
                price = config.price_per_hour
                session.schedule.budget = settled(asked, spent=0.0, devices=devices, price_per_hour=price)
        found = plan_of(session, measured)
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    if photos_per_second is None and not run.metrics_file.is_file():
        write_plan(run, found, session.identity)
    return found


def _train(session: Session, steps: int) -> None:
    with session.feed(session.order().batches_from()) as feed:
        for _ in range(steps):
            step(session, next(feed).batches, session.config.learning_rate)
    session.ledger.close("train", items=steps, unit="steps")
