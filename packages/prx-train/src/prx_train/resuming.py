"""Where a run that was stopped or killed goes on: its checkpoint, its record, and the time that it has spent."""

import shutil
from pathlib import Path
from typing import Any

from prx_train import checkpoint
from prx_train.checkpoint import Progress
from prx_train.crew import Crew
from prx_train.identity import check_identity
from prx_train.ledger import Ledger, booked
from prx_train.run import Run
from prx_train.schedule import Clock
from prx_train.session import Say, Session
from prx_train.storage import write_jsonl


def newest_checkpoint(run: Run, crew: Crew, say: Say) -> Path | None:
    """The checkpoint that a run goes on from, found by the first process for all; None before there is one.

    Raises:
        ConfigError: all are damaged.
    """
    step = -1
    if crew.first and (saved := checkpoint.list_checkpoints(run.checkpoints)):
        step = checkpoint.newest_sound(saved, say)
    step = int(crew.from_first(step)[0])
    return None if step < 0 else checkpoint.checkpoint_path(run.checkpoints, step)


def progress_of(saved: Path | None, identity: dict[str, Any]) -> Progress:
    """Where the last checkpoint stood; at the start if there is none.

    Raises:
        ConfigError: the run began with something else that changes what is learnt.
    """
    if saved is None:
        return Progress()
    progress, begun = checkpoint.read_progress(saved)
    check_identity(identity, begun)
    return progress


def go_on(session: Session, saved: Path) -> None:
    """Puts weights, average and optimizers back, and takes off the record what comes after them."""
    checkpoint.load_checkpoint(
        saved, weights=session.weights, average=session.average.shadows, optimizers=session.optimizers
    )
    if not session.crew.first:
        return
    # What came after the checkpoint will be trained again, and must not be on record twice. A damaged checkpoint of a
    # later step would count as one of the last that are kept.
    step = session.progress.step
    for later in checkpoint.list_checkpoints(session.run.checkpoints):
        if later > saved:
            shutil.rmtree(later)
    write_jsonl(session.run.metrics_file, [row for row in session.run.metrics if row["step"] <= step])
    session.say(f"{session.run.output}: going on after step {step}")


def already_spent(run: Run, progress: Progress) -> float:
    """Seconds of earlier starts that are on record, work that was lost with a kill included; see `Heartbeat` too."""
    last = max((float(row["seconds"]) for row in run.metrics), default=0.0)
    return max(progress.seconds, last, booked(run.ledger_file))


def book_lost(run: Run, ledger: Ledger, clock: Clock, progress: Progress) -> None:
    """Books what an earlier start did before it was killed, and had not booked."""
    lost = clock.already - booked(run.ledger_file)
    if lost > 0.01:
        steps = max((row["step"] for row in run.metrics), default=0) - progress.step
        ledger.book("lost", lost, items=max(steps, 0), unit="steps")
