"""How far a stage has come: one way to show it for all.

On a terminal there are bars on standard error, one in another where a stage has parts, and each vanishes when it is
done. Elsewhere there are none: a stage that has ended is logged, and `prx-data` shows that as a line.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

from prx_data.told import counted

T = TypeVar("T")

Step = Callable[[str], None]
"""Told the name of what begins."""
Update = Callable[[int], None]
"""Told how many more are done."""

LOG = logging.getLogger("prx_data")
_MOMENT = 0.5  # seconds: what takes less is not worth a bar of its own


def _bar(what: str, total: int | None, **shown: Any) -> Any:
    from tqdm import tqdm  # the processes that measure import what imports this, and need none

    return tqdm(total=total, desc=what, disable=None, leave=False, **shown)


@contextmanager
def progress(what: str, total: int | None = None, *, unit: str = "photo", **shown: Any) -> Iterator[Update]:
    """A bar for a stage, and a line in the log when it has ended.

    Args:
        what: What is being done.
        total: To how many; None if nobody knows.
        unit: What they are.
        shown: Further arguments of `tqdm`.
    """
    begin, done = perf_counter(), 0
    with _bar(what, total, unit=unit, **shown) as bar:

        def update(more: int) -> None:
            nonlocal done
            done += more
            bar.update(more)

        yield update
    LOG.info("%s: %s in %.1f s", what, counted(done, unit), perf_counter() - begin)


@contextmanager
def steps(what: str, total: int) -> Iterator[Step]:
    """The same for a stage with steps that take differently long, each by its name.

    Args:
        what: What is being done.
        total: Of how many steps.
    """
    begin, done = perf_counter(), 0
    with _bar(what, total, bar_format="{desc} [{elapsed}]") as bar:

        def step(name: str) -> None:
            nonlocal done
            done += 1
            bar.set_description_str(f"{what}: {name} ({done} of {total})")

        yield step
    LOG.info("%s in %.1f s", what, perf_counter() - begin)


def tracked(items: Collection[T], what: str, *, unit: str) -> Iterator[T]:
    """The items of a part of a stage, with a bar if they take more than a moment."""
    with _bar(what, len(items), unit=unit, delay=_MOMENT) as bar:
        for one in items:
            yield one
            bar.update()


def unseen(name: str) -> None:
    """A `Step` that tells nobody."""
