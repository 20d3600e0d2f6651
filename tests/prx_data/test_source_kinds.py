"""Every kind of source, written by its real writer, gives the same keys and the same verdicts for the same photos."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prx_data import Workspace, curate
from prx_data.records import PhotoFile
from prx_data.sources import Findings, open_source

from .conftest import Pile
from .piles import (
    WRITERS,
    dataset_rows,
    verdicts,
    write_csv,
    write_hf_parquet,
    write_memory,
    write_parquet_of_bytes,
)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_kind_gives_the_same_keys_verdicts_and_metadata(
    write: Callable[[Pile, Path], Path | str], photos_in: Pile, expected: Path, tmp_path: Path
) -> None:
    home = tmp_path / f"home-{write.__name__}"
    home.mkdir()
    source = write(photos_in, home)
    settings: dict[str, Any] = {"workspace": tmp_path / "work", "output": tmp_path / "dataset", "workers": 1}
    first = curate(photos=source, **settings)
    assert verdicts(tmp_path / "dataset") == verdicts(expected)
    columns = ["image", "caption", "sku", "price"] + ["stock", "tags", "new"] * (write is not write_csv)
    found, wanted = dataset_rows(tmp_path / "dataset", columns), dataset_rows(expected, columns)
    if write is write_csv:  # a CSV has no types
        wanted = [{**row, "price": str(row["price"])} for row in wanted]
    assert found == wanted
    assert curate(photos=source, **settings).manifest == first.manifest


def test_memory_of_this_process_is_read_by_this_process(photos_in: Pile, expected: Path, tmp_path: Path) -> None:
    home = tmp_path / "here"
    home.mkdir()
    source = write_memory(photos_in, home)
    curate(photos=source, workspace=tmp_path / "work", output=tmp_path / "dataset", workers=2)
    assert verdicts(tmp_path / "dataset") == verdicts(expected)


def test_types_survive(expected: Path) -> None:
    loaded = datasets.load_dataset(str(expected), split="train", cache_dir=str(expected.parent / "cache"))
    assert {name: loaded.features[name] for name in ("sku", "price", "stock", "tags", "new")} == {
        "sku": datasets.Value("string"),
        "price": datasets.Value("float64"),
        "stock": datasets.Value("int64"),
        "tags": datasets.List(datasets.Value("string")),
        "new": datasets.Value("bool"),
    }


def test_a_dataset_of_ours_is_a_source(photos_in: Pile, expected: Path, tmp_path: Path) -> None:
    again = curate(photos=expected, workspace=tmp_path / "work", output=tmp_path / "dataset", workers=1)
    manifest = json.loads((expected / "curation.json").read_text())
    assert again.manifest["counts"]["photos"] == again.manifest["counts"]["kept"] == manifest["counts"]["kept"]
    row = dataset_rows(tmp_path / "dataset", ["caption", "sku", "metadata_key", "metadata_width"])[0]
    assert row["metadata_key"] == row["key"]
    assert row["metadata_width"] == 240


def test_class_labels_keep_their_names(photos_in: Pile, tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": data, "path": None}, "label": number % 2}
        for number, (data, _) in enumerate(photos_in.values())
    ]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["shirt", "shoe"])})
    datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / "x.parquet")
    curate(photos=tmp_path / "x.parquet", workspace=tmp_path / "work", output=tmp_path / "dataset", workers=1)
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.features["label"] == features["label"]
    assert all(["shirt", "shoe"][row["label"]] in row["caption"] for row in loaded)


def test_a_damaged_parquet_shard_is_a_row(photos_in: Pile, tmp_path: Path) -> None:
    write_hf_parquet(photos_in, tmp_path)
    shard = tmp_path / "data" / "train-00001-of-00002.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    found: list[PhotoFile] = list(open_source(tmp_path).photos(Findings()))
    assert len(found) == 6
    assert [one.origin for one in found if one.problem] == ["data/train-00001-of-00002.parquet"]


def test_rows_without_bytes_point_to_files_beside(photos_in: Pile, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photos_in["1.jpg"][0])
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    paths = pa.array([{"bytes": None, "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, None], kind)
    mixed = pa.array([{"bytes": b"x", "path": None}, {"bytes": None, "path": "a.jpg"}, None], kind)
    for name, column in (("paths", paths), ("mixed", mixed)):
        pq.write_table(pa.table({"image": column}), tmp_path / f"{name}.parquet")
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "paths.parquet")
    assert photos.photos()["status"].to_pylist() == ["ok", "missing", "missing"]
    photos.add(tmp_path / "mixed.parquet")
    photos.keep_only([tmp_path / "mixed.parquet"])
    assert photos.photos()["status"].to_pylist() == ["ok", "ok", "missing"]
    assert photos.photos()["bytes"].to_pylist() == [1, len(photos_in["1.jpg"][0]), None]


def test_bytes_of_a_huge_row_group_are_kept(
    photos_in: Pile, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prx_data.sources.cells._GROUP_ROWS", 2)
    monkeypatch.setattr("prx_data.sources.cells._GROUP_BYTES", 1000)
    source = write_parquet_of_bytes(photos_in, tmp_path)
    settings: dict[str, Any] = {"workspace": tmp_path / "work", "output": tmp_path / "dataset", "workers": 1}
    first = curate(photos=source, **settings)
    assert verdicts(tmp_path / "dataset") == verdicts(expected)
    assert len(list((tmp_path / "work" / "spool").glob("*/*"))) == 8  # the last group has one row
    assert curate(photos=source, **settings).manifest == first.manifest
