"""What training a model will hold in memory, counted on tensors without numbers: nothing is computed or allocated."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from prx_train.model.base import Base
from prx_train.model.lora import add_lora
from prx_train.model.space import Space
from prx_train.model.transformer import outlined, predict

_FLOAT = 4  # bytes
_HELD = 4  # floats for each weight that is trained: its gradient, its average, and two of AdamW


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Bytes that training holds."""

    weights: int
    """Of the transformer; of what is trained gradients, averages and the optimizer's states; of weights in bf16, too,
    where that is computed in."""
    encoder: int
    """Of the text encoder."""
    photo: int
    """That autograd keeps of one photo of a batch, and that one block's backward pass computes again of it."""


def needs(base: Base, space: Space, *, resolution: int, device: str, half: bool) -> Needs:
    """What a run from a base will hold beside the autoencoder, which is loaded already.

    Args:
        base: With the run's settings: adapters or all weights, and whether activations are kept.
        space: Where it works.
        resolution: Side of a square photo in pixels.
        device: Where it is trained.
        half: Whether the forward pass computes in bf16.
    """
    with torch.device("meta"):
        transformer = outlined(base.folder, base.config.model)
        if base.config.lora is not None:
            transformer.requires_grad_(False)
            add_lora(transformer, base.config.lora, seed=0)
    with FakeTensorMode():
        _hollow(transformer)
        side = resolution // space.compression
        once, photo = _kept(transformer, (space.channels, side, side), base.text_tokens, half=half)
        if base.config.gradient_checkpointing:
            # One block at a time is computed again.
            once, photo = once // len(transformer.blocks), photo // len(transformer.blocks)
            transformer.enable_gradient_checkpointing()
            inputs = _kept(transformer, (space.channels, side, side), base.text_tokens, half=half)
            once, photo = once + inputs[0], photo + inputs[1]
        parameters = [*transformer.parameters()]
        trained = sum(one.numel() for one in parameters if one.requires_grad)
        weights = _FLOAT * (sum(one.numel() for one in parameters) + _HELD * trained)
    encoder = _numbers(base.encoder_folder) * (2 if device.startswith("cuda") else _FLOAT)
    return Needs(weights=weights + once, encoder=encoder, photo=photo)


def _hollow(transformer: Any) -> None:
    """Puts parameters of the mode that is on in the place of those of the meta device, on which attention differs."""
    for module in transformer.modules():
        for name, one in module._parameters.items():
            if one is not None:
                module._parameters[name] = nn.Parameter(torch.empty(one.shape), requires_grad=one.requires_grad)
        for name, one in module._buffers.items():
            if one is not None:
                module._buffers[name] = torch.empty(one.shape, dtype=one.dtype)


def _kept(transformer: Any, shape: tuple[int, ...], text_tokens: int, *, half: bool) -> tuple[int, int]:
    """Bytes that autograd keeps of a forward pass, without weights: once, such as theirs in bf16, and of a photo."""
    own = {parameter.untyped_storage()._cdata for parameter in transformer.parameters()}
    found = []
    for photos in (1, 2):
        kept: dict[int, Any] = {}

        def pack(tensor: Tensor, kept: dict[int, Any] = kept) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                kept[storage._cdata] = storage  # held, so that no other gets its place
            return tensor

        text = torch.zeros(photos, text_tokens, transformer.config.context_in_dim)
        mask = torch.ones(photos, text_tokens, dtype=torch.bool)
        with (
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=half),
        ):
            predict(transformer.train(), torch.zeros(photos, *shape), torch.zeros(photos), text, mask)
        found.append(sum(int(storage.nbytes()) for storage in kept.values()))
    one, two = found
    return max(2 * one - two, 0), two - one


def _numbers(folder: Path) -> int:
    """How many there are in the safetensors of a folder, by their heads."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            count += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return count
