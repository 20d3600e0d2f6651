"""Looks after a cache that is being filled: it may take longer than the budget, and somebody may ask for an end."""

from prx_train.caching import Watch
from prx_train.crew import Crew
from prx_train.ledger import Ledger
from prx_train.schedule import Schedule


class Filling(Watch):
    """Ends what the budget cannot hold as soon as that shows, heeds a stop, and books every file.

    What is to come is reckoned at the fastest pace so far: the first few also bear what is done once, such as loading
    kernels, and the machine may have been busy with something else. So only what cannot be is refused.
    """

    def __init__(
        self, stage: str, unit: str, what: str, *, schedule: Schedule, ledger: Ledger, crew: Crew, begun: bool = False
    ) -> None:
        """A watch.

        Args:
            stage: Of the ledger.
            unit: Of the ledger.
            what: What the cache holds, for the sentence.
            schedule: Knows the budget.
            ledger: Takes a row for each file, so that a kill keeps its time.
            crew: The first of it fills the cache; the others may try again what could not be made, and are not ended.
            begun: Whether there are steps already: then the run is brought to its end, whatever that takes.
        """
        self._stage, self._unit, self._what = stage, unit, what
        self._schedule, self._ledger, self._crew, self._begun = schedule, ledger, crew, begun
        self._done, self._last = 0, schedule.clock.spent
        self._pace = 0.0
        """Seconds for an item; 0 before it is known."""

    def made(self, done: int, count: int) -> None:
        """Compares what is left to be made with what the budget has left.

        Raises:
            BudgetError: it is too long.
            Stopped: somebody asked for an end.
        """
        if not self._crew.first:
            return
        self._crew.poll()
        now = self._schedule.clock.spent
        if self._done:
            pace = (now - self._last) / (done - self._done)
            self._pace = min(self._pace or pace, pace)
        self._done, self._last = done, now
        if not self._begun:
            self._schedule.check(f"making {done:,} of {count:,} {self._what}", ahead=self._pace * (count - done))

    def filed(self, items: int) -> None:
        """Books what was done since the last row."""
        self._ledger.close(self._stage, items=items, unit=self._unit)
