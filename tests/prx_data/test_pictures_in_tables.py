"""Pictures that stand in tables as base64, and rows that list several pictures."""

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data import SourceError, Workspace
from prx_data.reading import Locator, read
from prx_data.sources import Findings
from prx_data.sources.hub import streamed_photos
from prx_data.sources.inline import decoded, inline_picture

from .conftest import draw_product, encode

PHOTOS = [encode(draw_product(seed), form) for seed, form in enumerate(["JPEG", "PNG", "WEBP", "GIF", "JPEG"])]


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def uri(data: bytes) -> str:
    return f"data:image/any;base64,{base64_of(data)}"


def in_url_alphabet(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def in_lines(data: bytes) -> str:
    return base64.encodebytes(data).decode()


def added(photos: Workspace, source: Path) -> dict[str, dict[str, Any]]:
    photos.add(source)
    return {row["origin"]: row for row in photos.photos().to_pylist()}


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("column", ["image", "url", "image_base64", "Image_Bytes", "b64"])
@pytest.mark.parametrize("write", [base64_of, uri, in_url_alphabet, in_lines], ids=lambda write: str(write.__name__))
def test_base64_in_jsonl(tmp_path: Path, column: str, write: Callable[[bytes], str]) -> None:
    if write is uri and column not in ("image", "url"):
        write = base64_of
    rows = [{"sku": f"0{number}", column: write(photo)} for number, photo in enumerate(PHOTOS)]
    photos = Workspace(tmp_path / "work")
    found = added(photos, jsonl(tmp_path / "list.jsonl", rows))
    assert [found[f"list.jsonl/{line}"]["metadata"] for line in range(1, 6)] == [f'{{"sku": "0{n}"}}' for n in range(5)]
    assert [read(found[f"list.jsonl/{line}"]["locator"]) for line in range(1, 6)] == PHOTOS
    spooled = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "spool").glob("*/*")}
    assert added(photos, tmp_path / "list.jsonl") == found
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "spool").glob("*/*")} == spooled


def test_base64_in_csv_may_be_longer_than_csv_fields_are(tmp_path: Path) -> None:
    large = encode(draw_product(1, size=(1900, 1700)), "BMP")
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["name", "image"], ["dress", uri(large)], ["shoe", base64_of(PHOTOS[0])]])
    found = added(Workspace(tmp_path / "work"), tmp_path / "list.csv")
    assert read(found["list.csv/2"]["locator"]) == large
    assert read(found["list.csv/3"]["locator"]) == PHOTOS[0]
    assert json.loads(found["list.csv/3"]["metadata"]) == {"name": "shoe"}


def test_names_and_pictures_may_stand_in_one_column(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTOS[0])
    rows: list[dict[str, Any]] = [
        {"image": "a.jpg"},
        {"image": uri(PHOTOS[1])},
        {"image": "data:image/png;base64,!!!"},
        {"image": None},
    ]
    found = added(Workspace(tmp_path / "work"), jsonl(tmp_path / "list.jsonl", rows))
    assert {origin: (row["status"], row["message"]) for origin, row in found.items()} == {
        "a.jpg": ("ok", ""),
        "list.jsonl/2": ("ok", ""),
        "list.jsonl/3": ("unreadable", "its base64 is damaged"),
        "list.jsonl/4": ("missing", "names no file"),
    }


def test_metadata_of_a_folder_names_files(tmp_path: Path) -> None:
    jsonl(tmp_path / "metadata.jsonl", [{"image": uri(PHOTOS[0])}])
    with pytest.raises(SourceError, match=r"metadata.jsonl, line 1: holds a picture and names none"):
        Workspace(tmp_path / "work").add(tmp_path)


@given(st.binary(min_size=1, max_size=200), st.booleans(), st.booleans())
def test_base64_is_what_the_library_wrote(data: bytes, urls: bool, padded: bool) -> None:
    text = (base64.urlsafe_b64encode if urls else base64.b64encode)(data).decode()
    assert decoded(text if padded else text.rstrip("=")) == data
    assert inline_picture(f"data:image/png;base64,{text}") == data


@pytest.mark.parametrize(
    "name", ["/9j/photos/1", "a" * 300, "iVBORw0KGgo/" + "b" * 300 + ".png", "data", "datasets/a,b.jpg"]
)
def test_names_are_names(name: str) -> None:
    assert inline_picture(name) is None


LISTS = {"many": PHOTOS[:3], "one": PHOTOS[3:4], "none": [], "last": PHOTOS[4:]}


