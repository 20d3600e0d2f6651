"""Low-rank adapters (Hu et al. 2022, arXiv:2106.09685) on a PRX transformer, injected by peft.

PRX has no adapter mixin of its own in diffusers, and its pipeline's belongs to another architecture.
"""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from prx_train.config import LoraConfig
from prx_train.errors import ConfigError, ModelError
from prx_train.storage import read_json, write_json

_TEXT = "attention.txt_kv_proj"
_WEIGHTS, _SETTINGS = "adapter.safetensors", "adapter.json"


def add_lora(transformer: Any, lora: LoraConfig, *, seed: int) -> None:
    """Puts adapters on the matrices of the blocks, in place; only they are trained afterwards.

    The adapters start as nothing: B is zero, and A is drawn from the seed.

    Raises:
        ConfigError: a target is the name of no linear layer.
        ModelError: peft is not installed.
    """
    peft = _peft()
    check_lora(transformer, lora)
    names = dict.fromkeys((*lora.targets, _TEXT) if lora.text else lora.targets)
    settings = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha or lora.rank, target_modules=list(names))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(settings, transformer)


def check_lora(transformer: Any, lora: LoraConfig) -> None:
    """Whether adapters can be put on a transformer, which may be one without weights.

    Raises:
        ConfigError: a target is the name of no linear layer.
        ModelError: peft is not installed.
    """
    _peft()
    modules = transformer.named_modules()
    # A layer that has adapters already keeps its own one within.
    linear = [name.removesuffix(".base_layer") for name, module in modules if isinstance(module, torch.nn.Linear)]
    for target in lora.targets:
        if not any(name == target or name.endswith(f".{target}") for name in linear):
            # Blocks are alike, so their layers are told once.
            known = dict.fromkeys(re.sub(r"^.*blocks\.\d+\.", "", name) for name in linear)
            raise ConfigError(
                f"config key 'lora.targets' names '{target}', and no linear layer of the model is called that; known "
                f"are {', '.join(known)}."
            )


def save_lora(folder: Path, tensors: dict[str, Tensor], lora: LoraConfig) -> None:
    """Writes `adapter.safetensors` and `adapter.json`; names are those of the transformer's parameters."""
    save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, folder / _WEIGHTS)
    write_json(folder / _SETTINGS, lora.model_dump(mode="json"))


def load_lora(pipeline: Any, folder: Path | str) -> Any:
    """Puts the adapters that a run left in its `lora` folder on a pipeline, in place; returns the pipeline.

    Args:
        pipeline: The `diffusers.PRXPipeline` or `PRXPixelPipeline` that the run started from, or its transformer.
        folder: The folder with `adapter.safetensors`.

    Raises:
        ModelError: There are no adapters in the folder, they do not fit, or peft is not installed.
    """
    place = Path(folder)
    try:
        settings, tensors = LoraConfig(**read_json(place / _SETTINGS)), load_file(place / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"'{place}' holds no adapters: {error}.") from None
    transformer = getattr(pipeline, "transformer", pipeline)
    add_lora(transformer, settings, seed=0)
    known = dict(transformer.named_parameters())
    if odd := [name for name in tensors if name not in known or known[name].shape != tensors[name].shape]:
        raise ModelError(f"the adapters in '{place}' belong to another model: '{odd[0]}' does not fit this one.")
    with torch.no_grad():
        for name, tensor in tensors.items():
            known[name].copy_(tensor)
    return pipeline


def merge_lora(transformer: Any) -> None:
    """Adds the adapters to the weights they adapt and removes them, in place: a plain transformer is left."""
    peft_lora = _peft().tuners.lora
    for name, module in list(transformer.named_modules()):
        if isinstance(module, peft_lora.LoraLayer):
            module.merge()
            parent = transformer.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())
    # diffusers marks a model that carries adapters, and would save them apart.
    for mark in ("peft_config", "_hf_peft_config_loaded"):
        if hasattr(transformer, mark):
            delattr(transformer, mark)


def _peft() -> Any:
    try:
        import peft
    except ImportError:
        raise ModelError("peft, which adds the adapters, is not installed; pip install 'prx-train[lora]'.") from None
    return peft
