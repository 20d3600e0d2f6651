"""Image and text datasets of anybody's: other layouts, cells and columns than prx-data writes."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from prx_train import ConfigError, DatasetError, TrainConfig, fit
from prx_train.data import Columns, Split, load_split, split_files
from prx_train.fingerprint import fingerprint
from prx_train.places import Folder, find_folder

from .conftest import Counting, picture, rows, write_split


def files_of(folder: Path, *names: str) -> dict[str, list[str]]:
    """The names of each split's files, of a folder that has just these."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = split_files(Folder(root=str(folder)))
    return {split: [Path(file).relative_to(folder).as_posix() for file in some] for split, some in found.items()}


@pytest.mark.parametrize(
    ("train", "validation", "neither"),
    [
        (["default/train/0000.parquet"], ["default/validation/0000.parquet"], ["default/test/0000.parquet"]),
        (["data/train/0.parquet", "data/train/1.parquet"], ["data/val/0.parquet"], ["other.parquet"]),
        (["part-0.parquet", "part-1.parquet"], ["valid-0.parquet"], ["test-0.parquet", ".cache/part.parquet"]),
        (["train.parquet"], ["dev.parquet"], ["rest.parquet", "eval.parquet"]),
        (["contest.parquet", "valuable.parquet"], [], ["verdicts.parquet", "leaks.parquet"]),
        (["test/train-0.parquet"], [], ["train/test-0.parquet"]),
    ],
)
def test_splits_are_told_by_names_of_files_and_folders(
    tmp_path: Path, train: list[str], validation: list[str], neither: list[str]
) -> None:
    assert files_of(tmp_path, *train, *validation, *neither) == {"train": train, "validation": validation}


def test_folders_of_an_address_are_looked_through(tmp_path: Path) -> None:
    memory: Any = fsspec.filesystem("memory")
    for name in ("default/train/0000.parquet", "default/test/0000.parquet"):
        memory.pipe(f"/anybody/{name}", b"")
    (found,) = split_files(find_folder("memory://anybody"))["train"]
    assert found.endswith("anybody/default/train/0000.parquet")
    memory.rm("/anybody", recursive=True)


def test_one_file_is_a_dataset(tmp_path: Path) -> None:
    for name in ("test.parquet", "train.parquet"):
        pq.write_table(pa.Table.from_pylist(rows(2)), tmp_path / name)
    file = str(tmp_path / "test.parquet")
    assert split_files(find_folder(file)) == {"train": [file], "validation": []}
    memory: Any = fsspec.filesystem("memory")
    memory.pipe("/one/any.parquet", (tmp_path / "test.parquet").read_bytes())
    (there,) = split_files(find_folder("memory://one/any.parquet"))["train"]
    assert len(load_split([there], resolution=32, patch_size=8, ram_limit=0).rows) == 2
    memory.rm("/one", recursive=True)


def read(root: Path, images: pa.Array, captions: pa.Array | None = None) -> Split:
    """The split of a table of pictures in `root/data`."""
    captions = pa.array(["a hat"] * len(images)) if captions is None else captions
    file = root / "data" / "train.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, "caption": captions}), file)
    return load_split([str(file)], root=str(root), resolution=32, patch_size=8, ram_limit=0)


def test_pictures_are_bytes_or_paths(tmp_path: Path) -> None:
    pictures = [row["image"]["bytes"] for row in rows(3)]
    (tmp_path / "outside.png").write_bytes(pictures[0])
    root = tmp_path / "dataset"
    root.mkdir()
    (root / "beside.png").write_bytes(pictures[1])
    (root / "data" / "deep").mkdir(parents=True)
    (root / "data" / "deep" / "2.png").write_bytes(pictures[2])

    as_bytes = read(tmp_path / "bytes", pa.array(pictures, pa.binary()))
    names = ["deep/2.png", "../beside.png", str(root / "beside.png")]
    keys = [row.key for row in as_bytes.rows]
    assert len(keys) == 3
    for images in (pa.array(names), pa.array([{"bytes": None, "path": name} for name in names])):
        split = read(root, images)
        assert [row.key for row in split.rows] == [keys[2], keys[1], keys[1]]
        for index in range(3):
            found, same = split.picture(index), as_bytes.picture((2, 1, 1)[index])
            assert found is not None
            assert same is not None
            assert (found == same).all()

    away = ["../../outside.png", str(tmp_path / "outside.png"), "file:///etc/hostname", "none.png", None, "deep"]
    none = read(root, pa.array(away))
    assert none.rows == []
    outside = "which is not in the dataset's folder"
    reasons = [outside] * 3 + ["there is no such file", "it holds no picture", "cannot be read"]
    assert all(reason in sentence for reason, sentence in zip(reasons, none.skipped, strict=True))


