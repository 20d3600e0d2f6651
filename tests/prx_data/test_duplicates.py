"""Hashes, the colour check on real colour variants, and copies found by alignment on real photos."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from PIL import Image, ImageColor, ImageDraw, ImageEnhance, ImageFont, ImageOps

from prx_data import color_difference, lab_grid, phash
from prx_data.decisions import neighbors
from prx_data.decisions.duplicates import COLUMNS, PhotoColumns, find_duplicates, find_leaks, find_variants
from prx_data.decisions.groups import cross_pairs
from prx_data.measures.perceptual import Perceptual, content_box, hash_information
from prx_data.picture import Picture

from .conftest import draw_product

LIMIT = 10.0  # the default of Settings.duplicate_color_difference


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
    return Image.open(buffer).convert("RGB")


def test_color_variants_of_the_catalogue_are_told_apart(photos: Path) -> None:
    """Every pair that the hash confuses is another colour of one garment, down to the trim of a pair of shorts."""
    folder = photos / "catalogue"
    files = sorted(folder.glob("w[bs]*_main.jpg"))
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    codes = np.array([phash(one) for one in pictures], dtype=np.uint64)
    pairs = np.concatenate(list(cross_pairs(codes, codes, 4)), axis=1)
    left, right = pairs[:, pairs[0] < pairs[1]]
    assert len(left) > 30
    grids = np.stack([lab_grid(one).ravel() for one in pictures])
    found = color_difference(grids, left, right)
    confused = [(files[left[i]].name, files[right[i]].name) for i in np.flatnonzero(found <= LIMIT)]
    assert confused == []


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg30": lambda image: jpeg(image, 30),
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
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


def test_more_light_is_no_color_and_much_more_is() -> None:
    grey = draw_product(5, color="#606060")
    assert difference(grey, ImageEnhance.Brightness(grey).enhance(1.25)) <= LIMIT
    assert difference(grey, draw_product(5, color="#a0a0a0")) > LIMIT


def test_a_lighter_product_on_the_same_ground_is_another_color() -> None:
    """Light falls on the ground, too; where that is white in both, a step by far more than noise is no exposure."""
    for ground in ("white", "#e8e8e8", "#d0d0d0"):
        shades = []
        for color in ("#a8a8a8", "#d0d0d0" if ground == "white" else "#c8c8c8"):
            image = draw_product(5, color=color)
            pixels = np.array(image)
            pixels[(pixels == 255).all(axis=2)] = np.array(ImageColor.getrgb(ground))
            shades.append(Image.fromarray(pixels))
        assert difference(*shades) > LIMIT, ground
        for one in shades:
            assert difference(one, ImageEnhance.Brightness(one).enhance(0.8)) <= LIMIT
            assert difference(one, ImageEnhance.Brightness(one).enhance(1.08)) <= LIMIT


def measured(images: list[Image.Image]) -> PhotoColumns:
    measure = Perceptual()
    rows = [{**measure(Picture(one.convert("RGB"))), "width": one.width, "height": one.height} for one in images]
    schema = pa.schema([*measure.schema, ("width", pa.int32()), ("height", pa.int32())])
    return PhotoColumns.of(pa.Table.from_pylist(rows, schema=schema))


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


def padded(image: Image.Image) -> Image.Image:
    return ImageOps.pad(image, (max(image.size) + 90, max(image.size) + 90), color="white")


def marked(image: Image.Image) -> Image.Image:
    """With half opaque writing across it, which is another colour to whoever looks at the cells alone."""
    layer = Image.new("RGBA", image.size)
    grey = 255 if np.asarray(image.convert("L")).mean() < 128 else 0
    font = ImageFont.load_default(image.width // 9)
    ImageDraw.Draw(layer).text(
        (image.width / 2, image.height / 2), "SAMPLE SHOP", font=font, fill=(grey, grey, grey, 170), anchor="mm"
    )
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], str]] = {
    "smaller": (lambda image: image.resize((image.width // 3, image.height // 3)), "hash bits differ"),
    "written over": (marked, "a line of writing over one"),
    "cropped": (lambda image: cut(image, 0.02, 0.05, 0.92, 0.95), "cropped to"),
    "cut on one side": (lambda image: cut(image, 0, 0, 1, 0.88), "cropped to"),
    "padded": (padded, "in other margins"),
    "framed": (lambda image: ImageOps.expand(image, image.width // 20, "#803020"), "in other margins"),
    "mirrored": (ImageOps.mirror, "mirrored, the same content"),
    "turned": (lambda image: image.rotate(90, expand=True), "turned by 90° to the left, the same content"),
    "turned round": (lambda image: image.rotate(180), "turned by 180°, the same content"),
    "turned and mirrored": (
        lambda image: ImageOps.mirror(image.rotate(270, expand=True)),
        "mirrored and turned by 90°",
    ),
    "mirrored and cropped": (lambda image: cut(ImageOps.mirror(image), 0.06, 0.06, 1, 1), "mirrored, cropped to"),
}


@pytest.fixture(scope="module")
def originals(photos: Path) -> list[Image.Image]:
    files = sorted((photos / "catalogue").glob("*.jpg"))[::40] + sorted((photos / "phone").glob("*.jpg"))[::90]
    return [Image.open(file).convert("RGB") for file in files]


@pytest.mark.parametrize("kind", sorted(COPIES))
def test_copies_are_found_and_described(originals: list[Image.Image], kind: str) -> None:
    change, words = COPIES[kind]
    count = len(originals)
    photos = measured([*originals, *(jpeg(change(one), 88) for one in originals)])
    matches = find_duplicates(photos, np.arange(2 * count), radius=4, max_color=LIMIT)
    assert all(match.photo == match.other + count for match in matches)
    assert len(matches) >= 0.9 * count
    assert sum(words in match.how for match in matches) > 0.6 * count


def signed(image: Image.Image) -> Image.Image:
    """With opaque writing in the lower right corner."""
    copy = image.copy()
    font = ImageFont.load_default(round(0.045 * image.width))
    level = 255 if np.asarray(image.convert("L")).mean() < 128 else 70
    place = (0.98 * image.width, 0.98 * image.height)
    ImageDraw.Draw(copy).text(place, "© sample-shop.com", font=font, fill=(level,) * 3, anchor="rs")
    return copy


@pytest.mark.parametrize(
    "name", ["phone/eca6677f-0ab4-46a1-9a3f-a4498d3d5a80", "phone/07b294ee-9a04-4795-9af2-7a1c801e8db0"]
)
def test_writing_that_moves_the_hash_too_far_is_found_by_its_looks(photos: Path, name: str) -> None:
    """Copies of such a copy go with it to the one that is kept."""
    image = Image.open(photos / f"{name}.jpg").convert("RGB")
    copy = signed(image)
    columns = measured([image, copy, jpeg(copy, 70)])
    assert np.bitwise_count(columns.codes[0] ^ columns.codes[1:]).min() > 4
    for preference in ([0, 1, 2], [2, 0, 1]):
        found = find_duplicates(columns, np.array(preference), radius=4, max_color=LIMIT)
        assert [(one.photo, one.other) for one in found] == [(one, preference[0]) for one in sorted(preference[1:])]
    (leak,) = find_leaks(measured([copy]), measured([image]), radius=4, max_color=LIMIT)
    assert "and colours only by a line of writing over one" in leak.how


def test_a_large_pile_is_searched_in_lists(originals: list[Image.Image], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond some size neighbours are looked for in the nearest lists alone; near copies are in them."""
    images = originals[:12]
    photos = measured([*images, *(jpeg(cut(one, 0.05, 0, 1, 0.95), 88) for one in images)])
    exact = find_duplicates(photos, np.arange(24), radius=4, max_color=LIMIT)
    monkeypatch.setattr(neighbors, "_EXACT_INDEX", 5)
    monkeypatch.setattr(neighbors, "_LEAST_LIST", 6)
    assert find_duplicates(photos, np.arange(24), radius=4, max_color=LIMIT) == exact
    assert len(exact) >= 10


