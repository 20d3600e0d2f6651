"""Every kind of source, written by its real writer, gives the same keys and the same verdicts for the same photos."""

import csv
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prx_data import Workspace, curate
from prx_data import index as indexing
from prx_data.reading import read
from prx_data.records import PhotoFile
from prx_data.sources import Earlier, Findings, open_source, tars
from prx_data.sources.hub import streamed_photos

from .conftest import draw_product, encode
from .hub_server import hub

Pile = Mapping[str, tuple[bytes, dict[str, Any]]]
"""Bytes and metadata by name."""


@pytest.fixture(scope="module")
def photos_in() -> Pile:
    pile: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for number in range(7):
        metadata = {"sku": f"00{number // 2}", "price": number + 0.5, "stock": number, "tags": ["a", f"t{number}"]}
        pile[f"{number}.jpg"] = (encode(draw_product(number), quality=92), {**metadata, "new": number % 2 == 0})
    pile["copy.jpg"] = pile["0.jpg"]
    pile["page.jpg"] = (b"<!doctype html>", pile["1.jpg"][1])
    pile["tiny.png"] = (encode(draw_product(10).resize((24, 30)), "PNG"), pile["2.jpg"][1])
    return pile


def rows_of(pile: Pile, column: str = "image") -> list[dict[str, Any]]:
    return [{column: {"bytes": data, "path": name}, **metadata} for name, (data, metadata) in pile.items()]


def write_folder(pile: Pile, home: Path) -> Path:
    folder = home / "folder"
    (folder / "sub").mkdir(parents=True)
    lines = []
    for name, (data, metadata) in pile.items():
        (folder / "sub" / name).write_bytes(data)
        lines.append(json.dumps({"file_name": name, **metadata}))
    (folder / "sub" / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def write_csv(pile: Pile, home: Path) -> Path:
    folder = write_folder(pile, home)
    with (home / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "sku", "price"])
        writer.writerows([f"folder/sub/{name}", one["sku"], one["price"]] for name, (_, one) in pile.items())
    (folder / "sub" / "metadata.jsonl").unlink()
    return home / "list.csv"


def write_jsonl(pile: Pile, home: Path) -> Path:
    folder = write_folder(pile, home)
    (folder / "sub" / "metadata.jsonl").rename(folder / "sub" / "list.jsonl")
    return folder / "sub" / "list.jsonl"


def write_parquet_of_paths(pile: Pile, home: Path) -> Path:
    folder = write_folder(pile, home)
    rows = [{"image_path": str(folder / "sub" / name), **metadata} for name, (_, metadata) in pile.items()]
    pq.write_table(pa.Table.from_pylist(rows), home / "list.parquet")
    return home / "list.parquet"


def write_parquet_of_bytes(pile: Pile, home: Path) -> Path:
    rows = [{"photo": data, **metadata} for data, metadata in pile.values()]
    pq.write_table(pa.Table.from_pylist(rows), home / "bytes.parquet", row_group_size=3)
    return home / "bytes.parquet"


def hugging_face(pile: Pile) -> Any:
    features = datasets.Features(
        {
            "image": datasets.Image(decode=False),
            "sku": datasets.Value("string"),
            "price": datasets.Value("float64"),
            "stock": datasets.Value("int64"),
            "tags": datasets.List(datasets.Value("string")),
            "new": datasets.Value("bool"),
        }
    )
    return datasets.Dataset.from_list(rows_of(pile), features=features)


def write_hf_parquet(pile: Pile, home: Path) -> Path:
    (home / "data").mkdir()
    rows = hugging_face(pile)
    rows.select(range(5)).to_parquet(home / "data" / "train-00000-of-00002.parquet")
    rows.select(range(5, len(rows))).to_parquet(home / "data" / "train-00001-of-00002.parquet")
    return home


def write_saved(pile: Pile, home: Path) -> Path:
    hugging_face(pile).save_to_disk(home / "saved", num_shards=2)
    return home / "saved"


def write_saved_splits(pile: Pile, home: Path) -> Path:
    rows = hugging_face(pile)
    parts = {"train": rows.select(range(6)), "test": rows.select(range(6, len(rows)))}
    datasets.DatasetDict(parts).save_to_disk(home / "saved")
    return home / "saved"


def write_tar(path: Path, pile: Pile) -> None:
    with tarfile.open(path, "w:gz" if path.suffix in (".tgz", ".gz") else "w") as tar:
        for name, (data, metadata) in pile.items():
            for member, content in ((name, data), (f"{Path(name).stem}.json", json.dumps(metadata).encode())):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, BytesIO(content))


def write_one_tar(pile: Pile, home: Path) -> Path:
    write_tar(home / "one.tar", pile)
    return home / "one.tar"


