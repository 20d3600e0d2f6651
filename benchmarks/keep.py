"""How often the original is kept of itself and a worse copy: prints a table by kinds of copies.

    python benchmarks/keep.py PHOTOS [ORIGINALS]

PHOTOS holds `phone` and `catalogue`; ORIGINALS of each (40 unless given), chosen by their names, are changed in each
way, and original and copy are compared as near duplicates are, with the default of `keep`; where they have the same
pixels, as these are. Beside it stands what is done without looking at pixels: keep the one with more pixels, then more
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
from PIL import Image, ImageDraw, ImageOps

from prx_data.decisions.keep import DEFAULT_KEEP, rank, why_better
from prx_data.decisions.repeats import SAME_PIXELS_KEEP
from prx_data.decoding import decode
from prx_data.measures import standard_measures

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
    "WebP q80": lambda image: written(image, "WEBP", quality=80),
}


def facts(data: bytes) -> Facts:
    """What the preferences look at."""
    decoded = decode(data)
    assert decoded.picture is not None
    found = {name: getattr(decoded, name) for name in ("width", "height", "format", "mode", "jpeg_quality", "as_is")}
    for measure in standard_measures():
        if measure.name != "layout":
            found |= measure(decoded.picture)
    return {**found, "bytes": len(data), "has_metadata": False}


def facts_of(path: Path) -> list[Facts]:
    """Of the original, and of its copies."""
    cv2.setNumThreads(1)
    data = path.read_bytes()
    image = Image.open(BytesIO(data)).convert("RGB")
    return [facts(data), *(facts(copy(image)) for copy in COPIES.values())]


def main(photos: Path, originals: int) -> None:
    """Measure everything once, then print."""
    found: dict[str, list[list[Facts]]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for folder in FOLDERS:
            files = sorted((photos / folder).glob("*.jpg"), key=lambda one: hashlib.sha256(one.name.encode()).digest())
            found[folder] = list(pool.map(facts_of, files[:originals], chunksize=1))
    print("| copy | " + " | ".join(f"{one}: original kept | more pixels, then bytes" for one in FOLDERS) + " |")
    print("|---|" + 2 * len(FOLDERS) * "---|")
    lost: dict[str, Counter[str]] = {}
    for number, name in enumerate(COPIES, start=1):
        cells = []
        for rows in found.values():
            pairs = [(row[0], row[number]) for row in rows]
            cells += [sum(map(partial(kept, lost.setdefault(name, Counter())), pairs)), sum(map(naively_kept, pairs))]
        print(f"| {name} | " + " | ".join(f"{one / originals:.1%}" for one in cells) + " |")
    print()
    for name, reasons in lost.items():
        for reason, count in reasons.most_common():
            print(f"{name}: {count} for {reason}")


def kept(lost: Counter[str], pair: tuple[Facts, Facts]) -> bool:
    """Whether the original is kept; if not, why is counted."""
    original, copy = pair
    keep = SAME_PIXELS_KEEP if original["pixel_digest"] == copy["pixel_digest"] else DEFAULT_KEEP
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
