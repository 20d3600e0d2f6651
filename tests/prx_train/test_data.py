import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from prx_train.buckets import Batch, Order
from prx_train.data import Columns, Split, fingerprint, load_split, split_files
from prx_train.decoding import Pixels, cropped, padded
from prx_train.errors import DatasetError
from prx_train.feed import Feed
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


def test_padding_continues_the_ground_and_cuts_nothing() -> None:
    """A darker left side, a lighter right side, and a product between them that reaches from top to bottom."""
    pixels = np.full((100, 60, 3), 210, dtype=np.uint8)
    pixels[:, 30:] = 230
    pixels[:, 20:40] = (10, 20, 200)
    image = Image.fromarray(pixels)
    whole = padded(image, (40, 40))
    assert whole.shape == (40, 40, 3)
    assert (whole[:, :8] == 210).all()
    assert (whole[:, -8:] == 230).all()
    assert np.array_equal(whole[:, 8:32], cropped(image, (40, 24)))
    assert np.array_equal(padded(image, (40, 40), "#dcdcdc"), whole)
    assert (padded(image.rotate(90, expand=True), (40, 40))[:8] == 230).all()


def test_where_the_frame_cuts_the_product_bars_would_be_seen() -> None:
    pixels = np.full((60, 100, 3), 250, dtype=np.uint8)
    pixels[30:] = (60, 20, 20)  # reaches the lower edge
    image = Image.fromarray(pixels)
    assert np.array_equal(padded(image, (40, 40), "#fafafa"), cropped(image, (40, 40)))
    assert (padded(image, (40, 40))[-4:] == (60, 20, 20)).all()  # as far as it knows, that is the ground
    busy = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8))
    assert np.array_equal(padded(busy, (40, 40)), cropped(busy, (40, 40)))


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
    padding = load_split(
        [str(tmp_path / "data/train-00000-of-00001.parquet")], resolution=64, patch_size=32, ram_limit=1e9, fit="pad"
    )
    assert {row.size for row in padding.rows} == {(64, 64)}
    # The first shows a model before white from head to hips, whom nothing cuts off at the sides.
    assert picture(padding, 0)[:, [0, -1]].min() > 200
