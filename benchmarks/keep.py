"""How often the original is kept of itself and a worse copy: prints a table by kinds of copies.

    python benchmarks/keep.py PHOTOS [ORIGINALS]

PHOTOS holds `phone` and `catalogue`; ORIGINALS of each (40 unless given), chosen by their names, are changed in each
way, and original and copy are compared as near duplicates are, with the default of `keep`; where they have the same
pixels, as these are. In the last rows the original is reduced to a half first, so that what was written over has more
pixels. Beside it stands what is done without looking at pixels: keep the one with more pixels, then more
bytes. Under the table stands, for each kind of copy, why copies were kept in the original's stead.
"""

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps, ImageStat

from prx_data.decisions.candidates import Candidate
from prx_data.decisions.duplicates import Match, PhotoColumns
from prx_data.decisions.keep import DEFAULT_KEEP, rank, why_better
from prx_data.decisions.repeats import SAME_PIXELS_KEEP
from prx_data.decisions.settings import Settings
from prx_data.decisions.side_by_side import side_by_side
from prx_data.decoding import decode
from prx_data.measures import standard_measures
from prx_data.measures.perceptual import Perceptual

FOLDERS = ("phone", "catalogue")
Facts = Mapping[str, Any]


def written(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """A file."""
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def again(image: Image.Image, quality: int) -> Image.Image:
    """Written as a JPEG and read again."""
    return Image.open(BytesIO(written(image, quality=quality))).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """Resized."""
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without a share of each side's length, all around."""
    x, y = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


def signed(image: Image.Image) -> Image.Image:
    """With a shop's name in the upper left corner."""
    written_on = image.copy()
    place, size = (image.width // 36, image.width // 36), image.width // 18
    ImageDraw.Draw(written_on).text(place, "Shop.com", fill=(120, 120, 120), font_size=size)
    return written_on


def marked(image: Image.Image) -> Image.Image:
    """With half opaque text across its middle."""
    layer = Image.new("RGBA", image.size)
    level = 255 if ImageStat.Stat(image.convert("L")).mean[0] < 128 else 70
    font = ImageFont.load_default(max(9, round(0.11 * image.width)))
    centre, fill = (image.width / 2, image.height / 2), (level, level, level, 128)
    ImageDraw.Draw(layer).text(centre, "SAMPLE SHOP", font=font, fill=fill, anchor="mm")
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def squared(image: Image.Image) -> Image.Image:
    """Padded to a square with white."""
    return ImageOps.pad(image, (max(image.size), max(image.size)), color="white")


def sharpened(image: Image.Image) -> Image.Image:
    """By an unsharp mask."""
    return image.filter(ImageFilter.UnsharpMask(2, 150, 2))


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG q20, then q98": lambda image: written(again(image, 20), quality=98),
    "JPEG q20, then PNG": lambda image: written(again(image, 20), "PNG"),
    "JPEG q20, enlarged × 2, q90": lambda image: written(scaled(again(image, 20), 2), quality=90),
    "reduced to a third, enlarged × 4.5, q95": lambda image: written(scaled(scaled(image, 1 / 3), 4.5), quality=95),
    "BMP of the same pixels": lambda image: written(image, "BMP"),
    "mirrored, q90": lambda image: written(ImageOps.mirror(image), quality=90),
    "crop 10%, q90": lambda image: written(cropped(image, 0.1), quality=90),
    "JPEG q60": lambda image: written(image, quality=60),
    "JPEG q95": lambda image: written(image, quality=95),
    "reduced to a half, q90": lambda image: written(scaled(image, 0.5), quality=90),
    "reduced to 80%, q90": lambda image: written(scaled(image, 0.8), quality=90),
    "enlarged × 1.5, q90": lambda image: written(scaled(image, 1.5), quality=90),
    "a shop's name in a corner, q95": lambda image: written(signed(image), quality=95),
    "enlarged × 1.25, q90": lambda image: written(scaled(image, 1.25), quality=90),
    "enlarged × 1.3, PNG": lambda image: written(scaled(image, 1.3), "PNG"),
    "WebP q80": lambda image: written(image, "WEBP", quality=80),
    "AVIF q60": lambda image: written(image, "AVIF", quality=60),
    "reduced to 85%, PNG": lambda image: written(scaled(image, 0.85), "PNG"),
    "crop 3%, q95": lambda image: written(cropped(image, 0.03), quality=95),
    "crop 10%, enlarged × 1.2, q95": lambda image: written(scaled(cropped(image, 0.1), 1.2), quality=95),
    "padded to a square, q95": lambda image: written(squared(image), quality=95),
    "brightness × 1.15, q95": lambda image: written(ImageEnhance.Brightness(image).enhance(1.15), quality=95),
    "median of 3 x 3, q95": lambda image: written(image.filter(ImageFilter.MedianFilter(3)), quality=95),
    "sharpened, q95": lambda image: written(sharpened(image), quality=95),
    "text across, q95": lambda image: written(marked(image), quality=95),
}
SMALLER = ("a shop's name in a corner, q95", "text across, q95")
"""Copies that a smaller original is compared with too."""


def facts(data: bytes) -> Facts:
    """What the preferences look at."""
    decoded = decode(data)
    assert decoded.picture is not None
    found = {name: getattr(decoded, name) for name in ("width", "height", "format", "mode", "jpeg_quality", "as_is")}
    for measure in standard_measures():
        if measure.name != "layout":
            found |= measure(decoded.picture)
    return {**found, "bytes": len(data), "has_metadata": False}


def facts_of(path: Path) -> list[tuple[Facts, Facts]]:
    """Of the original and of each of its copies; in the end of the original at half its size."""
    cv2.setNumThreads(1)
    data = path.read_bytes()
    image = Image.open(BytesIO(data)).convert("RGB")
    original, copies = facts(data), {name: facts(copy(image)) for name, copy in COPIES.items()}
    half = facts(written(scaled(image, 0.5), quality=95))
    return [(original, copy) for copy in copies.values()] + [(half, copies[name]) for name in SMALLER]


def main(photos: Path, originals: int) -> None:
    """Measure everything once, then print."""
    found: dict[str, list[list[tuple[Facts, Facts]]]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for folder in FOLDERS:
            files = sorted((photos / folder).glob("*.jpg"), key=lambda one: hashlib.sha256(one.name.encode()).digest())
            found[folder] = list(pool.map(facts_of, files[:originals], chunksize=1))
    print("| copy | " + " | ".join(f"{one}: original kept | more pixels, then bytes" for one in FOLDERS) + " |")
    print("|---|" + 2 * len(FOLDERS) * "---|")
    lost: dict[str, Counter[str]] = {}
    for number, name in enumerate((*COPIES, *(f"{one}; the original reduced to a half" for one in SMALLER))):
        cells = []
        for rows in found.values():
            pairs = [row[number] for row in rows]
            cells += [sum(map(partial(kept, lost.setdefault(name, Counter())), pairs)), sum(map(naively_kept, pairs))]
        print(f"| {name} | " + " | ".join(f"{one / originals:.1%}" for one in cells) + " |")
    print()
    for name, reasons in lost.items():
        for reason, count in reasons.most_common():
            print(f"{name}: {count} for {reason}")


def compared(pair: tuple[Facts, Facts]) -> tuple[Facts, Facts]:
    """The facts, with what the two tell of each other."""
    schema = pa.schema([*Perceptual().schema, ("width", pa.int32()), ("height", pa.int32())])
    table = pa.Table.from_pylist([{name: one[name] for name in schema.names} for one in pair], schema=schema)
    photos = [
        Candidate(key=str(row), origin="", row=row, metadata={}, bytes=one["bytes"], columns=dict(one))
        for row, one in enumerate(pair)
    ]
    match, radius = Match(photo=1, other=0, how=""), Settings().duplicate_radius
    assert radius is not None
    original, copy = side_by_side(photos, PhotoColumns.of(table), [match], radius=radius)
    return original.facts, copy.facts


def kept(lost: Counter[str], pair: tuple[Facts, Facts]) -> bool:
    """Whether the original is kept; if not, why is counted."""
    same = pair[0]["pixel_digest"] == pair[1]["pixel_digest"]
    keep = SAME_PIXELS_KEEP if same else DEFAULT_KEEP
    original, copy = pair if same else compared(pair)
    better = rank(original, keep) < rank(copy, keep)
    if not better:
        lost[why_better(copy, original, keep).partition(" (")[0]] += 1
    return better


def naively_kept(pair: tuple[Facts, Facts]) -> bool:
    """The same, by pixels and bytes."""
    original, copy = (one["width"] * one["height"] for one in pair)
    return bool(original > copy or (original == copy and pair[0]["bytes"] > pair[1]["bytes"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40)
