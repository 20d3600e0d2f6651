"""The columns on disk: a folder that remembers what was measured, by content and by version.

    workspace/
      sources/SOURCE.parquet              one row per photo of a source: where it is, its key, its metadata
      sources/SOURCE.journal/             what is known of a source whose reading was interrupted
      measures/NAME-VERSION/SHARD.parquet columns by key; a shard is named after the keys in it
      spool/KE/KEY                        bytes that cannot be read again from their source at random
      against/NAME/                       a workspace of a set that these photos must not overlap
      settings.json                       what the last curation decided by
      measures.json                       versions of the measures that were asked for, see `prx_data.stored`
      ledger.jsonl                        where the time went

Files are written atomically and shards never changed, so any process may be killed at any time; what is missing is
found by comparing keys. What is of another format is told of before any work, see `prx_data.formats`.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prx_data.backlog import Backlog
from prx_data.errors import WorkspaceError
from prx_data.features import Feature
from prx_data.formats import (
    MEASURES,
    SETTINGS,
    SOURCE,
    check_rows,
    parse_fields,
    read_fields,
    read_rows,
    understood,
    with_format,
)
from prx_data.index import PHOTOS_SCHEMA, Journal, Spool, index_photos
from prx_data.known import KnownRows
from prx_data.records import Status
from prx_data.sources import NOTHING, Earlier, Findings, Photos, open_source, source_name
from prx_data.storage import (
    claimed,
    ledger_stage,
    make_writable_folder,
    measure_folder,
    others_write,
    write_table,
)

SETTINGS_FILE = "settings.json"
MEASURES_FILE = "measures.json"
OTHERS = "against"
"""Folder of the workspaces of sets that these photos must not overlap."""


class WorkspaceStore:
    """A workspace folder, opened or created."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        make_writable_folder(self.folder, name="workspace")
        check_format(self.folder)

    @property
    def ledger(self) -> Path:
        """Where the stages' times are appended."""
        return self.folder / "ledger.jsonl"

    @property
    def settings_file(self) -> Path:
        """The settings of the last curation, for those who ask afterwards why it decided as it did."""
        return self.folder / SETTINGS_FILE

    @property
    def ignored_files(self) -> int:
        """Files of the sources that are neither photos nor metadata."""
        return sum(about["ignored"] for about in self._about())

    @property
    def notes(self) -> list[str]:
        """What was assumed or left out when the sources were read, in sentences."""
        return [note for about in self._about() for note in about["notes"]]

    @property
    def unread(self) -> list[str]:
        """Names of the files with photos that could not be read for a reason that is not in them."""
        return [name for about in self._about() for name in about["unread"]]

    @property
    def features(self) -> dict[str, Feature]:
        """The type of every metadata column of the sources, see `prx_data.features`."""
        findings = Findings()
        for about in self._about():
            findings.add_features(about["features"])
        return dict(sorted(findings.features.items()))

    @property
    def sources(self) -> list[str]:
        """The locations of the sources that were added, ordered."""
        return [about["source"] for about in self._about()]

    def add(self, photos: Photos, metadata: Photos | None = None, *, image_column: str | None = None) -> int:
        """Add a pile of photos, or look at one again that was added before: what is in it now replaces what was.

        Every photo is read and hashed, unless its file is known and has the size and the time of change (a remote one:
        the tag) that it had; nothing is decoded yet. So a file that is changed in place and keeps both is not noticed.
        Columns measured earlier stay, as they belong to the content and not to the file.

        Args:
            photos: A folder; a CSV, JSONL or Parquet manifest; a dataset that `datasets` saved or wrote as Parquet;
                WebDataset tars; a zip; a pattern such as `shards/{000..099}.tar`; `owner/name` on the Hugging Face
                hub. A local path or an fsspec URL. What it is, is recognised.
            metadata: For a folder: a CSV, JSONL or Parquet file that names files relative to the folder, instead of
                the `metadata.csv` (`.jsonl`, `.parquet`) files in it.
            image_column: Of tables: the column that holds the pictures (bytes, or a struct with `bytes` and `path`) or
                names them; recognised if None.

        Returns:
            The number of photos in this pile.

        Raises:
            SourceError: There are no photos, or the source or its metadata is unusable as a whole.
        """
        with ledger_stage(self.ledger, "index") as stage, claimed(self.folder):
            name = source_name(photos)
            source, path = open_source(photos, metadata, image_column), self._source_path(name)
            journal, spool = Journal(path.with_suffix(".journal")), Spool(self.folder / "spool")
            before = read_rows(self.folder, path) if path.exists() else None
            then = None if before is None else _about(self.folder, path)
            revision = source.revision
            if before is not None and then and revision and then["revision"] == revision and _stands(before, spool):
                stage.items = len(before)
                return len(before)
            known = KnownRows([PHOTOS_SCHEMA.empty_table() if before is None else before])
            earlier = NOTHING if then is None else Earlier(rows=known, tars=then["tars"])
            findings = Findings()
            if journaled := journal.tables():
                known = KnownRows([known.table, *journaled])
            table = index_photos(source.photos(findings, earlier), known, spool, journal)
            about = with_format({"source": name, "revision": revision, **vars(findings)})
            write_table(path, table.replace_schema_metadata({"prx-data": json.dumps(about)}))
            journal.remove()
            stage.items = len(table)
        self._sweep_spool()
        return len(table)

    def keep_only(self, sources: Iterable[Photos]) -> None:
        """Forget every other source; what was measured of its photos stays."""
        wanted = {self._source_path(source_name(one)) for one in sources}
        for path in self._source_paths():
            if path not in wanted:
                path.unlink()
        self._sweep_spool()

    def _sweep_spool(self) -> None:
        """Remove kept bytes that no source needs; not while others add to the workspace, who may be about to."""
        spool = Spool(self.folder / "spool")
        if not spool.folder.exists() or others_write(self.folder):
            return
        written = [*self._source_paths(), *(self.folder / "sources").glob("*.journal/*.parquet")]
        spool.sweep(one.as_py() for path in written for one in read_rows(self.folder, path, ["locator"])["locator"])

    def photos(self, columns: Sequence[str] | None = None) -> pa.Table:
        """One row per input photo, ordered by origin; see `prx_data.index.PHOTOS_SCHEMA`.

        With several sources, an origin begins with the name of its source: as many of the last parts of its location
        as it takes to tell the sources apart.

        Args:
            columns: Which, `origin` first; None for all.
        """
        paths = self._source_paths()
        tables = [read_rows(self.folder, path, columns) for path in paths]
        if not tables:
            raise WorkspaceError(f"The workspace {self.folder} has no photos yet; add a folder first.")
        if len(tables) == 1:
            return tables[0].replace_schema_metadata(None)
        labels = source_labels([_about(self.folder, path)["source"] for path in paths])
        named = [_prefixed(table, label) for table, label in zip(tables, labels, strict=True)]
        return pa.concat_tables(named).sort_by("origin")

    def readable(self) -> pa.Table:
        """`key` and `locator` of every distinct content that could be read, ordered by the first origin of each."""
        table = self.photos(["origin", "key", "locator", "status"])
        rows = np.flatnonzero(pc.equal(table["status"], Status.OK).to_numpy())
        # Numbers for the keys: texts are not copied more often than once.
        numbers = table["key"].combine_chunks().dictionary_encode().indices.fill_null(0).to_numpy()
        _, first = np.unique(numbers[rows], return_index=True)
        return table.select(["key", "locator"]).take(rows[np.sort(first)])

    def locators(self) -> dict[str, str]:
        """Key to locator for every distinct content that could be read."""
        table = self.readable()
        return dict(zip(table["key"].to_pylist(), table["locator"].to_pylist(), strict=True))

    def measured(self, name: str, version: str, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of one measure, ordered by key, whether or not their photos are still in the source."""
        table = pa.concat_tables(self.shards(name, version, columns)).sort_by("key")
        return table.filter(_first_of_each(table["key"]))

    def shards(self, name: str, version: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The same, one file after the other and in any order; a key may come twice.

        Raises:
            WorkspaceError: There is none.
        """
        shards = sorted(measure_folder(self.folder, name, version).glob("*.parquet"))
        if not shards:
            raise WorkspaceError(
                f"The workspace {self.folder} has no measure {name!r} of version {version!r} yet: call measure()."
            )
        return (read_rows(self.folder, shard, columns) for shard in shards)

    def has_measured(self, name: str, version: str) -> bool:
        """Whether there is a row of a measure at all."""
        return any(measure_folder(self.folder, name, version).glob("*.parquet"))

    def backlog(self, versions: Mapping[str, str]) -> Backlog:
        """The photos whose contents have no row of some measures, given the version of each by its name."""
        folders = [measure_folder(self.folder, name, version) for name, version in versions.items()]
        return Backlog(self._source_paths(), [folder.glob("*.parquet") for folder in folders])

    def _source_path(self, name: str) -> Path:
        return self.folder / "sources" / f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.parquet"

    def _source_paths(self) -> list[Path]:
        return sorted((self.folder / "sources").glob("*.parquet"))

    def _about(self) -> list[dict[str, Any]]:
        """What each source said beside its photos, ordered by the sources' locations."""
        found = [_about(self.folder, path) for path in self._source_paths()]
        return sorted(found, key=lambda about: str(about["source"]))


def _stands(before: pa.Table, spool: Spool) -> bool:
    """Whether all that was indexed could be read, and is still there where it was kept."""
    if pc.any(pc.equal(before["status"], Status.UNREADABLE)).as_py():
        return False
    return not any(spool.lost(one.as_py()) for one in before["locator"])


def _about(workspace: Path, source: Path) -> dict[str, Any]:
    metadata = check_rows(workspace, source, PHOTOS_SCHEMA).metadata or {}
    return parse_fields(workspace, source, metadata.get(b"prx-data", b"null"), SOURCE)


def is_workspace(folder: Path) -> bool:
    """Whether photos were added there."""
    return any(folder.glob("sources/*.parquet"))


def check_format(workspace: Path) -> None:
    """See that what a workspace remembers can be read back, but for what was measured, which has versions of its own.

    Raises:
        ConfigError: A file is of another format.
    """
    sources = workspace / "sources"
    with suppress(FileNotFoundError), understood(workspace, sources):
        any(sources.iterdir())  # of one that is closed, what it holds would seem to be gone
    for path in sources.glob("*.parquet"):
        with suppress(FileNotFoundError):  # another process has just forgotten the source
            _about(workspace, path)
    for path in sources.glob("*.journal/*.parquet"):
        with suppress(FileNotFoundError):  # or has ended
            check_rows(workspace, path, PHOTOS_SCHEMA)
    read_fields(workspace, workspace / SETTINGS_FILE, SETTINGS)
    read_fields(workspace, workspace / MEASURES_FILE, MEASURES)
    for other in (workspace / OTHERS).glob("*/"):
        check_format(other)


def _prefixed(table: pa.Table, label: str) -> pa.Table:
    origins = pc.binary_join_element_wise(pa.scalar(label), table["origin"], "/")
    return table.set_column(0, "origin", origins).replace_schema_metadata(None)


def source_labels(names: Sequence[str]) -> list[str]:
    """A short name for each location: the fewest of its last parts that tell all of them apart."""
    parts = [name.split("/") for name in names]
    for length in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(one[-length:]) for one in parts]
        if len(set(labels)) == len(labels):
            return labels
    return list(names)


def _first_of_each(keys: pa.ChunkedArray) -> pa.Array:
    """Mask of the first row of each key in a sorted column; two runs at once may have measured a photo twice."""
    values = keys.combine_chunks()
    if len(values) < 2:
        return pa.array([True] * len(values))
    changed = pc.not_equal(values[1:], values[:-1])
    return pa.concat_arrays([pa.array([True]), changed.combine_chunks() if hasattr(changed, "chunks") else changed])
