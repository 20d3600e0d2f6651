"""What test_sharding.py starts in several processes: runs one after the other, and notes what their models were."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, Shard

import prx_train
from prx_train import model
from prx_train.sharding import Sharding, shard

from .conftest import Counting


class Note(prx_train.Callback):
    """Writes down how the model lies, and that a callback cannot draw it."""

    def on_start(self, training: prx_train.Training) -> None:
        """After everything was tried once, and before the first step."""
        transformer, optimizers = training.session.transformer, training.session.optimizers
        parameters = dict(transformer.named_parameters())
        facts = {
            "sharded": [name for name, one in parameters.items() if _over_two(one)],
            "parameters": [*parameters],
            "types": sorted({str(one.dtype) for one in parameters.values()}),
            "here": sum(one.to_local().numel() for one in parameters.values() if isinstance(one, DTensor)),
            "in all": sum(one.numel() for one in parameters.values()),
            "wrapped": [name for name, module in transformer.named_modules() if isinstance(module, FSDPModule)],
            "stepped": sum(len(group["params"]) for one in optimizers for group in one.param_groups),
        }
        (training.output / "facts.json").write_text(json.dumps(facts))

    def on_step(self, training: prx_train.Training, row: Any) -> None:
        """A validation of its own, which must be refused instead of waiting for ever."""
        training.validate()


def _over_two(parameter: torch.Tensor) -> bool:
    return isinstance(parameter, DTensor) and parameter.device_mesh.size() == 2 and parameter.placements == (Shard(0),)


def train(settings: dict[str, Any]) -> None:
    """One run; what the first process says, or why it was refused, is written down."""
    said: list[str] = []
    steps, last = Counting(), settings.pop("last", 1000)
    config = prx_train.TrainConfig(**settings)
    try:
        prx_train.fit(config, callbacks=[steps, Note()], stop=lambda: steps.done >= last, say=said.append)
    except prx_train.ConfigError as error:
        said.append(str(error))
        # Where one process alone is refused, the other fails somewhere else for want of it.
        print(f"process {os.environ['RANK']}: {error}", file=sys.stderr)
    if os.environ["RANK"] == "0":
        # Beside the run's folder: the other process may only now look into it, and refuses what is no run's.
        config.output.with_suffix(".txt").write_text("\n".join(said), encoding="utf-8")


def compute_in_bf16(file: Path) -> None:
    """What a GPU does: which types weights, gathered weights and gradients have then."""
    transformer = model.new_transformer(prx_train.ModelConfig(hidden_size=24), text_width=8, seed=0)
    gathered: list[str] = []
    transformer.blocks[1].up_proj.register_forward_pre_hook(lambda layer, _: gathered.append(str(layer.weight.dtype)))
    shard(transformer, Sharding(), device="cpu", gathered=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        clean = model.predict(
            transformer, torch.ones(2, 3, 16, 24), torch.ones(2), torch.ones(2, 5, 8), torch.ones(2, 5).bool()
        )
    clean.float().square().mean().backward()  # type: ignore[no-untyped-call]
    parameters = [*transformer.parameters()]
    weights, gradients = ({str(one.dtype) for one in some} for some in (parameters, [p.grad for p in parameters]))
    if torch.distributed.get_rank() == 0:
        facts = {"weights": [*weights], "gradients": [*gradients], "gathered": gathered}
        file.write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    source = Path(sys.argv[1])
    for one in json.loads(source.read_text(encoding="utf-8")):
        train(one)
    compute_in_bf16(source.with_name("bf16.json"))
