"""What a process does with a task, a few dozen photos to measure.

It reads them, checks that their bytes are still those that were indexed, decodes each once, gives the one picture to
every measure that lacks it, and writes one shard per measure. Processes import this file and not the engine, whose
imports would take each of them a tenth of a second more.
"""

import hashlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from prx_data import decoding
from prx_data.decoding import Decoded, decode
from prx_data.kernels import load_all
from prx_data.measures import Measure, takes_batches
from prx_data.measures.scaled import scaled_version
from prx_data.reading import Content, read_many
from prx_data.records import Status
from prx_data.storage import write_shard

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
Prepared = tuple[str, npt.NDArray[Any]]
"""Key, and what the model sees of the photo."""


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


def run_task(task: Task) -> Done:
    """Measure a task's photos and write their shards."""
    rows: dict[str, list[dict[str, Any]]] = {}
    prepared: dict[str, list[Prepared]] = {}
    keys = {locator: key for key, locator in task.photos}
    if not all(map(takes_batches, task.measures)):  # preparing takes one kernel at most
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
            del decoded  # the next picture takes its memory, which the processor still has at hand
    _write(task, rows)
    return Done(photos=len(task.photos), prepared=prepared)


def blame(task: Task, death: str) -> Done:
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
    for one in task.measures:
        if one.name in rows:
            write_shard(task.folder, one.name, one.version, measured_table(one.schema, rows[one.name]))
    if DECODED in rows:
        version = scaled_version(DECODED_VERSION, task.decode_side)
        write_shard(task.folder, DECODED, version, pa.Table.from_pylist(rows[DECODED], schema=DECODED_SCHEMA))


def measured_table(schema: pa.Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of a measure as they are written: `key`, its columns, `error`."""
    return pa.Table.from_pylist(rows, schema=pa.schema([("key", pa.string()), *schema, ("error", pa.string())]))