def naming(root: Path, pictures: Sequence[bytes], kind: str) -> Path:
    """A dataset whose rows name pictures in files of their own; of one `kind` the first row holds its picture."""
    (root / "data" / "photos").mkdir(parents=True)
    names = [f"photos/{n}.png" for n in range(len(pictures))]
    for name, data in zip(names, pictures, strict=True):
        (root / "data" / name).write_bytes(data)
    cells: list[Any] = [*names] if kind == "text" else [{"bytes": None, "path": name} for name in names]
    if kind == "mixed":
        cells[0] = {"bytes": pictures[0], "path": None}
    table = {"image": cells, "caption": ["a hat"] * len(names), "key": names, "width": [32] * len(names)}
    table["height"] = table["width"]
    pq.write_table(pa.table(table), root / "data" / "train.parquet", row_group_size=2)
    return root


def mark(root: str) -> str:
    folder = find_folder(root)
    return fingerprint(folder, split_files(folder)["train"])


@pytest.mark.parametrize("kind", ["text", "struct", "mixed"])
def test_a_picture_that_is_replaced_under_its_name_makes_another_dataset(tmp_path: Path, kind: str) -> None:
    pictures = [row["image"]["bytes"] for row in rows(6)]
    root = naming(tmp_path / "dataset", pictures, kind)
    before = mark(str(root))
    moved = shutil.copytree(root, tmp_path / "moved", copy_function=shutil.copyfile)  # with other times
    assert mark(str(moved)) == before
    for number in (1, 5):
        photo = moved / "data" / "photos" / f"{number}.png"
        for change in (pictures[2], bytes([*pictures[number][:-9], 1, *pictures[number][-8:]]), None):
            photo.write_bytes(change) if change is not None else photo.unlink()
            assert mark(str(moved)) != before
        photo.write_bytes(pictures[number])
    assert mark(str(moved)) == before
    (moved / "data" / "photos" / "0.png").write_bytes(pictures[2])
    assert (mark(str(moved)) == before) == (kind == "mixed")
    memory: Any = fsspec.filesystem("memory")
    memory.put(str(root), f"/{kind}", recursive=True)
    there = mark(f"memory://{kind}")
    assert mark(f"memory://{kind}") == there
    memory.pipe(f"/{kind}/data/photos/1.png", pictures[2])
    assert mark(f"memory://{kind}") != there
    memory.rm(f"/{kind}", recursive=True)


def test_of_large_pictures_the_ends_alone_are_read(tmp_path: Path) -> None:
    """A quarter of a terabyte, of which the disk has little; to read it would take many minutes."""
    root = naming(tmp_path / "dataset", [row["image"]["bytes"] for row in rows(2)], "struct")
    photo = root / "data" / "photos" / "1.png"
    os.truncate(photo, 2**38)
    before = mark(str(root))
    with photo.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert mark(str(root)) != before


def test_a_run_does_not_go_on_with_pictures_that_were_replaced(settings: dict[str, Any], tmp_path: Path) -> None:
    pictures = [row["image"]["bytes"] for row in rows(6)]
    root = naming(tmp_path / "dataset", pictures, "struct")
    config = TrainConfig(**{**settings, "dataset": root})
    assert not fit(config, callbacks=[steps := Counting()], stop=lambda: steps.done >= 1).finished
    photo = root / "data" / "photos" / "3.png"
    photo.write_bytes(pictures[2])
    with pytest.raises(ConfigError, match="'dataset' is another dataset than the fingerprint"):
        fit(config)
    photo.write_bytes(pictures[3])
    assert fit(config).finished


