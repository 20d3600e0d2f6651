"""A dataset in the formats of other trainers, read by their own readers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from prx_data import ConfigError, SourceError, WorkspaceError, curate, export
from prx_data.cli import main
from prx_data.exports import FORMATS

from .conftest import draw_product, encode

Row = dict[str, Any]
SHAPES = [(240, 300), (300, 240), (256, 256), (120, 310), (256, 257)]


def rows_of(number: int, start: int = 0) -> list[Row]:
    """Rows with pictures of three formats and several shapes, captions with line breaks, and numbers that are none."""
    rows = []
    for one in range(start, start + number):
        size, format_ = SHAPES[one % len(SHAPES)], ("JPEG", "PNG", "WEBP")[one % 3]
        captions = [{"text": f"long {one}", "kind": "dense", "weight": 0.75}]
        captions += [{"text": f"short {one}", "kind": "short", "weight": 0.25}] if one % 2 else []
        rows.append(
            {
                "image": {"bytes": encode(draw_product(one, size=size), format_), "path": f"{one}.{format_.lower()}"},
                "caption": "" if one == start else f"Größe {one},\n“red”",
                "caption_short": f"short {one}" if one % 2 else None,
                "captions": captions,
                "key": f"{one:064x}",
                "width": size[0],
                "height": size[1],
                "weight": 1.0 + one % 3,
                "price": float("nan") if one % 4 == 0 else one / 3,
                "tags": ["a", None, str(one)],
                "text": f"a column of that name {one}",
            }
        )
    return rows


def write_dataset(folder: Path, splits: dict[str, list[list[Row]]], *, said: dict[str, int] | None = None) -> Path:
    """A dataset of given rows in given shards, with as much of a manifest as readers look at."""
    files = {}
    for split, shards in splits.items():
        for number, rows in enumerate(shards):
            name = f"data/{split}-{number:05d}-of-{len(shards):05d}.parquet"
            (folder / "data").mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows), folder / name, row_group_size=4)
            files[name] = {"rows": len(rows)}
    counts = said or {split: sum(map(len, shards)) for split, shards in splits.items()}
    manifest = {"format": 1, "fingerprint": "f" * 64, "files": files, "splits": counts}
    (folder / "curation.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset", {"train": [rows_of(7), rows_of(6, 7)], "validation": [rows_of(3, 13)]})


@pytest.fixture(scope="module")
def real(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A curated dataset of real photos."""
    folder = tmp_path_factory.mktemp("real")
    pile = folder / "photos"
    pile.mkdir()
    chosen = [sorted((photos / name).rglob("*.jpg"))[::40] for name in ("catalogue", "phone")]
    for path in [*chosen[0][:10], *chosen[1][:10]]:
        (pile / path.name).symlink_to(path)
    places = {"photos": pile, "workspace": folder / "work", "output": folder / "dataset"}
    curate(**places, workers=1, validation_fraction=0.2, rules={"min_cleanliness": None})
    return folder / "dataset"


def rows_in(dataset: Path, split: str) -> dict[str, Row]:
    """The slow way: all files in memory."""
    return {row["key"]: row for path in dataset.glob(f"data/{split}-*") for row in pq.read_table(path).to_pylist()}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_webdataset(out: Path, split: str) -> Iterator[tuple[str, bytes, str, Row]]:
    shards = [str(path) for path in sorted((out / split).glob("*.tar"))]
    for sample in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False):
        (suffix,) = {"jpg", "png", "webp"} & sample.keys()
        yield sample["__key__"], sample[suffix], sample["txt"].decode(), json.loads(sample["json"])


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("split", ["train", "validation"])
def test_webdataset_reads_what_is_in_the_dataset(dataset: Path, tmp_path: Path, split: str) -> None:
    manifest = export(dataset, tmp_path / "out", format="webdataset", shard_bytes=60_000)
    expected = rows_in(dataset, split)
    found = list(read_webdataset(tmp_path / "out", split))
    assert [key for key, *_ in found] == sorted(expected)
    for key, image, text, facts in found:
        row = expected[key]
        assert (image, text) == (row["image"]["bytes"], row["caption"])
        price = row["price"] if row["price"] == row["price"] else None
        assert facts == {**{name: value for name, value in row.items() if name != "image"}, "price": price}
    shards = sorted((tmp_path / "out" / split).glob("*.tar"))
    assert all(path.stat().st_size <= 60_000 for path in shards)
    assert len(shards) > 1 or split == "validation"
    files = {name: one for name, one in manifest["files"].items() if name.startswith(split)}
    assert sum(one["samples"] for one in files.values()) == manifest["splits"][split] == len(expected)
    assert {name: one["bytes"] for name, one in files.items()} == {
        f"{split}/{path.name}": path.stat().st_size for path in shards
    }


@pytest.mark.parametrize("how", ["whole", "train"])
def test_datasets_reads_the_image_folder(dataset: Path, tmp_path: Path, how: str) -> None:
    out = tmp_path / "out"
    export(dataset, out, format="imagefolder")
    cache = str(tmp_path / "cache")
    if how == "whole":
        loaded = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=cache)
    else:  # as the scripts of diffusers do it
        loaded = datasets.load_dataset("imagefolder", data_files={"train": f"{out}/train/**"}, cache_dir=cache)
    assert loaded.keys() == ({"train", "validation"} if how == "whole" else {"train"})
    for split, rows in loaded.items():
        expected = rows_in(dataset, split)
        assert sorted(rows["key"]) == sorted(expected)
        for row in rows:
            known = expected[row["key"]]
            assert (row["text"], row["metadata_text"]) == (known["caption"], known["text"])
            assert row["image"].size == (known["width"], known["height"])
        files = {path.stem: path.read_bytes() for path in (out / split).iterdir() if path.suffix != ".jsonl"}
        assert files == {key: row["image"]["bytes"] for key, row in expected.items()}


