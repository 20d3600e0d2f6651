"""Folders of single pictures: with `metadata.jsonl` for diffusers' scripts, with text files for kohya's."""

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import json as arrow_json

from prx_data.exports.written import Sample

_FIRST = 10 << 20
"""Bytes of `metadata.jsonl` from which `datasets` tells the types of its columns, in each split by itself."""


def untold_columns(splits: Iterable[Iterable[Mapping[str, Any]]]) -> frozenset[str]:
    """Columns whose type `datasets` could not tell from each split's `metadata.jsonl`, or would tell otherwise in one.

    Such as a reason that no photo for validation has: it refuses folders whose splits differ in a type.

    Args:
        splits: The columns of each split's rows, in their order.
    """
    schemas = [_types(rows) for rows in splits]
    names = {name for schema in schemas for name in schema.names}
    found = {
        name: [schema.field(name).type if name in schema.names else pa.null() for schema in schemas] for name in names
    }
    return frozenset(name for name, types in found.items() if len(set(types)) > 1 or not _is_told(types[0]))


def _types(rows: Iterable[Mapping[str, Any]]) -> pa.Schema:
    lines, size = [], 0
    for row in rows:
        lines.append(json.dumps(dict(row), ensure_ascii=False).encode() + b"\n")
        size += len(lines[-1])
        if size > _FIRST:
            break
    whole = arrow_json.ReadOptions(block_size=size + 1)
    return arrow_json.read_json(BytesIO(b"".join(lines)), read_options=whole).schema


def _is_told(type_: pa.DataType) -> bool:
    return not pa.types.is_null(type_) and all(_is_told(type_.field(at).type) for at in range(type_.num_fields))


def write_imagefolder(
    folder: Path, samples: Iterable[Sample], left_out: frozenset[str] = frozenset()
) -> dict[str, int]:
    """Write `KEY.jpg` and, last, `metadata.jsonl`: `file_name`, `text` (the caption) and the other columns.

    (`datasets`, "ImageFolder"; the training scripts of diffusers take `--caption_column text` by default.)

    Args:
        folder: Where to.
        samples: What.
        left_out: Columns that are not written, see `untold_columns`.

    Returns:
        Pictures by file of metadata.
    """
    partial = folder / "metadata.tmp"
    with partial.open("w", encoding="utf-8") as lines:
        for sample in samples:
            file = folder / f"{sample.key}.{sample.suffix}"
            file.write_bytes(sample.image)
            unwritten = {"caption", *left_out}
            others = {column_name(name): value for name, value in sample.columns.items() if name not in unwritten}
            row = {"file_name": file.name, "text": sample.columns["caption"] or "", **others}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    partial.rename(folder / "metadata.jsonl")
    return {"metadata.jsonl": sum(1 for file in folder.iterdir() if file.suffix != ".jsonl")}


def column_name(name: str) -> str:
    """A column's name in `metadata.jsonl`, where `text` is the caption and `*file_name` names a picture."""
    if name.endswith(("file_name", "file_names")):
        return f"{name}_text"
    return "metadata_text" if name == "text" else name


def write_kohya(folder: Path, samples: Iterable[Sample]) -> dict[str, int]:
    """Write `N_photo/KEY.jpg` with `KEY.txt`: a picture whose `weight` is nearest to N is repeated N times an epoch.

    A caption is one line, as the scripts read the first line alone. A picture without a caption has no text file: an
    empty one stops the scripts, or is trained on as it is; without one they warn, and take the folder's class `photo`.
    (kohya-ss/sd-scripts, "train_README": folders `REPEATS_CLASS`, captions beside the pictures.)

    Returns:
        Pictures by folder.
    """
    for sample in samples:
        repeats = folder / f"{max(1, round(sample.columns['weight']))}_photo"
        repeats.mkdir(exist_ok=True)
        (repeats / f"{sample.key}.{sample.suffix}").write_bytes(sample.image)
        if caption := " ".join((sample.columns["caption"] or "").split()):
            (repeats / f"{sample.key}.txt").write_text(caption, encoding="utf-8")
    return {one.name: sum(1 for file in one.iterdir() if file.suffix != ".txt") for one in sorted(folder.iterdir())}