@pytest.mark.parametrize(
    ("images", "captions", "sentence"),
    [
        (pa.array([1]), None, "column 'image' .* holds int64 and no pictures"),
        (pa.array([[b"x"]]), None, "column 'image' .* holds list<.*> and no pictures"),
        (pa.array([b"x"]), pa.array([[1, 2]]), "column 'caption' .* holds list<.*> and no text"),
        (pa.array([b"x"]), pa.array([7]), "column 'caption' .* holds int64 and no text"),
    ],
)
def test_columns_of_other_types_are_one_sentence(
    tmp_path: Path, images: pa.Array, captions: pa.Array | None, sentence: str
) -> None:
    with pytest.raises(DatasetError, match=sentence):
        read(tmp_path, images, captions)


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("width", [None, 32, 0]),
        ("height", [None] * 3),
        ("width", ["32 cm", "32 cm", "x"]),
        ("height", [0.5, 0.25, float("nan")]),
        ("key", [None, "b", "c"]),
        ("key", [["a"], ["b"], ["c"]]),
        ("weight", ["250 g", "1 kg", None]),
        ("weight", [float("inf"), float("nan"), -1.0]),
        ("background_color", ["off white", "red/blue", "white"]),
        ("background_color", [[1, 2, 3]] * 3),
        ("background_color", [1, 2, 3]),
    ],
)
def test_columns_of_our_names_may_hold_anything_else(tmp_path: Path, column: str, cells: list[Any]) -> None:
    columns = {"key": ["a", "b", "c"], "width": [32] * 3, "height": [32] * 3, column: cells}
    pictures = [picture((200, 30, 30), (12, 40), number) for number in range(3)]
    table = pa.table({"image": pictures, "caption": ["a hat"] * 3, **columns})
    pq.write_table(table, tmp_path / "train.parquet")
    split = load_split([str(tmp_path / "train.parquet")], resolution=32, patch_size=8, ram_limit=0, fit="pad")
    assert [row.weight for row in split.rows] == [1.0] * 3
    # The sizes are believed where all of a row group are there; else they are those of the pictures.
    described = column in {"weight", "background_color"}
    assert {row.size for row in split.rows} == {(32, 32) if described else (48, 24)}
    assert [split.picture(index) is not None for index in range(3)] == [True] * 3
    assert split.skipped == []


@pytest.mark.parametrize(("weights", "scale"), [([1e-6, 3e-6], 2e-6), ([250, 5e8], 250000125.0), ([0.5, 4.0], 1.0)])
def test_weights_that_are_shares_or_grams_are_relative(tmp_path: Path, weights: list[float], scale: float) -> None:
    table = pa.table({"image": [row["image"]["bytes"] for row in rows(2)], "caption": ["a hat"] * 2, "weight": weights})
    pq.write_table(table, tmp_path / "train.parquet")
    split = load_split([str(tmp_path / "train.parquet")], resolution=32, patch_size=8, ram_limit=0)
    assert [row.weight for row in split.rows] == pytest.approx([weight / scale for weight in weights])


def test_a_damaged_row_group_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prx_train.places._FIRST_PAUSE", 0.0)
    table = pa.Table.from_pylist(rows(8))
    pq.write_table(table, file := tmp_path / "train.parquet", row_group_size=4)
    data = bytearray(file.read_bytes())
    data[200:2000] = bytes(1800)
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=r"train\.parquet' is damaged in row group 0: "):
        load_split([str(file)], resolution=32, patch_size=8, ram_limit=0)


