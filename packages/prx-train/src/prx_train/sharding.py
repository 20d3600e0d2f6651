"""One model over all processes: each holds a part of every weight, gradient, average and optimizer state.

That is torch's FSDP2 (`fully_shard`). Whether it is wanted says the configuration of accelerate's launcher, which hands
it down in variables of the environment; examples/fsdp2.yaml is one. Each block is gathered when it
computes and let go again; a step of optimizer or average works on the parts. Where one machine is to hold all of it,
for checkpoints and for the pipeline, the parts are put together.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from prx_train.errors import ConfigError

BLOCK = "PRXBlock"
"""Name of the class that is wrapped."""


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """How a model is spread over processes."""

    reshard_after_forward: bool = True
    """Whether a block is let go between its forward and its backward: less memory, and one more gathering."""


def asked_sharding(environment: Mapping[str, str] = os.environ) -> Sharding | None:
    """What accelerate's launcher was configured to do; None for a whole model in each process.

    Raises:
        ConfigError: it asks for something that is not done here, or that `prx_train` decides itself.
    """
    for name in ("DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG"):
        if _is_true(environment.get(f"ACCELERATE_USE_{name}", "")):
            raise ConfigError(
                f"accelerate is configured with {name.lower()}, which prx-train cannot use; FSDP2 it can."
            )
    if not _is_true(environment.get("ACCELERATE_USE_FSDP", "")):
        return None
    for key, variable, wanted, why in _FIXED:
        found = environment.get(variable, wanted)
        if found.lower() != wanted.lower():
            raise ConfigError(f"accelerate's setting '{key}' is {found}; prx-train needs {wanted}: {why}.")
    return Sharding(reshard_after_forward=_is_true(environment.get("FSDP_RESHARD_AFTER_FORWARD", "true")))


_FIXED = (
    ("fsdp_version", "FSDP_VERSION", "2", "it shards with torch's fully_shard"),
    ("fsdp_auto_wrap_policy", "FSDP_AUTO_WRAP_POLICY", "TRANSFORMER_BASED_WRAP", "each block is wrapped by itself"),
    ("fsdp_transformer_layer_cls_to_wrap", "FSDP_TRANSFORMER_CLS_TO_WRAP", BLOCK, "that is the class of the blocks"),
    ("fsdp_offload_params", "FSDP_OFFLOAD_PARAMS", "false", "weights stay where they are computed with"),
    ("fsdp_cpu_ram_efficient_loading", "FSDP_CPU_RAM_EFFICIENT_LOADING", "false", "each process reads the weights"),
    (
        "fsdp_activation_checkpointing",
        "FSDP_ACTIVATION_CHECKPOINTING",
        "false",
        "its 'gradient_checkpointing' does that",
    ),
)


def shard(transformer: Any, sharding: Sharding, *, device: str, gathered: torch.dtype | None = None) -> None:
    """Spreads a model over all processes in place, block by block; its weights become `DTensor`s on the device.

    Args:
        transformer: In float32, the same in every process; its blocks are in `blocks`.
        sharding: How.
        device: `cpu`, or `cuda` with the number of this process's.
        gathered: Type that weights are gathered in to compute with, None for their own. Weights stay float32, and so
            do the gradients that are summed.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(device.partition(":")[0], (torch.distributed.get_world_size(),))
    # Autocast decides on the type of what is computed. Cast here, the time would lose most of its digits.
    policy = MixedPrecisionPolicy(param_dtype=gathered, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for module in (*transformer.blocks, transformer):
        fully_shard(module, mesh=mesh, mp_policy=policy, reshard_after_forward=sharding.reshard_after_forward)


def let_go(model: torch.nn.Module) -> None:
    """Lets go of what was gathered to compute with; needed after a forward without backward, or weights stay old."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, sharing its memory; all of it if it is not sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """A tensor put together from all processes, which must all ask; itself if it is not sharded."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, model: Tensor) -> Tensor:
    """A whole tensor, the same in every process, on the device of `model` and sharded as that one is."""
    tensor = tensor.to(model.device)
    if not isinstance(model, DTensor) or tensor.shape != model.shape:
        return tensor
    return distribute_tensor(tensor, model.device_mesh, model.placements, src_data_rank=None)


def put_together(tensors: Iterable[tuple[str, Tensor]], *, keep: bool) -> dict[str, Tensor]:
    """Whole tensors by name, one after the other, in main memory if they were sharded.

    Args:
        tensors: Names and tensors, in the same order in every process.
        keep: Whether this process wants them; if not, it only helps, and {} is returned.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors:
        one = whole(tensor.detach())
        if keep:
            found[name] = one.cpu() if isinstance(tensor, DTensor) else one
    return found


def _is_true(text: str) -> bool:
    return text.lower() in {"true", "1", "yes", "y", "t", "on"}
