"""Runs measures over photos: tasks of a few dozen photos, in processes; each photo is read and decoded once.

A task reads its photos, checks that their bytes are still those that were indexed, decodes each once, gives the one
array to every measure that lacks it, and writes one shard per measure. A file that takes the whole process down is
found by halving its task, and becomes a row with the status `decoder_crash`.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from loky import ProcessPoolExecutor, as_completed
from loky.process_executor import TerminatedWorkerError
from tqdm import tqdm

from prx_data import decoding
from prx_data.decoding import Decoded, decode
from prx_data.files import only_here
from prx_data.measures import Measure
from prx_data.reading import Content, parts, read_many
from prx_data.records import Status
from prx_data.storage import ledger_stage
from prx_data.workspace import WorkspaceStore

DECODED = "decoded"
"""Name of the table that holds what decoding gave."""
DECODED_VERSION = decoding.VERSION
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
    ]
)
_TASK_PHOTOS = 48


@dataclass(frozen=True, kw_only=True)
class Task:
    """Photos to measure; `missing` says which measures lack each."""

    folder: Path
    photos: tuple[tuple[str, str], ...]
    """(key, locator)."""
    measures: tuple[Measure, ...]
    missing: Mapping[str, frozenset[str]]
    """Names of measures (and `decoded`) by key."""

    def part(self, photos: Sequence[tuple[str, str]]) -> "Task":
        """The same task for some of its photos."""
        return Task(folder=self.folder, photos=tuple(photos), measures=self.measures, missing=self.missing)


def measure(store: WorkspaceStore, measures: Sequence[Measure], *, workers: int | None = None) -> int:
    """Measure what is missing.

    Args:
        store: A workspace with photos.
        measures: What every photo shall have.
        workers: Processes; None for one per processor, 1 to stay in this process.

    Returns:
        The number of photos that lacked something.
    """
    tasks = _plan(store, measures)
    total = sum(len(task.photos) for task in tasks)
    if not tasks:
        return 0
    with ledger_stage(store.ledger, "measure") as counted:
        with tqdm(total=total, desc="measuring", unit="photo", disable=None, leave=False) as bar:
            here = any(only_here(locator) for task in tasks for _, locator in task.photos)
            for done in _run(tasks, run_task, 1 if here else min(workers or os.cpu_count() or 1, len(tasks))):
                bar.update(done)
        counted["items"] = total
    return total


def _plan(store: WorkspaceStore, measures: Sequence[Measure]) -> list[Task]:
    locators = store.readable()
    have = {one.name: store.measured_keys(one.name, one.version) for one in measures}
    have[DECODED] = store.measured_keys(DECODED, DECODED_VERSION)
    missing = {key: frozenset(name for name, keys in have.items() if key not in keys) for key in locators}
    keys = {locator: key for key, locator in locators.items() if missing[key]}
    tasks = []
    for together in parts(keys, _TASK_PHOTOS):
        part = tuple((keys[locator], locator) for locator in together)
        lacking = {key: missing[key] for key, _ in part}
        tasks.append(Task(folder=store.folder, photos=part, measures=tuple(measures), missing=lacking))
    return tasks


def _run(tasks: Sequence[Task], function: Callable[[Task], int], workers: int) -> Iterator[int]:
    """Run tasks and yield the number of photos of each as it ends."""
    if workers == 1:
        yield from map(function, tasks)
        return
    left = {task.photos[0][0]: task for task in tasks}
    try:
        with ProcessPoolExecutor(workers, env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}) as pool:
            running = {pool.submit(function, task): first for first, task in left.items()}
            for future in as_completed(running):
                done = future.result()
                del left[running[future]]
                yield done
    except TerminatedWorkerError:
        for task in list(left.values()):
            yield _isolate(task, function)


def _isolate(task: Task, function: Callable[[Task], int]) -> int:
    """Run a task of a pool that died in a process of its own; halve it until the photo that kills is alone."""
    try:
        with ProcessPoolExecutor(1) as pool:
            done: int = pool.submit(function, task).result()
            return done
    except TerminatedWorkerError:
        if len(task.photos) > 1:
            middle = len(task.photos) // 2
            halves = (task.photos[:middle], task.photos[middle:])
            return sum(_isolate(task.part(photos), function) for photos in halves)
    key = task.photos[0][0]
    crashed = Decoded(status=Status.DECODER_CRASH, message="the decoding process died")
    _write(task, {DECODED: [_decoded_row(key, crashed)]})
    return 1


def run_task(task: Task) -> int:
    """Measure a task's photos and write their shards."""
    rows: dict[str, list[dict[str, Any]]] = {}
    keys = {locator: key for key, locator in task.photos}
    for locator, content in read_many(keys):
        key = keys[locator]
        decoded = _decode(key, content)
        if decoded is None:
            continue
        if DECODED in task.missing[key]:
            rows.setdefault(DECODED, []).append(_decoded_row(key, decoded))
        for one in task.measures:
            if one.name in task.missing[key]:
                rows.setdefault(one.name, []).append(_measure_row(key, decoded, one))
    _write(task, rows)
    return len(task.photos)


def _decode(key: str, content: Content) -> Decoded | None:
    """None if the photo is gone or changed since it was indexed: that is no property of the content to remember."""
    if isinstance(content, OSError) or hashlib.sha256(content).hexdigest() != key:
        return None
    return decode(content)


def _decoded_row(key: str, decoded: Decoded) -> dict[str, Any]:
    row = {name: getattr(decoded, name) for name in DECODED_SCHEMA.names if name != "key"}
    return {"key": key, **row, "status": decoded.status.value, "notes": list(decoded.notes)}


def _measure_row(key: str, decoded: Decoded, measure: Measure) -> dict[str, Any]:
    """A row with nulls for a photo without pixels; `error` if the measure itself failed."""
    row: dict[str, Any] = dict.fromkeys(measure.schema.names)
    error = None
    if decoded.pixels is not None:
        try:
            row |= measure(decoded.pixels)
        except Exception as failure:  # one odd photo must not end a run over a million; the verdict names it
            error = f"{type(failure).__name__}: {failure}"
    return {"key": key, **row, "error": error}


def _write(task: Task, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    store = WorkspaceStore(task.folder)
    for one in task.measures:
        if one.name in rows:
            schema = pa.schema([("key", pa.string()), *one.schema, ("error", pa.string())])
            store.write_shard(one.name, one.version, pa.Table.from_pylist(rows[one.name], schema=schema))
    if DECODED in rows:
        store.write_shard(DECODED, DECODED_VERSION, pa.Table.from_pylist(rows[DECODED], schema=DECODED_SCHEMA))
