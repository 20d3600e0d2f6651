"""Bytes to an upright sRGB 8-bit picture, and pixels back to a file: the only place that opens or writes an image."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import cast

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageCms, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError

from prx_data.jpeg import jpeg_frame, jpeg_quality, smallest_jpeg
from prx_data.picture import Picture, Pixels
from prx_data.records import Status
from prx_data.signatures import is_cut_short, unsupported_format

# Pillow logs what is odd in a file; whoever wants to read that sets up logging, and nobody else is told.
logging.getLogger("PIL").addHandler(logging.NullHandler())

VERSION = "3"
"""Changes when the same bytes may give other pixels or another status."""

MAX_PIXELS = 178_956_970
"""A picture that claims more is refused before it is decoded; at 4 bytes each it would take 0.7 GB."""

_OPENED = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")
"""What is tried. Pillow knows more, but starts other programs for some (EPS) and guesses at others."""
_TRAINABLE_FORMATS = frozenset({"JPEG", "PNG", "WEBP"})
_ORIENTATION_TAG = 0x0112
_TURNS: Mapping[int, Callable[[Pixels], Pixels]] = {
    2: lambda stored: cv2.flip(stored, 1),
    3: lambda stored: cv2.rotate(stored, cv2.ROTATE_180),
    4: lambda stored: cv2.flip(stored, 0),
    5: cv2.transpose,
    6: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),
    7: lambda stored: cv2.transpose(cv2.rotate(stored, cv2.ROTATE_180)),
    8: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
"""What makes a picture of an EXIF orientation upright (EXIF 2.32, tag 0x0112)."""
_SAME_COLORS = 2  # levels by which an embedded profile may differ from sRGB and still be called sRGB


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A picture, or why there is none."""

    status: Status
    message: str = ""
    """What went wrong, in the decoder's words."""
    picture: Picture | None = None
    """None unless `status` is OK, or TRUNCATED with a `decoded_share` above 0."""
    width: int = 0
    """Pixels, upright; of the part that was decoded if the file is truncated."""
    height: int = 0
    format: str = ""
    """As Pillow names it, whatever the file is called: `JPEG`, `PNG`, ..."""
    mode: str = ""
    """Pillow's mode of the file: `RGB`, `CMYK`, `P`, ..."""
    notes: tuple[str, ...] = ()
    """What had to be done to get upright sRGB 8-bit: `rotated`, `alpha`, `color_profile`, `first_frame`, `depth` (more
    than 8 bits a channel), `mode` (another colour model), `truncated`."""
    jpeg_quality: int | None = None
    """Estimated from the quantisation tables, 1 to 100 on the scale of the IJG library; None if it is no JPEG."""
    decoded_share: float = 0.0
    """Share of the file's rows that were decoded, in [0, 1]; below 1 only for truncated JPEGs."""

    @property
    def pixels(self) -> Pixels | None:
        """The picture as uint8 RGB of shape (height, width, 3)."""
        return None if self.picture is None else self.picture.pixels

    @property
    def as_is(self) -> bool:
        """Whether the file's own bytes can be trained on: upright sRGB 8-bit JPEG, PNG or WebP without alpha."""
        return self.status is Status.OK and not self.notes and self.format in _TRAINABLE_FORMATS


def decode(data: bytes, *, at_least: int | None = None) -> Decoded:
    """Decode one file.

    Rotates by EXIF orientation, converts embedded ICC profiles to sRGB, composites alpha over white, takes the first
    frame of an animation. Of a truncated sequential JPEG the rows that are there are decoded, under the status
    TRUNCATED; a progressive one holds no finished row. Never raises for what the bytes hold.

    Args:
        data: The file's bytes.
        at_least: A JPEG may be decoded at an eighth, a quarter or half of its size, as long as its longer side does not
            fall below this many pixels. None for the whole picture.

    Returns:
        The picture, or a status that says why there is none. `width` and `height` are those of the whole picture.
    """
    if not data:
        return Decoded(status=Status.EMPTY, message="0 bytes")
    with warnings.catch_warnings():
        # Pillow warns about damaged EXIF, odd palettes and large pictures; the status says what matters of it.
        warnings.simplefilter("ignore")
        try:
            return _decode(data, at_least)
        except Image.DecompressionBombError as error:
            return Decoded(status=Status.DECOMPRESSION_BOMB, message=str(error))
        except UnidentifiedImageError:
            return _unidentified(data)
        except Exception as error:  # decoders raise nearly anything on damaged bytes, and each is this photo's status
            if name := _unsupported(data):
                return Decoded(status=Status.UNSUPPORTED, message=f"{name} is not supported")
            return Decoded(status=_failure(error, data), message=f"{type(error).__name__}: {error}")