def write_tars(pile: Pile, home: Path, suffix: str = "tar") -> Path:
    names = list(pile)
    (home / "shards").mkdir()
    for number, part in enumerate((names[:4], names[4:])):
        write_tar(home / "shards" / f"{number:03d}.{suffix}", {name: pile[name] for name in part})
    return home / "shards"


def write_packed_tar(pile: Pile, home: Path) -> Path:
    write_tar(home / "one.tgz", pile)
    return (home / "one.tgz").rename(home / "one")  # known by its bytes


def write_packed_tars(pile: Pile, home: Path) -> Path:
    return write_tars(pile, home, "tar.gz") / "{000..001}.tar.gz"


def write_brace_pattern(pile: Pile, home: Path) -> Path:
    return write_tars(pile, home) / "{000..001}.tar"


def write_star_pattern(pile: Pile, home: Path) -> Path:
    return write_tars(pile, home) / "*.tar"


def write_zip(pile: Pile, home: Path) -> Path:
    folder = write_folder(pile, home)
    with zipfile.ZipFile(home / "photos.zip", "w") as packed:
        for file in sorted(folder.rglob("*.*")):
            packed.write(file, file.relative_to(home).as_posix())
    return home / "photos.zip"


def write_folder_of_zips(pile: Pile, home: Path) -> Path:
    (home / "zips").mkdir()
    return write_zip(pile, home).rename(home / "zips" / "a.zip").parent


def write_memory_zip(pile: Pile, home: Path) -> str:
    fsspec.filesystem("memory").pipe(f"/{home.name}/a.zip", write_zip(pile, home).read_bytes())
    return f"memory://{home.name}/a.zip"


def write_zip_chain(pile: Pile, home: Path) -> str:
    return f"zip://folder/sub::{write_zip(pile, home)}"


def write_file_url(pile: Pile, home: Path) -> str:
    return write_folder(pile, home).as_uri()


def write_memory(pile: Pile, home: Path) -> str:
    memory = fsspec.filesystem("memory")
    for file in write_folder(pile, home).rglob("*.*"):
        memory.pipe(f"/{home.name}/{file.relative_to(home).as_posix()}", file.read_bytes())
    return f"memory://{home.name}/folder"


def write_memory_manifest(pile: Pile, home: Path) -> str:
    return write_memory(pile, home) + "/sub/metadata.jsonl"


def write_memory_tars(pile: Pile, home: Path, suffix: str = "tar") -> str:
    memory = fsspec.filesystem("memory")
    for file in write_tars(pile, home, suffix).iterdir():
        memory.pipe(f"/{home.name}/{file.name}", file.read_bytes())
    return f"memory://{home.name}/*.{suffix}"


def write_memory_packed_tars(pile: Pile, home: Path) -> str:
    return write_memory_tars(pile, home, "tgz")


def write_memory_parquet(pile: Pile, home: Path) -> str:
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/{home.name}/a b.parquet", write_parquet_of_bytes(pile, home).read_bytes())
    return f"memory://{home.name}/a b.parquet"


def write_memory_saved(pile: Pile, home: Path) -> str:
    memory = fsspec.filesystem("memory")
    for file in write_saved(pile, home).iterdir():
        memory.pipe(f"/{home.name}/{file.name}", file.read_bytes())
    return f"memory://{home.name}"


WRITERS: list[Callable[[Pile, Path], Path | str]] = [
    write_folder,
    write_csv,
    write_jsonl,
    write_parquet_of_paths,
    write_parquet_of_bytes,
    write_hf_parquet,
    write_saved,
    write_saved_splits,
    write_one_tar,
    write_tars,
    write_packed_tar,
    write_packed_tars,
    write_brace_pattern,
    write_star_pattern,
    write_zip,
    write_folder_of_zips,
    write_memory_zip,
    write_zip_chain,
    write_file_url,
    write_memory,
    write_memory_manifest,
    write_memory_tars,
    write_memory_packed_tars,
    write_memory_parquet,
    write_memory_saved,
]


def verdicts(output: Path) -> Counter[tuple[str, str]]:
    rows = pq.read_table(output / "verdicts.parquet", columns=["key", "reason"]).to_pylist()
    return Counter((row["key"], row["reason"]) for row in rows)


def dataset_rows(output: Path, columns: list[str]) -> list[dict[str, Any]]:
    tables = [pq.read_table(path, columns=["key", *columns]) for path in sorted(output.glob("data/*.parquet"))]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: str(row["key"]))


