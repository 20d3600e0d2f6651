"""Exporting: one order for all formats, and a manifest, written last."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prx_data.errors import ConfigError, WorkspaceError
from prx_data.exports.folders import untold_columns, write_imagefolder, write_kohya
from prx_data.exports.mds import aspect_buckets, write_mds
from prx_data.exports.tars import write_tars
from prx_data.exports.written import Sample, Written
from prx_data.outputs import check_output, is_whole, read_manifest, replacing
from prx_data.progress import progress
from prx_data.storage import write_json
from prx_data.told import counted

FORMATS = ("webdataset", "mds", "imagefolder", "kohya")
EXPORT_MANIFEST = "export.json"
_VERSION = 2
_SMALLEST, _LARGEST = 1 << 10, (1 << 32) - 1  # MDS counts a shard's bytes in 32 bits


def export(
    dataset: str | Path,
    out: str | Path,
    *,
    format: str = "webdataset",
    shard_bytes: int = 128 << 20,
    resolution: int = 512,
    patch_size: int = 32,
) -> dict[str, Any]:
    """Write a dataset for another trainer, a folder for each split; unless it is there already.

    The pictures are those of the dataset, byte by byte. The folder is built aside and renamed into place when its
    manifest, `export.json`, is written, so that killing it and running it again gives the same files.

    Args:
        dataset: A folder that `curate` or `Selection.write` wrote.
        out: The folder to write; replaced if it holds an export, refused if it holds anything else.
        format: `webdataset` (tars), `mds` (MosaicML Streaming by aspect bucket, as Photoroom/PRX reads it),
            `imagefolder` (pictures and `metadata.jsonl`, as diffusers' scripts read them) or `kohya` (pictures with
            text files in folders of repeats).
        shard_bytes: The most bytes of a shard, for the first two.
        resolution: For `mds`: the buckets have about resolution² pixels, as in the trainer's `default_image_size`.
        patch_size: For `mds`: pixels of a patch, as in the trainer's `patch_size_pixels`.

    Returns:
        The manifest: `format`, `settings`, `dataset` (its fingerprint), `splits` (rows), `files` (samples; of shards
        also bytes and SHA-256), for `mds` `caption_keys` with weights, as the trainer's configuration takes them, and
        for `imagefolder` `left_out`: columns that are not in `metadata.jsonl`, see `folders.untold_columns`.

    Raises:
        ConfigError: A setting is wrong; nothing was done.
        SourceError: The dataset cannot be read.
        WorkspaceError: The output cannot be written.
    """
    settings = _settings(format, shard_bytes, resolution, patch_size)
    written, folder = Written(Path(dataset)), Path(out)
    facts = {
        "version": _VERSION,
        "format": format,
        "dataset": written.manifest["fingerprint"],
        "settings": settings,
        "splits": written.splits,
    }
    check_output(folder, manifest=EXPORT_MANIFEST, what="an export", apart=[dataset])
    current = _current(folder, facts)
    if current is not None:
        return current
    found = _found(written, format)
    with replacing(folder) as aside:
        files: dict[str, Any] = {}
        for split, rows in written.splits.items():
            counts = _write_split(aside / split, written, split, {**settings, **found}, format)
            _reconcile(split, rows, counts)
            files |= {f"{split}/{name}": _described(aside / split / name, number) for name, number in counts.items()}
        manifest = {**facts, **found, "files": files}
        write_json(aside / EXPORT_MANIFEST, manifest)
    return manifest


def _settings(format: str, shard_bytes: int, resolution: int, patch_size: int) -> dict[str, int]:
    """Those that the format looks at."""
    if format not in FORMATS:
        raise ConfigError(f"format = {format!r} is unknown; known are {', '.join(FORMATS)}.")
    if not _SMALLEST <= shard_bytes <= _LARGEST:
        raise ConfigError(f"shard_bytes = {shard_bytes} is wrong: it should be from {_SMALLEST} to {_LARGEST}.")
    if format == "mds" and not (patch_size >= 1 and resolution >= 1 and aspect_buckets(resolution, patch_size)):
        raise ConfigError(
            f"resolution = {resolution} and patch_size = {patch_size} leave no aspect bucket: its sides are whole "
            "patches, multiples of 16 pixels, and at most twice each other."
        )
    sizes = {"resolution": resolution, "patch_size": patch_size} if format == "mds" else {}
    return {"shard_bytes": shard_bytes, **sizes} if format in ("mds", "webdataset") else {}


def _write_split(
    folder: Path, written: Written, split: str, settings: Mapping[str, Any], format: str
) -> dict[str, int]:
    folder.mkdir()
    samples = _shown(written.samples(split), split, written.splits[split])
    if format == "webdataset":
        return write_tars(folder, samples, settings["shard_bytes"])
    if format == "mds":
        names = [name for name, _ in settings["caption_keys"]]
        buckets = aspect_buckets(settings["resolution"], settings["patch_size"])
        return write_mds(folder, samples, settings["shard_bytes"], captions=names, buckets=buckets)
    if format == "imagefolder":
        return write_imagefolder(folder, samples, frozenset(settings["left_out"]))
    return write_kohya(folder, samples)


def _shown(samples: Iterable[Sample], split: str, rows: int) -> Iterator[Sample]:
    with progress(f"exporting {split}", rows) as update:
        for sample in samples:
            yield sample
            update(1)


def _found(written: Written, format: str) -> dict[str, Any]:
    """What a format has to know of all rows before the first is written."""
    if format == "mds":
        return {"caption_keys": _caption_keys(written)}
    if format == "imagefolder":
        return {"left_out": sorted(untold_columns(written.columns(split) for split in written.splits))}
    return {}


def _caption_keys(written: Written) -> list[list[Any]]:
    return [list(one) for one in {"caption": 1.0, **written.caption_weights()}.items()]


def _reconcile(split: str, rows: int, counts: Mapping[str, int]) -> None:
    """Counts always reconcile; if they do not, nothing is published."""
    found = sum(counts.values())
    if found != rows:
        raise WorkspaceError(
            f"The counts do not reconcile: the dataset's manifest says {counted(rows, 'row')} of {split}, and {found} "
            "were exported; the dataset is damaged, and nothing was written."
        )


def _described(path: Path, samples: int) -> dict[str, Any]:
    if path.suffix not in (".tar", ".mds"):
        return {"samples": samples}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"samples": samples, "bytes": path.stat().st_size, "sha256": digest}


def _current(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest in a folder, if the export there is complete and is what would be written."""
    manifest = read_manifest(folder / EXPORT_MANIFEST)
    if manifest is None or {name: manifest.get(name) for name in facts} != facts:
        return None
    files = manifest["files"].items()
    whole = is_whole(folder, {name: one["bytes"] for name, one in files if "bytes" in one})
    return manifest if whole and all((folder / name).exists() for name, _ in files) else None
