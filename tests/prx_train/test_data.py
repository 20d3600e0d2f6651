import hashlib
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from prx_train.buckets import Batch, Order, Size, buckets_for
from prx_train.data import Columns, Split, load_split, split_files
from prx_train.decoding import VERSION, Pixels, cropped, decoded, padded
from prx_train.errors import DatasetError
from prx_train.feed import Feed
from prx_train.fingerprint import fingerprint
from prx_train.places import Folder, find_folder

from .conftest import rows, write_split


def encoded(image: Image.Image, kind: str, **options: object) -> dict[str, object]:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return {"bytes": file.getvalue(), "path": None}


def picture(split: Split, index: int) -> Pixels:
    found = split.picture(index)
    assert found is not None
    return found


def test_every_row_is_in_a_bucket_or_named(tmp_path: Path) -> None:
    records = rows(10)
    records[3]["image"] = {"bytes": b"no picture", "path": None}
    records[7]["image"] = None
    file = write_split(tmp_path, "train", records)
    split = load_split([str(file)], resolution=32, patch_size=8, ram_limit=1e9)
    assert len(split.rows) == 8
    assert len(split.skipped) == 2
    assert "row 3" in split.skipped[0]
    assert "it holds no picture" in split.skipped[1]
    assert split.rows[0].key == hashlib.sha256(records[0]["image"]["bytes"]).hexdigest()
    assert sum(split.buckets().values()) == 8


def test_pixels_are_the_same_whether_they_were_kept_or_not(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    photo = Image.fromarray(random.integers(0, 255, (300, 400, 3), dtype=np.uint8)).resize((1200, 900))
    records = [{"image": encoded(photo, "JPEG"), "caption": "a"}, *rows(12)]
    file = write_split(tmp_path, "train", records)
    kept = load_split([str(file)], resolution=32, patch_size=8, ram_limit=1e9)
    dropped = load_split([str(file)], resolution=32, patch_size=8, ram_limit=5000)
    for index in range(13):
        assert np.array_equal(picture(kept, index), picture(dropped, index))
    assert (len(kept.kept), len(dropped.kept)) == (13, 1)
    assert np.array_equal(picture(kept, 0), picture(dropped, 0))


@pytest.mark.parametrize(
    ("kind", "file", "value", "level"),
    [
        (np.uint16, "PNG", 0, 0),
        (np.uint16, "PNG", 128 * 257, 128),
        (np.uint16, "PNG", 65535, 255),
        (np.int32, "TIFF", 128 * 257, 128),
        (np.int32, "TIFF", 128, 128),
        (np.float32, "TIFF", 0.5, 128),
        (np.float32, "TIFF", 200.0, 200),
    ],
)
def test_grey_of_more_bits_keeps_its_shade(kind: type, file: str, value: float, level: int) -> None:
    held = io.BytesIO()
    Image.fromarray(np.full((40, 40), value, dtype=kind)).save(held, file)
    pixels, _ = decoded(held.getvalue(), (32, 32), fit="crop", draft=64)
    assert (pixels == level).all()


def pictures_of_every_kind() -> list[bytes]:
    """Grey of 8, 16 and 32 bits, colours, a palette, what is transparent and what is turned, without losses."""
    random = np.random.default_rng(0)
    turned = Image.Exif()
    turned[0x0112] = 6
    colors = Image.fromarray(random.integers(0, 256, (40, 56, 3), dtype=np.uint8))
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (Image.fromarray(random.integers(0, 65536, (40, 56), dtype=np.uint16)), "PNG", {}),
        (Image.fromarray(random.integers(0, 65536, (40, 56), dtype=np.int32)), "TIFF", {}),
        (Image.fromarray(random.random((40, 56), dtype=np.float32)), "TIFF", {}),
        (colors, "PNG", {}),
        (colors, "PNG", {"exif": turned}),
        (colors.convert("L"), "PNG", {}),
        (colors.quantize(16), "PNG", {"transparency": 3}),
        (Image.fromarray(random.integers(0, 256, (40, 56, 4), dtype=np.uint8)), "PNG", {}),
    ]
    return [bytes(encoded(image, kind, **options)["bytes"]) for image, kind, options in kinds]  # type: ignore[call-overload]