@pytest.fixture(scope="module")
def expected(photos_in: Pile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("expected")
    curate(photos=write_folder(photos_in, home), workspace=home / "work", output=home / "dataset", workers=1)
    return home / "dataset"


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


def test_what_is_streamed_is_spooled_once(photos_in: Pile, expected: Path, tmp_path: Path) -> None:
    rows = hugging_face(photos_in).to_iterable_dataset(num_shards=2)

    class Streamed:
        revision = "commit"
        read = 0

        def photos(self, findings: Findings, earlier: Earlier) -> Any:
            for photo in streamed_photos({"train": rows}, findings, name="streamed"):
                Streamed.read += 1
                yield photo

    photos = Workspace(tmp_path / "work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prx_data.workspace.source_name", lambda photos: str(photos))
        patch.setattr("prx_data.workspace.open_source", lambda photos, metadata, image_column: Streamed())
        photos.add("hf://datasets/owner/name")
        photos.add("hf://datasets/owner/name")
        assert Streamed.read == len(photos_in)
        next((tmp_path / "work" / "spool").glob("*/*")).unlink()
        photos.add("hf://datasets/owner/name")
        assert Streamed.read == 2 * len(photos_in)
    assert photos.photos()["origin"].to_pylist()[0] == "train/0"
    photos.measure(workers=1)
    photos.select().write(tmp_path / "dataset")
    assert verdicts(tmp_path / "dataset") == verdicts(expected)


CURATE_HUB = """
import json, sys
from prx_data import PrxDataError, curate
for name in sys.argv[2:]:
    try:
        for _ in range(2):
            done = curate(photos=name, workspace=sys.argv[1] + "/work", output=sys.argv[1] + "/dataset", workers=1)
    except PrxDataError as error:
        print(error)
"""


def write_zip_alone(pile: Pile, home: Path) -> None:
    write_zip(pile, home.parent).rename(home / "train.zip")


def write_arrow(pile: Pile, home: Path) -> None:
    """Shards without the files that tell which shards belong to a dataset: only `datasets` knows what to do with it."""
    write_saved(pile, home.parent)
    (home.parent / "saved" / "data-00000-of-00002.arrow").rename(home / "train-00000-of-00002.arrow")
    (home.parent / "saved" / "data-00001-of-00002.arrow").rename(home / "train-00001-of-00002.arrow")


@pytest.mark.parametrize("write", [write_hf_parquet, write_zip_alone, write_arrow], ids=lambda write: write.__name__)
def test_a_dataset_of_the_hub(
    write: Callable[[Pile, Path], object], photos_in: Pile, expected: Path, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    write(photos_in, served)
    with hub(served) as (endpoint, requests):
        online = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
        environment = {**os.environ, **online, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-c", CURATE_HUB, str(tmp_path), "owner/name", "hf://datasets/owner/name", "no/such"]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (told,) = run.stdout.splitlines()
    assert told.startswith("photos = 'no/such' is no local path, and no dataset of the hub could be read: ")
    assert verdicts(tmp_path / "dataset") == verdicts(expected)
    assert dataset_rows(tmp_path / "dataset", ["sku", "tags"]) == dataset_rows(expected, ["sku", "tags"])
    assert len(list((tmp_path / "work" / "spool").glob("*/*"))) == (9 if write is write_arrow else 0)
    assert any(one.startswith("GET /datasets/owner/name/resolve") for one in requests)


def test_few_streamed_photos_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_CHUNK_BYTES", 5_000_000)
    alive: set[int] = set()
    most = 0

    class Counted(bytes):
        def __del__(self) -> None:
            alive.discard(id(self))

    def photos() -> Any:
        nonlocal most
        for number in range(40):
            content = Counted(bytes([number]) * 1_000_000)
            alive.add(id(content))
            most = max(most, len(alive))
            yield PhotoFile(origin=str(number), locator="", stamp="", content=content)

    spool, journal = indexing.Spool(tmp_path / "spool"), indexing.Journal(tmp_path / "journal")
    assert len(indexing.index_photos(photos(), {}, spool, journal)) == 40
    assert 5 <= most <= 11


def test_tar_texts_are_captions_and_classes(photos_in: Pile, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        members = [
            ("./x/1.jpg", photos_in["1.jpg"][0]),
            ("./x/1.cls", b"7\n"),
            ("./x/1.txt", "ein schöner Schuh\n".encode()),
            ("x/2.front.jpg", photos_in["2.jpg"][0]),
            ("x/2.back.jpg", photos_in["3.jpg"][0]),
            ("x/2.json", b'{"caption": "two", "n": 1, "more": {"a": [1]}}'),
            ("x/2.txt", b"two"),
            ("x/3", photos_in["4.jpg"][0]),
            ("x/3.json", b"{broken"),
            ("x/._3.jpg", b"mac"),
            ("x/3.npy", b"numbers"),
        ]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    findings = Findings()
    found = {one.origin: one for one in open_source(tmp_path / "a.tar").photos(findings)}
    assert {name: one.metadata for name, one in found.items()} == {
        "a.tar/x/1.jpg": {"caption": "ein schöner Schuh", "cls": 7},
        "a.tar/x/2.front.jpg": {"caption": "two", "n": 1, "more": '{"a": [1]}'},
        "a.tar/x/2.back.jpg": {"caption": "two", "n": 1, "more": '{"a": [1]}'},
        "a.tar/x/3": {"json": "{broken"},
    }
    assert read(found["a.tar/x/2.back.jpg"].locator) == photos_in["3.jpg"][0]
    assert findings.ignored == 1


@pytest.mark.parametrize("write", [write_tars, write_memory_tars], ids=lambda write: write.__name__)
def test_a_tar_that_did_not_change_is_not_looked_into(
    write: Callable[[Pile, Path], Path | str], photos_in: Pile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / f"again-{write.__name__}"
    home.mkdir()
    source = write(photos_in, home)
    looked: list[str] = []
    honest = tars._scan

    def counted(location: str, **how: bool) -> Any:
        looked.append(location)
        return honest(location, **how)

    monkeypatch.setattr(tars, "_scan", counted)
    photos = Workspace(tmp_path / "work")
    photos.add(source)
    table, features, ignored = photos.photos(), photos.features, photos.ignored_files
    assert len(looked) == 2
    photos.add(source)
    assert len(looked) == 2
    assert (photos.photos(), photos.features, photos.ignored_files) == (table, features, ignored)
    if write is write_tars:
        write_tar(home / "shards" / "001.tar", dict(list(photos_in.items())[2:]))
        photos.add(source)
        assert len(looked) == 3
        assert len(photos.photos()) == 4 + 8
        photos.add(source)
        assert len(looked) == 3


def test_a_packed_tar_is_read_again_only_if_its_bytes_are_gone(
    photos_in: Pile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tars(photos_in, tmp_path, "tar.gz")
    photos = Workspace(tmp_path / "work")
    looked: list[str] = []
    honest = tars._scan

    def counted(location: str, **how: bool) -> Any:
        looked.append(location)
        return honest(location, **how)

    monkeypatch.setattr(tars, "_scan", counted)
    photos.add(source)
    table = photos.photos()
    assert (tmp_path / "work" / "spool").is_dir()
    photos.add(source)
    assert (len(looked), photos.photos()) == (2, table)
    next((tmp_path / "work" / "spool").glob("*/*")).unlink()
    photos.add(source)
    assert (len(looked), photos.photos()) == (3, table)
    assert len(list((tmp_path / "work" / "spool").glob("*/*"))) == len(set(table["key"].to_pylist()))


def test_a_cut_packed_tar_loses_no_row(photos_in: Pile, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    write_tar(tmp_path / "shards" / "good.tgz", photos_in)
    whole = (tmp_path / "shards" / "good.tgz").read_bytes()
    (tmp_path / "shards" / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "shards" / "other.tgz").write_bytes(b"\x1f\x8b no tar at all")
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "shards")
    rows = {row["origin"]: row for row in photos.photos().to_pylist()}
    assert rows["cut.tgz"]["status"] == rows["other.tgz"]["status"] == "unreadable"
    of_cut = [row["status"] for origin, row in rows.items() if origin.startswith("cut.tgz/")]
    assert 0 < of_cut.count("ok") < len(photos_in)
    assert set(of_cut) <= {"ok", "unreadable"}
    assert sum(row["status"] == "ok" for origin, row in rows.items() if origin.startswith("good.tgz/")) == len(
        photos_in
    )


@pytest.mark.parametrize("name", ["0.jpg", "2.jpg"])
def test_a_cut_tar_gives_what_it_holds_and_says_so(photos_in: Pile, tmp_path: Path, name: str) -> None:
    source = write_one_tar(photos_in, tmp_path)
    whole = source.read_bytes()
    with tarfile.open(source) as tar:
        cut = tar.getmember(name).offset_data + 100
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "cut.tar").write_bytes(whole[:cut])
    (tmp_path / "shards" / "good.tar").write_bytes(whole)
    photos = Workspace(tmp_path / "work")
    photos.add(tmp_path / "shards")
    rows = {row["origin"]: row for row in photos.photos().to_pylist()}
    assert rows["cut.tar"]["status"] == "unreadable"
    assert "ends within" in rows["cut.tar"]["message"]
    assert rows["good.tar/0.jpg"]["status"] == "ok"
    of_cut = {origin: row["status"] for origin, row in rows.items() if origin.startswith("cut.tar/")}
    assert of_cut.pop(f"cut.tar/{name}") == "unreadable"
    assert set(of_cut.values()) <= {"ok"}


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
