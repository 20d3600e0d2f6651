"""Measures that want batches: pictures that other processes prepared go through the model here, a batch at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from prx_data.measures import BatchMeasure
from prx_data.storage import append_stage, write_shard
from prx_data.tasks import Prepared, measured_table
from prx_data.workspace import WorkspaceStore

_LEAST_SHARD = 256
"""Photos: fewer at a time are many files, more are lost by a kill."""


class Batches:
    """Collects what was prepared until it fills batches, measures it and writes shards."""

    def __init__(self, store: WorkspaceStore, measure: BatchMeasure) -> None:
        """Load the model."""
        measure.ready()
        self.measure = measure
        self._store = store
        self._held: list[Prepared] = []
        self._rows: list[dict[str, Any]] = []
        self._started, self._items = datetime.now(UTC), 0
        self.seconds = 0.0
        """That the model took so far, and writing."""

    def add(self, prepared: Sequence[Prepared]) -> None:
        """Take pictures; measures those that fill batches."""
        self._held += prepared
        while len(self._held) >= self.measure.batch_size:
            self._measure()
            if len(self._rows) >= _LEAST_SHARD:
                self._write()

    def finish(self) -> None:
        """Measure what is left, and tell the ledger."""
        if self._held:
            self._measure()
        if self._rows:
            self._write()
        if self._items:
            device = self.measure.chosen_device.partition(":")[0]
            append_stage(
                self._store.ledger,
                self.measure.name,
                started=self._started,
                seconds=self.seconds,
                items=self._items,
                device=device,
            )

    def _measure(self) -> None:
        """One batch."""
        begin, size = perf_counter(), self.measure.batch_size
        part, self._held = self._held[:size], self._held[size:]
        found = self.measure.batch([picture for _, picture in part])
        self._rows += [{"key": key, **columns} for (key, _), columns in zip(part, found, strict=True)]
        self.seconds += perf_counter() - begin

    def _write(self) -> None:
        begin = perf_counter()
        table = measured_table(self.measure.schema, self._rows)
        write_shard(self._store.folder, self.measure.name, self.measure.version, table)
        self._items += len(self._rows)
        self._rows = []
        self.seconds += perf_counter() - begin
