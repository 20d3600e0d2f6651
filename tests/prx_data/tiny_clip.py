"""Tiny open_clip architectures with random weights on disk: real models, small enough for tests."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "tiny-clip": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
        "text_cfg": _TEXT,
    },
    # As SigLIP is built: a vision tower of timm, a text tower of its own, and a bias for the sigmoid.
    "tiny-siglip": {
        "embed_dim": 20,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
        },
        "text_cfg": {**_TEXT, "no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
    },
}
SQUASH: dict[str, Any] = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}


def write_model(folder: Path, name: str = "tiny-clip", *, suffix: str = ".safetensors", seed: int = 0) -> Path:
    """Register an architecture and write random weights for it; returns their file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(ARCHITECTURES[name]))
    open_clip.add_model_config(folder / f"{name}.json")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(name)
    weights = folder / f"{name}-{seed}{suffix}"
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    if suffix == ".safetensors":
        save_file(state, weights)
    else:
        torch.save(state, weights)
    return weights


def write_folder(folder: Path, name: str, preprocess: dict[str, Any]) -> Path:
    """A model as the hub has it: configuration, preprocessing and weights in one folder."""
    weights = write_model(folder, name)
    config = {"model_cfg": ARCHITECTURES[name], "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    (folder / f"{name}.json").unlink()
    weights.rename(folder / "open_clip_model.safetensors")
    return folder
