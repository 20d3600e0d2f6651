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

from prx_train.data import fingerprint, fit_to, load_split, split_files
from prx_train.errors import DatasetError

from .conftest import rows, write_split


def encoded(image: Image.Image, kind: str, **options: object) -> dict[str, object]:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return {"bytes": file.getvalue(), "path": None}


def test_every_row_is_in_a_bucket_or_named(tmp_path: Path) -> None:
    records = rows(10)
    records[3]["image"] = {"bytes": b"no picture", "path": None}
    records[7]["image"] = None
    file = write_split(tmp_path, "train", records)
    split = load_split([file], resolution=32, patch_size=8, ram_limit=1e9)
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
    kept = load_split([file], resolution=32, patch_size=8, ram_limit=1e9)
    dropped = load_split([file], resolution=32, patch_size=8, ram_limit=5000)
    assert len(dropped.pixels) == 1
    for index in range(13):
        assert np.array_equal(kept.picture(index), dropped.picture(index))


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
    split = load_split([write_split(tmp_path, "train", records)], resolution=32, patch_size=8, ram_limit=1e9)
    assert split.rows[0].size[0] > split.rows[0].size[1]
    assert split.picture(1).min() == 255
    assert split.picture(2).min() == 255
    assert split.rows[2].caption == ""


def test_a_crop_is_taken_from_the_middle() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste((0, 0, 0), (100, 0, 200, 100))
    # The filter looks a little beyond the cut; a shifted cut would show white.
    assert fit_to(image, (50, 50)).max() < 32


def test_weight_and_key_columns_are_used(tmp_path: Path) -> None:
    records = [{**row, "weight": 2.5, "key": f"{number:064x}"} for number, row in enumerate(rows(3))]
    split = load_split([write_split(tmp_path, "train", records)], resolution=32, patch_size=8, ram_limit=1e9)
    assert [row.weight for row in split.rows] == [2.5] * 3
    assert split.rows[2].key == f"{2:064x}"


def test_folders_that_are_no_dataset_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        split_files(tmp_path / "absent")
    with pytest.raises(DatasetError, match="is empty, so it is not a dataset"):
        split_files(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"holds no data/train-\*\.parquet"):
        split_files(tmp_path)
    (tmp_path / "curation.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(DatasetError, match="has format 2, and this version reads format 1"):
        split_files(tmp_path)


def test_a_file_of_other_columns_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": [b"x"], "text": ["y"]}), path)
    with pytest.raises(DatasetError, match="has no column 'caption'"):
        load_split([path], resolution=32, patch_size=8, ram_limit=1e9)
    path.write_bytes(b"not parquet")
    with pytest.raises(DatasetError, match="is not Parquet"):
        load_split([path], resolution=32, patch_size=8, ram_limit=1e9)


def test_the_fingerprint_is_the_manifests_or_of_the_files(tmp_path: Path) -> None:
    file = write_split(tmp_path, "train", rows(2))
    before = fingerprint(tmp_path, [file])
    write_split(tmp_path, "train", rows(3))
    assert fingerprint(tmp_path, [file]) != before
    (tmp_path / "curation.json").write_text(json.dumps({"format": 1, "fingerprint": "abc"}))
    assert fingerprint(tmp_path, [file]) == "abc"


def test_real_photos_are_read(photos: Path, tmp_path: Path) -> None:
    files = sorted((photos / "catalogue").glob("*.jpg"))[:6]
    records = [{"image": {"bytes": file.read_bytes(), "path": None}, "caption": file.stem} for file in files]
    split = load_split([write_split(tmp_path, "train", records)], resolution=64, patch_size=8, ram_limit=1e9)
    assert [row.size for row in split.rows] == [(72, 56)] * 6
    # A studio photo's upper right corner is white.
    assert all(split.picture(index)[0, -1].min() > 200 for index in range(6))
