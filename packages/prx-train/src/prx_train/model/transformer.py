"""A new PRX transformer, and how any of them is called."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from prx_train.config import ModelConfig
from prx_train.errors import ModelError
from prx_train.storage import read_json

_TEXT_WIDTH = 384
"""Of MiniLM; where a new model's own is not known yet, and matters little."""


def new_transformer(size: ModelConfig, *, text_width: int, seed: int) -> Any:
    """A PRX transformer for RGB pixels that predicts grey at first.

    diffusers leaves the last layer random; at zero, the first predictions are the mean picture, and training starts
    from there instead of from noise (Peebles & Xie 2023, arXiv:2212.09748, section 3.2).
    """
    head = size.hidden_size // size.num_heads
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = diffusers.PRXTransformer2DModel(
            in_channels=3,
            patch_size=size.patch_size,
            context_in_dim=text_width,
            hidden_size=size.hidden_size,
            mlp_ratio=size.mlp_ratio,
            num_heads=size.num_heads,
            depth=size.depth,
            axes_dim=[head // 2, head // 2],
            bottleneck_size=size.bottleneck_size,
            resolution_embeds=False,
        )
    nn.init.zeros_(transformer.final_layer.linear.weight)
    nn.init.zeros_(transformer.final_layer.linear.bias)
    return transformer


def load_transformer(pipeline: Path) -> Any:
    """The transformer of a pipeline's folder, in float32.

    Raises:
        ModelError: There is none.
    """
    try:
        return diffusers.PRXTransformer2DModel.from_pretrained(
            pipeline / "transformer", torch_dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"'{pipeline}' holds no PRX transformer: {str(error).splitlines()[0]}") from None


def transformer_outline(pipeline: Path) -> Any:
    """The transformer of a pipeline's folder on torch's meta device: its layers and configuration, and no weights.

    Raises:
        ModelError: There is none, or its weights are not there as safetensors.
    """
    folder = pipeline / "transformer"
    try:
        with torch.device("meta"):
            outline = outlined(pipeline, ModelConfig())
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"'{pipeline}' holds no PRX transformer: {str(error).splitlines()[0]}") from None
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"'{pipeline}' holds no PRX transformer: its weights are not there as safetensors.")
    return outline


def outlined(pipeline: Path | None, size: ModelConfig) -> Any:
    """A transformer of the configuration of a pipeline's, or without one of a new one's, on whatever device is set."""
    if pipeline is None:
        return new_transformer(size, text_width=_TEXT_WIDTH, seed=0)
    return diffusers.PRXTransformer2DModel.from_config(read_json(pipeline / "transformer" / "config.json"))


def with_weights(transformer: Any, weights: Mapping[str, Tensor]) -> Any:
    """A plain transformer that has these weights, not copied, and all else from another one, which may be sharded.

    Args:
        transformer: The other one.
        weights: By the names of its parameters; all that are sharded must be there.
    """
    rest = {name: value for name, value in transformer.state_dict().items() if name not in weights}
    with torch.device("meta"):
        plain = diffusers.PRXTransformer2DModel.from_config(transformer.config)
    plain.load_state_dict({**rest, **weights}, assign=True)
    return plain


def predict(transformer: Any, x_t_BCHW: Tensor, t_B: Tensor, text_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """What the transformer says of x_t, a clean picture or a velocity as it was trained; shape BCHW.

    t lies in [0, 1]; the mask is True at real tokens.
    """
    output = transformer(
        hidden_states=x_t_BCHW, timestep=t_B, encoder_hidden_states=text_BLD, attention_mask=mask_BL, return_dict=False
    )
    prediction: Tensor = output[0]
    return prediction
