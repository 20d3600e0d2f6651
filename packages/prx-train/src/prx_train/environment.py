"""What a run ran on: versions of what computes, and the device."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from prx_train.version import VERSION

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors", "numpy", "pillow", "pyarrow")


def environment(device: str) -> dict[str, Any]:
    """Ready for JSON; nothing in it names a user or a path."""
    return {
        "prx-train": VERSION,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "device": device,
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "cuda": torch.version.cuda if device.startswith("cuda") else None,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
