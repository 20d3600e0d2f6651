"""Runs measures over photos: tasks of a few dozen photos, in processes; each photo is read and decoded once.

A task reads its photos, checks that their bytes are still those that were indexed, decodes each once, gives the one
picture to every measure that lacks it, and writes one shard per measure. What a model is to see in batches comes back
to the process that asked, which measures it while the others go on decoding. A photo that takes its process down, or
more than its time, is found by halving its task, and becomes a row with a status.
"""

import hashlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prx_data import decoding
from prx_data.backlog import Backlog
from prx_data.batches import Batches, Prepared, measured_table
from prx_data.decoding import Decoded, decode
from prx_data.files import only_here
from prx_data.measures import Measure, takes_batches
from prx_data.measures.kernels import compile_all, load_all
from prx_data.measures.scaled import scaled_version
from prx_data.processes import Job
from prx_data.reading import Content, Locator, parts, read_many
from prx_data.records import Status
from prx_data.storage import append_stage, remove_leftovers
from prx_data.workspace import WorkspaceStore

DECODED = "decoded"
"""Name of the table that holds what decoding gave."""
DECODED_VERSION = decoding.VERSION
"""Of whole pictures; see `scaled_version`."""
DECODED_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("mode", pa.string()),
        ("notes", pa.list_(pa.string())),
        ("as_is", pa.bool_()),
        ("jpeg_quality", pa.int8()),
        ("decoded_share", pa.float32()),
    ]
)
PREPARED = "prepared"
_DECODED_NAMES = DECODED_SCHEMA.names[1:]
SECONDS_PER_PHOTO = 60.0
"""A photo that takes longer to decode and measure has the status `decoder_timeout`."""
_LEAST_TASK, _LARGEST_TASK = 16, 256
_SHARE = 2
"""A task is what is left, divided by so many tasks for each worker: large ones first, as each writes files, and small
ones in the end, so that no worker waits long for another (Polychronopoulos and Kuck 1987, "Guided self-scheduling")."""
_PORTION = 4096


@dataclass(frozen=True, kw_only=True)
class Task:
    """Photos to measure."""

    folder: Path
    photos: tuple[tuple[str, str], ...]
    """(key, locator)."""
    measures: tuple[Measure, ...]
    """Those that the photos lack."""
    decoded: bool
    """Whether they lack what decoding gives, too."""
    seconds: float | None
    """Time limit for each photo; None for none."""
    decode_side: int | None
    """See `measure`."""

    def halves(self) -> tuple["Task", ...]:
        """The task in two; none for a single photo."""
        middle = len(self.photos) // 2
        parts = (self.photos[:middle], self.photos[middle:])
        return tuple(replace(self, photos=part) for part in parts) if middle else ()


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a task, besides what it wrote."""

    photos: int
    prepared: Mapping[str, Sequence[Prepared]] = field(default_factory=dict)
    """What is to be measured in batches, by the measure's name."""


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
    from tqdm import tqdm  # the processes that measure need none

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
    tasks = _tasks(store, measures, backlog, crew=crew, limit=limit, decode_side=decode_side)
    job = Job(run_task, halves=Task.halves, blame=_blame)
    started, begin = datetime.now(UTC), perf_counter()
    compile_all()  # once, and not in each process
    try:
        with tqdm(total=total, desc="measuring", unit="photo", disable=None, leave=False) as bar:
            for done in map(run_task, tasks) if workers == 1 or here else job(tasks, crew):
                for name, prepared in done.prepared.items():
                    batches[name].add(prepared)
                bar.update(done.photos)
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
    crew: int,
    limit: float | None,
    decode_side: int | None,
) -> Iterator[Task]:
    """Made as they are run: a million photos are thousands of tasks."""
    left = len(backlog)
    for some in _portions(backlog):
        for lacks in pc.unique(some["lacks"]).to_pylist():
            alike = some.filter(pc.equal(some["lacks"], lacks))
            keys = dict(zip(alike["locator"].to_pylist(), alike["key"].to_pylist(), strict=True))
            for together in _guided(parts(keys, _LEAST_TASK), left, _SHARE * crew):
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


def run_task(task: Task) -> Done:
    """Measure a task's photos and write their shards."""
    rows: dict[str, list[dict[str, Any]]] = {}
    prepared: dict[str, list[Prepared]] = {}
    keys = {locator: key for key, locator in task.photos}
    load_all()  # the first photo's time is for that photo
    for locator, content in read_many(keys):
        key = keys[locator]
        with _time_limit(task.seconds):
            decoded = _decode(key, content, task.decode_side)
            if decoded is None:
                continue
            if task.decoded:
                rows.setdefault(DECODED, []).append(_decoded_row(key, decoded))
            for one in task.measures:
                row = _measure_row(key, decoded, one)
                if PREPARED in row:
                    prepared.setdefault(one.name, []).append((key, row[PREPARED]))
                else:
                    rows.setdefault(one.name, []).append(row)
    _write(task, rows)
    return Done(photos=len(task.photos), prepared=prepared)


def _blame(task: Task, death: str) -> Done:
    """Write the rows of a photo that twice took a process down with it."""
    ((key, _),) = task.photos
    late = f"SIGALRM(-{signal.SIGALRM.value})" in death
    status = Status.DECODER_TIMEOUT if late else Status.DECODER_CRASH
    message = f"it took more than {task.seconds:g} seconds" if late else "the process that decoded and measured it died"
    decoded = Decoded(status=status, message=message)
    # A photo that was decoded before has a row for that already: then it is the new measure that failed.
    rows = {one.name: [_measure_row(key, decoded, one)] for one in task.measures}
    if task.decoded:
        rows[DECODED] = [_decoded_row(key, decoded)]
    else:
        rows = {name: [{**one, "error": message} for one in found] for name, found in rows.items()}
    _write(task, rows)
    return Done(photos=1)


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """End the process, whatever it is doing, if the body takes longer: a decoder in C heeds nothing milder."""
    if seconds is None:
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _decode(key: str, content: Content, decode_side: int | None) -> Decoded | None:
    """None if the photo is gone or changed since it was indexed: that is no property of the content to remember."""
    if isinstance(content, OSError) or hashlib.sha256(content).hexdigest() != key:
        return None
    return decode(content, at_least=decode_side)


def _decoded_row(key: str, decoded: Decoded) -> dict[str, Any]:
    row = {name: getattr(decoded, name) for name in _DECODED_NAMES}
    return {"key": key, **row, "status": decoded.status.value, "notes": list(decoded.notes)}


def _measure_row(key: str, decoded: Decoded, measure: Measure) -> dict[str, Any]:
    """A row without the measure's columns for a photo without pixels; with `error` if the measure itself failed.

    Of a measure that takes batches, what it prepared, instead of its columns.
    """
    if decoded.picture is None:
        return {"key": key}
    try:
        if takes_batches(measure):
            return {"key": key, PREPARED: measure.prepare(decoded.picture)}
        return {"key": key, **measure(decoded.picture)}
    except Exception as failure:  # one odd photo must not end a run over a million; the verdict names it
        return {"key": key, "error": f"{type(failure).__name__}: {failure}"}


def _write(task: Task, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    store = WorkspaceStore(task.folder)
    for one in task.measures:
        if one.name in rows:
            store.write_shard(one.name, one.version, measured_table(one.schema, rows[one.name]))
    if DECODED in rows:
        version = scaled_version(DECODED_VERSION, task.decode_side)
        store.write_shard(DECODED, version, pa.Table.from_pylist(rows[DECODED], schema=DECODED_SCHEMA))
