"""The edge to diffusers, transformers and peft: the only files that know how their classes are called.

Nothing else in the package builds, calls, loads or saves a network of theirs.
"""

from prx_train.model.base import Base, open_base, pipeline_folder
from prx_train.model.export import base_of_run, draw, load, load_pipeline, save_pipeline, save_with_base
from prx_train.model.lora import add_lora, load_lora, merge_lora, save_lora
from prx_train.model.memory import Needs, needs
from prx_train.model.space import Space
from prx_train.model.text import MAX_TOKENS, TextEncoder, load_text_encoder, minilm_folder
from prx_train.model.transformer import load_transformer, new_transformer, predict, with_weights

__all__ = [
    "MAX_TOKENS",
    "Base",
    "Needs",
    "Space",
    "TextEncoder",
    "add_lora",
    "base_of_run",
    "draw",
    "load",
    "load_lora",
    "load_pipeline",
    "load_text_encoder",
    "load_transformer",
    "merge_lora",
    "minilm_folder",
    "needs",
    "new_transformer",
    "open_base",
    "pipeline_folder",
    "predict",
    "save_lora",
    "save_pipeline",
    "save_with_base",
    "with_weights",
]
