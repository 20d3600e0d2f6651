"""What a file is by its first bytes, and whether its end is missing: for files that no decoder could open."""

import struct

_UNSUPPORTED = (
    (b"8BPS", "Photoshop"),
    (b"%!PS", "PostScript"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance"),
    (b"qoif", "QOI"),
    (b"DDS ", "DirectDraw"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile"),
)


def unsupported_format(data: bytes) -> str | None:
    """The name of the picture format that a file has and that is not supported; None if it has none such."""
    if data[4:8] == b"ftyp" and data[8:12] not in _AVIF:
        return {b"crx ": "camera raw"}.get(data[8:12], "HEIF") if data[8:12] in _HEIF else None
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return "SVG"
    return next((name for signature, name in _UNSUPPORTED if data.startswith(signature)), None)


_AVIF = (b"avif", b"avis")
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx "})
PICTURE_BRANDS = _HEIF.union(_AVIF)
"""What follows `ftyp` in files that hold a picture; films have others."""


def is_cut_short(data: bytes) -> bool | None:
    """Whether a file that begins like a picture ends before it should; None if it does not begin like one."""
    if data.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")):
        return b"\xff\xd9" not in data[-4096:]
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data
    if data.startswith((b"GIF87a", b"GIF89a")):
        return not data.rstrip(b"\x00").endswith(b";")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return bool(8 + struct.unpack_from("<I", data, 4)[0] > len(data))
    if data.startswith(b"BM") and len(data) >= 6:
        return bool(struct.unpack_from("<I", data, 2)[0] > len(data))
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return _directory_cut_short(data)
    if data.startswith(b"GIF8"):
        return False
    if data[4:8] == b"jP  " or data[4:12] in (b"ftypavif", b"ftypavis"):
        return _boxes_cut_short(data)
    return None


def _directory_cut_short(data: bytes) -> bool:
    """Whether the first directory of a TIFF, which may lie anywhere, ends after the file."""
    order = "<" if data.startswith(b"II") else ">"
    if len(data) < 8:
        return True
    start: int = struct.unpack_from(f"{order}I", data, 4)[0]
    if start + 2 > len(data):
        return True
    entries: int = struct.unpack_from(f"{order}H", data, start)[0]
    return start + 2 + 12 * entries > len(data)


def _boxes_cut_short(data: bytes) -> bool:
    """Whether the last box of an ISO base media file (AVIF, JPEG 2000) ends after the file."""
    start = 0
    while start + 8 <= len(data):
        size = struct.unpack_from(">I", data, start)[0]
        if size < 8:  # 0 is "to the end of the file", 1 a 64-bit length
            return False
        start += size
    return start > len(data)
