"""Bytes to upright sRGB, and a status for everything that is not a picture."""

import warnings
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from prx_data.decoding import decode, encode_png, thumbnail
from prx_data.records import Status

from .conftest import draw_product, encode

PICTURE = draw_product(1, size=(61, 83))


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG", "AVIF"])
def test_formats_give_the_picture(format_: str) -> None:
    decoded = decode(encode(PICTURE, format_, **({"lossless": True} if format_ == "WEBP" else {})))
    assert decoded.status is Status.OK, decoded.message
    assert decoded.pixels is not None
    assert decoded.pixels.shape == (83, 61, 3)
    assert decoded.pixels.dtype == np.uint8
    lossless = format_ in {"PNG", "BMP", "TIFF", "WEBP"}
    assert np.abs(decoded.pixels.astype(int) - np.asarray(PICTURE)).mean() <= (0 if lossless else 5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    # The transposition that turns the upright picture into the one that is stored with this orientation.
    flips = Image.Transpose
    stored = {
        2: flips.FLIP_LEFT_RIGHT,
        3: flips.ROTATE_180,
        4: flips.FLIP_TOP_BOTTOM,
        5: flips.TRANSPOSE,
        6: flips.ROTATE_90,
        7: flips.TRANSVERSE,
        8: flips.ROTATE_270,
    }
    image = PICTURE if orientation == 1 else PICTURE.transpose(stored[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encode(image, "PNG", exif=exif))
    assert decoded.pixels is not None
    np.testing.assert_array_equal(decoded.pixels, np.asarray(PICTURE))
    assert decoded.as_is == (orientation == 1)


def test_alpha_is_composited_over_white() -> None:
    image = PICTURE.convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    for mode in ("RGBA", "LA"):
        decoded = decode(encode(image.convert(mode), "PNG"))
        assert decoded.pixels is not None
        assert (decoded.pixels == 255).all()
        assert decoded.notes == ("alpha",)


def test_palette_transparency_is_composited_over_white() -> None:
    image = Image.new("P", (20, 30), 3)
    image.putpalette([0, 0, 0] * 3 + [10, 200, 10])
    decoded = decode(encode(image, "PNG", transparency=3))
    assert decoded.pixels is not None
    assert (decoded.pixels == 255).all()


def test_sixteen_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    decoded = decode(encode(Image.fromarray(ramp), "PNG"))
    assert decoded.pixels is not None
    np.testing.assert_array_equal(decoded.pixels[..., 0].ravel(), np.arange(256))


def test_cmyk_jpeg_is_converted_and_not_trained_on_as_it_is() -> None:
    decoded = decode(encode(PICTURE.convert("CMYK"), "JPEG", quality=95))
    assert decoded.status is Status.OK
    assert not decoded.as_is
    assert decoded.pixels is not None
    assert decoded.pixels.shape == (83, 61, 3)


def test_a_profile_is_converted_and_srgb_is_left_alone() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(encode(PICTURE, "PNG", icc_profile=srgb)).as_is
    assert decode(encode(PICTURE, "PNG", icc_profile=b"damaged")).status is Status.OK


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    decoded = decode(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert decoded.pixels is not None
    assert tuple(decoded.pixels[0, 0]) == (255, 0, 0)
    assert "first_frame" in decoded.notes


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]), st.data())
def test_damaged_bytes_never_raise(format_: str, data: st.DataObject) -> None:
    bytes_ = bytearray(encode(PICTURE, format_))
    for _ in range(data.draw(st.integers(1, 8))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(bytes_)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode(bytes(bytes_[:cut]))
    assert (decoded.status is Status.OK or decoded.decoded_share > 0) == (decoded.pixels is not None)


def test_previews_and_encoding() -> None:
    large = draw_product(4, size=(1200, 1600))
    small = decode(encode(large, quality=90), at_least=150)
    assert small.pixels is not None
    assert 150 <= min(small.pixels.shape[:2]) < 1200
    with Image.open(BytesIO(thumbnail(np.asarray(large), 160))) as image:
        assert image.size == (120, 160)
    again = decode(encode_png(np.asarray(PICTURE)))
    np.testing.assert_array_equal(again.pixels, np.asarray(PICTURE))
