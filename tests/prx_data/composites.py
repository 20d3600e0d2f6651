"""Pictures whose background is known: products cut out of white, pasted on made or photographed grounds."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from prx_data.measures.color import delta_e, srgb_to_lab

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CLEAN = ("plain", "gradient", "shadowed")
CLUTTERED = ("natural", "carpet")
KINDS = (*CLEAN, "textured", *CLUTTERED)
STUDIO = ("steep", "horizon")
"""Clean as well, under a studio's strong light: `studio_composites` makes them."""


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A picture with what is true of it."""

    kind: str
    pixels: Pixels
    mask: Mask
    """True where the ground shows; the shape of the picture."""

    @property
    def fill(self) -> float:
        """Share of the frame that the product covers."""
        return float(1 - self.mask.mean())

    @property
    def center(self) -> tuple[float, float]:
        """Offset of the product's box from the frame's centre, in shares of the frame."""
        rows, columns = np.flatnonzero(~self.mask.all(axis=1)), np.flatnonzero(~self.mask.all(axis=0))
        height, width = self.mask.shape
        return (
            float((columns[0] + columns[-1] + 1) / 2 / width - 0.5),
            float((rows[0] + rows[-1] + 1) / 2 / height - 0.5),
        )


def read(path: Path | BytesIO, reduce: int = 1) -> Pixels:
    """A photo as an array, its sides divided by `reduce`."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").reduce(reduce) if reduce > 1 else image.convert("RGB"))


def cut_out(pixels: Pixels, side: int) -> tuple[Pixels, Mask]:
    """The product of a picture on white, cropped to its box and resized to a longer side of `side` pixels."""
    white = delta_e(srgb_to_lab(pixels), np.array([100.0, 0.0, 0.0])) < 4
    labels, _ = ndimage.label(~white)
    product = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    # One pixel off the rim takes the white halo away that smoothing left.
    product = ndimage.binary_erosion(ndimage.binary_fill_holes(product))
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    height, width = product[box].shape
    size = (max(1, round(width * side / max(height, width))), max(1, round(height * side / max(height, width))))
    image = Image.fromarray(pixels[box]).resize(size, Image.Resampling.BICUBIC)
    shape = Image.fromarray(product[box]).resize(size, Image.Resampling.NEAREST)
    return np.asarray(image), np.asarray(shape, dtype=bool)