def test_copies_of_copies_go_to_the_one_that_is_kept(originals: list[Image.Image]) -> None:
    """A group joins the group of the picture that its best was cropped from, member by member."""
    image = originals[-1]
    crop = cut(image, 0.05, 0, 0.95, 0.9)
    photos = measured([image, crop, jpeg(crop, 70), crop.resize((crop.width * 2 // 3, crop.height * 2 // 3))])
    for preference in ([0, 1, 2, 3], [3, 1, 0, 2]):
        matches = find_duplicates(photos, np.array(preference), radius=4, max_color=LIMIT)
        assert {match.other for match in matches} == {preference[0]}
        assert sorted(match.photo for match in matches) == sorted(preference[1:])
    how = find_duplicates(photos, np.arange(4), radius=4, max_color=LIMIT)[1].how
    assert re.match(r"cropped to (79|80|81|82|83)% of it; aligned", how)
    assert "is cropped to" in find_duplicates(photos, np.array([1, 2, 3, 0]), radius=4, max_color=LIMIT)[0].how


def test_color_variants_are_no_copies_and_one_family() -> None:
    colors = ["firebrick", "royalblue", "seagreen"]
    photos = measured([draw_product(seed, color=color) for seed in (3, 4) for color in colors])
    assert find_duplicates(photos, np.arange(6), radius=4, max_color=LIMIT) == []
    head, links = find_variants(photos, np.array([1, 0, 2, 5, 4, 3]), radius=4)
    assert head.tolist() == [1, 1, 1, 5, 5, 5]
    assert {one // 3 for pair in links for one in pair} == {0, 1}
    assert all(a // 3 == b // 3 for a, b in links)


def test_featureless_pictures_are_nobody_s_duplicates() -> None:
    random = np.random.default_rng(0)
    blank = [np.clip(random.normal(246, 3, (300, 260, 3)), 0, 255).astype(np.uint8) for _ in range(12)]
    assert max(hash_information(one) for one in blank) <= 4
    photos = measured([Image.fromarray(one) for one in blank])
    assert find_duplicates(photos, np.arange(12), radius=16, max_color=100.0) == []


def test_real_photos_have_information_in_their_hashes(originals: list[Image.Image]) -> None:
    assert min(hash_information(np.asarray(one)) for one in originals) > 45


def test_leaks_are_dropped_from_one_side_only(originals: list[Image.Image]) -> None:
    train = measured([*originals, ImageOps.mirror(originals[2]), originals[4].resize((200, 260))])
    held_out = measured([originals[2], jpeg(originals[4], 60), draw_product(1), draw_product(1)])
    found = {one.photo: one.other for one in find_leaks(train, held_out, radius=4, max_color=LIMIT)}
    count = len(originals)
    assert found == {2: 0, 4: 1, count: 0, count + 1: 1}


def test_a_leak_is_told_as_seen_from_the_photo_that_goes(originals: list[Image.Image]) -> None:
    photo = originals[-1]
    crop = cut(photo, 0.05, 0, 0.95, 0.9)
    ((of_crop,), (of_whole,)) = (
        find_leaks(measured([one]), measured([other]), radius=4, max_color=LIMIT)
        for one, other in ((crop, photo), (photo, crop))
    )
    assert re.match(r"cropped to (79|80|81|82|83)% of it; aligned", of_crop.how)
    assert re.match(r"that one is cropped to (79|80|81|82|83)% of this; aligned", of_whole.how)


@pytest.mark.parametrize("color", ["white", "black", "#803020"])
def test_the_content_box_takes_margins_off(color: str) -> None:
    random = np.random.default_rng(1)
    content = random.integers(0, 255, (200, 150, 3), dtype=np.uint8)
    image = Image.new("RGB", (400, 320), color)
    image.paste(Image.fromarray(content), (100, 40))
    framed = ImageOps.expand(image, 20, "navy")
    box = np.array(content_box(np.asarray(framed))) * [440, 360, 440, 360]
    assert np.abs(box - [120, 60, 270, 260]).max() < 3


def test_a_blank_picture_is_all_content() -> None:
    blank: npt.NDArray[np.uint8] = np.full((90, 70, 3), 200, dtype=np.uint8)
    assert content_box(blank) == (0.0, 0.0, 1.0, 1.0)


def test_the_columns_are_those_of_the_measure() -> None:
    assert set(COLUMNS) == set(Perceptual().schema.names)
