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
    (b"II\xbc\x01", "JPEG XR"),
)


_TARGA_HEADER, _TARGA_FOOTER = 18, b"TRUEVISION-XFILE.\x00"
_TARGA_DEPTHS = {1: (8, 16), 2: (15, 16, 24, 32), 3: (8, 16)}
_PCX_HEADER, _SGI_HEADER = 128, 512


def unsupported_format(data: bytes) -> str | None:
    """The name of the picture format that a file has and that is not supported; None if it has none such."""
    if data[4:8] == b"ftyp" and data[8:12] not in _AVIF:
        return {b"crx ": "camera raw"}.get(data[8:12], "HEIF") if data[8:12] in _HEIF else None
    if _is_targa(data):
        return "TGA"
    if _is_pcx(data):
        return "PCX"
    if data.startswith(b"\x01\xda") and len(data) > _SGI_HEADER and data[2] <= 1 and data[3] in (1, 2):
        return "SGI"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return "SVG"
    return next((name for signature, name in _UNSUPPORTED if data.startswith(signature)), None)


_AVIF = (b"avif", b"avis")
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx "})
PICTURE_BRANDS = _HEIF.union(_AVIF)
"""What follows `ftyp` in files that hold a picture; films have others."""


def _is_targa(data: bytes) -> bool:
    """By the footer, or, as files before 1989 have none and none has a signature, where the header makes sense."""
    if data.endswith(_TARGA_FOOTER):
        return True
    if len(data) < _TARGA_HEADER:
        return False
    (words, palette, kind, _, colors, color_depth, _, _, width, height, depth, flags) = struct.unpack_from(
        "<BBBHHBHHHHBB", data
    )
    sound = depth in _TARGA_DEPTHS.get(kind & ~8, ()) and width and height and flags < 0x40 and flags & 15 in (0, 1, 8)
    if palette != (kind & ~8 == 1) or (palette and (not colors or color_depth not in (15, 16, 24, 32))):
        return False
    if not palette and (colors or color_depth or data[3:5] != b"\x00\x00"):
        return False
    begin = _TARGA_HEADER + words + palette * colors * ((color_depth + 7) // 8)
    # A packet of a compressed file stands for 128 pixels at most.
    least = width * height * ((depth + 7) // 8) if kind < 8 else width * height // 128 * (1 + (depth + 7) // 8)
    return bool(sound) and len(data) >= begin + least


def _is_pcx(data: bytes) -> bool:
    if len(data) < _PCX_HEADER or data[0] != 0x0A:
        return False
    left, top, right, bottom = struct.unpack_from("<HHHH", data, 4)
    sound = data[1] in (0, 2, 3, 4, 5) and data[2] <= 1 and data[3] in (1, 2, 4, 8) and not data[64]
    return sound and left <= right and top <= bottom and 1 <= data[65] <= 4


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
