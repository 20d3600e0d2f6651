"""The learning rate as a function of what has been spent, and the clock that says how much that is.

A run walks the same curve whether its budget is seconds or steps: the position is seconds spent or steps done, and the
learning rate reaches zero where training ends. A run that replays another takes that one's rates, step by step.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prx_train.budget import Budget, spoken
from prx_train.errors import BudgetError

# No machine takes twice the same time for the end of a run: what is left free for that, as shares of the budget and of
# the end, the smaller of which counts.
_SLACK, _SLACK_OF_RESERVE = 0.004, 0.5


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

    Each part counts with the longer of the last two times that it was done. `margin` is for parts that take longer at
    the end than before, `fixed` for what cannot be measured from inside: the end of the process, and of a launcher
    that has to notice it.
    """

    margin: float = 1.12
    fixed: float = 0.5
    recent: dict[str, list[float]] = field(default_factory=dict)

    def learn(self, part: str, seconds: float) -> None:
        """Notes that `part` took so many seconds."""
        self.recent[part] = [*self.recent.get(part, [])[-1:], seconds]

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of each part."""
        return {part: max(seconds) for part, seconds in self.recent.items()}

    @property
    def seconds(self) -> float:
        """What to keep free for the end."""
        return self.margin * sum(self.parts.values()) + self.fixed


def reserve_of(processes: int) -> Reserve:
    """Before anything is learnt: of so many processes, a launcher that started them ends a second after they have."""
    return Reserve() if processes == 1 else Reserve(fixed=1.5)


@dataclass
class Pace:
    """How long a step takes, and whether the machine has become slower: medians of the last five steps.

    So one slow step does not end a run early; nor do slow times that are over, which more steps would remember when
    the end is near.
    """

    recent: list[float] = field(default_factory=list)
    """Seconds of steps."""
    passes: list[float] = field(default_factory=list)
    """Seconds per photo of the forward and backward passes of steps with as many photos as `tried` or more."""
    tried: tuple[int, float] | None = None
    """Photos, and seconds for each, of the passes that were tried together with the parts of the end."""

    def refer(self, seconds: float, photos: int) -> None:
        """Notes the passes of a step that was tried together with the parts of the end."""
        self.tried = photos, seconds / max(photos, 1)
        self.recent = [seconds]

    def learn(self, seconds: float, *, passes: float, photos: int) -> None:
        """Notes one step: its seconds, those of them that its passes took, and its photos."""
        self.recent = [*self.recent[-4:], seconds]
        # A batch that is not full takes longer for each photo, on a machine that is no slower.
        if self.tried is not None and photos >= max(self.tried[0], 1):
            self.passes = [*self.passes[-4:], passes / photos]

    @property
    def seconds(self) -> float:
        """Median seconds of a recent step; 0 before the first."""
        return _median(self.recent) if self.recent else 0.0

    @property
    def next_seconds(self) -> float:
        """What the next step is expected to take at most: as long as most, or as the last one."""
        return max(self.seconds, self.recent[-1]) if self.recent else 0.0

    @property
    def slowdown(self) -> float:
        """How many times slower the machine is than when the end was tried, in [1, 3]; 1 before that is known."""
        if self.tried is None or len(self.passes) < 5:
            return 1.0
        return min(max(_median(self.passes) / self.tried[1], 1.0), 3.0)


def _median(values: Sequence[float]) -> float:
    """The upper one of an even number."""
    return sorted(values)[len(values) // 2]


@dataclass
class Schedule:
    """Where a run stands between its first step and its last."""

    budget: Budget
    """In seconds or steps."""
    clock: Clock
    warmup: float
    decay: float
    peak: float = 1.0
    """Highest learning rate."""
    start: float = 0.0
    replayed: Sequence[float] = ()
    """The learning rates of the run that is replayed, one for each step."""
    reserve: Reserve = field(default_factory=Reserve)
    pace: Pace = field(default_factory=Pace)
    decayed: float = 1.0
    """The lowest share of the peak since decay began: where a slow-down passes the end moves away again, and the rate
    waits for it rather than rise."""

    @property
    def timed(self) -> bool:
        """Whether the clock says when training ends."""
        return self.budget.unit == "seconds"

    @property
    def end(self) -> float:
        """Where training ends: a step count, or the seconds spent at which the end of the run must begin."""
        if not self.timed:
            return self.budget.amount
        reserve = self.reserve.seconds
        slack = min(_SLACK * self.budget.amount, _SLACK_OF_RESERVE * reserve)
        return self.budget.amount - slack - reserve * self.pace.slowdown

    def position(self, step: int) -> float:
        """Where the middle of the coming step lies; the middle, so that neither the first nor the last is at zero."""
        return self.clock.spent + 0.5 * self.pace.seconds if self.timed else step + 0.5

    def has_time(self, step: int) -> bool:
        """Whether one more step fits after `step` steps."""
        return self.fits(self.pace.next_seconds) if self.timed else step < self.budget.amount

    def fits(self, seconds: float) -> bool:
        """Whether the end of the run can wait so long."""
        return not self.timed or self.clock.spent + seconds <= self.end

    def learning_rate(self, step: int) -> float:
        """For the step after `step` steps."""
        if self.replayed:
            return self.replayed[step]
        position, end = self.position(step), self.end
        factor = learning_rate_factor(position, start=self.start, end=end, warmup=self.warmup, decay=self.decay)
        if position >= end - self.decay * (end - self.start) or self.decayed < 1.0:
            factor = self.decayed = min(factor, self.decayed)
        return self.peak * factor

    def check(self, doing: str, *, ahead: float = 0.0) -> None:
        """Stops a run that has no time left for its first step.

        Args:
            doing: What was done last.
            ahead: Seconds that what comes before the first step will take, as far as that is known.

        Raises:
            BudgetError: the time spent, one step and the end of the run are more than the budget.
        """
        if not self.timed:
            return
        need = self.clock.spent + ahead + self.pace.seconds + self.reserve.seconds
        if need > self.budget.amount:
            raise BudgetError(
                f"config key 'budget' = {self.budget.written!r} is too short for one step: after {doing}, "
                f"{spoken(self.clock.spent)} were spent and the rest needs at least "
                f"{spoken(need - self.clock.spent)}, so give it {self.budget.at_least(1.5 * need)}."
            )
