"""What a workspace was measured with, so that it can be opened again without the objects that measured it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.errors import ConfigError
from prx_data.formats import MEASURES, read_fields, understood, with_format
from prx_data.measures import Measure, takes_columns
from prx_data.picture import Picture
from prx_data.storage import measure_folder, write_json
from prx_data.workspace import MEASURES_FILE, WorkspaceStore


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A measure of which there are columns, and nothing that could measure more."""

    name: str
    version: str
    schema: pa.Schema

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """There is nothing to call.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"The measure {self.name!r} can only be read: it was measured from Python.")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was asked for when a workspace was measured."""

    decode_side: int | None = None
    versions: Mapping[str, str]
    """By the measures' names."""

    def stored(self, workspace: Path) -> Iterator[Stored]:
        """The measures that have columns there, by name."""
        for name, version in sorted(self.versions.items()):
            shard = next(measure_folder(workspace, name, version).glob("*.parquet"), None)
            if shard is not None:
                with understood(workspace, shard):
                    columns = [field for field in pq.read_schema(shard) if field.name not in ("key", "error")]
                yield Stored(name=name, version=version, schema=pa.schema(columns))


def read_record(workspace: Path) -> Record:
    """What is known of a workspace; nothing if it was never measured."""
    return Record(**(read_fields(workspace, workspace / MEASURES_FILE, MEASURES) or {"versions": {}}))


def write_record(workspace: Path, measures: Sequence[Measure], decode_side: int | None) -> None:
    """Add measures to what is known; what was decoded otherwise before is forgotten, as columns of both never mix."""
    before = read_record(workspace)
    kept = before.versions if before.decode_side == decode_side else {}
    new = {one.name: one.version for one in measures if not takes_columns(one)}
    versions = {**kept, **new}
    if Record(decode_side=decode_side, versions=versions) != before:
        write_json(workspace / MEASURES_FILE, with_format({"decode_side": decode_side, "versions": versions}))


def more_measured(store: WorkspaceStore, measures: Iterable[Measure]) -> list[Stored]:
    """Measures that are none of these, and of which a workspace has the columns of all photos."""
    known = {one.name for one in measures}
    others = [one for one in read_record(store.folder).stored(store.folder) if one.name not in known]
    return [one for one in others if not len(store.backlog({one.name: one.version}))]
