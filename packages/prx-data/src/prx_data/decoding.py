"""Bytes to an upright sRGB 8-bit array, and pixels back to a file: the only place that opens or writes an image."""

import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from prx_data.records import Status

VERSION = "1"
"""Changes when the same bytes may give other pixels."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""An upright sRGB picture, shape (height, width, 3)."""

_TRAINABLE_FORMATS = frozenset({"JPEG", "PNG", "WEBP"})
_IMAGE_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"RIFF")
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A picture, or why there is none."""

    status: Status
    message: str = ""
    """What went wrong, in the decoder's words."""
    pixels: Pixels | None = None
    """None unless `status` is OK."""
    width: int = 0
    """Pixels, upright."""
    height: int = 0
    format: str = ""
    """As Pillow names it, whatever the file is called: `JPEG`, `PNG`, ..."""
    mode: str = ""
    """Pillow's mode of the file: `RGB`, `CMYK`, `P`, ..."""
    notes: tuple[str, ...] = ()
    """What had to be done to get upright sRGB: `rotated`, `alpha`, `color_profile`, `first_frame`, `mode`."""

    @property
    def as_is(self) -> bool:
        """Whether the file's own bytes can be trained on: upright sRGB 8-bit JPEG, PNG or WebP without alpha."""
        return not self.notes and self.format in _TRAINABLE_FORMATS


def decode(data: bytes, *, at_least: int | None = None) -> Decoded:
    """Decode one file.

    Rotates by EXIF orientation, converts embedded ICC profiles to sRGB, composites alpha over white, takes the first
    frame of an animation. Never raises for what the bytes hold.

    Args:
        data: The file's bytes.
        at_least: For previews: a JPEG may be decoded at an eighth, a quarter or half of its size, as long as neither
            side falls below this many pixels. None for the whole picture.

    Returns:
        The picture as uint8 RGB of shape (height, width, 3), or a status that says why there is none.
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
            truncated = "truncated" in str(error).lower() or "broken data stream" in str(error).lower()
            status = Status.TRUNCATED if truncated else Status.UNREADABLE
            return Decoded(status=status, message=f"{type(error).__name__}: {error}")


def _unidentified(data: bytes) -> Decoded:
    if data.startswith(_IMAGE_SIGNATURES) or data[4:8] == b"ftyp":
        status = Status.UNSUPPORTED if data[4:8] == b"ftyp" else Status.UNREADABLE
        return Decoded(status=status, message=f"begins like a picture, but cannot be opened: {data[:8].hex(' ')}")
    return Decoded(status=Status.NOT_AN_IMAGE, message=f"begins with {data[:16]!r}")


def _decode(data: bytes, at_least: int | None) -> Decoded:
    notes = []
    with Image.open(BytesIO(data)) as image:
        format_, mode = image.format or "", image.mode
        if getattr(image, "n_frames", 1) > 1 and format_ != "MPO":
            notes.append("first_frame")
        if at_least is not None:
            image.draft(None, (at_least, at_least))
        image.load()
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
    # Pillow re-reads a TIFF's or MPO's frames lazily; from here on only the loaded first frame is used.
    if image.getexif().get(_ORIENTATION_TAG, 1) not in (0, 1):
        notes.append("rotated")
    flat = upright
    if upright.has_transparency_data:
        notes.append("alpha")
        flat = _over_white(upright)
    elif upright.mode.startswith("I") or upright.mode == "F":
        notes.append("mode")
        flat = _to_8_bit(upright)
    rgb, converted = _to_srgb(flat, profile)
    if converted:
        notes.append("color_profile")
    if mode not in ("RGB", "L", "P", "1") and not notes:
        notes.append("mode")
    pixels = np.asarray(rgb, dtype=np.uint8)
    return Decoded(
        status=Status.OK,
        pixels=pixels,
        width=rgb.width,
        height=rgb.height,
        format="JPEG" if format_ == "MPO" else format_,
        mode=mode,
        notes=tuple(notes),
    )


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
    return Image.fromarray(np.clip(np.rint(grey * scale), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """RGB by the embedded profile where there is one that fits the mode; the flag says whether it changed anything."""
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
                return image, False
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None  # a damaged profile is as good as none
        if converted is not None:
            return converted, True
    return (image if image.mode == "RGB" else image.convert("RGB")), False


def encode_png(pixels: Pixels) -> bytes:
    """Encode uint8 RGB of shape (height, width, 3) losslessly."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def thumbnail(pixels: Pixels, side: int = 200) -> bytes:
    """A JPEG of the picture with a long side of at most `side` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()
