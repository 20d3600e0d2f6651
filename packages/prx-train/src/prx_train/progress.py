"""What a run says while it goes on."""

import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tqdm import tqdm

from prx_train.budget import Budget, spoken
from prx_train.session import Session, describe, every, interval_text
from prx_train.storage import write_json


def print_line(text: str) -> None:
    """Prints a line above the progress bar; one that cannot be printed, as to a log on a full disk, ends no run."""
    with suppress(OSError):
        tqdm.write(text)


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
            disable=not sys.stderr.isatty() or not self.session.crew.first,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, loss: float) -> None:
        """Brings the line up to date."""
        session = self.session
        at = session.clock.spent if session.schedule.timed else session.progress.step
        self.bar.update(max(0, round(at) - self.bar.n))
        self.bar.set_postfix_str(f"step {session.progress.step}, loss {loss:.3f}", refresh=False)
        if self.bar.disable and session.clock.spent - self._last >= self.quiet_seconds:
            self._last = session.clock.spent
            session.say(
                f"step {session.progress.step}, {spoken(session.clock.spent)} of {session.schedule.budget}, "
                f"loss {loss:.3f}"
            )


def validation_interval(session: Session) -> Budget:
    """As set, or an eighth of the budget, but never so often that it takes over 5 % of the time."""
    interval = every(session.config.validate_every, session.schedule.budget, 8)
    if session.config.validate_every is None and interval.unit == "seconds":
        # Only the first process validates, and only it knows how long that takes.
        seconds = session.schedule.reserve.parts.get("validate", 0.0)
        return replace(interval, amount=max(interval.amount, 20 * seconds))
    return interval


def announce(session: Session) -> None:
    """Prints what was derived, and notes it for the report."""
    if not session.crew.first:
        return
    schedule, config = session.schedule, session.config
    derived = describe(session)
    if schedule.timed:
        left = max(0.0, schedule.end - session.clock.spent)
        steps, photos = int(left / schedule.pace.seconds), config.batch_size * session.batches_per_step
        derived += [
            ("kept for the end", f"{spoken(schedule.reserve.seconds)}, measured"),
            ("a step", f"{schedule.pace.seconds:.2f} s, measured"),
            ("steps that fit", f"about {steps}, {steps * photos / len(session.train.rows):.1f} epochs"),
        ]
    derived += [
        ("checkpoints", interval_text(every(config.checkpoint_every, schedule.budget, 12))),
        ("validations", interval_text(validation_interval(session))),
    ]
    for name, value in derived:
        session.say(f"  {name}: {value}")
    write_json(session.run.derived_file, derived)
