"""Depths, colour models, profiles and containers all end as upright sRGB of 8 bits; JPEG quality is read right."""

import struct
import zlib
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from prx_data.decoding import decode
from prx_data.records import Status

from .conftest import draw_product, encode

PICTURE = draw_product(1, size=(61, 83))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Primaries adapted to D50, as in the profiles that Apple and Adobe publish.
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def profile_with(primaries: tuple[tuple[float, ...], ...]) -> bytes:
    """The sRGB profile with other primaries."""
    found = bytearray(SRGB)
    for number in range(struct.unpack_from(">I", found, 128)[0]):
        name, start, _ = struct.unpack_from(">4sII", found, 132 + 12 * number)
        if name in (b"rXYZ", b"gXYZ", b"bXYZ"):
            numbers = (round(value * 65536) for value in primaries[b"rgb".index(name[:1])])
            struct.pack_into(">iii", found, start + 8, *numbers)
    return bytes(found)


def png(header: tuple[int, ...], rows: list[bytes]) -> bytes:
    """A PNG of raw rows, each with its filter byte."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", *header)) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def interlaced(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Adam7: seven passes over coarser grids."""
    height, width, _ = pixels.shape
    rows = []
    for y, x, down, right in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        rows += [b"\x00" + row.tobytes() for row in pixels[y::down, x::right] if row.size]
    return png((width, height, 8, 2, 0, 0, 1), rows)


def test_interlaced_png() -> None:
    decoded = decode(interlaced(np.asarray(PICTURE)))
    np.testing.assert_array_equal(decoded.pixels, np.asarray(PICTURE))
    assert decoded.as_is


def test_sixteen_bit_rgb_png_is_not_trained_on_as_it_is() -> None:
    deep = np.asarray(PICTURE).astype(">u2") * 257
    decoded = decode(png((61, 83, 16, 2, 0, 0, 0), [b"\x00" + row.tobytes() for row in deep]))
    np.testing.assert_array_equal(decoded.pixels, np.asarray(PICTURE))
    assert decoded.notes == ("depth",)
    assert not decoded.as_is


def test_sixteen_bit_grey_png_with_a_transparent_level() -> None:
    grey = np.full((5, 4), 1000, dtype=">u2")
    grey[:, 1] = 30000
    data = png((4, 5, 16, 0, 0, 0, 0), [b"\x00" + row.tobytes() for row in grey])
    at = data.index(b"IDAT") - 4
    clear = b"tRNS" + struct.pack(">H", 1000)
    decoded = decode(data[:at] + struct.pack(">I", 2) + clear + struct.pack(">I", zlib.crc32(clear)) + data[at:])
    assert decoded.pixels is not None
    np.testing.assert_array_equal(decoded.pixels[0, :, 0], [255, 117, 255, 255])
    assert set(decoded.notes) == {"alpha", "depth"}