def _unidentified(data: bytes) -> Decoded:
    head = data[:16]
    name = _unsupported(data)
    if name is not None:
        return Decoded(status=Status.UNSUPPORTED, message=f"{name} is not supported")
    cut = is_cut_short(data)
    if cut is None:
        return Decoded(status=Status.NOT_AN_IMAGE, message=f"begins with {head!r}")
    status = Status.TRUNCATED if cut else Status.UNREADABLE
    return Decoded(status=status, message=f"begins like a picture, but cannot be opened: {head[:8].hex(' ')}")


def _unsupported(data: bytes) -> str | None:
    """What a file that could not be decoded is, if it would not be decoded whole either."""
    frame = jpeg_frame(data)
    if frame is None:
        return unsupported_format(data)
    known = frame.marker in (0xC0, 0xC1, 0xC2)
    if frame.marker in (0xC3, 0xC9, 0xCA):  # what a build of the library may leave out
        known = _decodes(0xC3 if frame.marker == 0xC3 else 0xC9)
    return None if known and frame.depth == 8 else frame.name


@lru_cache
def _decodes(marker: int) -> bool:
    """Whether the library knows a way of coding a JPEG."""
    try:
        with Image.open(BytesIO(smallest_jpeg(marker)), formats=("JPEG",)) as image:
            image.load()
    except OSError:
        return False
    return True


def _failure(error: Exception, data: bytes) -> Status:
    text = str(error).lower()
    if isinstance(error, ValueError) and "conversion from" in text:
        return Status.UNSUPPORTED
    said = any(words in text for words in ("truncated", "buffer is not large enough"))
    # What has a mark at its end and ends with it is damaged, even if its decoder ran out of bytes.
    marked = data.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8"))
    return Status.TRUNCATED if is_cut_short(data) or (said and not marked) else Status.UNREADABLE


