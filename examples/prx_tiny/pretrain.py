"""Pretrains prx-tiny, the small model that comes with prx-train: photos to a text encoder, two stages and a package.

    python examples/prx_tiny/pretrain.py --photos ../shared/images/phone ../shared/images/grocery

Takes an hour and a half of two processor cores with AMX. The stages are `prx-train fit` with `small.toml` and
`large.toml`. Stopped or killed at any moment, the same command goes on.
"""

import argparse
import io
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import prx_data
import prx_train
from package import package
from prx_train.model import minilm_folder
from prx_train.storage import write_folder
from text_encoder import TextRecipe, distill

HERE = Path(__file__).parent
WORK = Path("runs/prx-tiny")
SIDE = 128
"""Pixels of the shorter side that are kept: twice what is trained at."""
TEXT = TextRecipe(vocabulary=2400, width=128, layers=2, captions=6000, steps=800, batch_size=64, learning_rate=2e-3)


def curate(photos: Sequence[Path]) -> Path:
    """Selects and labels; clutter stays, for a model that has seen it can be told what is plain."""
    rules = prx_data.Rules(min_side=96, min_cleanliness=None)
    curated = WORK / "curated"
    prx_data.curate(photos=tuple(photos), workspace=WORK / "work", output=curated, rules=rules)
    return curated


def forms(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A photo as it is, with a short caption, and cut to a square; the last two half as often as the first.

    `a photo of a red hat, on a white background` is `a red hat` for short.
    """
    image = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
    scale = SIDE / min(image.size)
    whole = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (whole.width - SIDE) // 2, (whole.height - SIDE) // 2
    square = whole.crop((left, top, left + SIDE, top + SIDE))
    subject = row["caption"].removeprefix("a photo of ").partition(", on a")[0]
    for picture, caption, weight in (
        (whole, row["caption"], 1.0),
        (whole, subject, 0.5),
        (square, row["caption"], 0.5),
    ):
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=95)
        yield {
            "image": {"bytes": data.getvalue(), "path": None},
            "caption": caption,
            "key": row["key"],
            "weight": weight,
        }


def write_forms(curated: Path, dataset: Path) -> None:
    """The dataset that is trained on: every photo in several forms; those held out as they are."""

    def fill(place: Path) -> None:
        for split in ("train", "validation"):
            rows = [row for file in sorted(curated.glob(f"data/{split}-*.parquet")) for row in _rows(file)]
            made = [form for row in rows for form in forms(row) if split == "train" or form["weight"] == 1.0]
            (place / "data").mkdir(exist_ok=True)
            pq.write_table(
                pa.Table.from_pylist(made), place / "data" / f"{split}-00000-of-00001.parquet", row_group_size=256
            )

    write_folder(dataset, fill)


def texts(curated: Path) -> list[str]:
    """Captions, and the first words of each sentence of the descriptions, of the training photos."""
    rows = [row for file in sorted(curated.glob("data/train-*.parquet")) for row in _rows(file)]
    sentences = {part.strip() for row in rows for part in (row["description"] or "").split(".") if part.strip()}
    return [*(row["caption"] for row in rows), *sorted(" ".join(one.split()[:12]) for one in sentences)]


def fit(config: Path, processes: int) -> None:
    """`prx-train fit`, in so many processes of one thread each: for small models that is faster than threads."""
    launch = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--master-port=29541"]
    subprocess.run([sys.executable, *launch, "-m", "prx_train.cli", "fit", str(config)], check=True)


def main() -> None:
    """Everything that is not done yet."""
    parser = argparse.ArgumentParser(description="Pretrain prx-tiny.")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders with their metadata.csv")
    parser.add_argument("--processes", type=int, default=2, help="one for each core (default 2)")
    options = parser.parse_args()
    dataset, text_encoder, curated = WORK / "dataset", WORK / "text_encoder", WORK / "curated"
    if not dataset.is_dir():
        write_forms(curate(options.photos), dataset)
    if not text_encoder.is_dir():
        distill(text_encoder, texts(curated), minilm_folder(), TEXT)
    for stage in ("small", "large"):
        if not prx_train.Run(WORK / stage).finished:
            fit(HERE / f"{stage}.toml", options.processes)
    print(package(WORK))


def _rows(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


if __name__ == "__main__":
    main()