def truncated(count: int) -> list[dict[str, Any]]:
    """Rows whose pictures have a head and not all of the rest."""
    return [
        {**row, "image": {**row["image"], "bytes": row["image"]["bytes"][: len(row["image"]["bytes"]) // 2]}}
        for row in rows(count)
    ]


def test_held_out_photos_that_cannot_be_decoded_are_no_held_out_photos(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    write_split(tmp_path / "dataset", "train", rows(6))
    write_split(tmp_path / "dataset", "validation", truncated(2))
    run = fit(TrainConfig(**{**settings, "dataset": tmp_path / "dataset", "budget": "1 step"}))
    assert run.finished
    assert "trained on too" in run.derived_file.read_text(encoding="utf-8")
    report = run.report_file.read_text(encoding="utf-8")
    assert "its error on photos it was trained on, as none are held out, went from" in report
    assert "Validation uses photos that were trained on too" in report
    assert "never saw" not in report


@pytest.mark.parametrize("held_out", [True, False])
def test_photos_none_of_which_can_be_decoded_are_nothing_to_train_on(
    settings: dict[str, Any], tmp_path: Path, *, held_out: bool
) -> None:
    write_split(tmp_path / "dataset", "train", truncated(6))
    if held_out:
        write_split(tmp_path / "dataset", "validation", rows(2))
    with pytest.raises(DatasetError, match=r"no photo that can be decoded; the first, train-.*, row 0: .*truncated\."):
        fit(TrainConfig(**{**settings, "dataset": tmp_path / "dataset"}))


def test_that_no_row_holds_a_picture_is_told_with_a_reason(settings: dict[str, Any], tmp_path: Path) -> None:
    table = pa.table({"image": ["a.png", "b.png"], "caption": ["a hat", "a shoe"]})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DatasetError, match=r"trained on; the first of its rows, .* row 0: it names 'a.png', and there"):
        fit(TrainConfig(**{**settings, "dataset": tmp_path / "train.parquet"}))


def test_captions_in_a_list_share_in_their_column(tmp_path: Path) -> None:
    pictures = [row["image"]["bytes"] for row in rows(3)]
    lists = [["a hat", "a red hat", None, ""], [], None]
    table = pa.table({"image": pictures, "short": ["hat", "shoe", None], "caption": lists})
    pq.write_table(table, tmp_path / "train.parquet")
    columns = Columns(captions={"caption": 3.0, "short": 1.0})
    split = load_split([str(tmp_path / "train.parquet")], resolution=32, patch_size=8, ram_limit=0, columns=columns)
    assert [row.captions for row in split.rows] == [
        (("a hat", 0.375), ("a red hat", 0.375), ("hat", 0.25)),
        (("shoe", 1.0),),
        (("", 1.0),),
    ]


def test_a_cell_that_names_no_file_is_told_in_short(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, pa.array(["iVBORw0KGgo" * 10_000])).skipped
    assert "it names 'iVBORw0KGgoiVBOR" in sentence
    assert len(sentence) < 400


def test_texts_of_a_dictionary_column_are_texts(tmp_path: Path) -> None:
    image = pa.array([rows(1)[0]["image"]["bytes"]])
    assert read(tmp_path, image, pa.array(["a shoe"]).dictionary_encode()).rows[0].caption == "a shoe"


@pytest.mark.parametrize("kind", ["saved", "saved splits", "imagefolder"])
def test_what_is_no_parquet_is_written_by_the_two_lines_of_the_error(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    home = tmp_path / "pictures"
    home.mkdir()
    for number in range(3):
        Image.new("RGB", (32, 32), (80 * number, 0, 0)).save(home / f"{number}.png")
    lines = [json.dumps({"file_name": f"{number}.png", "caption": f"a hat {number}"}) for number in range(3)]
    (home / "metadata.jsonl").write_text("\n".join(lines))
    folder = home
    if kind != "imagefolder":
        folder = tmp_path / "saved"
        some = datasets.load_dataset("imagefolder", data_dir=str(home), split="train")
        (some if kind == "saved" else datasets.DatasetDict(train=some)).save_to_disk(str(folder))
    with pytest.raises(DatasetError, match="holds no Parquet; two lines of Python write it") as caught:
        split_files(Folder(root=str(folder)))
    (tmp_path / "new").mkdir()
    code = re.findall("`(.*?)`", str(caught.value).replace("NEW", str(tmp_path / "new")))
    assert len(code) == 2
    exec("\n".join(code), {"datasets": datasets})  # noqa: S102
    found = split_files(find_folder(str(tmp_path / "new")))
    split = load_split(found["train"], resolution=32, patch_size=8, ram_limit=0)
    assert [row.caption for row in split.rows] == ["a hat 0", "a hat 1", "a hat 2"]
    assert split.picture(2) is not None
