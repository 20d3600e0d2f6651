"""What test_sharding.py starts in several processes: runs one after the other, and notes what their models were."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, Shard

import prx_train


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


if __name__ == "__main__":
    for settings in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        said: list[str] = []
        asked = iter(range(1000))
        last = settings.pop("last", 1000)
        run = prx_train.fit(
            prx_train.TrainConfig(**settings),
            callbacks=[Note()],
            stop=lambda asked=asked, last=last: next(asked) >= last,  # type: ignore[misc]
            say=said.append,
        )
        if said:
            (run.output / "said.txt").write_text("\n".join(said), encoding="utf-8")
