"""The clock, what the end of a run needs, and the learning rate as a function of what has been spent.

A budget is wall-clock seconds, or a number of steps where a run must be repeatable to the bit. Either way the same
curve is walked: the position is seconds spent or steps done, and the learning rate reaches zero where training ends.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from prx_train.errors import BudgetError, ConfigError

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_AMOUNTS = re.compile(r"(\d+(?:\.\d+)?)\s*(min|d|h|m|s)")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may use: so many seconds of wall clock, or so many steps."""

    amount: float
    """Seconds or steps, > 0."""
    unit: Literal["seconds", "steps"]
    """What `amount` counts."""

    def __str__(self) -> str:
        return f"{int(self.amount)} steps" if self.unit == "steps" else spoken(self.amount)


def parse_budget(text: str) -> Budget:
    """Reads "24h", "1h 30m", "90s", "MM:SS", "HH:MM:SS" or "200 steps".

    Raises:
        ConfigError: the text is none of these, or the amount is not above zero.
    """
    cleaned = text.strip().lower()
    if steps := re.fullmatch(r"(\d+)\s*steps?", cleaned):
        amount, unit = float(steps[1]), "steps"
    elif re.fullmatch(r"\d+(:\d\d){1,2}(\.\d+)?", cleaned):
        amount, unit = (
            math.fsum(float(part) * 60.0**i for i, part in enumerate(reversed(cleaned.split(":")))),
            "seconds",
        )
    elif cleaned and not _AMOUNTS.sub("", cleaned).strip():
        amount, unit = math.fsum(float(n) * _UNITS[u] for n, u in _AMOUNTS.findall(cleaned)), "seconds"
    else:
        raise ConfigError(f"config key 'budget' = {text!r} is neither a time such as '5m' or '24h' nor '200 steps'.")
    if amount <= 0:
        raise ConfigError(f"config key 'budget' = {text!r} must be more than zero.")
    return Budget(amount=amount, unit="steps" if unit == "steps" else "seconds")


def spoken(seconds: float) -> str:
    """A duration in words, such as "5 minutes 3 s" or "2 hours 10 minutes"; tenths below ten seconds."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} minute{'s' * (minutes != 1)} {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} hour{'s' * (hours != 1)} {minutes} minute{'s' * (minutes != 1)}"


def learning_rate_factor(spent: float, *, start: float, end: float, warmup: float, decay: float) -> float:
    """The share of the peak learning rate at `spent`, in [0, 1].

    Linear from zero over the first `warmup` of the way from `start` to `end`, constant, then linear to exactly zero
    over the last `decay` of it: the trapezoid of Hägele et al. 2024 (arXiv:2405.18392). `spent`, `start` and `end`
    are seconds or steps; `warmup` and `decay` are shares in [0, 1] whose sum is at most 1.
    """
    if spent >= end:
        return 0.0
    way = min(max((spent - start) / (end - start), 0.0), 1.0)
    rising = way / warmup if warmup > 0 else 1.0
    falling = (1.0 - way) / decay if decay > 0 else 1.0
    return min(rising, falling, 1.0)


class Clock:
    """Seconds spent on a run, over all its starts; it stands still while no process runs.

    `already` are the seconds of earlier starts, `started_at` a `time.monotonic()` reading of when this one began, so
    that a caller can count what it did before.
    """

    def __init__(
        self, *, already: float = 0.0, started_at: float | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self.already = already
        self.started_at = now() if started_at is None else started_at

    @property
    def spent(self) -> float:
        """Seconds since the first start, pauses not counted."""
        return self.already + self._now() - self.started_at


@dataclass
class Reserve:
    """The seconds that the end of a run needs, learnt by doing each of its parts once at the start.

    Each part counts with the longest it has taken so far. `margin` is for parts that take longer at the end than at
    the start, `fixed` for what cannot be measured from inside: the interpreter's own end.
    """

    margin: float = 1.15
    fixed: float = 1.0
    worst: dict[str, float] = field(default_factory=dict)

    def learn(self, part: str, seconds: float) -> None:
        """Notes that `part` took so many seconds."""
        self.worst[part] = max(seconds, self.worst.get(part, 0.0))

    @property
    def seconds(self) -> float:
        """What to keep free for the end."""
        return self.margin * sum(self.worst.values()) + self.fixed


@dataclass
class Pace:
    """How long a step takes: the median of the last few, so that one slow step does not end a run early."""

    recent: list[float] = field(default_factory=list)
    first: float | None = None

    def learn(self, seconds: float) -> None:
        """Notes the time of one step."""
        self.recent = [*self.recent[-14:], seconds]
        if self.first is None and len(self.recent) >= 5:
            self.first = self.seconds

    @property
    def seconds(self) -> float:
        """Median seconds of a recent step; 0 before the first."""
        return sorted(self.recent)[len(self.recent) // 2] if self.recent else 0.0

    @property
    def slowdown(self) -> float:
        """How many times slower the machine has become since the start, at least 1, at most 3."""
        return min(max(self.seconds / self.first, 1.0), 3.0) if self.first else 1.0


@dataclass
class Schedule:
    """Where a run stands between its first step and its last."""

    budget: Budget
    clock: Clock
    warmup: float
    decay: float
    start: float = 0.0
    reserve: Reserve = field(default_factory=Reserve)
    pace: Pace = field(default_factory=Pace)

    @property
    def end(self) -> float:
        """Where training ends: a step count, or the seconds spent at which the end of the run must begin."""
        if self.budget.unit == "steps":
            return self.budget.amount
        return self.budget.amount - self.reserve.seconds * self.pace.slowdown

    def position(self, step: int) -> float:
        """Where the middle of the coming step lies; the middle, so that neither the first nor the last is at zero."""
        if self.budget.unit == "steps":
            return step + 0.5
        return self.clock.spent + 0.5 * self.pace.seconds

    def has_time(self, step: int) -> bool:
        """Whether one more step fits after `step` steps."""
        if self.budget.unit == "steps":
            return step < self.budget.amount
        return self.clock.spent + self.pace.seconds <= self.end

    def factor(self, step: int) -> float:
        """The share of the peak learning rate for the step after `step` steps."""
        return learning_rate_factor(
            self.position(step), start=self.start, end=self.end, warmup=self.warmup, decay=self.decay
        )

    def check(self, doing: str) -> None:
        """Stops a run that has no time left for its first step.

        Raises:
            BudgetError: the time spent, one step and the end of the run are more than the budget.
        """
        if self.budget.unit == "steps":
            return
        need = self.clock.spent + self.pace.seconds + self.reserve.seconds
        if need > self.budget.amount:
            raise BudgetError(
                f"config key 'budget' = {str(self.budget)!r} is too short for one step: after {doing}, "
                f"{spoken(self.clock.spent)} were spent and the rest needs at least "
                f"{spoken(need - self.clock.spent)}, so give it {spoken(1.5 * need)} or more."
            )
