"""One row's bytes to pixels of a bucket's size."""

import io
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from prx_train.buckets import Size

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""A picture as bytes, shape HWC."""
Fit = Literal["crop", "pad"]

BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for bytes that are no picture, or a damaged one."""

_EVEN, _MOST = 16, 0.8  # levels of any channel; share of an edge
_NEAR = 48  # levels: a studio's ground is darker at its edges
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


def decoded(data: bytes, size: Size, *, fit: Fit, draft: int, ground: str | None = None) -> Pixels:
    """An upright RGB picture in a bucket's size; what is transparent becomes white. Raises one of `BROKEN`.

    Args:
        data: The picture's file.
        size: (height, width) in pixels.
        fit: Cut to the bucket in the middle, or whole on more of its ground, see `padded`.
        draft: A JPEG is decoded at the smallest scale that has at least so many pixels along both sides, where it has
            them at all.
        ground: The ground's colour as `#rrggbb`; None if it is not known.
    """
    image = _opened(data, draft)
    return cropped(image, size) if fit == "crop" else padded(image, size, ground)


def cropped(image: Image.Image, size: Size) -> Pixels:
    """The picture resized to cover a bucket and cut to it in the middle; uint8, shape HWC."""
    height, width = size
    return np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS), dtype=np.uint8)


def padded(image: Image.Image, size: Size, ground: str | None = None) -> Pixels:
    """The picture resized to fit into a bucket, with its ground continued on both sides; uint8, shape HWC.

    Each side takes the median of the line that it continues, so that a gradient goes on in its own colour. Where such a
    line does not show the ground, the frame has cut the product off there already, and bars in front of it would be
    seen: then the picture is cut to the bucket instead.
    """
    height, width = size
    scale = min(width / image.width, height / image.height)
    inner = (min(width, max(1, round(image.width * scale))), min(height, max(1, round(image.height * scale))))
    small = np.asarray(image.resize(inner, Image.Resampling.LANCZOS), dtype=np.uint8)
    across = inner[0] < width
    lines = (small[:, 0], small[:, -1]) if across else (small[0], small[-1])
    known = None if not ground else np.array(ImageColor.getrgb(ground)[:3], dtype=np.float64)
    if not all(_shows_ground(line, known) for line in lines):
        return cropped(image, size)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    whole = np.empty((height, width, 3), dtype=np.uint8)
    before, after = (np.rint(np.median(line, axis=0)).astype(np.uint8) for line in lines)
    if across:
        whole[:, :left], whole[:, left + inner[0] :] = before, after
    else:
        whole[:top], whole[top + inner[1] :] = before, after
    whole[top : top + inner[1], left : left + inner[0]] = small
    return whole


def _shows_ground(line: Pixels, ground: np.ndarray[Any, np.dtype[np.float64]] | None) -> bool:
    """Whether most of an edge has one colour, near that of the ground if it is known."""
    color = np.median(line, axis=0)
    even = (np.abs(line - color).max(axis=1) <= _EVEN).mean() >= _MOST
    return bool(even) and (ground is None or bool(np.abs(color - ground).max() <= _NEAR))


def _opened(data: bytes, draft: int) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (draft, draft))
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return upright.convert("RGB")
