"""What the processor or the GPU is good at."""

import os
from contextlib import suppress
from pathlib import Path

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


def free_memory(device: str) -> int:
    """Bytes that a process may still take: of its GPU; else of the machine, or of the container that it runs in."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError):  # Linux alone says what can be had of it
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    for limit, used in _LIMITS:
        with suppress(OSError, ValueError):  # no such group, or no limit, which is a word
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
    return max(free, 0)


_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files of control groups of the second and the first version: bytes that may be taken, and that are."""
