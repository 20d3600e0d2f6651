"""Pipelines on disk: what a run exports, and how one is loaded and drawn with."""

import inspect
import shutil
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.pipelines.prx.pipeline_prx import ASPECT_RATIO_BINS

from prx_train.errors import ModelError
from prx_train.model.base import Base, pipeline_folder
from prx_train.model.lora import load_lora
from prx_train.model.text import TextEncoder, check_saved, known_transformers
from prx_train.storage import read_json, write_json


def save_pipeline(
    folder: Path, transformer: Any, base: Base, encoder: TextEncoder, *, resolution: int, shift: float
) -> None:
    """Writes a folder that diffusers loads without this package; safetensors only."""
    if base.folder is not None:
        save_with_base(folder, transformer, base.folder, resolution=resolution)
        return
    diffusers.PRXPixelPipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift),
        text_encoder=encoder.model,
        tokenizer=encoder.tokenizer,
        default_sample_size=resolution,
        prompt_max_tokens=encoder.max_tokens,
        noise_scale=1.0,
    ).save_pretrained(folder, safe_serialization=True)


def save_with_base(folder: Path, transformer: Any, base: Path, *, resolution: int) -> None:
    """Writes a transformer with all else that its base has, copied as it is: nothing of that was trained.

    Only the side in pixels that it draws by default becomes the one that it was trained at, unless diffusers has bins
    of aspect ratios for the base's and none for that: it would refuse to draw without being told a size.
    """
    for part in base.iterdir():
        if part.is_dir() and part.name != "transformer" and not part.name.startswith("."):
            shutil.copytree(part, folder / part.name)
    index = read_json(base / "model_index.json")
    before = index.get("default_sample_size")
    if before == resolution or (before in ASPECT_RATIO_BINS and resolution not in ASPECT_RATIO_BINS):
        shutil.copyfile(base / "model_index.json", folder / "model_index.json")
    else:
        write_json(folder / "model_index.json", {**index, "default_sample_size": resolution})
    transformer.save_pretrained(folder / "transformer", safe_serialization=True)


def load_pipeline(folder: Path, device: str = "cpu") -> Any:
    """A `diffusers.PRXPixelPipeline` or `PRXPipeline` from a folder.

    Raises:
        ModelError: there is no pipeline in the folder.
    """
    if not (folder / "model_index.json").is_file():
        raise ModelError(f"'{folder}' holds no pipeline: it has no model_index.json.")
    check_saved(folder)
    known_transformers()
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    except (OSError, ValueError) as error:
        first = inspect.cleandoc(str(error)).split("\n")[0]
        raise ModelError(f"'{folder}' holds no PRX pipeline: {first}") from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def load(folder: Path | str, device: str = "cpu") -> Any:
    """The diffusers pipeline that a run has trained, ready to be called.

    Args:
        folder: Of a run, of its `pipeline` or its `lora`, or of any other PRX pipeline.
        device: Where it goes.

    Raises:
        ModelError: there is none, or a part of it is missing.
    """
    place = Path(folder)
    for name in ("pipeline", "lora"):
        if (place / name).is_dir():
            place = place / name
            break
    if not (place / "adapter.json").is_file():
        return load_pipeline(place, device)
    if not (place.parent / "config.json").is_file():
        raise ModelError(f"'{place}' holds adapters without the run they belong to; use load_lora on their base.")
    return load_lora(load_pipeline(base_of_run(place.parent), device), place)


def base_of_run(run: Path) -> Path:
    """The folder of the pipeline that a run started from.

    Raises:
        ModelError: it is not there any more, or not found from here.
    """
    base = read_json(run / "config.json")["base"]
    try:
        return pipeline_folder(base)
    except ModelError as error:
        raise ModelError(
            f"the base of the run in '{run}' is not found from this directory, from which a path counts: {error}"
        ) from None


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
