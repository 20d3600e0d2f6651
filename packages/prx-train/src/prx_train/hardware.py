"""What the processor or the GPU is good at."""

import torch

from prx_train.errors import ConfigError


def has_bf16(device: str) -> bool:
    """Whether `device` multiplies bf16 matrices in hardware; where it does not, they are emulated, and slow.

    GPUs do, and CPUs with AMX: there a product took a fifth of the time of one in float32, and a training step of
    prx-tiny, most of which are other things than products, five sixths (`benchmarks/precision.py`).
    """
    if device.partition(":")[0] != "cpu":
        return True
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def found_device(asked: str) -> str:
    """`cpu` or `cuda`, for `auto` the faster one that is there.

    Raises:
        ConfigError: CUDA was asked for, and there is none.
    """
    found = torch.cuda.is_available()
    if asked == "cuda" and not found:
        raise ConfigError("config key 'device' = 'cuda' cannot be used: no CUDA device was found.")
    return asked if asked != "auto" else "cuda" if found else "cpu"
