"""Photos with metadata, written as every kind of source by its real writer; and what a curation made of them."""

import csv
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from .conftest import Pile


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
