"""Which prompts to draw, and sample pictures as files."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prx_train.storage import digest

SAMPLES = 8
"""Prompts that are drawn when none are given."""


def varied_captions(captions: Sequence[str], count: int = SAMPLES) -> tuple[str, ...]:
    """Captions that stand for the data and differ most; depends on the captions alone.

    The most frequent one comes first, then each time the one that shares the fewest words with those chosen, out of
    the most frequent 4·count.
    """
    counts = Counter(caption for caption in captions if caption.strip())
    common = sorted(counts, key=lambda caption: (-counts[caption], digest(caption)))[: 4 * count]
    chosen = common[:1]
    while len(chosen) < min(count, len(common)):
        rest = [caption for caption in common if caption not in chosen]
        chosen.append(max(rest, key=lambda caption: min(_distance(caption, other) for other in chosen)))
    return tuple(chosen)


def file_name(index: int, prompt: str) -> str:
    """A safe name for a prompt's picture, such as "03-a-red-hoodie.png"."""
    slug = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:48].strip("-")
    return f"{index:02d}-{slug or 'empty'}.png"


def save_samples(folder: Path, name: str, pictures_BHWC: np.ndarray[Any, Any], prompts: Sequence[str]) -> list[str]:
    """Writes `name/NN-prompt.png` for each picture and the grid `name.png`; returns the single files' names."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    names = [f"{name}/{file_name(index, prompt)}" for index, prompt in enumerate(prompts)]
    images = [Image.fromarray(picture) for picture in pictures_BHWC]
    for image, file in zip(images, names, strict=True):
        image.save(folder / file)
    grid(images).save(folder / f"{name}.png")
    return names


def grid(images: Sequence[Image.Image], columns: int = 4, gap: int = 4) -> Image.Image:
    """The pictures, all of one size, side by side in rows, twice as large if they are small."""
    scale = 2 if max(images[0].size) <= 128 else 1
    width, height = images[0].width * scale, images[0].height * scale
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "#888888")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        place = (gap + column * (width + gap), gap + row * (height + gap))
        sheet.paste(image.resize((width, height), Image.Resampling.LANCZOS), place)
    return sheet


def _distance(one: str, other: str) -> float:
    """Jaccard distance of the captions' words, in [0, 1]."""
    a, b = set(re.findall(r"\w+", one.lower())), set(re.findall(r"\w+", other.lower()))
    return 1 - len(a & b) / len(a | b) if a | b else 0.0
