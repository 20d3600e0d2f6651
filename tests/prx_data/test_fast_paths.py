"""What is fast because it is done another way, against the slow and obvious way."""

from io import BytesIO
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import fft

from prx_data import layout, phash
from prx_data.decisions.duplicates import matrix
from prx_data.decoding import decode
from prx_data.kernels import luma, pyramid, small
from prx_data.measures.layout import COLOR_COEFFICIENTS, color_layout, edge_histogram
from prx_data.measures.lines import SIDES, Side, plain_lines
from prx_data.measures.perceptual import hash_information, reduced_hash, small_grey, stretched
from prx_data.picture import Picture, halved
from prx_data.records import Status

from .conftest import draw_product, encode

Pixels = npt.NDArray[np.uint8]

pictures = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))
greys = arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 70)))


def by_pillow(data: bytes) -> Pixels | None:
    """The whole picture as Pillow decodes it; None if it finds a fault."""
    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except Exception:
        return None


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 92])
def test_jpegs_have_the_pixels_that_pillow_gives(mode: str, progressive: bool, subsampling: int, quality: int) -> None:
    options: dict[str, Any] = {
        "progressive": progressive,
        "subsampling": subsampling,
        "quality": quality,
        "restart_marker_rows": 2,
    }
    for size in ((61, 83), (64, 48), (1, 9)):
        data = encode(draw_product(5, size=size).convert(mode), **options)
        np.testing.assert_array_equal(decode(data).pixels, by_pillow(data))


