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
from prx_data.features import Feature, arrow_of, plain, value_feature
from prx_data.reading import Content as PhotoContent
from prx_data.reading import Locator, at_random, read_many
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
    ("family", pa.string()),
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


_LEAKS = pa.schema([("origin", pa.string()), ("known", pa.string()), ("known_key", pa.string()), ("how", pa.string())])


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that goes into a dataset but the pixels."""

    decisions: Decisions
    columns: pa.Table
    """Measured columns; `KeptPhoto.row` counts in it."""
    captions: Mapping[str, tuple[str, str]]
    """Caption and source by key."""
    features: Mapping[str, Feature]
    """The type of every metadata column, see `prx_data.features`."""
    locators: Mapping[str, str]
    """Where to read each key, see `prx_data.reading`."""
    sizes: Mapping[str, int]
    """Bytes of each key."""
    config: Mapping[str, Any]
    """The settings, as they are shown in the manifest."""
    versions: Mapping[str, Any]

    def digest(self) -> str:
        """Changes when the dataset would."""
        rows = self.rows(self.decisions.kept)
        facts = [
            FORMAT,
            self.config,
            self.versions,
            self.features,
            rows,
            [vars(one) for one in self.decisions.verdicts],
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def rows(self, kept: Sequence[KeptPhoto]) -> list[dict[str, Any]]:
        """The dataset's rows without `image`."""
        names = metadata_columns(self.features)
        measured = self.columns.select(_MEASURED).take([one.row for one in kept]).to_pylist()
        return [
            {
                **{names[name]: plain(value, self.features[name]) for name, value in one.metadata.items()},
                **columns,
                "caption": self.captions[one.key][0],
                "caption_source": self.captions[one.key][1],
                "key": one.key,
                "origin": one.origin,
                "weight": 1.0,
                "product": one.product,
                "family": one.family,
                "group": one.group,
                "cluster": one.cluster,
            }
            for one, columns in zip(kept, measured, strict=True)
        ]


def metadata_columns(names: Iterable[str]) -> dict[str, str]:
    """The dataset's column for each metadata column: its own name, unless that is one of the format.

    Such a one is called `metadata_NAME`, or `metadata_metadata_NAME` where the metadata has that name too: a dataset of
    ours that is curated again has both.
    """
    ours = dict(_COLUMNS)
    found = {name: name for name in names if name not in ours}
    for name in sorted(set(names) & ours.keys()):
        column = f"metadata_{name}"
        while column in found.values():
            column = f"metadata_{column}"
        found[name] = column
    return found


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
    schema = _schema(content.features)
    shards = {
        split: _shards([one for one in content.decisions.kept if one.split == split], content.sizes)
        for split in ("train", "validation")
    }
    names = {
        f"{split}-{number:05d}-of-{len(parts):05d}.parquet": part
        for split, parts in shards.items()
        for number, part in enumerate(parts)
    }
    gathered = gather(folder / "gathered", {name: [one.key for one in part] for name, part in names.items()}, content)
    for name, part in names.items():
        _write_shard(folder / "data" / name, part, content, schema, {**content.locators, **gathered})
        (folder / "gathered" / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "gathered", ignore_errors=True)
    write_table(folder / "verdicts.parquet", verdict_table(content.decisions.verdicts))
    if content.decisions.leaks:
        rows = [vars(leak) for leak in content.decisions.leaks]
        write_table(folder / "leaks.parquet", pa.Table.from_pylist(rows, schema=_LEAKS))
    totals = counts(content.decisions.verdicts)
    write_text(folder / "README.md", dataset_card(totals, _splits(content), schema.names))


def gather(folder: Path, shards: Mapping[str, Sequence[str]], content: Content) -> dict[str, str]:
    """Copy the bytes of photos that share a row group into one scratch file for each shard that they go to.

    Shards are ordered by key and row groups are not, so that writing shard by shard would decode every row group for
    every shard. This decodes each once. A shard's scratch file goes when the shard is written, so that both together
    never take more room than the dataset and one shard.

    Returns:
        New locators by key.
    """
    homes = {key: name for name, keys in shards.items() for key in keys if not at_random(content.locators[key])}
    keys = {content.locators[key]: key for key in homes}
    found: dict[str, str] = {}
    for locator, data in read_many(keys):
        if isinstance(data, OSError):
            raise _unreadable(locator, data)
        path = (folder / homes[keys[locator]]).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as scratch:
            place = Locator(location=str(path), kind="range", block=scratch.tell(), size=len(data))
            scratch.write(data)
        found[keys[locator]] = str(place)
    return found


def write_manifest(folder: Path, content: Content) -> dict[str, Any]:
    """Write `curation.json`, last; returns what it holds."""
    files = {}
    for path in (*sorted(folder.glob("data/*.parquet")), *sorted(folder.glob("*.parquet"))):
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


def _schema(columns: Mapping[str, Feature]) -> pa.Schema:
    """The Arrow schema, with the features as `datasets` reads them from its metadata."""
    names = metadata_columns(columns)
    metadata = {names[name]: feature for name, feature in sorted(columns.items())}
    fields = [*_COLUMNS, *((name, arrow_of(feature)) for name, feature in metadata.items())]
    own = {name: value_feature(_dtype(kind)) for name, kind in _COLUMNS}
    features = {**own, "image": {"_type": "Image"}, **metadata}
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


def _write_shard(
    path: Path, kept: Sequence[KeptPhoto], content: Content, schema: pa.Schema, locators: Mapping[str, str]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for start in range(0, len(kept), _ROW_GROUP):
            part = kept[start : start + _ROW_GROUP]
            data = dict(read_many(locators[one.key] for one in part))
            rows = [{**row, "image": _image(row, data[locators[row["key"]]])} for row in content.rows(part)]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema), row_group_size=_ROW_GROUP)


def _unreadable(name: str, error: OSError) -> SourceError:
    return SourceError(f"The photo {name} cannot be read any more: {error.strerror or error}.")


def _image(row: Mapping[str, Any], data: PhotoContent) -> dict[str, Any]:
    """The picture as it is trained on: the file's own bytes where they are upright sRGB, else a PNG of its pixels."""
    key, origin = row["key"], row["origin"]
    if isinstance(data, OSError):
        raise _unreadable(origin, data)
    if hashlib.sha256(data).hexdigest() != key:
        raise SourceError(f"The photo {origin} changed since it was indexed, touch it if its time did not; run again.")
    decoded = decode(data)
    if decoded.pixels is None:
        raise SourceError(f"The photo {origin} cannot be decoded any more: {decoded.message}.")
    suffix = decoded.format.lower() if decoded.as_is else "png"
    return {"bytes": data if decoded.as_is else encode_png(decoded.pixels), "path": f"{key[:16]}.{suffix}"}