def list_jsonl(home: Path) -> Path:
    for number, photo in enumerate(PHOTOS):
        (home / f"{number}.jpg").write_bytes(photo)
    names = {name: [f"{PHOTOS.index(photo)}.jpg" for photo in some] for name, some in LISTS.items()}
    return jsonl(home / "list.jsonl", [{"sku": name, "images": some} for name, some in names.items()])


def list_base64(home: Path) -> Path:
    rows = [{"sku": name, "image": [base64_of(photo) for photo in some]} for name, some in LISTS.items()]
    return jsonl(home / "list.jsonl", rows)


def table(kind: pa.DataType, cell: Callable[[bytes], Any]) -> pa.Table:
    cells = pa.array([[cell(photo) for photo in some] for some in LISTS.values()], pa.list_(kind))
    return pa.table({"sku": list(LISTS), "images": cells})


def list_parquet_structs(home: Path) -> Path:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    found = table(kind, lambda photo: {"bytes": photo, "path": None})
    pq.write_table(found, home / "list.parquet", row_group_size=2)
    return home / "list.parquet"


def list_parquet_bytes(home: Path) -> Path:
    pq.write_table(table(pa.binary(), lambda photo: photo), home / "list.parquet", row_group_size=3)
    return home / "list.parquet"


def list_parquet_paths(home: Path) -> Path:
    list_jsonl(home)
    pq.write_table(table(pa.string(), lambda photo: f"{PHOTOS.index(photo)}.jpg"), home / "list.parquet")
    return home / "list.parquet"


def hugging_face() -> Any:
    rows = {"sku": list(LISTS), "images": [[{"bytes": one, "path": None} for one in some] for some in LISTS.values()]}
    kinds = {"sku": datasets.Value("string"), "images": datasets.List(datasets.Image(decode=False))}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(kinds))


def list_saved(home: Path) -> Path:
    hugging_face().save_to_disk(home / "saved")
    return home / "saved"


@pytest.mark.parametrize(
    "write",
    [list_jsonl, list_base64, list_parquet_structs, list_parquet_bytes, list_parquet_paths, list_saved],
    ids=lambda write: str(write.__name__),
)
def test_each_picture_of_a_list_is_a_photo(write: Callable[[Path], Path], tmp_path: Path) -> None:
    """Metadata is repeated, and the place in the list is noted; a row with an empty list is a photo that is missing."""
    photos = Workspace(tmp_path / "work")
    found = added(photos, write(tmp_path))
    seen = {
        (about["sku"], about.get("image_position")): read(row["locator"]) if row["status"] == "ok" else row["status"]
        for row in found.values()
        for about in [json.loads(row["metadata"])]
    }
    expected: dict[tuple[str, int | None], Any] = {
        (name, position): photo for name, some in LISTS.items() for position, photo in enumerate(some)
    }
    assert seen == {**expected, ("none", None): "missing"}
    assert photos.features["image_position"] == {"dtype": "int64", "_type": "Value"}
    assert added(photos, write(tmp_path) if write is not list_saved else tmp_path / "saved").keys() == found.keys()
    assert photos.measure(workers=1) == len(PHOTOS)


def test_streamed_lists_are_photos_too() -> None:
    findings = Findings()
    found = list(streamed_photos({"train": hugging_face().to_iterable_dataset()}, findings, name="streamed"))
    assert [(one.origin, one.content) for one in found] == [
        *((f"train/0/{number}", PHOTOS[number]) for number in range(3)),
        ("train/1/0", PHOTOS[3]),
        ("train/2", None),
        ("train/3/0", PHOTOS[4]),
    ]
    assert found[1].metadata == {"sku": "many", "image_position": 1}
    assert findings.features["image_position"]["dtype"] == "int64"


def test_paths_in_lists_of_structs_lie_beside(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(PHOTOS[0])
    kind = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    cell = [
        {"bytes": None, "path": "0.jpg"},
        {"bytes": PHOTOS[1], "path": "gone.jpg"},
        {"bytes": None, "path": "gone.jpg"},
    ]
    pq.write_table(pa.table({"images": pa.array([cell], kind)}), tmp_path / "list.parquet")
    photos = Workspace(tmp_path / "work")
    found = added(photos, tmp_path / "list.parquet")
    assert [found[f"list.parquet/0/{item}"]["status"] for item in range(3)] == ["ok", "ok", "missing"]
    assert photos.measure(workers=1) == 2


@given(st.integers(0, 9), st.none() | st.integers(0, 9), st.sampled_from(["parquet", "arrow"]))
def test_a_locator_of_an_item_is_read_as_it_was_written(row: int, item: int | None, kind: str) -> None:
    place = Locator(
        location="/a:1.2:b", kind=kind, block=3, size=7 * (kind == "arrow"), row=row, item=item, column="a.b"
    )
    assert Locator.parse(str(place)) == place
