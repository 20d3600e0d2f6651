"""What a run knows of its own speed after some steps, as the numbers that a plan is reckoned from."""

import resource
import sys
from collections.abc import Mapping
from itertools import takewhile
from statistics import median
from typing import Any

import torch

from prx_train.progress import validation_interval
from prx_train.reckoning import Measured, Plan, reckon
from prx_train.run import Run
from prx_train.session import Session, every
from prx_train.storage import is_disk_full, read_json, write_json

MEASURED_STEPS = 24
"""After so many steps a run notes its plan, if none was made before."""


def plan_of(session: Session, measured: Measured) -> Plan:
    """What a run's budget buys, from what it has measured."""
    config, budget = session.config, session.schedule.budget
    return reckon(
        measured,
        budget,
        asked=config.budget,
        validate_every=validation_interval(session),
        checkpoint_every=every(config.checkpoint_every, budget, 12),
        settings=config.model_dump(mode="json"),
    )


def write_plan(run: Run, plan: Plan, identity: Mapping[str, Any]) -> None:
    """Notes a run's plan, and what it was made for."""
    write_json(run.plan_file, {**plan.as_dict(), "identity": dict(identity)})


def keep_plan(session: Session) -> None:
    """Writes the plan of a run that has measured enough steps, and removes one that was made for another run."""
    run = session.run
    if not session.crew.first:
        return
    if run.plan_file.is_file():
        found = read_json(run.plan_file)
        if (found.get("budget"), found.get("identity")) == (session.config.budget, session.identity):
            return
        run.plan_file.unlink()
    # A full disk may not have taken the row of any step.
    if session.progress.step == MEASURED_STEPS and any("update_seconds" in row for row in run.metrics):
        try:
            write_plan(run, plan_of(session, measure(session)), session.identity)
        except OSError as error:
            if not is_disk_full(error):
                raise
            session.say(f"{run.plan_file.name} cannot be written, {error.strerror}; the run goes on without it")


def measure(session: Session) -> Measured:
    """What a run has measured so far: its start, its parts and its steps."""
    config, reserve, rows = session.config, session.schedule.reserve, session.train.rows
    start: dict[str, float] = {}
    for row in takewhile(lambda row: row["stage"] != "train", session.run.ledger):
        start[row["stage"]] = start.get(row["stage"], 0.0) + float(row["seconds"])
    steps = [row for row in session.run.metrics if "update_seconds" in row]
    seconds = session.schedule.pace.seconds
    batches = session.order().epoch(0)
    cell = session.base.patch_size * session.space.compression
    return Measured(
        start=start,
        end=reserve.seconds,
        step=seconds,
        waiting=median(row["data_seconds"] for row in steps) / seconds,
        updating=median(row["update_seconds"] for row in steps) / seconds,
        validation=reserve.parts["validate"],
        checkpoint=reserve.parts["checkpoint"],
        photos=sum(len(batch.rows) for batch in batches) / len(batches) * session.batches_per_step,
        dataset=len(rows),
        image_tokens=sum(row.size[0] * row.size[1] for row in rows) / cell**2 / len(rows),
        text_tokens=sum(len(session.texts[row.caption]) for row in rows) / len(rows),
        memory=_memory(session.device),
        devices=session.crew.devices,
        price_per_hour=config.price_per_hour,
    )


def _memory(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
