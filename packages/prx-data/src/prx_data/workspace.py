"""The columns on disk: a folder that remembers what was measured, by content and by version.

    workspace/
      photos.parquet                      one row per input photo: where it is, its key, its metadata
      measures/NAME-VERSION/SHARD.parquet columns by key; a shard is named after the keys in it
      settings.json                       what the last curation decided by
      ledger.jsonl                        where the time went

Shards are written atomically and never changed, so any process may be killed at any time; what is missing is found
by comparing keys.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prx_data.errors import WorkspaceError
from prx_data.records import PhotoFile, Status
from prx_data.sources import scan_folder
from prx_data.storage import ledger_stage, make_writable_folder, write_table

PHOTOS_SCHEMA = pa.schema(
    [
        ("origin", pa.string()),
        ("path", pa.string()),
        ("key", pa.string()),
        ("bytes", pa.int64()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("metadata", pa.string()),
    ]
)
"""`photos.parquet`, ordered by origin; `metadata` is a JSON object of strings; `status` is that of reading the file."""


class WorkspaceStore:
    """A workspace folder, opened or created."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        make_writable_folder(self.folder, name="workspace")

    @property
    def ledger(self) -> Path:
        """Where the stages' times are appended."""
        return self.folder / "ledger.jsonl"

    @property
    def settings_file(self) -> Path:
        """The settings of the last curation, for those who ask afterwards why it decided as it did."""
        return self.folder / "settings.json"

    @property
    def ignored_files(self) -> int:
        """Files of the source that are neither photos nor metadata."""
        found = self.photos().schema.metadata or {}
        return int(found.get(b"ignored", b"0"))

    def add(self, photos: str | Path, metadata: str | Path | None = None) -> int:
        """Read a folder of photos: what is in it now replaces what was known of it.

        Every file is read and hashed; nothing is decoded yet. Columns measured earlier stay, as they belong to the
        content and not to the file.

        Returns:
            The number of photos.

        Raises:
            SourceError: There are no photos, or the metadata is unusable.
        """
        with ledger_stage(self.ledger, "index") as counted:
            found = scan_folder(Path(photos), Path(metadata) if metadata is not None else None)
            with ThreadPoolExecutor(8) as threads:  # hashing releases the interpreter lock
                rows = list(threads.map(_index_row, found.photos))
            table = pa.Table.from_pylist(rows, schema=PHOTOS_SCHEMA)
            table = table.replace_schema_metadata({"ignored": str(found.ignored)})
            write_table(self.folder / "photos.parquet", table)
            counted["items"] = len(rows)
        return len(rows)

    def photos(self) -> pa.Table:
        """One row per input photo, ordered by origin; see `PHOTOS_SCHEMA`."""
        path = self.folder / "photos.parquet"
        if not path.exists():
            raise WorkspaceError(f"The workspace {self.folder} has no photos yet; add a folder first.")
        return pq.read_table(path)

    def readable(self) -> dict[str, str]:
        """Key to path for every distinct content that could be read, ordered by key."""
        table = self.photos()
        known = table.filter(pc.equal(table["status"], Status.OK)).select(["key", "path"]).to_pydict()
        # Reversed, so that of several paths with one content the first by origin stands.
        paths = dict(zip(reversed(known["key"]), reversed(known["path"]), strict=True))
        return {key: paths[key] for key in sorted(paths)}

    def measured(self, name: str, version: str, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of one measure, ordered by key, whether or not their photos are still in the source."""
        shards = sorted(self._measure_folder(name, version).glob("*.parquet"))
        if not shards:
            raise WorkspaceError(f"The workspace {self.folder} has no measure {name!r} of version {version!r} yet.")
        table = pa.concat_tables(pq.read_table(shard, columns=columns) for shard in shards).sort_by("key")
        return table.filter(_first_of_each(table["key"]))

    def measured_keys(self, name: str, version: str) -> set[str]:
        """Keys that one measure has rows for."""
        shards = self._measure_folder(name, version).glob("*.parquet")
        return {key for shard in shards for key in pq.read_table(shard, columns=["key"])["key"].to_pylist()}

    def write_shard(self, name: str, version: str, table: pa.Table) -> None:
        """Add rows of one measure; equal keys give the same file."""
        write_table(self._measure_folder(name, version) / f"{shard_name(table['key'].to_pylist())}.parquet", table)

    def _measure_folder(self, name: str, version: str) -> Path:
        return self.folder / "measures" / f"{name}-{version}"


def shard_name(keys: Iterable[str]) -> str:
    """A name that depends on the keys alone: 32 hex digits of a digest."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:32]


def _first_of_each(keys: pa.ChunkedArray) -> pa.Array:
    """Mask of the first row of each key in a sorted column; two runs at once may have measured a photo twice."""
    values = keys.combine_chunks()
    if len(values) < 2:
        return pa.array([True] * len(values))
    changed = pc.not_equal(values[1:], values[:-1])
    return pa.concat_arrays([pa.array([True]), changed.combine_chunks() if hasattr(changed, "chunks") else changed])


def _index_row(photo: PhotoFile) -> dict[str, str | int | None]:
    key, size, status, message = None, None, Status.OK, ""
    try:
        with Path(photo.path).open("rb") as file:
            key = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except FileNotFoundError:
        status, message = Status.MISSING, "no such file"
    except OSError as error:
        status, message = Status.UNREADABLE, error.strerror or str(error)
    return {
        "origin": photo.origin,
        "path": photo.path,
        "key": key,
        "bytes": size,
        "status": status.value,
        "message": message,
        "metadata": json.dumps(dict(photo.metadata), ensure_ascii=False),
    }