@pytest.mark.parametrize(
    ("mode", "format_", "options"),
    [
        ("1", "PNG", {}),
        ("1", "TIFF", {"compression": "group4"}),
        ("L", "JPEG", {"quality": 100}),
        ("L", "PNG", {}),
        ("P", "PNG", {}),
        ("P", "BMP", {}),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("RGB", "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("RGB", "TIFF", {"compression": "packbits"}),
        ("RGB", "JPEG", {"quality": 100, "subsampling": 0, "progressive": True}),
        ("RGB", "JPEG2000", {}),
        ("CMYK", "TIFF", {}),
        ("YCbCr", "TIFF", {}),
    ],
)
def test_modes_and_compressions(mode: str, format_: str, options: dict[str, object]) -> None:
    image = PICTURE.convert(mode)
    decoded = decode(encode(image, format_, **options))
    assert decoded.status is Status.OK, decoded.message
    assert decoded.pixels is not None
    off = np.abs(decoded.pixels.astype(int) - np.asarray(image.convert("RGB"))).max()
    assert off <= (12 if format_ == "JPEG" else 0)
    assert ("mode" in decoded.notes) == (mode in ("CMYK", "YCbCr"))


def test_cmyk_jpeg_has_the_right_polarity() -> None:
    # Adobe's marker says 0 (CMYK) or 2 (YCCK); either way the values in the file are inverted.
    data = bytearray(encode(PICTURE.convert("CMYK"), quality=100))
    decoded = decode(bytes(data))
    assert b"Adobe" in data
    assert decoded.pixels is not None
    assert np.abs(decoded.pixels.astype(int) - np.asarray(PICTURE)).mean() < 3
    assert decoded.mode == "CMYK"
    data[data.index(b"Adobe") + 11] = 2
    ycck = decode(bytes(data))
    assert ycck.status is Status.OK
    assert not ycck.as_is


@pytest.mark.parametrize(("name", "primaries"), [("Display P3", DISPLAY_P3), ("Adobe RGB", ADOBE_RGB)])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_wide_gamut_profiles_are_converted(name: str, primaries: tuple[tuple[float, ...], ...], format_: str) -> None:
    # (200, 80, 80) in a wide gamut is a stronger red in sRGB, by the matrices of the two spaces.
    options = {"lossless": True} if format_ == "WEBP" else {"quality": 100, "subsampling": 0}
    wide = Image.new("RGB", (16, 16), (200, 80, 80))
    decoded = decode(encode(wide, format_, icc_profile=profile_with(primaries), **options))
    linear = ((np.array([200, 80, 80]) / 255 + 0.055) / 1.055) ** 2.4
    to_xyz = np.array(primaries).T
    srgb_to_xyz = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    expected = np.linalg.solve(srgb_to_xyz, to_xyz @ linear).clip(0, 1)
    levels = (1.055 * expected ** (1 / 2.4) - 0.055) * 255
    assert decoded.pixels is not None
    assert np.abs(decoded.pixels[8, 8] - levels).max() <= 4, name
    assert decoded.notes == ("color_profile",)
    assert not decoded.as_is


def test_profiles_that_say_nothing_are_left_alone() -> None:
    assert decode(encode(PICTURE, "PNG", icc_profile=profile_with(DISPLAY_P3)[:300])).notes == ()
    grey = PICTURE.convert("L")
    wrong = decode(encode(grey, "PNG", icc_profile=SRGB))  # an RGB profile on a grey picture
    assert wrong.pixels is not None
    np.testing.assert_array_equal(wrong.pixels[..., 0], np.asarray(grey))


def test_a_palette_with_a_profile_is_converted() -> None:
    decoded = decode(encode(PICTURE.convert("P"), "PNG", icc_profile=profile_with(ADOBE_RGB)))
    assert decoded.notes == ("color_profile",)


def test_containers_with_several_pictures_give_the_first() -> None:
    pages = [Image.new("RGB", (20, 30), color) for color in ("red", "blue", "lime")]
    for format_, options in (
        ("GIF", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("PNG", {}),
        ("AVIF", {"quality": 100}),
    ):
        decoded = decode(encode(pages[0], format_, save_all=True, append_images=pages[1:], **options))
        assert decoded.pixels is not None
        assert np.abs(decoded.pixels[15, 10].astype(int) - (255, 0, 0)).max() <= 3, format_
        assert decoded.notes == ("first_frame",)
        assert not decoded.as_is
    phone = decode(encode(pages[0], "MPO", save_all=True, append_images=pages[1:]))
    assert (phone.format, phone.notes, phone.as_is) == ("JPEG", (), True)


@pytest.mark.parametrize("format_", ["JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_in_every_format_and_when_scaled(format_: str, orientation: int) -> None:
    large = draw_product(2, size=(610, 830))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if format_ == "JPEG" else {"lossless": True} if format_ == "WEBP" else {}
    data = encode(large, format_, exif=exif, **options)
    decoded, scaled = decode(data), decode(data, at_least=300)
    assert decoded.picture is not None
    assert scaled.picture is not None
    image, small = (Image.fromarray(one.pixels) for one in (decoded.picture, scaled.picture))
    assert (decoded.width, decoded.height) == image.size == (scaled.width, scaled.height)
    assert decoded.width == (830 if orientation >= 5 else 610)
    assert np.abs(np.asarray(image.resize(small.size)).astype(int) - np.asarray(small)).mean() < 4
    assert scaled.picture.long_side == (415 if format_ == "JPEG" else 830)


def test_damaged_exif_is_as_good_as_none() -> None:
    decoded = decode(encode(PICTURE, quality=90, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + b"\x01" * 40))
    assert decoded.status is Status.OK
    assert (decoded.width, decoded.height) == PICTURE.size


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_quality_is_that_of_pillow(progressive: bool) -> None:
    for quality in range(10, 99):
        for image in (PICTURE, PICTURE.convert("L")):
            data = encode(image, quality=quality, progressive=progressive)
            assert decode(data).jpeg_quality == quality
    assert decode(encode(PICTURE, "PNG")).jpeg_quality is None


def test_jpeg_quality_of_a_cameras_own_tables_lies_between() -> None:
    tables = [[max(1, round(step * 1.07)) for step in table] for table in _tables(80)]
    buffer = BytesIO()
    PICTURE.save(buffer, "JPEG", qtables=tables)
    quality = decode(buffer.getvalue()).jpeg_quality
    assert quality is not None
    assert 74 <= quality <= 80


def _tables(quality: int) -> list[list[int]]:
    with Image.open(BytesIO(encode(PICTURE, quality=quality))) as image:
        found: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
    return [list(found[number]) for number in sorted(found)]
