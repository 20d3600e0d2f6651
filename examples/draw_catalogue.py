"""Draws a sample catalogue: product-like pictures whose kinds, colours, backgrounds and copies are known.

    python examples/draw_catalogue.py OUTPUT [--count 320] [--seed 0]

Writes photos, `metadata.csv` as a shop would have it, and last `truth.csv` with what was drawn and what was done to
it. The same seed gives the same bytes.
"""

import argparse
import colorsys
import csv
import io
import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from catalogue_shapes import KINDS, Color, Ink, Pen, Random

COLORS: dict[str, Color] = {
    "red": (200, 36, 44),
    "orange": (236, 126, 36),
    "yellow": (240, 208, 56),
    "green": (44, 140, 72),
    "teal": (24, 130, 136),
    "blue": (40, 92, 196),
    "purple": (116, 66, 168),
    "pink": (238, 130, 168),
    "brown": (120, 78, 48),
    "gray": (134, 136, 140),
    "black": (34, 34, 38),
}
BACKGROUNDS = {"plain_white": 0.55, "plain_color": 0.12, "gradient": 0.08, "textured": 0.1, "cluttered": 0.15}
SIZES = ((360, 450), (420, 420), (480, 360), (330, 440), (390, 390))
_SCALE = 2  # drawn at twice the size and reduced, so that edges are smooth


@dataclass(frozen=True, kw_only=True)
class Product:
    """All that a picture is drawn from; another colour of the same numbers is a colour variant."""

    kind: str
    color: str
    background: str
    seed: int
    size: tuple[int, int]


def _backdrop(product: Product, random: Random) -> Image.Image:
    """The ground that the product stands on, at drawing size."""
    width, height = (side * _SCALE for side in product.size)
    if product.background == "plain_white":
        return Image.new("RGB", (width, height), "white")
    base = np.array(colorsys.hls_to_rgb(random.random(), random.uniform(0.55, 0.85), random.uniform(0.1, 0.5))) * 255
    if product.background == "plain_color":
        return Image.new("RGB", (width, height), tuple(base.astype(int).tolist()))
    if product.background == "gradient":
        ramp = np.linspace(1.12, 0.78, height)[:, None, None] * base
        return Image.fromarray(np.clip(np.broadcast_to(ramp, (height, width, 3)), 0, 255).astype(np.uint8))
    image = Image.new("RGB", (width, height), tuple(base.astype(int).tolist()))
    pen = Pen(image, (0, 0, width, height), (int(base[0]), int(base[1]), int(base[2])))
    if product.background == "textured":
        planks = np.linspace(0, 1, int(random.integers(5, 12)))
        for left, right in itertools.pairwise(planks):
            pen.shape([(left, 0), (right, 0), (right, 1), (left, 1)], random.uniform(0.75, 1.15))
            pen.line([(left, 0), (left, 1)], 0.006, 0.5)
            for x in random.uniform(left, right, 14):
                pen.line([(float(x), 0), (float(x) + random.uniform(-0.01, 0.01), 1)], 0.002, random.uniform(0.7, 1.1))
        return image
    for _ in range(90):
        pen.color = tuple(random.integers(20, 240, 3).tolist())
        x, y = random.uniform(-0.1, 1.1, 2).tolist()
        rx, ry = random.uniform(0.02, 0.14, 2).tolist()
        if random.random() < 0.5:
            pen.ellipse(x, y, rx, ry)
        else:
            pen.shape([(x - rx, y - ry), (x + rx, y - ry / 2), (x + rx, y + ry), (x - rx / 2, y + ry)])
        for step in np.linspace(-0.8, 0.8, 6).tolist():  # print on the things: real clutter is not flat
            pen.line([(x + step * rx, y - 0.6 * ry), (x + step * rx, y + 0.6 * ry)], 0.004, random.uniform(0.5, 1.6))
    return image


def draw(product: Product) -> Image.Image:
    """The product's picture."""
    random = np.random.default_rng(product.seed)
    width, height = (side * _SCALE for side in product.size)
    image = _backdrop(product, np.random.default_rng(product.seed + 1))
    side = min(width, height) * random.uniform(0.62, 0.88)
    aspect = random.uniform(0.85, 1.15)
    box_size = (side * min(1.0, aspect), side / max(1.0, aspect))
    left = (width - box_size[0]) / 2 + random.uniform(-0.03, 0.03) * width
    top = (height - box_size[1]) / 2 + random.uniform(-0.03, 0.03) * height
    mask = Image.new("L", image.size)
    layer = Image.new("RGB", image.size, "white")
    jitter = random.integers(-14, 15, 3)
    color = tuple(int(np.clip(one + off, 0, 255)) for one, off in zip(COLORS[product.color], jitter, strict=True))
    shape_seed = int(random.integers(2**31))
    box = (left, top, *box_size)
    KINDS[product.kind](Pen(layer, box, (color[0], color[1], color[2])), np.random.default_rng(shape_seed))
    outline = Image.new("RGB", image.size, "white")
    KINDS[product.kind](Ink(outline, box, (0, 0, 0)), np.random.default_rng(shape_seed))
    mask = outline.convert("L").point(lambda level: 255 - level)
    shaded = np.asarray(layer, dtype=np.float32) * np.linspace(1.08, 0.88, height, dtype=np.float32)[:, None, None]
    layer = Image.fromarray(np.clip(shaded, 0, 255).astype(np.uint8))
    shadow = ImageDraw.Draw(image)
    if product.kind in {"mug", "bottle", "lamp", "chair", "shoe"}:
        foot = top + box_size[1] * 0.97
        ground = np.asarray(image)[min(height - 1, round(foot)), width // 2]
        dark = tuple((0.86 * ground).round().astype(int).tolist())
        shadow.ellipse((left + 0.1 * side, foot - 0.03 * side, left + 0.9 * side, foot + 0.04 * side), fill=dark)
        image = image.filter(ImageFilter.GaussianBlur(2 * _SCALE)) if "plain" in product.background else image
    angle = random.uniform(-6, 6)
    layer, mask = (one.rotate(angle, Image.Resampling.BICUBIC) for one in (layer, mask))
    image.paste(layer, mask=mask)
    small = image.resize(product.size, Image.Resampling.LANCZOS)
    noise = np.random.default_rng(product.seed + 2).normal(0, 0.8, (product.size[1], product.size[0], 1))
    return Image.fromarray(np.clip(np.asarray(small, dtype=np.float32) + noise, 0, 255).astype(np.uint8))


def _encode(image: Image.Image, format_: str = "JPEG", quality: int = 92) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, quality=quality)
    return buffer.getvalue()


