"""Pictures in a second, from a dataset's Parquet files to arrays of one size: prints one table of ratios from one run.

    python benchmarks/loading.py DATASET [--resolution 256] [--rounds 3] [--photos 400]

DATASET is a folder that prx-data has written. All read the same photos with as many threads or processes as there are
cores, and give uint8 arrays in the size of each photo's bucket, in a random order. The order of the readers changes
from round to round, and each ratio is the median over the rounds: above 1 the trainer's is the faster one.

- feed: `prx_train.feed.Feed`, nothing kept in memory; once in any order and once in pools of two row groups.
- kept: the same from the second epoch on, with the decoded pictures in memory.
- DataLoader: torch's, over `datasets.load_dataset`, with Pillow in worker processes, as training scripts have it. The
  library copies the dataset into a cache of its own first; the table says how much disk that takes.
- datago: Photoroom's loader (pip install datago), over a folder of the same files; it resizes and crops by itself.
"""

import argparse
import importlib.util
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.utils.data import DataLoader

from prx_train.buckets import Order, buckets_for
from prx_train.data import Split, load_split, split_files
from prx_train.decoding import cropped
from prx_train.feed import Feed
from prx_train.model.bins import published_bins
from prx_train.places import find_folder

CORES = os.cpu_count() or 1
BATCH = 16


def train_files(folder: Path) -> list[str]:
    """Of the dataset."""
    return split_files(find_folder(str(folder)))["train"]


def load(folder: Path, resolution: int, *, ram: float, pool: int | None = None) -> Split:
    """Rows alone; nothing is decoded yet."""
    return load_split(
        train_files(folder), resolution=resolution, patch_size=16, ram_limit=ram, open_groups=2 * (pool or 2)
    )


def feed(split: Split, number: int, epoch: int, *, pool: int | None = None) -> int:
    """An epoch of the trainer's batches, up to a number of photos."""
    order = Order(
        sizes=[row.size for row in split.rows],
        weights=[1.0] * len(split.rows),
        batch_size=BATCH,
        seed=epoch,
        groups=split.groups(),
        pool=pool,
    )
    seen = 0
    with Feed(order.batches_from(), split.picture, kept=split.kept, batches=1) as batches:
        while seen < number:
            seen += sum(picture is not None for picture in next(batches).batches[0].pictures())
    return seen


class Cropped:
    """What a script does with a row of `datasets`: Pillow decodes it, and it is resized and cropped."""

    def __init__(self, rows: Any, resolution: int) -> None:
        self.rows, self.buckets = rows, buckets_for(resolution, 16, published_bins(resolution))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> torch.Tensor:
        image: Image.Image = self.rows[index]["image"].convert("RGB")
        return torch.from_numpy(cropped(image, self.buckets.nearest(image.height, image.width)).copy())


def plain(rows: Cropped, number: int, epoch: int) -> int:
    """Torch's loader with its workers."""
    chosen = np.random.default_rng(epoch).permutation(len(rows))[:number].tolist()
    loader: Any = DataLoader(rows, batch_size=None, sampler=chosen, num_workers=CORES)  # type: ignore[arg-type]
    return sum(1 for _ in loader)


def with_datago(folder: Path, resolution: int, number: int) -> int:
    """Photoroom's loader over files."""
    from datago import DatagoClient  # type: ignore[import-not-found]

    settings = {
        "source_type": "file",
        "source_config": {"root_path": str(folder), "random_sampling": True, "rank": 0, "world_size": 1},
        "limit": number,
        "image_config": {
            "crop_and_resize": True,
            "default_image_size": resolution,
            "downsampling_ratio": 16,
            "min_aspect_ratio": 0.5,
            "max_aspect_ratio": 2.0,
            "pre_encode_images": False,
        },
        "prefetch_buffer_size": 64,
        "samples_buffer_size": 64,
    }
    client, seen = DatagoClient(json.dumps(settings)), 0
    while seen < number and client.get_sample() is not None:
        seen += 1
    return seen


def write_files(dataset: Path, into: Path) -> None:
    """The same pictures as files."""
    into.mkdir()
    for file in train_files(dataset):
        for number, image in enumerate(pq.read_table(file, columns=["image"])["image"].to_pylist()):
            kind = Image.open(io.BytesIO(image["bytes"])).format or "JPEG"
            (into / f"{Path(file).stem}-{number:06d}.{kind.lower()}").write_bytes(image["bytes"])


def readers(dataset: Path, resolution: int, number: int, work: Path) -> Iterator[tuple[str, Callable[[int], int], str]]:
    """(name, an epoch of so many photos, extra disk)."""
    any_order, pooled = load(dataset, resolution, ram=0), load(dataset, resolution, ram=0, pool=2)
    kept = load(dataset, resolution, ram=8e9)
    feed(kept, len(kept.rows), 0)
    cache = work / "cache"
    rows = datasets.load_dataset("parquet", data_files=train_files(dataset), cache_dir=str(cache))
    copied = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    pictures = Cropped(rows["train"], resolution)
    yield "feed, any order", lambda epoch: feed(any_order, number, epoch), "none"
    yield "feed, pools of 2 row groups", lambda epoch: feed(pooled, number, epoch, pool=2), "none"
    yield "feed, kept in memory", lambda epoch: feed(kept, number, epoch), "none"
    yield "DataLoader over datasets", lambda epoch: plain(pictures, number, epoch), f"{copied / 1e6:.0f} MB"
    if importlib.util.find_spec("datago") is None:
        print("datago is not installed; pip install datago for its row.")
        return
    files = work / "files"
    write_files(dataset, files)
    yield "datago over files", lambda _: with_datago(files, resolution, number), "the files"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=400)
    options = parser.parse_args()
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        number = min(options.photos, len(load(options.dataset, options.resolution, ram=0).rows))
        all_readers = list(readers(options.dataset, options.resolution, number, Path(name)))
        speeds: dict[str, list[float]] = {label: [] for label, _, _ in all_readers}
        for turn in range(options.rounds):
            for label, read, _ in all_readers[turn:] + all_readers[:turn]:
                began = time.perf_counter()
                seen = read(turn)
                speeds[label].append(seen / (time.perf_counter() - began))
        first = speeds["feed, any order"]
        print(f"{number} photos at {options.resolution} px, {CORES} cores     photos/s   ratio  extra disk")
        for label, _, disk in all_readers:
            ratio = median(a / b for a, b in zip(first, speeds[label], strict=True))
            print(f"  {label:<36} {median(speeds[label]):9.1f} {ratio:7.2f}  {disk}")


if __name__ == "__main__":
    main()
