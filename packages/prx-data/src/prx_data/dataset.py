"""Kept photos to a Hugging Face dataset on disk; the format is docs/dataset-format.md.

The folder is built aside and renamed into place when its manifest, `curation.json`, has been written, so a folder of
that name is always a complete dataset.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.card import dataset_card
from prx_data.decisions.verdicts import Decisions, KeptPhoto
from prx_data.decoding import decode, encode_png
from prx_data.errors import SourceError, WorkspaceError
from prx_data.records import FAILED, Verdict
from prx_data.storage import make_writable_folder, told_if_unwritable, write_json, write_table, write_text

FORMAT = 1
MANIFEST = "curation.json"
_SHARD_BYTES = 256 << 20
_ROW_GROUP = 64

_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ("caption", pa.string()),
    ("key", pa.string()),
    ("origin", pa.string()),
    ("caption_source", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("weight", pa.float32()),
    ("product", pa.string()),
    ("group", pa.string()),
    ("cluster", pa.int32()),
    ("cleanliness", pa.float32()),
    ("background_color", pa.string()),
    ("background", pa.string()),
    ("color", pa.string()),
    ("fill", pa.float32()),
    ("sharpness", pa.float32()),
)
_MEASURED = ("width", "height", "cleanliness", "background_color", "background", "color", "fill", "sharpness")
_VERDICTS = pa.schema(
    [
        ("key", pa.string()),
        ("origin", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that goes into a dataset but the pixels."""

    decisions: Decisions
    columns: pa.Table
    """Measured columns; `KeptPhoto.row` counts in it."""
    captions: Mapping[str, tuple[str, str]]
    """Caption and source by key."""
    paths: Mapping[str, str]
    """Where to read each key."""
    sizes: Mapping[str, int]
    """Bytes of each key."""
    config: Mapping[str, Any]
    """The settings, as they are shown in the manifest."""
    versions: Mapping[str, Any]

    def digest(self) -> str:
        """Changes when the dataset would."""
        rows = self.rows(self.decisions.kept)
        facts = [FORMAT, self.config, self.versions, rows, [vars(one) for one in self.decisions.verdicts]]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def rows(self, kept: Sequence[KeptPhoto]) -> list[dict[str, Any]]:
        """The dataset's rows without `image`."""
        measured = self.columns.select(_MEASURED).take([one.row for one in kept]).to_pylist()
        return [
            {
                **{metadata_column(name): value for name, value in one.metadata.items()},
                **columns,
                "caption": self.captions[one.key][0],
                "caption_source": self.captions[one.key][1],
                "key": one.key,
                "origin": one.origin,
                "weight": 1.0,
                "product": one.product,
                "group": one.group,
                "cluster": one.cluster,
            }
            for one, columns in zip(kept, measured, strict=True)
        ]


def metadata_column(name: str) -> str:
    """The dataset column of a metadata column: its own name, unless the format has a column of that name."""
    return f"metadata_{name}" if name in dict(_COLUMNS) else name


