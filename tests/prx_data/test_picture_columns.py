"""Which column of a table holds the pictures: by its name, by what is in it, or by the setting."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prx_data import ConfigError, SourceError, Workspace, curate
from prx_data.config import make_config
from prx_data.reading import read
from prx_data.sources import Findings
from prx_data.sources.hub import streamed_photos

from .conftest import draw_product, encode

FRONT = [encode(draw_product(seed), form) for seed, form in enumerate(["JPEG", "PNG", "WEBP", "AVIF", "JPEG2000"])]
BACK = [encode(draw_product(seed, color="navy")) for seed in range(len(FRONT))]
CODES = [bytes([seed, 1, 2, 3]) * 16 for seed in range(len(FRONT))]
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def structs(pictures: Sequence[bytes | None]) -> pa.Array:
    return pa.array([None if one is None else {"bytes": one, "path": None} for one in pictures], STRUCT)


def pictures_in(source: Path, work: Path, **options: Any) -> list[bytes]:
    photos = Workspace(work)
    photos.add(source, **options)
    return [read(row["locator"]) for row in photos.photos().to_pylist()]


def written(columns: Mapping[str, Any], path: Path) -> Path:
    pq.write_table(pa.table({"sku": [f"0{number}" for number in range(len(FRONT))], **columns}), path)
    return path


LARGE = pa.array(FRONT, pa.large_binary())
FOUND: dict[str, dict[str, Any]] = {
    "a known name": {"jpg": FRONT},
    "any name": {"aufnahme": FRONT},
    "large binary": {"aufnahme": LARGE},
    "beside other bytes": {"hash": CODES, "aufnahme": FRONT, "embedding": CODES},
    "a struct beside other structs": {"audio": structs(CODES), "aufnahme": structs(FRONT)},
    "lists": {"aufnahmen": [[one] for one in FRONT]},
    "the first ones are missing": {"aufnahme": [None, None, *FRONT[2:]], "code": CODES},
    "some are error pages": {"aufnahme": [b"<html>", *FRONT[1:4], b"<html>"], "code": CODES},
    "a known name beside a thumbnail": {"thumbnail": BACK, "jpg": FRONT},
    "image beside another known name": {"jpg": BACK, "image": FRONT},
    "beside names of files that are not there": {"file_name": ["a.jpg"] * len(FRONT), "aufnahme": FRONT},
}


@pytest.mark.parametrize("columns", FOUND.values(), ids=FOUND)
@pytest.mark.parametrize("as_folder", [False, True], ids=["file", "folder"])
def test_the_column_is_recognised(columns: dict[str, Any], as_folder: bool, tmp_path: Path) -> None:
    (tmp_path / "pile").mkdir()
    path = written(columns, tmp_path / "pile" / "list.parquet")
    photos = Workspace(tmp_path / "work")
    assert photos.add(path.parent if as_folder else path) == len(FRONT)
    rows = photos.photos().to_pylist()
    for row, front in zip(rows, FRONT, strict=True):
        if row["status"] == "ok" and row["bytes"] != len(b"<html>"):
            assert read(row["locator"]) == front
    assert sum(row["status"] == "ok" for row in rows) >= 3
    assert [json.loads(row["metadata"])["sku"] for row in rows] == [f"0{number}" for number in range(len(FRONT))]


@pytest.mark.parametrize(
    "columns", [{"front": FRONT, "back": BACK}, {"img": FRONT, "picture": BACK}, {"a": structs(FRONT), "b": BACK}]
)
def test_several_are_one_sentence_and_the_setting_names_one(columns: dict[str, Any], tmp_path: Path) -> None:
    path, (first, second) = written(columns, tmp_path / "list.parquet"), columns
    for source in (path, tmp_path):
        with pytest.raises(SourceError, match=f"several columns, '{first}', '{second}': name one of them as image_col"):
            Workspace(tmp_path / "work").add(source)
    assert pictures_in(path, tmp_path / "work", image_column=second) == BACK
    assert pictures_in(path, tmp_path / "work", image_column=first) == FRONT


def test_thumbnails_of_files_that_are_named_are_not_taken_for_the_photos(tmp_path: Path) -> None:
    for number, front in enumerate(FRONT):
        (tmp_path / f"{number}.jpg").write_bytes(front)
    names = [f"{number}.jpg" for number in range(len(FRONT))]
    path = written({"file_name": names, "thumbnail": BACK}, tmp_path / "list.parquet")
    with pytest.raises(SourceError, match=r"in the column 'thumbnail' and names some in 'file_name': name one of the"):
        Workspace(tmp_path / "work").add(path)
    assert pictures_in(path, tmp_path / "work", image_column="file_name") == FRONT
    assert pictures_in(path, tmp_path / "work", image_column="thumbnail") == BACK


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_setting_names_what_names_photos(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(FRONT[0])
    path = tmp_path / f"list.{suffix}"
    row = {"path": "gone.jpg", "foto": "a.jpg"}
    if suffix == "csv":
        path.write_text("path;foto\ngone.jpg;a.jpg\n", encoding="utf-8")
    elif suffix == "jsonl":
        path.write_text(json.dumps(row), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    assert pictures_in(path, tmp_path / "work", image_column="foto") == FRONT[:1]
    with pytest.raises(SourceError, match=rf"list.{suffix} has no column image_column = 'bild'; it has \['path', 'fot"):
        Workspace(tmp_path / "work").add(path, image_column="bild")


def test_a_column_that_is_not_there_or_holds_something_else_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pile").mkdir()
    path = written({"image": FRONT, "price": [1.5] * len(FRONT)}, tmp_path / "pile" / "list.parquet")
    photos = Workspace(tmp_path / "work")
    with pytest.raises(SourceError, match=r"has no column image_column = 'bild'; it has \['sku', 'image', 'price'\]"):
        photos.add(path, image_column="bild")
    with pytest.raises(SourceError, match=r"image_column = 'price' of .* is double, neither pictures nor names"):
        photos.add(path, image_column="price")
    with pytest.raises(SourceError, match=r"no table in it holds pictures in a column image_column = 'bild'"):
        photos.add(path.parent, image_column="bild")
    with pytest.raises(ConfigError, match="image_column = '' is wrong"):
        make_config({"photos": path, "workspace": tmp_path, "output": tmp_path, "image_column": ""})


def test_saved_and_streamed_datasets_have_columns_of_any_name_too(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"code": CODES, "front": FRONT, "sku": [f"0{n}" for n in range(len(FRONT))]})
    rows.save_to_disk(tmp_path / "one")
    assert pictures_in(tmp_path / "one", tmp_path / "work") == FRONT
    both = rows.add_column("back", BACK)
    both.save_to_disk(tmp_path / "both")
    with pytest.raises(SourceError, match="several columns, 'front', 'back'"):
        Workspace(tmp_path / "work").add(tmp_path / "both")
    assert pictures_in(tmp_path / "both", tmp_path / "other", image_column="back") == BACK
    streamed = list(streamed_photos({"train": rows.to_iterable_dataset()}, Findings(), name="streamed"))
    assert [one.content for one in streamed] == FRONT
    assert [one.metadata["sku"] for one in streamed] == [f"0{number}" for number in range(len(FRONT))]
    chosen = streamed_photos({"train": both.to_iterable_dataset()}, Findings(), name="streamed", wanted="back")
    assert [one.content for one in chosen] == BACK


def test_the_setting_of_a_curation_reaches_the_dataset_with_the_metadata(tmp_path: Path) -> None:
    path = written({"front": FRONT, "back": BACK, "name": ["shoe"] * len(FRONT)}, tmp_path / "list.parquet")
    done = curate(photos=path, image_column="back", workspace=tmp_path / "work", output=tmp_path / "dataset", workers=1)
    (data,) = (tmp_path / "dataset" / "data").glob("train-*.parquet")
    rows = pq.read_table(data).to_pylist()
    assert {row["image"]["bytes"] for row in rows} <= set(BACK)
    assert {row["name"] for row in rows} == {"shoe"}
    assert any("front" in note for note in done.notes)
