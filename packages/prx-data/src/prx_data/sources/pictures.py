"""What looks like a picture: by its name, or by its first bytes."""

from prx_data.signatures import PICTURE_BRANDS

IMAGE_SUFFIXES = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"),
        *(".heic", ".heif", ".mpo", ".jp2", ".ppm", ".pgm", ".pbm", ".tga", ".pcx", ".sgi", ".ico"),
    ]
)

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"\xff\x4f\xff\x51")


def suffix_of(name: str) -> str:
    """The suffix of the last part of a path or URL, lower case, with the dot; empty if it has none."""
    if name.startswith(("http://", "https://")):
        name = name.partition("?")[0]
    last = name.rpartition("/")[2]
    stem, dot, suffix = last.rpartition(".")
    return f"{dot}{suffix}".lower() if stem else ""


def named_like_a_picture(name: str) -> bool:
    """Whether the suffix is that of a picture."""
    return suffix_of(name) in IMAGE_SUFFIXES


def begins_like_a_picture(head: bytes) -> bool:
    """Whether the first bytes are those of a picture."""
    if head.startswith(_SIGNATURES) or head[4:8] == b"jP  ":
        return True
    return (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or (head[4:8] == b"ftyp" and head[8:12] in PICTURE_BRANDS)
