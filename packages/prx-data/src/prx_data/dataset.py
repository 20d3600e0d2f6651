"""Kept photos to a Hugging Face dataset on disk; the format is docs/dataset-format.md.

The folder is built aside and renamed into place when its manifest, `curation.json`, has been written, so a folder of
that name is always a complete dataset; see `prx_data.outputs`.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.captions import PhotoCaptions
from prx_data.captions.columns import CAPTIONS, CAPTIONS_FEATURE, caption_columns
from prx_data.card import dataset_card
from prx_data.decisions.rules import OPTIONAL
from prx_data.decisions.verdicts import Decisions, KeptPhoto
from prx_data.errors import WorkspaceError
from prx_data.features import Feature, arrow_of, plain, value_feature
from prx_data.outputs import is_whole, read_manifest
from prx_data.progress import tracked
from prx_data.records import FAILED, SAMPLES, Verdict
from prx_data.samples import write_samples
from prx_data.shards import write_shards
from prx_data.storage import write_json, write_table, write_text
from prx_data.told import counted

FORMAT = 1
MANIFEST = "curation.json"

_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ("caption", pa.string()),
    ("key", pa.string()),
    ("origin", pa.string()),
    ("caption_source", pa.string()),
    ("caption_short", pa.string()),
    ("caption_failure", pa.string()),
    ("captions", CAPTIONS),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("weight", pa.float32()),
    ("product", pa.string()),
    ("family", pa.string()),
    ("group", pa.string()),
    ("cluster", pa.int32()),
    ("cluster_name", pa.string()),
    ("centroid_distance", pa.float32()),
    ("outlier", pa.bool_()),
    ("rarity", pa.float32()),
    ("cleanliness", pa.float32()),
    ("background_color", pa.string()),
    ("background", pa.string()),
    ("color", pa.string()),
    ("fill", pa.float32()),
    ("sharpness", pa.float32()),
    ("text_share", pa.float32()),
    ("nsfw", pa.float32()),
    ("aesthetic", pa.float32()),
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
    captions: Mapping[str, PhotoCaptions]
    """By key."""
    features: Mapping[str, Feature]
    """The type of every metadata column, see `prx_data.features`."""
    locators: Mapping[str, str]
    """Where to read each key, see `prx_data.reading`."""
    sizes: Mapping[str, int]
    """Bytes of each key."""
    config: Mapping[str, Any]
    """The settings, as they are shown in the manifest."""
    versions: Mapping[str, Any]
    cluster_names: Mapping[int, str]
    """What clusters show, by their numbers; no or an empty name where nothing tells."""
    gaps: Sequence[str] = ()
    """What could not be read and may change verdicts, in sentences; the report says so."""

    def digest(self) -> str:
        """Changes when the dataset would, or what it does not know."""
        rows = self.rows(self.decisions.kept)
        facts = [
            FORMAT,
            self.config,
            self.versions,
            self.features,
            rows,
            [vars(one) for one in self.decisions.verdicts],
            self.gaps,
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def rows(self, kept: Sequence[KeptPhoto]) -> list[dict[str, Any]]:
        """The dataset's rows without `image`."""
        names = metadata_columns(self.features)
        optional = sorted(OPTIONAL.keys() & set(self.columns.column_names))
        measured = self.columns.select([*_MEASURED, *optional]).take([one.row for one in kept]).to_pylist()
        return [
            {
                **{names[name]: plain(value, self.features[name]) for name, value in one.metadata.items()},
                **columns,
                **caption_columns(self.captions[one.key]),
                "key": one.key,
                "origin": one.origin,
                "weight": one.place.weight,
                "product": one.product,
                "family": one.family,
                "group": one.group,
                "cluster": one.place.cluster,
                "cluster_name": self.cluster_names.get(one.place.cluster) or None,
                "centroid_distance": one.place.centroid_distance,
                "outlier": one.place.outlier,
                "rarity": one.place.rarity,
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
    reasons = Counter(str(one.reason) for one in verdicts)
    kept = reasons.pop("kept", 0)
    failed = {reason: number for reason, number in sorted(reasons.items()) if reason in FAILED}
    dropped = {reason: number for reason, number in sorted(reasons.items()) if reason not in FAILED}
    return {"photos": kept + sum(reasons.values()), "kept": kept, "dropped": dropped, "failed": failed}


def current_manifest(output: Path, content: Content) -> dict[str, Any] | None:
    """The manifest at `output`, if the dataset there is complete and is what `content` would give."""
    manifest = read_manifest(output / MANIFEST)
    if manifest is None or manifest.get("inputs") != content.digest():
        return None
    whole = is_whole(output, {name: facts["bytes"] for name, facts in manifest["files"].items()})
    return manifest if whole else None


def write_data(folder: Path, content: Content) -> None:
    """Write the splits' shards, the verdicts and the card into an empty folder."""
    schema, kept = _schema(content.features), content.decisions.kept
    splits = {name: [one for one in kept if one.split == name] for name in ("train", "validation")}
    write_shards(folder, splits, content.rows, schema, content.locators, content.sizes)
    write_table(folder / "verdicts.parquet", verdict_table(content.decisions.verdicts))
    if content.decisions.leaks:
        rows = [vars(leak) for leak in content.decisions.leaks]
        write_table(folder / "leaks.parquet", pa.Table.from_pylist(rows, schema=_LEAKS))
    write_samples(folder / SAMPLES, [content.locators[one.key] for one in kept])
    names = metadata_columns(content.features)
    totals, rows = counts(content.decisions.verdicts), content.rows(kept)
    write_text(folder / "README.md", dataset_card(totals, _splits(content), schema.names, rows, tuple(names.values())))


def write_manifest(folder: Path, content: Content) -> dict[str, Any]:
    """Write `curation.json`, last; returns what it holds."""
    files = {}
    written = (*sorted(folder.glob("data/*.parquet")), *sorted(folder.glob("*.parquet")))
    for path in tracked(written, "digests", unit="file"):
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
            f"The counts do not reconcile: {counted(totals['photos'], 'photo')} in, {judged} judged, "
            f"{totals['kept']} kept, {written} written; this is a defect of prx-data, and no dataset was written."
        )


def _schema(columns: Mapping[str, Feature]) -> pa.Schema:
    """The Arrow schema, with the features as `datasets` reads them from its metadata."""
    names = metadata_columns(columns)
    metadata = {names[name]: feature for name, feature in sorted(columns.items())}
    fields = [*_COLUMNS, *((name, arrow_of(feature)) for name, feature in metadata.items())]
    own = {name: value_feature(_dtype(kind)) for name, kind in _COLUMNS}
    features = {**own, "image": {"_type": "Image"}, "captions": CAPTIONS_FEATURE, **metadata}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _dtype(kind: pa.DataType) -> str:
    return {"float": "float32"}.get(str(kind), str(kind))