def _position(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return y.astype(np.float32), x.astype(np.float32)


def gradient(shape: tuple[int, int], random: np.random.Generator) -> Floats:
    """A smooth change of light: factors of about 0.75 to 1, shape (height, width, 1)."""
    y, x = _position(shape)
    angle = random.uniform(0, 2 * np.pi)
    fall = 0.12 * (np.cos(angle) * x + np.sin(angle) * y) + 0.05 * (x * x + y * y)
    return np.asarray(1 - (fall - fall.min()), dtype=np.float32)[:, :, None]


def steep(shape: tuple[int, int], random: np.random.Generator) -> Floats:
    """A spot on a backdrop: factors of 0.18 to 1 from top to bottom or back, shape (height, width, 1)."""
    y, _ = _position(shape)
    return np.asarray(0.59 + random.choice((-0.41, 0.41)) * y, dtype=np.float32)[:, :, None]


def horizon(shape: tuple[int, int], random: np.random.Generator) -> Floats:
    """A wall and a darker floor, seen out of focus: factors of 1 and 0.73, shape (height, width, 1)."""
    y, _ = _position(shape)
    floor = 1 / (1 + np.exp((random.uniform(0, 0.4) - y) / 0.08))
    return np.asarray(1 - 0.27 * floor, dtype=np.float32)[:, :, None]


def texture(shape: tuple[int, int], random: np.random.Generator) -> Floats:
    """Planks or speckle: factors around 1, shape (height, width, 1)."""
    if random.random() < 0.5:
        _, x = _position(shape)
        planks = np.sin(x * random.uniform(12, 25)) > 0.9
        grain = ndimage.gaussian_filter(random.normal(size=shape), (12, 1)) * 0.5
        return np.asarray(1 - 0.3 * planks + grain, dtype=np.float32)[:, :, None]
    speckle = ndimage.gaussian_filter(random.normal(size=shape), 1.2)
    return np.asarray(1 + 0.5 * speckle, dtype=np.float32)[:, :, None]


def compose(
    kind: str, product: tuple[Pixels, Mask], random: np.random.Generator, photo: Pixels | None = None, side: int = 320
) -> Composite:
    """Paste a product on a ground.

    Args:
        kind: One of `KINDS` or `STUDIO`.
        product: From `cut_out`; smaller than the frame of (5/4 side, side).
        random: Chooses place, colour and pattern.
        photo: The ground for `natural` and `carpet`.
        side: Width of the picture.
    """
    shape = (side * 5 // 4, side)
    pixels, inside = product
    height, width = inside.shape
    top, left = (int(random.integers(2, full - part - 1)) for full, part in zip(shape, inside.shape, strict=True))
    cover = np.zeros(shape, dtype=bool)
    cover[top : top + height, left : left + width] = inside
    if kind in CLUTTERED:
        assert photo is not None
        ground = np.asarray(Image.fromarray(photo).resize(shape[::-1], Image.Resampling.BILINEAR), dtype=np.float32)
    else:
        ground = np.broadcast_to(_ground_color(pixels[inside], random), (*shape, 3)).astype(np.float32)
        if kind == "gradient":
            ground = ground * gradient(shape, random)
        if kind in STUDIO:
            ground = ground * {"steep": steep, "horizon": horizon}[kind](shape, random)
        if kind == "shadowed":
            shade = ndimage.gaussian_filter(np.roll(cover, (8, 8), (0, 1)).astype(np.float32), 14)
            ground = ground * (1 - 0.3 * shade[:, :, None])
        if kind == "textured":
            ground = ground * texture(shape, random)
        # A camera's noise: nothing in a photo is perfectly flat.
        ground = ground + random.normal(scale=1.0, size=ground.shape).astype(np.float32)
    picture = ground.clip(0, 255)
    picture[top : top + height, left : left + width][inside] = pixels[inside]
    return Composite(kind=kind, pixels=np.rint(picture).astype(np.uint8), mask=~cover)


def _ground_color(product: Pixels, random: np.random.Generator) -> Floats:
    """A colour, white in one of three, that less than 3 % of the product comes near; the farthest of 40 if none."""
    colors = random.integers(40, 256, size=(40, 3)).astype(np.uint8)
    colors[random.random(40) < 1 / 3] = 250
    near = (delta_e(srgb_to_lab(product)[:, None], srgb_to_lab(colors)) < 20).mean(axis=0)
    good = np.flatnonzero(near < 0.03)
    return np.asarray(colors[good[0] if len(good) else int(np.argmin(near))], dtype=np.float32)


def products(photos: Path, count: int, side: int = 170) -> list[tuple[Pixels, Mask]]:
    """Cut-outs of whole products: `count` iconic grocery pictures, evenly taken."""
    paths = sorted((photos / "grocery").glob("iconic-*"))
    return [cut_out(read(path), side) for path in paths[:: max(1, len(paths) // count)][:count]]


def composites(photos: Path, count: int, carpets: list[Path]) -> list[Composite]:
    """`count` composites of each of `KINDS`; the same on every call.

    Args:
        photos: The folder of real photos.
        count: Pictures of each kind.
        carpets: Phone photos with a visible pattern, as grounds of the kind `carpet`.
    """
    random = np.random.default_rng(20)
    shelves = sorted((photos / "grocery").glob("natural-*"))
    made = []
    for number, product in enumerate(products(photos, count)):
        for kind in KINDS:
            grounds = {"natural": shelves, "carpet": carpets}.get(kind)
            photo = read(grounds[number * 7 % len(grounds)]) if grounds else None
            made.append(compose(kind, product, random, photo))
    return made


def studio_composites(photos: Path, count: int) -> list[Composite]:
    """`count` composites of each of `STUDIO`; the same on every call."""
    random = np.random.default_rng(21)
    return [compose(kind, product, random) for product in products(photos, count) for kind in STUDIO]


def draw_shape(ground: Pixels, kind: str, random: np.random.Generator) -> None:
    """One of "rectangles", "discs" or "lines" of one colour, somewhere on a ground, which is written to."""
    height, width = ground.shape[:2]
    color, side = random.integers(0, 256, 3).tolist(), int(random.integers(10, 40))
    (x, y), (to_x, to_y) = ((int(random.integers(0, width)), int(random.integers(0, height))) for _ in range(2))
    if kind == "rectangles":
        cv2.rectangle(ground, (x, y), (x + side, y + side // 2), color, cv2.FILLED)
    elif kind == "discs":
        cv2.circle(ground, (x, y), side // 2, color, cv2.FILLED, cv2.LINE_AA)
    else:
        cv2.line(ground, (x, y), (to_x, to_y), color, 2, cv2.LINE_AA)
