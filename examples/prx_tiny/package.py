"""Puts the trained pipeline into prx-train: weights in half precision, the card, and pictures that it drew."""

import io
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageOps

import prx_train
from prx_train.model import draw, load_pipeline
from prx_train.model.base import TINY
from prx_train.pictures import grid
from prx_train.storage import read_json, read_jsonl, write_atomic, write_folder, write_json

CARD = Path(__file__).parent / "card.md"
PROMPTS = (
    "a photo of a red t-shirt, on a plain white background",
    "a photo of a blue hoodie, on a plain gray background",
    "a photo of a green dress, on a textured beige background",
    "a photo of a black blazer, on a textured brown background",
    "a photo of a white shirt, on a plain gray background",
    "a photo of a pink skirt, on a plain white background",
    "a photo of blue pants, on a plain beige background",
    "a photo of gray shorts, on a cluttered background",
    "a photo of black shoes, on a textured brown background",
    "a photo of white shoes, on a textured beige background",
    "a photo of a black hat, on a plain white background",
    "a photo of a yellow polo, on a plain white background",
    "a photo of a banana, on a plain white background",
    "a photo of a red delicious, apple, on a plain white background",
    "a photo of a lemon, on a plain white background",
    "a photo of a green bell pepper, on a cluttered background",
    "a red dress",
    "a green t-shirt",
    "a blue sweater on a white background",
    "a brown leather bag on a white background",
)
"""The last two are of things that no photo was labelled with."""


def seams(pictures: Sequence[Image.Image], patch: int = 4) -> float:
    """How many times as steep pictures are across the borders of patches as within them; 1 has no seams.

    The mean absolute difference of neighbouring pixels, over rows and columns.
    """
    across, within = [], []
    for picture in pictures:
        pixels = np.asarray(picture, dtype=np.float32)
        for one in (pixels, pixels.transpose(1, 0, 2)):
            steps = np.abs(np.diff(one, axis=0)).mean((1, 2))
            border = np.arange(1, len(one)) % patch == 0
            across.append(steps[border].mean())
            within.append(steps[~border].mean())
    return float(np.mean(across) / np.mean(within))


def package(work: Path) -> Path:
    """Writes the package's model folder from a finished recipe in `work`; returns the folder."""
    write_folder(TINY, lambda place: _fill(place, work))
    return TINY


def _fill(place: Path, work: Path) -> None:
    trained = prx_train.Run(work / "large")
    pipeline = load_pipeline(trained.pipeline_folder)
    pipeline.register_to_config(default_sample_size=64)  # The first stage's own is 32.
    pipeline.transformer.half()
    pipeline.text_encoder.half()
    pipeline.save_pretrained(place, safe_serialization=True)
    # transformers would load it as it lies there, and half precision cannot be multiplied on every processor.
    for name, changes in (
        ("model_index.json", {}),
        ("transformer/config.json", {}),
        ("text_encoder/config.json", {"dtype": "float32"}),
    ):
        settings = {**read_json(place / name), **changes}
        settings.pop("_name_or_path", None)  # where it lay while it was trained
        write_json(place / name, settings)
    drawn = [
        draw(load_pipeline(place), prompt, size=(64, 64), seed=seed, steps=28, guidance=3.0)
        for seed, prompt in enumerate(PROMPTS)
    ]
    grid(drawn, columns=10).save(place / "samples.png", optimize=True)
    write_atomic(place / "README.md", Template(CARD.read_text(encoding="utf-8")).substitute(_facts(place, work, drawn)))


def _facts(place: Path, work: Path, drawn: Sequence[Image.Image]) -> dict[str, Any]:
    """The numbers of the card."""
    runs = {name: prx_train.Run(work / name) for name in ("small", "large")}
    facts: dict[str, Any] = {}
    for name, run in runs.items():
        steps = [row for row in run.metrics if "loss" in row]
        booked = sum(row["seconds"] for row in read_jsonl(run.ledger_file) if row["stage"] == "train")
        facts |= {
            f"{name}_steps": f"{run.summary['steps']:,}",
            f"{name}_pictures": f"{run.summary['samples']:,}",
            f"{name}_minutes": f"{run.summary['seconds'] / 60:.0f}",
            f"{name}_step": f"{booked / len(steps):.2f}",
            f"{name}_before": f"{run.summary['val_loss_before']:.3f}",
            f"{name}_after": f"{run.summary['val_loss_after']:.3f}",
        }
    pipeline = load_pipeline(place)
    for name in ("transformer", "text_encoder"):
        count = sum(parameter.numel() for parameter in getattr(pipeline, name).parameters())
        facts[name] = f"{count / 1e6:.2f}"
    facts["prompts"] = "\n".join(f"{number}. {prompt}" for number, prompt in enumerate(PROMPTS, 1))
    facts["seams"], facts["seams_photos"] = f"{seams(drawn):.2f}", f"{seams(_held_out(work)):.2f}"
    facts["torch"] = torch.__version__.partition("+")[0]
    return facts


def _held_out(work: Path) -> list[Image.Image]:
    """The photos that were not trained on, at the size of the samples."""
    files = sorted((work / "dataset" / "data").glob("validation-*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, columns=["image"])["image"].to_pylist()]
    return [ImageOps.fit(Image.open(io.BytesIO(row["bytes"])).convert("RGB"), (64, 64)) for row in rows]
