"""One row's bytes to pixels of a bucket's size."""

import io
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from prx_train.buckets import Size

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""A picture as bytes, shape HWC."""
Fit = Literal["crop", "pad"]
Padding = Literal["none", "even", "uneven"]
"""What a picture was continued with: nothing, an even ground, or edges that have other things on them."""
VERSION = 3
"""Of what `decoded` gives for the same bytes: latents are kept under it."""

BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for bytes that are no picture, or a damaged one."""

_EVEN, _MOST = 16, 0.8  # levels of any channel; share of an edge
_NEAR = 48  # levels: a studio's ground is darker at its edges
_SMOOTHING = 0.5  # standard deviation per pixel of distance
_SIDEWAYS = range(5, 9)  # EXIF orientations that swap the sides
_ORIENTATION = 0x0112


def picture_size(data: bytes) -> Size:
    """(height, width) of an upright picture, from its head alone; raises one of `BROKEN`."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if image.format == "PNG" and "exif" not in image.info:
            return height, width  # to look for it further down would decode the picture
        return (width, height) if image.getexif().get(_ORIENTATION) in _SIDEWAYS else (height, width)


def why_broken(error: Exception) -> str:
    """One of `BROKEN` as a phrase, the same for the same file."""
    if isinstance(error, UnidentifiedImageError):  # its own words are an object's address
        return "it is no picture that can be read"
    return str(error) or type(error).__name__


def decoded(data: bytes, size: Size, *, fit: Fit, draft: int, ground: str | None = None) -> tuple[Pixels, Padding]:
    """An upright RGB picture in a bucket's size; what is transparent becomes white. Raises one of `BROKEN`.

    Args:
        data: The picture's file.
        size: (height, width) in pixels.
        fit: Cut to the bucket in the middle, or whole and continued, see `padded`.
        draft: A JPEG is decoded at the smallest scale that has at least so many pixels along both sides, where it has
            them at all.
        ground: The ground's colour as `#rrggbb`; None if it is not known.

    Returns:
        Pixels, uint8, shape HWC; and what they were continued with.
    """
    image = _opened(data, draft)
    return (cropped(image, size), "none") if fit == "crop" else padded(image, size, ground)


def cropped(image: Image.Image, size: Size) -> Pixels:
    """The picture resized to cover a bucket and cut to it in the middle; uint8, shape HWC."""
    height, width = size
    return np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS), dtype=np.uint8)


def padded(image: Image.Image, size: Size, ground: str | None = None) -> tuple[Pixels, Padding]:
    """The picture, whole, resized to fit into a bucket and continued on both sides; nothing is ever cut.

    Each side goes on in the colours of the line that it continues, smoothed along it the more the further away: a
    gradient or a shade goes on as it was, without a line where the picture ends, and where the frame has cut the
    product off, no second one is made up.

    Args:
        image: RGB.
        size: (height, width) of the bucket in pixels.
        ground: As in `decoded`; only what is returned depends on it.

    Returns:
        Pixels, uint8, shape HWC; and what they were continued with.
    """
    height, width = size
    scale = min(width / image.width, height / image.height)
    inner = (min(width, max(1, round(image.width * scale))), min(height, max(1, round(image.height * scale))))
    small = np.asarray(image.resize(inner, Image.Resampling.LANCZOS), dtype=np.uint8)
    across = inner[0] < width
    missing = width - inner[0] if across else height - inner[1]
    if not missing:
        return small, "none"
    turned = small.swapaxes(0, 1) if across else small
    before = missing // 2
    parts = [_continued(turned[0], before)[::-1], turned, _continued(turned[-1], missing - before)]
    whole = np.concatenate(parts)
    known = None if not ground else np.array(ImageColor.getrgb(ground)[:3], dtype=np.float64)
    even = all(_shows_ground(turned[end], known) for end in (0, -1))
    return np.ascontiguousarray(whole.swapaxes(0, 1) if across else whole), "even" if even else "uneven"


def _shows_ground(line: Pixels, ground: np.ndarray[Any, np.dtype[np.float64]] | None) -> bool:
    """Whether most of an edge has one colour, near that of the ground if it is known."""
    color = np.median(line, axis=0)
    even = (np.abs(line - color).max(axis=1) <= _EVEN).mean() >= _MOST
    return bool(even) and (ground is None or bool(np.abs(color - ground).max() <= _NEAR))


def _continued(line: Pixels, length: int) -> Pixels:
    """So many lines that follow an edge, the n-th blurred along it with a standard deviation of n / 2 pixels.

    By the Fourier transform of the edge and its mirror image, so that nothing comes in from the other end.
    """
    spectrum = np.fft.rfft(np.concatenate([line, line[::-1]]), axis=0)
    frequency = 2 * np.pi * np.fft.rfftfreq(2 * len(line))
    distance = np.arange(1, length + 1)
    kept = np.exp(-0.5 * np.square(_SMOOTHING * distance[:, None] * frequency))
    lines = np.fft.irfft(spectrum * kept[:, :, None], n=2 * len(line), axis=1)[:, : len(line)]
    return np.rint(np.clip(lines, 0, 255)).astype(np.uint8)


def _opened(data: bytes, draft: int) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (draft, draft))
    image.load()
    # Where there is nothing to turn or to convert, each would make a copy.
    upright = image if image.getexif().get(_ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)
    if upright.mode[0] in "IF":
        upright = _levels(upright)
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return upright if upright.mode == "RGB" else upright.convert("RGB")


def _levels(grey: Image.Image) -> Image.Image:
    """Grey of 16 bits, 32 bits or floats in 8 bits, as prx-data reads it; Pillow would make all above 255 white.

    16 bits span [0, 65535], and so do 32 if there is more than 255 in them; floats span [0, 1], or are levels if there
    is more than that.
    """
    values = np.nan_to_num(np.asarray(grey).astype(np.float64))
    most = values.max(initial=0.0)
    span = 65535 if grey.mode.startswith("I;16") or most > 255 else 255
    if grey.mode == "F":
        span = 1 if most <= 1 else 255
    return Image.fromarray(np.rint(np.clip(values * (255 / span), 0, 255)).astype(np.uint8))