def counts(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Photos in, kept, dropped by reason, failed by reason."""
    reasons = Counter(one.reason for one in verdicts)
    kept = reasons.pop("kept", 0)
    failed = {reason: number for reason, number in sorted(reasons.items()) if reason in FAILED}
    dropped = {reason: number for reason, number in sorted(reasons.items()) if reason not in FAILED}
    return {"photos": kept + sum(reasons.values()), "kept": kept, "dropped": dropped, "failed": failed}


def check_output(output: Path) -> None:
    """Refuse an output that cannot be written, or that holds something other than a dataset.

    Raises:
        WorkspaceError: With the reason.
    """
    make_writable_folder(output.parent, name="output's parent folder")
    if output.exists() and not output.is_dir():
        raise WorkspaceError(f"output = {str(output)!r} is a file; a dataset is a folder.")
    if output.is_dir() and any(output.iterdir()) and not (output / MANIFEST).exists():
        raise WorkspaceError(f"output = {str(output)!r} holds files that are not a dataset of prx-data; name another.")


def current_manifest(output: Path, content: Content) -> dict[str, Any] | None:
    """The manifest at `output`, if the dataset there is complete and is what `content` would give."""
    try:
        manifest: dict[str, Any] = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    sizes = {name: facts["bytes"] for name, facts in manifest["files"].items()}
    found = {name: (output / name).stat().st_size for name in sizes if (output / name).exists()}
    return manifest if manifest["inputs"] == content.digest() and found == sizes else None


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `output` when the body succeeds."""
    aside = output.with_name(f".{output.name}.partial")
    old = output.with_name(f".{output.name}.old")
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    with told_if_unwritable(output.parent):
        aside.mkdir(parents=True)
        yield aside
    if output.exists():
        output.rename(old)
    aside.rename(output)
    shutil.rmtree(old, ignore_errors=True)


def write_data(folder: Path, content: Content) -> None:
    """Write the splits' shards, the verdicts and the card into an empty folder."""
    schema = _schema(content.decisions.kept)
    for split in ("train", "validation"):
        shards = _shards([one for one in content.decisions.kept if one.split == split], content.sizes)
        for number, shard in enumerate(shards):
            name = f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
            _write_shard(folder / "data" / name, shard, content, schema)
    write_table(folder / "verdicts.parquet", verdict_table(content.decisions.verdicts))
    totals = counts(content.decisions.verdicts)
    write_text(folder / "README.md", dataset_card(totals, _splits(content), schema.names))


def write_manifest(folder: Path, content: Content) -> dict[str, Any]:
    """Write `curation.json`, last; returns what it holds."""
    files = {}
    for path in (*sorted(folder.glob("data/*.parquet")), folder / "verdicts.parquet"):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        facts = {"sha256": digest, "rows": pq.read_metadata(path).num_rows, "bytes": path.stat().st_size}
        files[path.relative_to(folder).as_posix()] = facts
    digests = "".join(f"{name} {facts['sha256']}\n" for name, facts in sorted(files.items()))
    manifest = {
        "format": FORMAT,
        "fingerprint": hashlib.sha256(digests.encode()).hexdigest(),
        "inputs": content.digest(),
        "files": files,
        "counts": counts(content.decisions.verdicts),
        "splits": _splits(content),
        "config": content.config,
        "versions": content.versions,
    }
    _check_counts(manifest)
    write_json(folder / MANIFEST, manifest)
    return manifest


def verdict_table(verdicts: Sequence[Verdict]) -> pa.Table:
    """One row per input photo: `key, origin, kept, reason, detail`."""
    return pa.Table.from_pylist([{**vars(one), "reason": str(one.reason)} for one in verdicts], schema=_VERDICTS)


def _splits(content: Content) -> dict[str, int]:
    return dict(sorted(Counter(one.split for one in content.decisions.kept).items()))


def _check_counts(manifest: Mapping[str, Any]) -> None:
    """Counts always reconcile; if they do not, nothing is published."""
    totals, files = manifest["counts"], manifest["files"]
    written = sum(facts["rows"] for name, facts in files.items() if name.startswith("data/"))
    judged = totals["kept"] + sum(totals["dropped"].values()) + sum(totals["failed"].values())
    if not (judged == totals["photos"] == files["verdicts.parquet"]["rows"] and written == totals["kept"]):
        raise WorkspaceError(
            f"The counts do not reconcile: {totals['photos']} photos in, {judged} judged, "
            f"{totals['kept']} kept, {written} written; this is a defect of prx-data, and no dataset was written."
        )


def _schema(kept: Sequence[KeptPhoto]) -> pa.Schema:
    """The Arrow schema, with the features as `datasets` reads them from its metadata."""
    names = sorted({metadata_column(name) for one in kept for name in one.metadata})
    fields = [*_COLUMNS, *((name, pa.string()) for name in names)]
    features = {
        name: {"_type": "Image"} if name == "image" else {"dtype": _dtype(kind), "_type": "Value"}
        for name, kind in fields
    }
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _dtype(kind: pa.DataType) -> str:
    return {"float": "float32"}.get(str(kind), str(kind))


def _shards(kept: Sequence[KeptPhoto], sizes: Mapping[str, int]) -> list[list[KeptPhoto]]:
    shards: list[list[KeptPhoto]] = []
    room = 0
    for one in kept:
        if not shards or sizes[one.key] > room:
            shards.append([])
            room = _SHARD_BYTES
        shards[-1].append(one)
        room -= sizes[one.key]
    return shards


def _write_shard(path: Path, kept: Sequence[KeptPhoto], content: Content, schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for start in range(0, len(kept), _ROW_GROUP):
            part = kept[start : start + _ROW_GROUP]
            rows = [{**row, "image": _image(row["key"], content.paths[row["key"]])} for row in content.rows(part)]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema), row_group_size=_ROW_GROUP)


def _image(key: str, path: str) -> dict[str, Any]:
    """The picture as it is trained on: the file's own bytes where they are upright sRGB, else a PNG of its pixels."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"The photo {path} cannot be read any more: {error.strerror or error}.") from error
    if hashlib.sha256(data).hexdigest() != key:
        raise SourceError(f"The photo {path} changed since it was measured; run again.")
    decoded = decode(data)
    if decoded.pixels is None:
        raise SourceError(f"The photo {path} cannot be decoded any more: {decoded.message}.")
    suffix = decoded.format.lower() if decoded.as_is else "png"
    return {"bytes": data if decoded.as_is else encode_png(decoded.pixels), "path": f"{key[:16]}.{suffix}"}
