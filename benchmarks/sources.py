"""Every kind of source against a plain folder: indexing, indexing again, and reading every photo for a measuring pass.

    python benchmarks/sources.py FOLDER [COUNT]

Prints one table; ratios are to the folder's own time in the same run. `copied` is the share of the bytes that the
workspace keeps.
"""

import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.reading import parts, read_many
from prx_data.workspace import WorkspaceStore

_TASK = 48
"""Photos that a measuring process reads together, as in `prx_data.engine`."""


def main() -> None:
    """Write the photos as each kind, time each, print the table."""
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    photos = sorted(path for path in Path(sys.argv[1]).rglob("*.*") if path.suffix in (".jpg", ".png"))[:count]
    size = sum(path.stat().st_size for path in photos)
    print(f"{len(photos):,} photos, {size / 1e6:,.0f} MB; times in seconds (ratio to the folder)")
    print(f"{'source':<24}{'index':>16}{'index again':>16}{'read in tasks':>16}{'copied':>10}")
    with tempfile.TemporaryDirectory() as home:
        first: list[float] = []
        for write in (folder, manifest, tar, saved, hub_parquet, large_row_groups):
            source = write(photos, Path(home))
            times, copied = measure(source, Path(home) / f"work-{write.__name__}")
            first = first or times
            cells = "".join(f"{time:>9.2f} ({time / base:4.1f})" for time, base in zip(times, first, strict=True))
            print(f"{write.__name__:<24}{cells}{copied / size:>9.0%}")


def measure(source: Path, work: Path) -> tuple[list[float], int]:
    """Seconds to index, to index again, and to read; bytes in the spool."""
    store = WorkspaceStore(work)
    times = [seconds(lambda: store.add(source)), seconds(lambda: store.add(source))]
    locators = store.readable()["locator"].to_pylist()

    def read_all() -> None:
        for task in parts(locators, _TASK):
            assert all(isinstance(content, bytes) for _, content in read_many(task))

    times.append(min(seconds(read_all) for _ in range(3)))
    return times, sum(path.stat().st_size for path in (work / "spool").glob("*/*"))


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time."""
    start = perf_counter()
    work()
    return perf_counter() - start


def folder(photos: list[Path], home: Path) -> Path:
    """The photos themselves, all in one folder."""
    (home / "folder").mkdir()
    for number, path in enumerate(photos):
        (home / "folder" / f"{number}{path.suffix}").write_bytes(path.read_bytes())
    return home / "folder"


def manifest(photos: list[Path], home: Path) -> Path:
    """A CSV that names them."""
    names = [f"folder/{number}{path.suffix}" for number, path in enumerate(photos)]
    (home / "list.csv").write_text("\n".join(["file_name", *names]))
    return home / "list.csv"


def tar(photos: list[Path], home: Path) -> Path:
    """A WebDataset tar."""
    with tarfile.open(home / "photos.tar", "w") as packed:
        for number, path in enumerate(photos):
            packed.add(path, f"{number}{path.suffix}")
    return home / "photos.tar"


def _dataset(photos: list[Path]) -> datasets.Dataset:
    rows = [{"image": {"bytes": path.read_bytes(), "path": None}} for path in photos]
    return datasets.Dataset.from_list(rows, features=datasets.Features({"image": datasets.Image(decode=False)}))


def saved(photos: list[Path], home: Path) -> Path:
    """A dataset saved by `datasets`."""
    _dataset(photos).save_to_disk(home / "saved")
    return home / "saved"


def hub_parquet(photos: list[Path], home: Path) -> Path:
    """Parquet with row groups of 100 photos, as the hub has it."""
    _dataset(photos).to_parquet(home / "hub.parquet", batch_size=100)
    return home / "hub.parquet"


def large_row_groups(photos: list[Path], home: Path) -> Path:
    """Parquet in one row group."""
    table = pa.table({"image": [path.read_bytes() for path in photos]})
    pq.write_table(table, home / "large.parquet", row_group_size=len(photos))
    return home / "large.parquet"


if __name__ == "__main__":
    main()
