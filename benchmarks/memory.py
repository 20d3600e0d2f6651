"""Memory of LoRA steps on a full-size PRX against the sum of what must be held: prints one table.

    python benchmarks/memory.py DATASET [--depth 16] [--resolution 256] [--batch 1]

DATASET is a folder that prx-data has written. A transformer of the size of Photoroom's latent PRX (1.17 B parameters at
the default depth), with random weights, and a small autoencoder and text encoder are saved to disk; `prx_train.fit`
then takes two steps on them in a process of its own, once as it is and once with gradient checkpointing. Must be held:
the process with its libraries, the weights of all models, of each adapter weight three numbers more besides its
gradient (two of AdamW, one of the average), and what autograd keeps for the backward pass, as its hooks count it.
Peaks are those of the resident set that the system counts: after two steps, and at the end of the run with samples and
export.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, PRXPipeline, PRXTransformer2DModel
from transformers import AutoTokenizer

import prx_train
from prx_train.model.base import TINY

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.prx_train.tiny import gemma

WIDTH, CHANNELS, TOKENS = 2304, 16, 64
_GB = 1e9
_FLOAT = 4  # bytes


def save_full_size(folder: Path, depth: int) -> None:
    """A latent PRX with random weights in diffusers' layout."""
    tokenizer = AutoTokenizer.from_pretrained(TINY / "tokenizer")
    tokenizer.model_max_length = TOKENS
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    transformer = PRXTransformer2DModel(
        in_channels=CHANNELS,
        patch_size=2,
        context_in_dim=WIDTH,
        hidden_size=1792,
        mlp_ratio=3.5,
        num_heads=28,
        depth=depth,
        axes_dim=[32, 32],
    )
    PRXPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=gemma(len(tokenizer), WIDTH),
        tokenizer=tokenizer,
        vae=vae,
        default_sample_size=256,
    ).save_pretrained(folder, safe_serialization=True)


def resident(field: str) -> float:
    """GB of this process now (`VmRSS`) or at most so far (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / _GB for line in lines if line.startswith(field))


@contextmanager
def counted() -> Iterator[tuple[dict[int, int], set[int]]]:
    """Bytes of each storage that autograd keeps within, and those that do not count: weights, whole or turned."""
    kept: dict[int, int] = {}
    weights: set[int] = set()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept, weights


class Peaks(prx_train.Callback):
    """What a run holds, and its peak after its steps."""

    def __init__(self, kept: dict[int, int], weights: set[int]) -> None:
        self.found: dict[str, float] = {"process": resident("VmRSS"), "kept": 0.0}
        self.kept, self.weights = kept, weights

    def on_start(self, training: prx_train.Training) -> None:
        """Counts weights."""
        session = training.session
        network: Any = session.transformer
        parts = [network, session.encoder.model, session.space.vae]
        everything = sum(p.nbytes for part in parts for p in part.parameters())
        self.weights |= {p.untyped_storage().data_ptr() for part in parts for p in part.parameters()}
        trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
        self.found |= {"weights": everything / _GB, "adapters": 4 * _FLOAT * trained / _GB}
        self.found["parameters"] = sum(p.numel() for p in network.parameters())
        self.found["started"] = resident("VmHWM")
        self.kept.clear()

    def on_step(self, training: prx_train.Training, row: Any) -> None:
        """Keeps the peak so far, and what autograd kept in the step that kept most."""
        del training, row
        self.found["kept"] = max(self.found["kept"], sum(self.kept.values()) / _GB)
        self.kept.clear()
        self.found["two steps"] = resident("VmHWM")


def child(base: Path, dataset: Path, resolution: int, batch: int, *, checkpointing: bool) -> None:
    """Train, and print what was found as JSON."""
    with tempfile.TemporaryDirectory() as name, counted() as (kept, weights):
        peaks = Peaks(kept, weights)
        config = prx_train.TrainConfig(
            dataset=dataset,
            output=Path(name) / "run",
            base=str(base),
            lora={"rank": 16},
            budget="2 steps",
            batch_size=batch,
            resolution=resolution,
            gradient_checkpointing=checkpointing,
            validation_photos=1,
            prompts=("a shoe",),
            sample_steps=2,
            trackers=(),
            device="cpu",
        )
        prx_train.fit(config, callbacks=[peaks], say=lambda text: None)
    peaks.found["end"] = resident("VmHWM")
    print(json.dumps(peaks.found))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--checkpointing", action="store_true")
    options = parser.parse_args()
    if options.child is not None:
        child(options.child, options.dataset, options.resolution, options.batch, checkpointing=options.checkpointing)
        return
    with tempfile.TemporaryDirectory() as name:
        save_full_size(Path(name) / "base", options.depth)
        for flags in ([], ["--checkpointing"]):
            command = [sys.executable, __file__, *sys.argv[1:], "--child", str(Path(name) / "base"), *flags]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            must = found["process"] + found["weights"] + found["adapters"] + found["kept"]
            if not flags:
                print(
                    f"{found['parameters'] / 1e9:.2f} B parameters, {options.batch} photo(s) at {options.resolution} px"
                )
            print(f"\n{'with gradient checkpointing' if flags else 'as it is'}: GB")
            for label in ("process", "weights", "adapters", "kept"):
                print(f"  {label:<24} {found[label]:7.2f}")
            print(f"  {'must be held':<24} {must:7.2f}")
            for label in ("started", "two steps", "end"):
                print(f"  peak, {label:<18} {found[label]:7.2f}   {found[label] / must:5.2f} times")


if __name__ == "__main__":
    main()
