"""The radius join against brute force, the colour check on real colour variants, and groups that do not chain."""

import io
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from prx_data import color_difference, hamming_pairs, lab_grid, phash
from prx_data.decisions.duplicates import Pairs, keeper_groups

from .conftest import draw_product

LIMIT = 10.0  # the default of Settings.duplicate_color_difference


def brute_force(codes: list[int], radius: int) -> list[tuple[int, int, int]]:
    """The obvious reference: every pair."""
    found = []
    for a in range(len(codes)):
        for b in range(a + 1, len(codes)):
            distance = (codes[a] ^ codes[b]).bit_count()
            if distance <= radius:
                found.append((a, b, distance))
    return found


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(0, 12))
def test_radius_join_equals_brute_force(data: st.DataObject, radius: int) -> None:
    centres = data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    flips = st.lists(st.integers(0, 63), max_size=10)
    codes = []
    for _ in range(data.draw(st.integers(0, 25))):
        code = data.draw(st.sampled_from(centres))
        for bit in data.draw(flips):
            code ^= 1 << bit
        codes.append(code)
    pairs = hamming_pairs(np.array(codes, dtype=np.uint64), radius)
    found = list(zip(pairs.left.tolist(), pairs.right.tolist(), pairs.distance.tolist(), strict=True))
    assert found == brute_force(codes, radius)


def test_a_hot_bucket_stays_exact() -> None:
    """All codes agree on most bits, so that every block is one bucket."""
    codes = np.arange(600, dtype=np.uint64)
    pairs = hamming_pairs(codes, 2)
    assert len(pairs) == len(brute_force(codes.tolist(), 2))


def test_groups_do_not_chain() -> None:
    # 0 - 1 - 2 - 3 in a row; 1 is best, then 3, 2, 0: 2 goes to 1, 3 stays, as 1 does not reach it.
    left, right = np.array([0, 1, 2]), np.array([1, 2, 3])
    pairs = Pairs(left=left, right=right, distance=np.ones(3, dtype=np.int64))
    assert keeper_groups(4, pairs, [1, 3, 2, 0]).tolist() == [1, 1, 1, 3]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 14), st.data())
def test_every_member_is_within_reach_of_its_keeper(count: int, data: st.DataObject) -> None:
    every = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = sorted(data.draw(st.sets(st.sampled_from(every)))) if every else []
    ends = np.array(chosen, dtype=np.int64).reshape(-1, 2)
    preference = data.draw(st.permutations(range(count)))
    pairs = Pairs(left=ends[:, 0], right=ends[:, 1], distance=np.ones(len(ends), dtype=np.int64))
    keeper = keeper_groups(count, pairs, preference).tolist()
    for one, kept in enumerate(keeper):
        assert keeper[kept] == kept
        assert one == kept or (min(one, kept), max(one, kept)) in chosen
    for a, b in chosen:  # and no two kept photos reach each other
        assert not (keeper[a] == a and keeper[b] == b)


def test_phash_is_that_of_imagehash(photos: Path) -> None:
    files = sorted(photos.glob("*/*.jpg"))[::70]
    assert len(files) > 20
    for file in files:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
            assert f"{phash(pixels):016x}" == str(imagehash.phash(image))


def difference(a: Image.Image, b: Image.Image) -> float:
    grids = np.stack([lab_grid(np.asarray(one.convert("RGB"))).ravel() for one in (a, b)])
    return float(color_difference(grids, np.array([0]), np.array([1]))[0])


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def test_color_variants_of_the_catalogue_are_told_apart(photos: Path) -> None:
    """Every pair that the hash confuses is another colour of one garment, down to the trim of a pair of shorts."""
    folder = photos / "catalogue"
    files = sorted(folder.glob("w[bs]*_main.jpg"))
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    pairs = hamming_pairs(np.array([phash(one) for one in pictures], dtype=np.uint64), 4)
    assert len(pairs) > 30
    grids = np.stack([lab_grid(one).ravel() for one in pictures])
    found = color_difference(grids, pairs.left, pairs.right)
    confused = [(files[pairs.left[i]].name, files[pairs.right[i]].name) for i in np.flatnonzero(found <= LIMIT)]
    assert confused == []


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg30": lambda image: jpeg(image, 30),
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.05),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.95),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.05),
    "saturation": lambda image: ImageEnhance.Color(image).enhance(1.1),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_real_duplicates_have_the_same_colors(photos: Path, change: str) -> None:
    files = sorted(photos.glob("*/*.jpg"))[::110]
    for file in files:
        image = Image.open(file).convert("RGB")
        changed = CHANGES[change](image)
        assert difference(image, changed) <= LIMIT, file.name


def test_a_trim_is_a_color() -> None:
    plain = draw_product(5)
    trimmed = plain.copy()
    trimmed.paste((30, 90, 220), (100, 140, 140, 152))
    assert difference(plain, plain) == 0
    assert difference(plain, trimmed) > LIMIT