def _decode(data: bytes, at_least: int | None) -> Decoded:
    with Image.open(BytesIO(data), formats=_OPENED) as image:
        format_, mode, whole = image.format or "", image.mode, image.size
        if whole[0] * whole[1] > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{whole[0]}x{whole[1]} pixels, more than {MAX_PIXELS:,}")
        notes = ["first_frame"] if format_ != "MPO" and _has_more_frames(image) else []
        quality = jpeg_quality(image.quantization) if isinstance(image, JpegImagePlugin.JpegImageFile) else None
        if at_least is not None:
            longer = max(whole)
            image.draft(None, (max(1, whole[0] * at_least // longer), max(1, whole[1] * at_least // longer)))
        scaled = image.size != whole
        message, share, changes = "", 1.0, dict[str, bool]()
        pixels = _faultless_jpeg(image, data, scaled=scaled)
        if pixels is None:
            message, share = _load(image)
            loaded = image.crop((0, 0, image.width, round(share * image.height))) if message else image
            rgb, changes = _to_srgb(loaded, image.info.get("icc_profile"))
            pixels = np.asarray(rgb, dtype=np.uint8)
        orientation = _orientation(image)
        deep = _is_deep(image, data)
    width, height = whole[0], round(share * whole[1])
    if orientation != 1:
        pixels = _TURNS[orientation](pixels)
    if orientation >= 5:
        width, height = height, width
    told = {"truncated": bool(message), "rotated": orientation != 1, "depth": deep, **changes}
    notes += [name for name, happened in told.items() if happened]
    return Decoded(
        status=Status.TRUNCATED if message else Status.OK,
        message=message,
        picture=Picture(pixels, whole=not scaled),
        width=width,
        height=height,
        format="JPEG" if format_ == "MPO" else format_,
        mode=mode,
        notes=tuple(notes),
        jpeg_quality=quality,
        decoded_share=share,
    )


def _has_more_frames(image: Image.Image) -> bool:
    try:
        return getattr(image, "n_frames", 1) > 1
    except Exception:  # there is a second frame, and it is damaged: what is wanted is the first
        image.seek(0)
        return True


def _faultless_jpeg(image: Image.Image, data: bytes, *, scaled: bool) -> Pixels | None:
    """The pixels of a JPEG that needs nothing but decoding, straight into an array; None for everything else.

    It is the library that Pillow uses, without the fourth byte that Pillow adds to each pixel and takes away again. Any
    fault in the file, even one that the library mends, leaves it to Pillow, so that one decoder says what is damaged.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode not in ("RGB", "L"):
        return None
    profile = image.info.get("icc_profile")
    if profile and _color_transform(profile, image.mode) is not None:
        return None
    try:
        # The smallest size that the library can decode at, but not below these: that which Pillow would decode at.
        width, height = image.size if scaled else (0, 0)
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width)
    except ValueError:
        return None
    return pixels if pixels.shape[1::-1] == image.size else None


def _load(image: Image.Image) -> tuple[str, float]:
    """Decode; returns what went wrong with a truncated JPEG, or nothing, and the share of its rows that are there."""
    try:
        image.load()
    except OSError as error:
        if not isinstance(image, JpegImagePlugin.JpegImageFile) or "truncated" not in str(error):
            raise
        image.tile = []  # nothing more to decode: what there is can be used
        # Rows that were never written are zero in all channels; so may be black ones, which only makes the share less.
        rows = np.flatnonzero(np.asarray(image).reshape(image.height, -1).any(axis=1))
        if not len(rows):
            raise
        share = float(rows[-1] + 1) / image.height
        return f"{error}; {share:.0%} of the rows are there", share
    return "", 1.0


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 if there is none, or none that can be read."""
    try:
        found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged metadata is as good as none
        return 1
    return found if found in range(1, 9) else 1


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether the file holds more than 8 bits a channel."""
    if image.format == "PNG":
        return data[24] == 16  # IHDR's bit depth
    if image.mode[0] in "IF":
        return True
    return isinstance(image, TiffImagePlugin.TiffImageFile) and bool(np.max(image.tag_v2.get(258, 8)) > 8)


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, dict[str, bool]]:
    """The picture in mode RGB, and what that took."""
    flat = _to_8_bit(image) if image.mode[0] in "IF" else image
    alpha = flat.has_transparency_data
    if alpha:
        flat = _over_white(flat)
    if flat.mode not in ("RGB", "L", "CMYK"):
        flat = flat.convert("RGB")
    transform = _color_transform(profile, flat.mode) if profile else None
    rgb = ImageCms.applyTransform(flat, transform) if transform is not None else flat.convert("RGB")
    changed_mode = image.mode not in ("RGB", "L", "P", "1", "LA", "PA", "RGBA") and image.mode[0] not in "IF"
    return cast(Image.Image, rgb), {"alpha": alpha, "color_profile": transform is not None, "mode": changed_mode}


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey to 8 bit. 16 bits span [0, 65535]; floats above 1 are taken as 8-bit levels."""
    grey = np.asarray(image).astype(np.float64)
    peak = float(grey.max(initial=0.0))
    if image.mode == "F":
        scale = 255.0 if peak <= 1.0 else 1.0
    else:
        scale = 255.0 / 65535.0 if peak > 255.0 or image.mode.startswith("I;16") else 1.0
    levels = Image.fromarray(np.clip(np.rint(np.nan_to_num(grey) * scale), 0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if clear is None:
        return levels
    return Image.merge("LA", (levels, Image.fromarray(np.where(grey == clear, 0, 255).astype(np.uint8))))


@lru_cache(maxsize=64)
def _color_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From an embedded profile to sRGB; None if the profile is damaged, does not fit the mode, or is sRGB itself."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    if mode == "CMYK":
        return transform
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    probe = Image.fromarray(colors if mode == "RGB" else colors[..., 0])
    before = np.asarray(probe.convert("RGB")).astype(int)
    after = np.asarray(ImageCms.applyTransform(probe, transform))
    return transform if np.abs(after - before).max() > _SAME_COLORS else None


def encode_png(pixels: Pixels) -> bytes:
    """Encode uint8 RGB of shape (height, width, 3) losslessly."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """Encode uint8 RGB of shape (height, width, 3) for somebody to look at."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorspace="RGB")
    return encoded


def thumbnail(pixels: Pixels, side: int = 200) -> bytes:
    """A JPEG of the picture with a long side of at most `side` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()