def _near_duplicate(image: Image.Image, random: Random) -> tuple[bytes, str, str]:
    """Bytes, suffix and what was done."""
    way = int(random.integers(4))
    if way == 0:
        quality = int(random.integers(45, 80))
        return _encode(image, quality=quality), "jpg", f"JPEG quality {quality}"
    if way == 1:
        scale = random.uniform(0.55, 0.85)
        small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        return _encode(small), "jpg", f"resized to {scale:.2f}"
    if way == 2:
        factor = random.uniform(0.97, 1.03)
        return _encode(ImageEnhance.Brightness(image).enhance(factor)), "jpg", f"brightness {factor:.2f}"
    return _encode(image, "WEBP", 85), "webp", "WebP"


def _broken(image: Image.Image) -> list[tuple[str, bytes, str]]:
    """Names, bytes and faults of files that are no usable photo."""
    return [
        ("empty.jpg", b"", "empty"),
        ("cut-off.jpg", _encode(image)[:4000], "truncated"),
        ("cut-off.png", _encode(image, "PNG")[:9000], "truncated"),
        ("not-found.jpg", b"<!doctype html><title>404 Not Found</title>", "not_an_image"),
        ("notes.jpg", b"remember to photograph the lamps\n", "not_an_image"),
        ("noise.png", np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes(), "not_an_image"),
        ("icon.png", _encode(image.resize((20, 20)), "PNG"), "too_small"),
        ("blank.png", _encode(Image.new("RGB", (400, 400), "white"), "PNG"), "blank"),
    ]


def _choose(random: Random, number: int) -> Product:
    kind = list(KINDS)[int(random.integers(len(KINDS)))]
    color = list(COLORS)[int(random.integers(len(COLORS)))]
    background = str(random.choice(list(BACKGROUNDS), p=list(BACKGROUNDS.values())))
    size = SIZES[int(random.integers(len(SIZES)))]
    return Product(kind=kind, color=color, background=background, seed=10 * number, size=size)


def draw_catalogue(output: Path, *, count: int = 320, seed: int = 0) -> None:
    """Draw a catalogue.

    Args:
        output: Folder to write to; created.
        count: Pictures of products; copies, colour variants and broken files come on top, about a fifth.
        seed: Another seed, another catalogue.
    """
    output.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    metadata: list[dict[str, str]] = []
    truth: list[dict[str, str]] = []

    def add(name: str, data: bytes, product: Product, sku: str, **facts: str) -> None:
        (output / name).write_bytes(data)
        words = {"name": f"{sku.title()} {product.kind}", "category": product.kind, "color": product.color}
        metadata.append({"file_name": name, "sku": sku, **words, "view": "front"})
        shown = {"kind": product.kind, "color": product.color, "background": product.background}
        truth.append({"file_name": name, **shown, "relation": "original", "of": "", "fault": "", **facts})

    for number in range(count):
        product = _choose(random, seed * 1_000_000 + number)
        name, sku = f"{number:04}.jpg", f"{_CODES[number % len(_CODES)]} {number:03}"
        image = draw(product)
        add(name, _encode(image), product, sku)
        chance = random.random()
        if chance < 0.04:
            add(f"{number:04} copy.jpg", _encode(image), product, sku, relation="exact_duplicate", of=name)
        elif chance < 0.1:
            data, suffix, done = _near_duplicate(image, random)
            add(f"{number:04}-again.{suffix}", data, product, sku, relation="near_duplicate", of=name, fault=done)
        elif chance < 0.18:
            other = str(random.choice([one for one in COLORS if one != product.color]))
            variant = replace(product, color=other)
            facts = {"relation": "color_variant", "of": name}
            add(f"{number:04}-{other}.jpg", _encode(draw(variant)), variant, f"{sku} {other}", **facts)
    for name, data, fault in _broken(draw(_choose(random, seed * 1_000_000 + count))):
        (output / name).write_bytes(data)
        truth.append({"file_name": name, "relation": "broken", "fault": fault})
    metadata.append({"file_name": "lost.jpg", "sku": "lost", "name": "Lost lamp", "category": "lamp", "color": "red"})
    truth.append({"file_name": "lost.jpg", "relation": "broken", "fault": "missing"})
    _write(output / "metadata.csv", metadata)
    _write(output / "truth.csv", truth)


_CODES = ("Alba", "Bruno", "Cora", "Dario", "Elin", "Falk", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Lars")


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Parse and draw."""
    parser = argparse.ArgumentParser(description="Draw a sample catalogue with known truth.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw_catalogue(options.output, count=options.count, seed=options.seed)


if __name__ == "__main__":
    main()