def test_an_image_folder_whose_splits_know_different_things_can_be_read(tmp_path: Path) -> None:
    """What is null in all of one split, and a text that looks like a date in one of them."""
    train, validation = rows_of(3), rows_of(2, start=3)
    for number, row in enumerate([*train, *validation]):
        row |= {"nothing": None, "seen": f"2024-01-0{number + 1}" if number > 2 else "in spring", "size": number}
        row |= {"caption_failure": "refusal" if number == 1 else None, "sometimes": [1.5, None][number % 2]}
    dataset = write_dataset(tmp_path / "dataset", {"train": [train], "validation": [validation]})
    manifest = export(dataset, tmp_path / "out", format="imagefolder")
    assert manifest["left_out"] == ["caption_failure", "nothing", "seen"]
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: rows["size"][:] for name, rows in loaded.items()} == {"train": [0, 1, 2], "validation": [3, 4]}
    assert loaded["train"]["sometimes"][:] == [1.5, None, 1.5]


def test_kohya_folders_hold_pictures_with_their_captions_in_a_line(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", format="kohya")
    for split in ("train", "validation"):
        expected = rows_in(dataset, split)
        pictures = {one.stem: one for one in (tmp_path / "out" / split).glob("*_photo/*") if one.suffix != ".txt"}
        assert pictures.keys() == expected.keys()
        for key, picture in pictures.items():
            row, text = expected[key], picture.with_suffix(".txt")
            if row["caption"]:
                assert "\n" in row["caption"]
                assert text.read_text(encoding="utf-8") == row["caption"].replace("\n", " ")
            assert text.exists() == bool(row["caption"])
            assert picture.parent.name == f"{round(row['weight'])}_photo"
            assert picture.read_bytes() == row["image"]["bytes"]
            assert Image.open(BytesIO(picture.read_bytes())).format == {".jpg": "JPEG", ".png": "PNG"}.get(
                picture.suffix, "WEBP"
            )


@pytest.mark.parametrize("format_", FORMATS)
def test_real_photos_by_the_command(
    real: Path, tmp_path: Path, format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(real), str(out), "--format", format_, "--shard-mb", "1"]) == 0
    splits = json.loads((real / "curation.json").read_text())["splits"]
    printed = capsys.readouterr().out
    for split, rows in splits.items():
        assert f"{rows:>8,} rows of {split} = {rows:,} photos in " in printed
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert main(["export", str(real), str(out), "--format", format_, "--shard-mb", "1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before  # nothing was done again


KILLED = """
import os, signal, sys
import prx_data

left = int(sys.argv[4])

def hook(event, details):
    global left
    if event == "open" and isinstance(details[0], (str, os.PathLike)) and ".out.partial" in str(details[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

prx_data.export
sys.addaudithook(hook)
prx_data.export(sys.argv[1], sys.argv[2], format=sys.argv[3], shard_bytes=30_000)
"""


@pytest.mark.parametrize("format_", FORMATS)
def test_killed_and_run_again_it_gives_the_same_bytes(dataset: Path, tmp_path: Path, format_: str) -> None:
    export(dataset, tmp_path / "whole", format=format_, shard_bytes=30_000)
    out = tmp_path / "out"
    for opened in (1, 4, 9):
        words = [sys.executable, "-c", KILLED, str(dataset), str(out), format_, str(opened)]
        assert subprocess.run(words, check=False, env=os.environ).returncode == -signal.SIGKILL
        assert not out.exists()
    export(dataset, out, format=format_, shard_bytes=30_000)
    assert content(out) == content(tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", "out", "whole"}  # no leftovers


def test_what_cannot_be_exported_is_one_sentence(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"is no dataset of prx-data, or not a complete one: it has no curation\.json"
    ):
        export(tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match="format = 'zip' is unknown; known are webdataset, mds"):
        export(dataset, tmp_path / "out", format="zip")
    with pytest.raises(ConfigError, match="shard_bytes = 0 is wrong"):
        export(dataset, tmp_path / "out", shard_bytes=0)
    with pytest.raises(ConfigError, match="resolution = 8 and patch_size = 32 leave no aspect bucket"):
        export(dataset, tmp_path / "out", format="mds", resolution=8)
    with pytest.raises(WorkspaceError, match="holds files that are not an export of prx-data"):
        export(dataset, dataset)
    next(dataset.glob("data/train-*")).write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"The file .*train-0000.* of the dataset cannot be read"):
        export(dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_counts_that_do_not_reconcile_publish_nothing(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"train": [rows_of(3)]}, said={"train": 4})
    for format_ in FORMATS:
        with pytest.raises(WorkspaceError, match="says 4 rows of train, and 3 were exported"):
            export(dataset, tmp_path / "out", format=format_)
        assert not (tmp_path / "out").exists()
