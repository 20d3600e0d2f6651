"""The model a run starts from: a PRX pipeline in diffusers' layout, from a folder or the hub, or a new one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers

from prx_train.config import TrainConfig
from prx_train.errors import ModelError
from prx_train.model.lora import check_lora
from prx_train.model.space import Space, load_vae
from prx_train.model.text import (
    MAX_TOKENS,
    TextEncoder,
    check_saved,
    clean_lightly,
    clean_thoroughly,
    load_text_encoder,
)
from prx_train.model.text import minilm_folder as _minilm_folder
from prx_train.model.transformer import load_transformer, new_transformer, transformer_outline
from prx_train.storage import Digests, read_json

diffusers.utils.logging.disable_progress_bar()

_PIXELS, _LATENTS = "PRXPixelPipeline", "PRXPipeline"
TINY = Path(__file__).parent.parent / "prx-tiny"
"""The small model that comes with this package; its card says what it was trained on."""

_PIXEL_TOKENS = 256
"""Of a pixel pipeline that does not say; diffusers' default."""
_LATENT_TOKENS = 256
"""Of the published latent pipelines; a tokenizer without a limit has a huge one."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """Where the parts of a model come from; nothing is loaded before it is asked for."""

    folder: Path | None
    """A complete pipeline; None for a new model."""
    config: TrainConfig
    index: dict[str, Any]
    """The pipeline's `model_index.json`; {} for a new model."""
    digest_of: Digests = field(default_factory=Digests)
    """Of its files, each of which may have gigabytes."""

    @property
    def is_latent(self) -> bool:
        """Whether the transformer works on an autoencoder's latents."""
        return bool(self.index.get("_class_name") == _LATENTS)

    @property
    def patch_size(self) -> int:
        """Cells along the side of a token."""
        if self.folder is None:
            return self.config.model.patch_size
        return int(read_json(self.folder / "transformer" / "config.json")["patch_size"])

    @property
    def default_resolution(self) -> int:
        """Side in pixels that the pipeline draws by default; 64 for a new model."""
        return int(self.index.get("default_sample_size") or 512) if self.index else 64

    @property
    def encoder_folder(self) -> Path:
        """Of the text encoder.

        Raises:
            ModelError: a new model is to have one that is not installed.
        """
        if self.folder is None:
            return self.config.text_encoder or _minilm_folder()
        return self.folder / "text_encoder"

    @property
    def text_tokens(self) -> int:
        """The most that a caption has."""
        if self.folder is None:
            return MAX_TOKENS
        if not self.is_latent:
            return int(self.index.get("prompt_max_tokens", _PIXEL_TOKENS))
        settings = self.folder / "tokenizer" / "tokenizer_config.json"
        found = read_json(settings).get("model_max_length") if settings.is_file() else None
        return min(int(found or _LATENT_TOKENS), _LATENT_TOKENS)

    def space(self, device: str) -> Space:
        """Where the transformer works, with the autoencoder loaded."""
        if self.folder is None:
            return Space()
        shift = float(read_json(self.folder / "scheduler" / "scheduler_config.json").get("shift", 1.0))
        if not self.is_latent:
            return Space(noise_scale=float(self.index.get("noise_scale", 2.0)), shift=shift)
        name = (self.index.get("vae") or [None, None])[1]
        if name is None:
            raise ModelError(
                f"config key 'base' = '{self.folder}' has no autoencoder, so photos cannot become latents."
            )
        vae, compression, mark = load_vae(self.folder / "vae", name, device, self.digest_of)
        channels = int(vae.config.latent_channels)
        return Space(channels=channels, compression=compression, predicts="velocity", shift=shift, vae=vae, digest=mark)

    def text_encoder(self, device: str) -> TextEncoder:
        """The pipeline's text encoder; for a new model the one that was set, or MiniLM."""
        if self.folder is None:
            folder = self.encoder_folder
            return load_text_encoder(folder, folder, device=device, max_tokens=MAX_TOKENS)
        clean: Callable[[str], str] = clean_thoroughly if self.is_latent else clean_lightly
        return load_text_encoder(
            self.encoder_folder,
            self.folder / "tokenizer",
            device=device,
            max_tokens=None if self.is_latent else self.text_tokens,
            # T5Gemma's encoder alone is no AutoModel, so the class that the pipeline names is taken.
            model_class=str(self.index["text_encoder"][1]),
            clean=clean,
            digest_of=self.digest_of,
        )

    def check(self, *, channels: int, text_width: int | None = None) -> None:
        """Looks at what a base is made of, without its weights; nothing for a new model.

        Args:
            channels: Of the space that it works in.
            text_width: Numbers in the embedding of a token; None before that is known.

        Raises:
            ModelError: the transformer is missing or does not fit the text encoder or the autoencoder, or peft is
                missing.
            ConfigError: a target of the adapters is the name of no linear layer.
        """
        if self.folder is None:
            return
        outline = transformer_outline(self.folder)
        for name, found, wanted in (
            ("channels", outline.config.in_channels, channels),
            ("numbers a text token", outline.config.context_in_dim, text_width),
        ):
            if wanted is not None and found != wanted:
                raise ModelError(f"config key 'base' = '{self.folder}' takes {found} {name} instead of {wanted}.")
        if self.config.lora is not None:
            check_lora(outline, self.config.lora)

    def transformer(self, *, text_width: int) -> Any:
        """The pipeline's transformer in float32, or a new one that takes embeddings of this width.

        Raises:
            ModelError: there is none.
        """
        if self.folder is None:
            return new_transformer(self.config.model, text_width=text_width, seed=self.config.seed)
        return load_transformer(self.folder)


def open_base(config: TrainConfig) -> Base:
    """Finds the pipeline that a run starts from.

    Raises:
        ModelError: there is no such folder and no such pipeline on the hub, or it is no PRX pipeline that can be
            loaded.
    """
    if config.base is None:
        return Base(folder=None, config=config, index={})
    folder = pipeline_folder(config.base)
    index = read_json(folder / "model_index.json")
    if index.get("_class_name") not in (_PIXELS, _LATENTS):
        raise ModelError(
            f"config key 'base' = '{config.base}' is a {index.get('_class_name')}; {_PIXELS} and {_LATENTS} are known."
        )
    for part in ("transformer", "scheduler", "text_encoder", "tokenizer"):
        if part not in index or not (folder / part).is_dir():
            raise ModelError(f"config key 'base' = '{config.base}' is not complete: it has no {part}.")
    check_saved(folder)
    return Base(folder=folder, config=config, index=index)


def pipeline_folder(base: str) -> Path:
    """The folder of a pipeline that is named by its folder or its hub id, or `prx-tiny` for the one that comes along.

    Raises:
        ModelError: it is neither, or the folder holds no pipeline.
    """
    folder = TINY if base == TINY.name else Path(base)
    if not folder.is_dir():
        folder = _from_hub(base)
    if not (folder / "model_index.json").is_file():
        raise ModelError(f"config key 'base' = '{base}' holds no pipeline: it has no model_index.json.")
    return folder


def _from_hub(name: str) -> Path:
    """The local copy of a pipeline on the hub, downloaded if need be; weights as safetensors only."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["model_index.json", "*/*.json", "*/*.safetensors", "*/*.model", "*/*.txt"]
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).splitlines()[0]
        raise ModelError(
            f"config key 'base' = '{name}' is neither a folder nor to be had from the hub: {first}"
        ) from None