def test_what_is_decoded_otherwise_has_another_version() -> None:
    """Cached latents are found by it: whoever changes the pixels raises it and puts the new sum here."""
    found = hashlib.sha256()
    for data in pictures_of_every_kind():
        for fit in ("crop", "pad"):
            found.update(decoded(data, (32, 32), fit=fit, draft=64)[0].tobytes())
    assert (VERSION, found.hexdigest()[:16]) == (3, "3cb9a62ccd86c182")


def test_pictures_are_upright_and_transparent_is_white(tmp_path: Path) -> None:
    sideways = Image.new("RGB", (64, 32), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = Image.new("RGBA", (32, 32), (0, 0, 255, 0))
    palette = Image.new("P", (32, 32), 0)
    records: list[dict[str, Any]] = [
        {"image": encoded(sideways, "JPEG", exif=exif), "caption": "a"},
        {"image": encoded(clear, "PNG"), "caption": "b"},
        {"image": encoded(palette, "PNG", transparency=0), "caption": None},
    ]
    split = load_split([str(write_split(tmp_path, "train", records))], resolution=32, patch_size=8, ram_limit=1e9)
    assert split.rows[0].size[0] > split.rows[0].size[1]
    assert picture(split, 1).min() == 255
    assert picture(split, 2).min() == 255
    assert split.rows[2].caption == ""


def test_a_row_that_cannot_be_decoded_is_named_once(tmp_path: Path) -> None:
    records = rows(3)
    records[1]["image"]["bytes"] = records[1]["image"]["bytes"][:120]  # the head is there
    split = load_split([str(write_split(tmp_path, "train", records))], resolution=32, patch_size=8, ram_limit=1e9)
    assert (len(split.rows), split.skipped) == (3, [])
    assert split.picture(1) is None
    assert split.picture(1) is None
    assert len(split.skipped) == 1
    assert "row 1" in split.skipped[0]


def test_described_pictures_are_not_read_before_they_are_used(tmp_path: Path) -> None:
    """With sizes and keys in columns, what is no picture is found only when it is decoded."""
    records = [{**row, "key": f"{n:064x}", "width": 40, "height": 24} for n, row in enumerate(rows(4))]
    records[2]["image"] = {"bytes": b"no picture", "path": None}
    split = load_split([str(write_split(tmp_path, "train", records))], resolution=32, patch_size=8, ram_limit=1e9)
    assert [row.size for row in split.rows] == [(24, 40)] * 4
    assert split.picture(2) is None
    assert picture(split, 3).shape == (24, 40, 3)


def test_texts_are_mixed_by_their_shares(tmp_path: Path) -> None:
    records = [{**row, "short": "a hat", "photo": row["image"]} for row in rows(3)]
    records[1]["short"] = None
    columns = Columns(image="photo", captions={"caption": 3.0, "short": 1.0})
    file = write_split(tmp_path, "train", records)
    first, second, _ = load_split([str(file)], resolution=32, patch_size=8, ram_limit=1e9, columns=columns).rows
    assert first.captions == ((records[0]["caption"], 0.75), ("a hat", 0.25))
    assert [first.text(choice) for choice in (0.0, 0.74, 0.76, 0.999)] == [first.caption] * 2 + ["a hat"] * 2
    assert second.captions == ((records[1]["caption"], 1.0),)


def test_the_feed_gives_what_the_split_has_in_the_order_asked_for(tmp_path: Path) -> None:
    records = rows(40)
    split = load_split([str(write_split(tmp_path, "train", records))], resolution=32, patch_size=8, ram_limit=20_000)
    order = Order(sizes=[row.size for row in split.rows], weights=[1.0] * 40, batch_size=4, seed=0)
    expected = order.batches_from()
    with Feed(order.batches_from(), split.picture, batches=3, rank=1, processes=2) as feed:
        for _ in range(12):
            group = next(feed)
            wanted = [next(expected) for _ in range(3)]
            assert [fed.batch for fed in group.batches] == [batch for batch, _, _ in wanted]
            assert (group.epoch, group.position) == wanted[-1][1:]
            assert [bool(fed.waiting) for fed in group.batches] == [False, True, False]
            for row, found in zip(wanted[1][0].rows, group.batches[1].pictures(), strict=True):
                assert found is not None
                assert np.array_equal(found, picture(split, row))


def test_the_feed_hands_on_what_goes_wrong_in_its_threads(tmp_path: Path) -> None:
    file = write_split(tmp_path, "train", rows(4))
    split = load_split([str(file)], resolution=32, patch_size=8, ram_limit=0)
    file.unlink()
    order = iter([(Batch(epoch=0, rows=(0,)), 0, 1)] * 9)
    told = pytest.raises(DatasetError, match="cannot be read any more")
    with Feed(order, split.picture, batches=1) as feed, told:
        next(feed).batches[0].pictures()


def shrunk(image: Image.Image, size: Size) -> Pixels:
    """Slow reference: the largest whole picture that fits into a size, by trying all its heights and widths."""
    height, width = size
    shape = Fraction(image.width, image.height)
    found = [(w, max(1, round(w / shape))) for w in range(1, width + 1) if w / shape <= height]
    found += [(max(1, round(h * shape)), h) for h in range(1, height + 1) if h * shape <= width]
    largest = max(found, key=lambda one: (one[0] * one[1], one))
    return np.asarray(image.resize(largest, Image.Resampling.LANCZOS), dtype=np.uint8)


def where(small: Pixels, whole: Pixels) -> list[tuple[int, int]]:
    """Every place at which one picture lies within another."""
    down, right = (a - b + 1 for a, b in zip(whole.shape[:2], small.shape[:2], strict=True))
    return [
        (top, left)
        for top in range(down)
        for left in range(right)
        if np.array_equal(whole[top : top + small.shape[0], left : left + small.shape[1]], small)
    ]


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    resolution=st.integers(4, 10),
    choice=st.integers(0, 10_000),
    even=st.booleans(),
)
def test_padding_cuts_nothing_whatever_the_shapes(
    width: int, height: int, resolution: int, choice: int, even: bool
) -> None:
    """The picture as a whole lies in the middle of any bucket, be its edges what they may."""
    sizes = buckets_for(8 * resolution, 8).sizes
    size = sizes[choice % len(sizes)]
    pixels = np.random.default_rng(choice).integers(0, 255, (height, width, 3), dtype=np.uint8)
    if even:
        pixels[[0, -1]], pixels[:, [0, -1]] = 200, 200
    image = Image.fromarray(pixels)
    whole, kind = padded(image, size)
    assert (whole.shape, whole.dtype) == ((*size, 3), np.dtype(np.uint8))
    small = shrunk(image, size)
    assert ((whole.shape[0] - small.shape[0]) // 2, (whole.shape[1] - small.shape[1]) // 2) in where(small, whole)
    assert (kind == "none") == (small.shape == whole.shape)


def test_a_side_goes_on_in_its_own_colors_without_a_line() -> None:
    """A darker left side, a right side that darkens downwards, and a product that reaches from top to bottom."""
    pixels = np.full((100, 60, 3), 210, dtype=np.uint8)
    pixels[:, 30:] = np.linspace(240, 140, 100)[:, None, None]
    pixels[:, 20:40] = (10, 20, 200)
    image = Image.fromarray(pixels)
    whole, kind = padded(image, (40, 40))
    assert kind == "uneven"
    assert (whole[:, :8] == 210).all()
    assert np.abs(whole[:, 32:34].astype(int) - whole[:, 31:32]).max() <= 3
    assert whole[0, -1, 0] > whole[20, -1, 0] > whole[-1, -1, 0]
    turned, _ = padded(image.rotate(90, expand=True), (40, 40))
    assert np.abs(turned.astype(int) - np.rot90(whole)).max() <= 1


def test_what_an_edge_shows_is_smoothed_the_more_the_further_away() -> None:
    """Slow reference: each line by a sum over the edge and its mirror images, weighted by a normal distribution."""
    edge = np.random.default_rng(0).integers(0, 255, (30, 3)).astype(np.float64)
    pixels = np.repeat(edge[:, None].astype(np.uint8), 10, axis=1)
    whole, kind = padded(Image.fromarray(pixels), (30, 30))
    assert kind == "uneven"
    mirrored = np.concatenate([edge, edge[::-1]] * 9)  # the edge begins at 4 · 60
    for n in (2, 4, 10):
        for row in (0, 7, 29):
            weights = np.exp(-0.5 * ((np.arange(len(mirrored)) - (240 + row)) / (n / 2)) ** 2)
            expected = (weights[:, None] * mirrored).sum(0) / weights.sum()
            for column in (10 - n, 19 + n):
                assert np.abs(whole[row, column] - expected).max() <= 1


@pytest.mark.parametrize(("ground", "kind"), [(None, "even"), ("#fafafa", "uneven"), ("#3c1414", "uneven")])
def test_whether_the_ground_is_even_is_told(ground: str | None, kind: str) -> None:
    pixels = np.full((60, 100, 3), 250, dtype=np.uint8)
    pixels[30:] = (60, 20, 20)  # reaches the lower edge; as far as an edge alone can tell, that is the ground
    whole, found = padded(Image.fromarray(pixels), (40, 40), ground)
    assert found == kind
    assert (whole[-4:] == (60, 20, 20)).all()


def test_a_crop_is_taken_from_the_middle() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste((0, 0, 0), (100, 0, 200, 100))
    # The filter looks a little beyond the cut; a shifted cut would show white.
    assert cropped(image, (50, 50)).max() < 32


def test_weight_and_key_columns_are_used(tmp_path: Path) -> None:
    records = [{**row, "weight": 2.5, "key": f"{number:064x}"} for number, row in enumerate(rows(3))]
    split = load_split([str(write_split(tmp_path, "train", records))], resolution=32, patch_size=8, ram_limit=1e9)
    assert [row.weight for row in split.rows] == [2.5] * 3
    assert split.rows[2].key == f"{2:064x}"


def test_folders_that_are_no_dataset_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        find_folder(str(tmp_path / "absent"))
    with pytest.raises(DatasetError, match="is empty, so it is not a dataset"):
        split_files(Folder(root=str(tmp_path)))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"holds no data/train-\*\.parquet"):
        split_files(Folder(root=str(tmp_path)))
    (tmp_path / "test.parquet").touch()
    with pytest.raises(DatasetError, match="for tests alone, and nothing to train on"):
        split_files(Folder(root=str(tmp_path)))
    (tmp_path / "curation.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(DatasetError, match="has format 2, and this version reads format 1"):
        split_files(Folder(root=str(tmp_path)))


def test_a_file_of_other_columns_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": [b"x"], "text": ["y"]}), path)
    with pytest.raises(DatasetError, match="has no column 'caption'"):
        load_split([str(path)], resolution=32, patch_size=8, ram_limit=1e9)
    path.write_bytes(b"not parquet")
    with pytest.raises(DatasetError, match="is not Parquet"):
        load_split([str(path)], resolution=32, patch_size=8, ram_limit=1e9)


def test_the_fingerprint_is_the_manifests_or_of_the_files(tmp_path: Path) -> None:
    file = str(write_split(tmp_path, "train", rows(2)))
    folder = Folder(root=str(tmp_path))
    before = fingerprint(folder, [file])
    write_split(tmp_path, "train", rows(3))
    assert fingerprint(folder, [file]) != before
    (tmp_path / "curation.json").write_text(json.dumps({"format": 1, "fingerprint": "abc"}))
    assert fingerprint(folder, [file]) == "abc"


def test_real_photos_are_read(photos: Path, tmp_path: Path) -> None:
    files = sorted((photos / "catalogue").glob("*.jpg"))[:6]
    records = [{"image": {"bytes": file.read_bytes(), "path": None}, "caption": file.stem} for file in files]
    split = load_split([str(write_split(tmp_path, "train", records))], resolution=64, patch_size=8, ram_limit=1e9)
    assert [row.size for row in split.rows] == [(72, 56)] * 6
    # A studio photo's upper right corner is white.
    assert all(picture(split, index)[0, -1].min() > 200 for index in range(6))


def test_real_photos_are_padded_and_whole(photos: Path, tmp_path: Path) -> None:
    """In a square bucket, whatever walls, shades and creased cloths they were taken before."""
    folders = ((photos / name).glob("*.jpg") for name in ("catalogue", "phone", "grocery"))
    files = [file for folder in folders for file in sorted(folder)[:8]]
    records: list[dict[str, Any]] = [
        {"image": {"bytes": file.read_bytes(), "path": None}, "caption": file.stem} for file in files
    ]
    written = str(write_split(tmp_path, "train", records))
    split = load_split([written], resolution=64, patch_size=32, ram_limit=1e9, fit="pad")
    for index, record in enumerate(records):
        with Image.open(io.BytesIO(record["image"]["bytes"])) as image:
            image.draft("RGB", (128, 128))
            small = shrunk(ImageOps.exif_transpose(image).convert("RGB"), split.rows[index].size)
        assert where(small, picture(split, index))
    assert set(split.padding.values()) >= {"even", "uneven"}
