"""What a JPEG file says of itself: how it is coded, and by its quantisation tables its quality."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

# ITU-T T.81, tables K.1 and K.2, row by row.
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *([99] * 32)),
)


def _scaled(table: Sequence[int]) -> npt.NDArray[np.float64]:
    """A table at qualities 1 to 100, as `jpeg_set_quality` of the IJG library scales it; shape (100, 64)."""
    quality = np.arange(1, 101)[:, None]
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.asarray(np.clip((np.array(table) * percent + 50) // 100, 1, 255), dtype=np.float64)


_SCALED = (_scaled(_LUMA), _scaled(_CHROMA))


def luma_steps() -> npt.NDArray[np.float64]:
    """The IJG library's steps for luma at qualities 1 to 100; shape (100, 64), row by row."""
    return _SCALED[0]


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """The quality, 1 to 100, at which the IJG library's tables are nearest to these; None without tables.

    Exact for files that the library or a relative of it wrote (libjpeg-turbo, Pillow, OpenCV); for tables of a camera's
    or an editor's own it is the quality that quantises as coarsely: the distance is that of the logarithms.

    Args:
        tables: 64 steps each, row by row, by the number of the table: 0 is that of luma.
    """
    return _nearest(tuple(tuple(tables[number]) for number in sorted(tables))) if tables else None


@lru_cache(maxsize=256)  # the photos of a pile share few tables
def _nearest(tables: tuple[tuple[int, ...], ...]) -> int:
    distance = np.zeros(100)
    for found, scaled in zip(tables, _SCALED, strict=False):
        distance += np.abs(np.log(scaled) - np.log(np.maximum(found, 1))).sum(axis=1)
    return int(np.argmin(distance)) + 1


_JPEG_LS = 0xF7
_FRAMES = frozenset([*range(0xC0, 0xD0), _JPEG_LS]) - {0xC4, 0xC8, 0xCC}  # these are tables, and one is reserved


@dataclass(frozen=True)
class JpegFrame:
    """How a JPEG is coded (ITU-T T.81, table B.1)."""

    marker: int
    """Second byte of its start of frame: 0xC0 baseline, 0xC3 lossless, 0xC9 arithmetic coding, ..."""
    depth: int
    """Bits of a sample."""

    @property
    def name(self) -> str:
        """Such as `12-bit JPEG` or `progressive arithmetic-coded JPEG`."""
        if self.marker == _JPEG_LS:
            return "JPEG-LS"
        process = "hierarchical" if self.marker & 4 else ("", "", "progressive", "lossless")[self.marker & 3]
        coding = "arithmetic-coded" if self.marker & 8 else ""
        depth = f"{self.depth}-bit" if self.depth != 8 else ""
        return " ".join(filter(None, (depth, process, coding, "JPEG")))


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """The first start of frame of a JPEG; None if there is none, or one that the standard does not know."""
    at = 2
    while data.startswith(b"\xff\xd8") and at + 5 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            return JpegFrame(marker, data[at + 4]) if 2 <= data[at + 4] <= 16 else None
        if marker in (0xD9, 0xDA):
            break
        at += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def smallest_jpeg(marker: int) -> bytes:
    """A grey JPEG of 8 x 8 pixels, lossless (0xC3) or arithmetic-coded (0xC9): to see whether a decoder knows it."""

    def segment(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content

    lossless = marker & 3 == 3
    # One code, of one bit, for a difference of 0; and steps of 1.
    tables = segment(0xC4, bytes([0, 1, *[0] * 16])) if lossless else segment(0xDB, bytes([0, *[1] * 64]))
    frame = segment(marker, struct.pack(">BHHB3B", 8, 8, 8, 1, 1, 0x11, 0))
    scan = segment(0xDA, bytes([1, 1, 0, *((1, 0) if lossless else (0, 63)), 0]))
    return b"\xff\xd8" + tables + frame + scan + bytes(8) + b"\xff\xd9"
