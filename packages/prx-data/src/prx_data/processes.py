"""Runs tasks in processes of which any may die: each process has one task at a time, so who died is known.

Loky starts clean processes (no fork) and takes functions and objects that were defined in a notebook.
"""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from typing import Any, Generic, TypeVar

import cv2
import pyarrow as pa
from loky import ALL_COMPLETED, FIRST_COMPLETED, ProcessPoolExecutor, wait
from loky.process_executor import TerminatedWorkerError

T = TypeVar("T")
R = TypeVar("R")

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_MEMORY = {
    # glibc gives the memory of a large picture back at once, and the system clears every page of it for the next one.
    # That takes a good part of the time of decoding; so this much is kept.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 27),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 27),
    # In pages of two megabytes, and taken by so much at once that these fit: of small ones the processor cannot keep in
    # mind where all lie, and looks it up again and again, in a virtual machine twice. Python and Arrow would take
    # memory by themselves.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_TOP_PAD_": str(1 << 26),
    "PYTHONMALLOC": "malloc",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""What has no meaning to another C library does no harm there; what the user has set stands."""
_STRIKES = 2
_GOODBYE = 1.0
"""Seconds."""


def _start(parent: int) -> None:
    """Let this process use one thread, and end soon after its parent, even if that was killed and could tell nobody."""
    cv2.setNumThreads(1)
    gc.set_threshold(10_000)  # numba and the kernels are a hundred thousand objects, of which none goes
    _look_for_no_pandas()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _NoPandas(MetaPathFinder):
    """Finds nothing, and keeps others from finding pandas."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """None for what others may look for."""
        if fullname == "pandas":
            raise ImportError(fullname)


def _look_for_no_pandas() -> None:
    """Have pyarrow do without pandas here: it imports it at its first conversion, a fifth of a second for each process.

    What comes later may import pandas as ever, only not hand its tables to pyarrow.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])  # asks once
    finally:
        sys.meta_path.remove(finder)


class _Worker:
    """A process, replaced when it dies."""

    def __init__(self) -> None:
        self._pool: Any = None

    def submit(self, function: Callable[[T], R], task: T) -> Any:
        if self._pool is None:
            environment = {**_ONE_THREAD, **{name: os.environ.get(name, value) for name, value in _MEMORY.items()}}
            self._pool = ProcessPoolExecutor(1, env=environment, initializer=_start, initargs=(os.getpid(),))
        return self._pool.submit(function, task)

    def close(self) -> None:
        """Kill it: what it finished was taken, and it would need a tenth of a second to say goodbye."""
        if self._pool is not None:
            # This thread removes the queue's semaphores in the end and says so to who watches over them. Where the
            # program ends between the two, who watches warns of a leak.
            feeder = getattr(getattr(self._pool, "_call_queue", None), "_thread", None)
            self._pool.shutdown(kill_workers=True)
            self._pool = None
            if feeder is not None:
                feeder.join(_GOODBYE)


class Job(Generic[T, R]):
    """What is done with each task, and with one that takes its process down."""

    def __init__(
        self,
        run: Callable[[T], R],
        *,
        halves: Callable[[T], Sequence[T]],
        blame: Callable[[T, str], R],
        in_turn: bool = False,
    ) -> None:
        """`run` and `blame` return what came of a task.

        Args:
            run: Called in a process of its own.
            halves: Two parts of a task, or none if it cannot be divided.
            blame: Called here for a task that cannot be divided, with the exit code or signal of the process it killed.
            in_turn: Whether the processes rest while the caller does something with what they gave: if that takes all
                processors, with threads that wait for each other, an interruption costs it more than the rest costs.
        """
        self._in_turn = in_turn
        self._run = run
        self._halves = halves
        self._blame = blame

    def __call__(self, tasks: Iterable[T], workers: int) -> Iterator[R]:
        """Run tasks in any order and yield what came of each.

        A task whose process dies is tried again when all others are done and no other process takes up memory; it is
        halved until what kills is alone, and that has to kill twice.
        """
        suspects: list[T] = []
        yield from self._everything(iter(tasks), workers, suspects)
        alone = _Worker()
        try:
            for suspect in suspects:
                yield from self._isolate(suspect, alone)
        finally:
            alone.close()

    def _everything(self, tasks: Iterator[T], workers: int, suspects: list[T]) -> Iterator[R]:
        crew = [_Worker() for _ in range(workers)]
        running = {worker.submit(self._run, task): (worker, task) for worker, task in zip(crew, tasks, strict=False)}
        try:
            while running:
                free, finished = list[_Worker](), list[R]()
                for future in wait(running, return_when=ALL_COMPLETED if self._in_turn else FIRST_COMPLETED).done:
                    worker, task = running.pop(future)
                    free.append(worker)
                    try:
                        finished.append(future.result())
                    except TerminatedWorkerError:
                        worker.close()
                        suspects.append(task)
                if self._in_turn:
                    yield from finished
                for worker, task in zip(free, tasks, strict=False):
                    running[worker.submit(self._run, task)] = (worker, task)
                if not self._in_turn:
                    yield from finished  # the workers are busy again while the caller does something with it
        finally:
            for worker in crew:
                worker.close()

    def _isolate(self, task: T, alone: _Worker) -> Iterator[R]:
        halves = self._halves(task)
        for _ in range(1 if halves else _STRIKES):
            try:
                yield alone.submit(self._run, task).result()
                return
            except TerminatedWorkerError as error:
                alone.close()
                death = str(error)
        for half in halves:
            yield from self._isolate(half, alone)
        if not halves:
            yield self._blame(task, death)
