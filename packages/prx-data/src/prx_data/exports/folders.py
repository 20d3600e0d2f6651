"""Folders of single pictures: with `metadata.jsonl` for diffusers' scripts, with text files for kohya's."""

import json
from collections.abc import Iterable
from pathlib import Path

from prx_data.exports.written import Sample


def write_imagefolder(folder: Path, samples: Iterable[Sample]) -> dict[str, int]:
    """Write `KEY.jpg` and, last, `metadata.jsonl`: `file_name`, `text` (the caption) and all other columns.

    (`datasets`, "ImageFolder"; the training scripts of diffusers take `--caption_column text` by default.)

    Returns:
        Pictures by file of metadata.
    """
    partial = folder / "metadata.tmp"
    with partial.open("w", encoding="utf-8") as lines:
        for sample in samples:
            file = folder / f"{sample.key}.{sample.suffix}"
            file.write_bytes(sample.image)
            others = {column_name(name): value for name, value in sample.columns.items() if name != "caption"}
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
