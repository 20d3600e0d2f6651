"""Tiny PRX pipelines of every kind with random weights, saved to disk in the layout of the published ones."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    PRXPipeline,
    PRXPixelPipeline,
    PRXTransformer2DModel,
)
from PIL import Image
from transformers import (
    PreTrainedTokenizerFast,
    Qwen3VLTextConfig,
    Qwen3VLTextModel,
    T5GemmaConfig,
    T5GemmaModuleConfig,
)
from transformers.models.t5gemma.modeling_t5gemma import T5GemmaEncoder

from prx_train import Run, model
from prx_train.storage import read_json

from .kinds import KINDS

TOKENS = 24
_WIDTH = 32


def save_tiny_pipeline(kind: str, folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A pipeline of one of `KINDS`: Flux-like autoencoder, deep-compression autoencoder, or pixels with Qwen3-VL."""
    torch.manual_seed(KINDS.index(kind))
    tokenizer.model_max_length = TOKENS
    parts: dict[str, Any] = {"tokenizer": tokenizer}
    if kind == "pixel":
        parts |= {"transformer": _transformer(3, patch=8), "text_encoder": _qwen(len(tokenizer))}
        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
        pipeline: Any = PRXPixelPipeline(
            **parts, scheduler=scheduler, default_sample_size=32, prompt_max_tokens=TOKENS, noise_scale=2.0
        )
    else:
        vae = tiny_kl() if kind == "kl" else _dc()
        parts |= {
            "transformer": _transformer(4, patch=2 if kind == "kl" else 1),
            "text_encoder": gemma(len(tokenizer)),
        }
        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
        pipeline = PRXPipeline(**parts, scheduler=scheduler, vae=vae, default_sample_size=32)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _transformer(channels: int, *, patch: int) -> Any:
    transformer = PRXTransformer2DModel(
        in_channels=channels,
        patch_size=patch,
        context_in_dim=_WIDTH,
        hidden_size=32,
        mlp_ratio=2.0,
        num_heads=2,
        depth=2,
        axes_dim=[8, 8],
        bottleneck_size=16 if channels == 3 else None,
        resolution_embeds=False,
    )
    # A new model's gates are zero, so that its blocks do nothing; those of a trained one are not.
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return transformer


def tiny_kl() -> Any:
    """A Flux-like autoencoder of four channels that halves each side, with random weights."""
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()


def _dc() -> Any:
    return AutoencoderDC(
        latent_channels=4,
        attention_head_dim=8,
        encoder_block_types=("ResBlock",) * 3,
        decoder_block_types=("ResBlock",) * 3,
        encoder_block_out_channels=(8, 16, 16),
        decoder_block_out_channels=(8, 16, 16),
        encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()),
        scaling_factor=0.41407,
    ).eval()


def gemma(vocabulary: int, width: int = _WIDTH) -> Any:
    """T5Gemma's encoder, two layers deep, with embeddings of some width."""
    fields = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 64,
        "sliding_window": 16,
        "pad_token_id": 0,
    }
    module = T5GemmaModuleConfig(**fields)
    # Saved without its decoder, the encoder finds its fields at the configuration's top level or not at all.
    own = {
        name: value for name, value in module.to_dict().items() if name not in ("model_type", "transformers_version")
    }
    config = T5GemmaConfig(**{**own, "encoder": module, "decoder": module, "is_encoder_decoder": False})
    return T5GemmaEncoder(config).eval()


def _qwen(vocabulary: int) -> Any:
    config = Qwen3VLTextConfig(
        vocab_size=vocabulary,
        hidden_size=_WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=64,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]},
        pad_token_id=0,
    )
    return Qwen3VLTextModel(config).eval()


def redrawn(run: Run, pipeline: Any) -> int:
    """The largest difference in grey levels between a run's samples and what a pipeline draws."""
    worst = 0
    for entry in read_json(run.samples / "samples.json")["after"]:
        drawn = model.draw(
            pipeline,
            entry["prompt"],
            size=(entry["height"], entry["width"]),
            seed=entry["seed"],
            steps=entry["steps"],
            guidance=entry["guidance"],
        )
        with Image.open(run.samples / entry["file"]) as saved:
            worst = max(worst, int(np.abs(np.asarray(saved).astype(int) - np.asarray(drawn)).max()))
    return worst
