"""Runs measures over photos: tasks of a few dozen photos, in processes; each photo is read and decoded once.

What a process does with a task is in `prx_data.tasks`. What a model is to see in batches comes back to the process that
asked, which measures it while the others go on decoding. A photo that takes its process down, or more than its time, is
found by halving its task, and becomes a row with a status.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prx_data.backlog import Backlog
from prx_data.batches import Batches
from prx_data.files import only_here
from prx_data.kernels import compile_all
from prx_data.measures import Measure, takes_batches
from prx_data.measures.scaled import scaled_version
from prx_data.processes import Job
from prx_data.progress import progress
from prx_data.reading import Locator, parts
from prx_data.storage import append_stage, remove_leftovers
from prx_data.tasks import DECODED, DECODED_VERSION, Task, blame, run_task
from prx_data.workspace import WorkspaceStore

SECONDS_PER_PHOTO = 60.0
"""A photo that takes longer to decode and measure has the status `decoder_timeout`."""
_LEAST_TASK, _LARGEST_TASK = 16, 256
_SHARE = 2
"""A task is what is left, divided by so many tasks for each worker: large ones first, as each writes files, and small
ones in the end, so that no worker waits long for another (Polychronopoulos and Kuck 1987, "Guided self-scheduling")."""
_PORTION = 4096


def measure(
    store: WorkspaceStore,
    measures: Sequence[Measure],
    *,
    workers: int | None = None,
    seconds_per_photo: float = SECONDS_PER_PHOTO,
    decode_side: int | None = None,
) -> int:
    """Measure what is missing.

    Args:
        store: A workspace with photos.
        measures: What every photo shall have.
        workers: Processes; None for one per processor. 1 stays in this process, which a decoder that crashes or hangs
            then takes along.
        seconds_per_photo: Time limit for decoding and measuring one photo, if that is in another process.
        decode_side: Pixels of the longer side that decoding keeps at least, see `decode`; the measures' versions have
            to tell, see `Scaled`. None for whole pictures.

    Returns:
        The number of photos that lacked something.

    Raises:
        WorkspaceError: The workspace cannot be written to; what was finished stays, and the next call goes on from it.
    """
    crew = workers or os.cpu_count() or 1
    limit = None if workers == 1 else seconds_per_photo
    backlog = store.backlog(
        {DECODED: scaled_version(DECODED_VERSION, decode_side), **{one.name: one.version for one in measures}}
    )
    total = len(backlog)
    if not total:
        return 0
    here, lacks = False, 0
    for some in backlog:
        here = here or any(only_here(locator) for locator in some["locator"].to_pylist())
        lacks |= int(np.bitwise_or.reduce(some["lacks"].to_numpy()))
    wanted = [one for number, one in enumerate(measures, start=1) if lacks >> number & 1]
    batches = {one.name: Batches(store, one) for one in wanted if takes_batches(one)}
    in_turn = any(one.measure.chosen_device == "cpu" for one in batches.values())
    shares = crew if in_turn else _SHARE * crew
    tasks = _tasks(store, measures, backlog, shares=shares, limit=limit, decode_side=decode_side)
    job = Job(run_task, halves=Task.halves, blame=blame, in_turn=in_turn)
    started, begin = datetime.now(UTC), perf_counter()
    if len(batches) < len(wanted):
        compile_all()  # once, and not in each process
    try:
        with progress("measuring", total) as update:
            for done in map(run_task, tasks) if workers == 1 or here else job(tasks, crew):
                for name, prepared in done.prepared.items():
                    batches[name].add(prepared)
                update(done.photos)
    finally:
        remove_leftovers(store.folder)  # of workers that were killed, now or in an earlier run
    for one in batches.values():
        one.finish()
    seconds = perf_counter() - begin - sum(one.seconds for one in batches.values())
    append_stage(store.ledger, "measure", started=started, seconds=seconds, items=total)
    return total


def _tasks(
    store: WorkspaceStore,
    measures: Sequence[Measure],
    backlog: Backlog,
    *,
    shares: int,
    limit: float | None,
    decode_side: int | None,
) -> Iterator[Task]:
    """Made as they are run: a million photos are thousands of tasks."""
    left = len(backlog)
    for some in _portions(backlog):
        for lacks in pc.unique(some["lacks"]).to_pylist():
            alike = some.filter(pc.equal(some["lacks"], lacks))
            keys = dict(zip(alike["locator"].to_pylist(), alike["key"].to_pylist(), strict=True))
            for together in _guided(parts(keys, _LEAST_TASK), left, shares):
                left -= len(together)
                yield Task(
                    folder=store.folder,
                    photos=tuple((keys[locator], locator) for locator in together),
                    measures=tuple(one for number, one in enumerate(measures, start=1) if lacks >> number & 1),
                    decoded=bool(lacks & 1),
                    seconds=limit,
                    decode_side=decode_side,
                )


def _guided(pieces: Iterable[list[str]], left: int, shares: int) -> Iterator[list[str]]:
    """Pieces joined to lists, each of an equal share of what is left then, at most about 256 photos."""
    together: list[str] = []
    for piece in pieces:
        together += piece
        if len(together) >= min(left // shares, _LARGEST_TASK):
            yield together
            left -= len(together)
            together = []
    if together:
        yield together


def _portions(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """A few thousand photos at a time, as Python's objects take ten times their memory; cells of a file together."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= _PORTION:
            together = pa.concat_tables(held)
            stop = _start_of_last_file(together["locator"])
            yield together.slice(0, stop)
            held = [together.slice(stop)]
    yield from held and [pa.concat_tables(held)]


def _start_of_last_file(locators: pa.ChunkedArray) -> int:
    """Where the cells begin of the last file, which may go on; photos that are no cells are complete."""
    last = Locator.parse(locators[-1].as_py())
    if last.kind not in ("parquet", "arrow"):
        return len(locators)
    if Locator.parse(locators[0].as_py()).location == last.location:
        return 0  # looked at first, so that a file of a million cells is not walked through again and again
    start = len(locators) - 1
    while Locator.parse(locators[start - 1].as_py()).location == last.location:
        start -= 1
    return start
