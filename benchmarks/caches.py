"""What the caches of text embeddings and latents save: prints one table.

    python benchmarks/caches.py DATASET [--resolution 256] [--photos 24]

DATASET is a folder that prx-data has written. Captions are encoded by the text encoder of the small model that comes
with prx-train, photos by an autoencoder of the size of Flux's (84 M parameters), with random weights. Each is encoded
once into a new cache, and then read from it again by a process that has kept nothing in memory, as every later epoch
does. Saved is the time of all epochs after the first, as a share of the time that encoding in every epoch would take.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from prx_train import TrainConfig, model
from prx_train.caching import TensorCache, TextCache
from prx_train.data import load_split, split_files
from prx_train.model.base import TINY
from prx_train.model.space import Space
from prx_train.places import find_folder
from prx_train.session import as_signal

EPOCHS = (2, 10, 100)


def flux_like() -> AutoencoderKL:
    """The architecture of Flux's autoencoder."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=16,
        shift_factor=0.1159,
        scaling_factor=0.3611,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def row(name: str, count: int, written: float, read: float, folder: Path) -> None:
    """Print one row."""
    disk = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    encoded, again = 1e3 * written / count, 1e3 * read / count
    saved = [1 - (encoded + (epochs - 1) * again) / (epochs * encoded) for epochs in EPOCHS]
    print(f"{name:<18} {count:>6} {encoded:>12.2f} {again:>10.3f} {disk / count / 1e3:>10.1f}", end="")
    print("".join(f" {share:>10.1%}" for share in saved))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--photos", type=int, default=24)
    options = parser.parse_args()
    files = split_files(find_folder(options.dataset))["train"]
    split = load_split(files, resolution=options.resolution, patch_size=16, ram_limit=0)
    encoder = model.open_base(TrainConfig(dataset=options.dataset, output=Path("unused"), base=str(TINY))).text_encoder(
        "cpu"
    )
    captions = sorted({text for one in split.rows for text, _ in one.captions})
    space = Space(channels=16, compression=8, predicts="velocity", vae=flux_like(), digest="random")
    rows = list(range(min(options.photos, len(split.rows))))

    def encode(some: list[int]) -> list[torch.Tensor]:
        made = [space.encode(as_signal(np.asarray(split.picture(index))[None].copy())) for index in some]
        return [one[0].half().contiguous() for one in made]

    print(f"{'':<18} {'items':>6} {'encode, ms':>12} {'read, ms':>10} {'disk, kB':>10}", end="")
    print("".join(f" {f'{epochs} epochs':>10}" for epochs in EPOCHS))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "texts"
        written = timed(lambda: TextCache(place, encoder.digest).ensure(captions, encoder.encode))
        texts = TextCache(place, encoder.digest, ram_limit=0)
        texts.ensure(captions, encoder.encode)
        row("text embeddings", len(captions), written, timed(lambda: [texts[one] for one in captions]), place)
        place = Path(name) / "latents"
        wanted = {split.rows[index].key: index for index in rows}
        written = timed(lambda: TensorCache(place, space.digest).fill(wanted, encode))  # type: ignore[arg-type]
        latents = TensorCache(place, space.digest, ram_limit=0)
        latents.available(wanted)
        row("latents", len(wanted), written, timed(lambda: [latents.tensor(key) for key in wanted]), place)


if __name__ == "__main__":
    main()
