"""Files with faults, made from a drawn picture: every format with every fault, and things that are no pictures."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from prx_data.records import Status

from .conftest import draw_product, encode

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline.jpg": ("JPEG", {"quality": 90}),
    "progressive.jpg": ("JPEG", {"quality": 90, "progressive": True}),
    "plain.png": ("PNG", {}),
    "lossy.webp": ("WEBP", {"quality": 80}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "plain.gif": ("GIF", {}),
    "plain.bmp": ("BMP", {}),
    "raw.tif": ("TIFF", {}),
    "deflate.tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "plain.avif": ("AVIF", {}),
}
PAGE = b"<!doctype html><html><head><title>404 Not Found</title></head><body>\xff\xd8 no such photo</body></html>"


def noisy_picture(size: tuple[int, int] = (181, 243)) -> Image.Image:
    """A product with grain, so that no format compresses it to a few bytes."""
    picture = np.asarray(draw_product(7, size=size)).astype(int)
    grain = np.random.default_rng(7).integers(-20, 21, picture.shape)
    return Image.fromarray(np.clip(picture + grain, 0, 255).astype(np.uint8))


def faulty_files() -> Iterator[tuple[str, bytes, Status]]:
    """Name, bytes and the status that they should have."""
    picture = noisy_picture()
    for name, (format_, options) in FORMATS.items():
        data = encode(picture, format_, **options)
        yield f"whole/{name}", data, Status.OK
        yield f"a pixel/{name}", encode(Image.new("RGB", (1, 1), "red"), format_, **options), Status.OK
        yield f"trailing bytes/{name}", data + b"\x00" * 5000 + b"some words", Status.OK
        yield f"cut in half/{name}", data[: len(data) // 2], Status.TRUNCATED
        yield f"a hundredth missing/{name}", data[: -max(2, len(data) // 100)], Status.TRUNCATED
        yield f"only the beginning/{name}", data[:40], Status.TRUNCATED
        yield f"nothing/{name}", b"", Status.EMPTY
        yield f"an error page/{name}", PAGE, Status.NOT_AN_IMAGE
        yield f"zeros/{name}", bytes(len(data)), Status.NOT_AN_IMAGE
    yield from _bombs()
    yield from _others()


def _bombs() -> Iterator[tuple[str, bytes, Status]]:
    png = bytearray(encode(Image.new("1", (8, 8)), "PNG"))
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    png[12:33] = chunk + struct.pack(">I", zlib.crc32(chunk))
    yield "bomb.png", bytes(png), Status.DECOMPRESSION_BOMB
    jpeg = bytearray(encode(Image.new("RGB", (8, 8))))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    yield "bomb.jpg", bytes(jpeg), Status.DECOMPRESSION_BOMB
    gif = bytearray(encode(Image.new("P", (8, 8)), "GIF"))
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    yield "bomb.gif", bytes(gif), Status.DECOMPRESSION_BOMB
    bmp = bytearray(encode(Image.new("RGB", (8, 8)), "BMP"))
    bmp[18:26] = struct.pack("<II", 60_000, 60_000)
    yield "bomb.bmp", bytes(bmp), Status.DECOMPRESSION_BOMB
    tiff = encode(Image.new("L", (8, 8)), "TIFF")
    wide = tiff.replace(struct.pack("<HHIHH", 256, 4, 1, 8, 0), struct.pack("<HHII", 256, 4, 1, 60_000))
    tall = wide.replace(struct.pack("<HHIHH", 257, 4, 1, 8, 0), struct.pack("<HHII", 257, 4, 1, 60_000))
    yield "bomb.tif", tall, Status.DECOMPRESSION_BOMB


def _others() -> Iterator[tuple[str, bytes, Status]]:
    random = np.random.default_rng(5).bytes(3000)
    for name, data in {
        "text.jpg": b"just some words",
        "json.jpg": b'{"error": "not found"}',
        "zip.png": b"PK\x03\x04" + random,
        "pdf.jpg": b"%PDF-1.7\n" + random,
        "sound.webp": b"RIFF" + struct.pack("<I", 3000) + b"WAVEfmt " + random,
        "film.mp4": struct.pack(">I", 24) + b"ftypisom" + random,
        "random.jpg": b"\x07" + random,
    }.items():
        yield name, data, Status.NOT_AN_IMAGE
    for name, data in {
        "phone.heic": struct.pack(">I", 24) + b"ftypheic" + random,
        "raw.cr3": struct.pack(">I", 24) + b"ftypcrx " + random,
        "layers.psd": b"8BPS" + random,
        "drawing.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n" + random,
        "next.jxl": b"\xff\x0a" + random,
    }.items():
        yield name, data, Status.UNSUPPORTED
    yield from _pictures_that_are_not_supported()
    yield "junk behind a signature.jpg", b"\xff\xd8\xff\xe0" + random + b"\xff\xd9", Status.UNREADABLE
    yield "junk behind a signature.png", b"\x89PNG\r\n\x1a\n" + random + b"IEND\xaeB`\x82", Status.UNREADABLE
    yield "junk behind a signature.gif", b"GIF8" + b"x" * 40, Status.UNREADABLE
    png = bytearray(encode(noisy_picture(), "PNG"))
    middle = png.index(b"IDAT") + 4
    png[middle : middle + 400] = random[:400]
    yield "junk in the data.png", bytes(png), Status.UNREADABLE


def _pictures_that_are_not_supported() -> Iterator[tuple[str, bytes, Status]]:
    picture = noisy_picture((64, 48))
    jpeg = encode(picture, quality=90)
    for name, data in {
        "TGA": encode(picture, "TGA"),
        "TGA, old": _targa(picture),
        "TGA, old and compressed": encode(picture.quantize(16).convert("RGB"), "TGA", compression="tga_rle")[:-26],
        "TGA, old with a palette": _targa(picture.quantize(200)),
        "PCX": encode(picture, "PCX"),
        "SGI": encode(picture, "SGI"),
        "12-bit JPEG": recoded(jpeg, 0xC1, depth=12),
        "12-bit JPEG, cut in half": recoded(jpeg, 0xC1, depth=12)[: len(jpeg) // 2],
        "12-bit lossless JPEG": lossless_jpeg(depth=12),
        "hierarchical JPEG": recoded(jpeg, 0xC5),
        "lossless arithmetic-coded JPEG": recoded(jpeg, 0xCB),
        "JPEG-LS": recoded(jpeg, 0xF7),
    }.items():
        yield f"of another format/{name}", data, Status.UNSUPPORTED


def recoded(jpeg: bytes, marker: int, *, depth: int = 8) -> bytes:
    """A baseline JPEG that says that it is coded otherwise (ITU-T T.81, B.2.2)."""
    frame = jpeg.index(b"\xff\xc0")
    return b"".join(
        [jpeg[: frame + 1], bytes([marker]), jpeg[frame + 2 : frame + 4], bytes([depth]), jpeg[frame + 5 :]]
    )


def lossless_jpeg(*, depth: int = 8, size: tuple[int, int] = (16, 24)) -> bytes:
    """Grey all over: each pixel is as its neighbour says, by a code of one bit (ITU-T T.81, annex H)."""

    def segment(marker: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content

    code = segment(0xC4, b"\x00" + bytes([1] + 15 * [0]) + b"\x00")
    frame = segment(0xC3, struct.pack(">BHHB", depth, size[1], size[0], 1) + b"\x01\x11\x00")
    scan = segment(0xDA, b"\x01\x01\x00\x01\x00\x00")
    return b"\xff\xd8" + code + frame + scan + bytes(size[0] * size[1] // 8) + b"\xff\xd9"


def _targa(picture: Image.Image) -> bytes:
    """As before 1989: a header, a palette, the pixels, and no footer."""
    palette = bytes(picture.getpalette() or [])
    header = struct.pack("<BBBHHB", 0, bool(palette), 1 if palette else 2, 0, len(palette) // 3, 24 if palette else 0)
    header += struct.pack("<HHHHBB", 0, 0, *picture.size, 8 if palette else 24, 0x20)
    return header + palette + picture.tobytes()