@settings(max_examples=200, deadline=None)
@given(st.booleans(), st.data())
def test_of_a_damaged_jpeg_it_is_pillow_that_says_whether_it_can_be_read(
    progressive: bool, draw: st.DataObject
) -> None:
    data = bytearray(encode(draw_product(6, size=(90, 70)), progressive=progressive, quality=70))
    for _ in range(draw.draw(st.integers(0, 4))):
        data[draw.draw(st.integers(2, len(data) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.sampled_from([len(data), draw.draw(st.integers(0, len(data)))]))
    damaged = bytes(data[:cut]) + draw.draw(st.sampled_from([b"", b"\xff\xd9"]))
    decoded, reference = decode(damaged), by_pillow(damaged)
    assert (decoded.status is Status.OK) == (reference is not None)
    if reference is not None and "rotated" not in decoded.notes and "color_profile" not in decoded.notes:
        np.testing.assert_array_equal(decoded.pixels, reference)


@given(pictures)
def test_halving_takes_means_of_four(pixels: Pixels) -> None:
    found = halved(pixels)
    height, width = (max(1, side // 2) for side in pixels.shape[:2])
    assert found.shape == (height, width, 3)
    for y in range(height):
        for x in range(width):
            four = pixels[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(-1, 3).astype(int)
            exact = four.mean(axis=0)
            wanted = np.floor(exact + 0.5) if len(four) == 4 else exact  # of two pixels, either neighbour of a half
            assert np.abs(found[y, x] - wanted).max() <= (0 if len(four) == 4 else 0.5)


@given(pictures)
def test_luma_is_to_the_bit_that_of_opencv(pixels: Pixels) -> None:
    np.testing.assert_array_equal(pyramid.luma(pixels), cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


@given(greys.filter(lambda grey: grey.shape[0] <= grey.shape[1]))
def test_32_pixels_are_those_of_pillows_lanczos_filter(grey: Pixels) -> None:
    reference = Image.fromarray(grey).resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(small_grey(grey), np.asarray(reference))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(64, 511), st.integers(64, 511))
def test_stretched_takes_nearly_the_means_of_areas(seed: int, width: int, height: int) -> None:
    pixels = np.asarray(draw_product(seed, size=(width, height)))
    reference = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.BOX))
    off = np.abs(stretched(pixels, 32).astype(int) - reference)
    assert off.mean() < 5  # an odd line is left out, which counts most where a side is just over 64
    assert stretched(pixels, 32).shape == (32, 32, 3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(60, 511), st.integers(60, 511))
def test_the_hash_of_a_small_picture_is_phash(seed: int, width: int, height: int) -> None:
    pixels = np.asarray(draw_product(seed, size=(width, height)))
    code, informative = reduced_hash(Picture(pixels).grey_level(512))
    assert (code ^ phash(pixels)).bit_count() <= 2
    # Rounding moves coefficients by 0.3, and a few may lie that near to the threshold.
    assert abs(informative - hash_information(pixels)) <= 5


@pytest.mark.parametrize("level", [0, 77, 255])
def test_the_hash_of_a_blank_picture_is_phash(level: int) -> None:
    blank: Pixels = np.full((300, 211, 3), level, dtype=np.uint8)
    assert reduced_hash(Picture(blank).grey_level(300)) == (phash(blank), hash_information(blank))


@given(pictures, st.integers(0, 255), st.integers(0, 40), st.sampled_from(SIDES))
def test_plain_lines_counted_one_by_one(pixels: Pixels, tolerance: int, plain: int, side: Side) -> None:
    picture = pixels.copy()
    # Views in which the side is at the top.
    turn = {"left": (1, 0, 2), "top": (0, 1, 2), "right": (1, 0, 2), "bottom": (0, 1, 2)}[side]
    lines = picture.transpose(turn)[:: 1 if side in ("left", "top") else -1]
    lines[:plain] = lines[0, 0]
    color = np.sort(lines[0], axis=0)[lines.shape[1] // 2].astype(int)
    expected = 0
    for line in lines:
        near = (np.abs(line.astype(int) - color) <= tolerance).all(axis=1)
        if near.mean() < 0.99:
            break
        expected += 1
    assert plain_lines(picture, side, tolerance=tolerance) == expected
    assert plain_lines(picture, side, tolerance=tolerance, most=5) == min(expected, 5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 50), st.sampled_from([48, 49, 128]))
def test_the_spectrum_is_the_power_of_numpys_transform(seed: int, side: int) -> None:
    tiles = np.random.default_rng(seed).integers(0, 256, (3, side, side), dtype=np.uint8)
    tiles[1] = 99  # shows nothing
    lines = [line - tile.mean() for tile in tiles[::2] for line in (*tile[::4], *tile.T[::4])]
    power = [np.abs(np.fft.rfft(line * np.hanning(side))) ** 2 for line in lines]
    found = small.windowed(tiles, np.hanning(side).astype(np.float32), 2.0)
    assert len(found) == len(lines)
    np.testing.assert_allclose(small.power(cv2.dft(found, flags=cv2.DFT_ROWS)), np.mean(power, axis=0), rtol=1e-3)


def test_the_cutoff_is_where_the_smoothed_level_first_drops() -> None:
    frequency = np.arange(1, 65) / 64
    for share in (0.3, 0.55, 1.0):
        power = np.concatenate([[1e6], np.where(frequency <= share, 1, 1e-4) / frequency**2])
        level = np.log(power[1:] * frequency**2 + 1e-6)
        smooth = np.convolve(np.pad(level, 2, mode="edge"), np.full(5, 0.2), mode="valid")
        reference = np.median(smooth[(frequency >= 0.1) & (frequency <= 0.2)])
        below = (smooth < reference + np.log(0.16)) & (frequency > 0.2)
        assert small.cutoff(power) == (frequency[below][0] if below.any() else 1.0)


@given(greys, st.integers(1, 5), st.integers(1, 4))
def test_energy_is_the_sum_of_changes(grey: Pixels, rows: int, columns: int) -> None:
    change = np.abs(np.diff(grey.astype(int), axis=1))
    if change.shape[0] < rows or change.shape[1] < columns:
        return
    down = [row * change.shape[0] // rows for row in range(rows + 1)]
    right = [column * change.shape[1] // columns for column in range(columns + 1)]
    expected = [[change[a:b, c:d].sum() for c, d in pairwise(right)] for a, b in pairwise(down)]
    np.testing.assert_array_equal(luma.energy(grey, rows, columns), expected)


def test_color_layout_is_the_cosine_transform_of_mean_colors() -> None:
    pixels = np.asarray(draw_product(3, size=(160, 96)))
    means = pixels.reshape(8, 12, 8, 20, 3).mean(axis=(1, 3))
    red, green, blue = means.transpose(2, 0, 1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = (luma, (blue - luma) / 1.772, (red - luma) / 1.402)
    zigzag = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0), (4, 0), (3, 1), (2, 2)]
    expected = []
    for plane, count in zip(planes, COLOR_COEFFICIENTS, strict=True):
        frequencies = fft.dctn(plane, norm="ortho") / (8 * 255)
        expected.append([frequencies[cell] for cell in zigzag[:count]])
    found = np.split(color_layout(pixels), np.cumsum(COLOR_COEFFICIENTS)[:-1])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[: len(theirs)], theirs, atol=1e-5)


def test_edges_counted_block_by_block() -> None:
    grey = np.asarray(draw_product(7, size=(256, 256)).convert("L"))
    square = grey.reshape(128, 2, 128, 2).astype(int).sum(axis=(1, 3))
    square = (square + 2) // 4
    root = np.sqrt(2)
    counts = np.zeros((4, 4, 6))
    for y in range(64):
        for x in range(64):
            (a, b), (c, d) = square[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
            filters = (a - b + c - d, a + b - c - d, root * (a - d), root * (b - c), 2 * (a - b - c + d))
            strengths = np.abs(filters)
            counts[y // 16, x // 16, int(strengths.argmax()) if strengths.max() > 11 else 5] += 1
    np.testing.assert_allclose(edge_histogram(grey)[:80], (counts[..., :5] / 256).ravel(), atol=0.005)


def test_the_layout_has_norm_1_and_a_blank_one_no_edges() -> None:
    assert np.linalg.norm(layout(np.asarray(draw_product(2)))) == pytest.approx(1, abs=1e-5)
    blank = layout(np.full((70, 90, 3), 30, dtype=np.uint8))
    assert np.linalg.norm(blank) == pytest.approx(1, abs=1e-5)
    assert not blank[35:].any()


def test_a_column_of_bytes_is_the_array_that_was_put_in() -> None:
    rows = np.random.default_rng(1).integers(-128, 128, (5, 12)).astype(np.int8)
    lists = pa.chunked_array(
        [pa.array(rows[:3].tolist(), pa.list_(pa.int8(), 12)), pa.array(rows[3:].tolist(), pa.list_(pa.int8(), 12))]
    )
    packed = pa.chunked_array(
        [pa.array([one.tobytes() for one in part], pa.binary(12)) for part in (rows[:3], rows[3:])]
    )
    for column in (lists, packed):
        np.testing.assert_array_equal(matrix(column, np.int8), rows)
        np.testing.assert_array_equal(matrix(column.slice(1, 3), np.int8), rows[1:4])
        assert matrix(column.slice(0, 0), np.int8).shape == (0, 12)
