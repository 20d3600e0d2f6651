"""The small model that comes along: it is small, whole, loads without this package, draws what it drew, is tuned."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from prx_train import TrainConfig, fit, model
from prx_train.caching import padded
from prx_train.model.base import TINY

GOLDEN = Path(__file__).parent / "golden_prx_tiny.json"
"""Written by `python -m tests.prx_train.test_prx_tiny`."""
PROMPTS = (
    "a photo of a red t-shirt, on a plain white background",
    "a photo of blue pants, on a plain beige background",
    "a photo of a banana, on a plain white background",
)
Picture = np.ndarray[Any, np.dtype[np.float32]]


@cache
def pipeline() -> Any:
    loaded = diffusers.PRXPixelPipeline.from_pretrained(TINY)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@cache
def drawn(prompt: str, seed: int) -> Picture:
    """RGB in [0, 1], shape HWC."""
    picture: Picture = pipeline()(
        prompt,
        num_inference_steps=12,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(seed),
        use_resolution_binning=False,
        output_type="np",
    ).images[0]
    return picture


def summary(picture: Picture) -> list[list[list[float]]]:
    """Mean colours of a grid of 4 × 4 fields."""
    return picture.reshape(4, 16, 4, 16, 3).mean((1, 3)).round(4).tolist()  # type: ignore[no-any-return]


def test_it_is_small_and_holds_nothing_else() -> None:
    files = [path for path in TINY.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors", ".md", ".png"}
    assert [path.name for path in files if path.suffix == ".png"] == ["samples.png"]
    assert "license: apache-2.0" in (TINY / "README.md").read_text()
    assert "$" not in (TINY / "README.md").read_text()


def test_diffusers_loads_it_in_float32() -> None:
    assert pipeline().transformer.dtype == torch.float32
    assert pipeline().text_encoder.dtype == torch.float32
    assert drawn(PROMPTS[0], 0).shape == (64, 64, 3)


@pytest.mark.parametrize("number", range(len(PROMPTS)))
def test_it_draws_what_it_drew(number: int) -> None:
    golden = json.loads(GOLDEN.read_text())[PROMPTS[number]]
    np.testing.assert_allclose(summary(drawn(PROMPTS[number], number)), golden, rtol=0, atol=0.02)


def test_it_follows_colors_and_grounds() -> None:
    """Over four seeds: the middle of a red thing is redder than that of a blue one, white grounds are the lighter."""

    def mean(prompt: str, field: tuple[slice, slice]) -> Picture:
        fields = [drawn(prompt, seed)[field] for seed in range(4)]
        return np.mean(fields, axis=(0, 1, 2))  # type: ignore[no-any-return]

    middle, corner = (slice(24, 40), slice(24, 40)), (slice(0, 8), slice(0, 64))
    red = mean("a photo of a red t-shirt, on a plain white background", middle)
    blue = mean("a photo of a blue t-shirt, on a plain white background", middle)
    assert red[0] - red[2] > blue[0] - blue[2] + 0.15
    white = mean("a photo of a red t-shirt, on a plain white background", corner)
    brown = mean("a photo of a red t-shirt, on a textured brown background", corner)
    assert white.mean() > brown.mean() + 0.1


def test_no_word_is_unknown() -> None:
    tokenizer = pipeline().tokenizer
    odd = "Zigzag-qualmy 4711 w/ #jackdaws & 50% (sphinx)!"
    assert tokenizer.unk_token_id not in tokenizer(odd)["input_ids"]
    assert tokenizer(odd)["input_ids"] == tokenizer(odd.lower())["input_ids"]


def test_words_of_one_meaning_lie_near_each_other() -> None:
    encoder = model.open_base(TrainConfig(dataset=Path(), output=Path())).text_encoder("cpu")
    words = ["a sweater", "a hoodie", "a lemon"]
    text, mask = padded(encoder.encode(words))
    means = torch.nn.functional.normalize((text * mask[..., None]).sum(1) / mask.sum(1)[:, None], dim=1)
    near, far = means[0] @ means[1], means[0] @ means[2]
    assert float(near) > float(far)


def test_it_is_the_default_and_is_tuned(dataset: Path, tmp_path: Path) -> None:
    config = TrainConfig(dataset=dataset, output=tmp_path / "run", budget="3 steps", batch_size=4, sample_steps=2)
    run = fit(config)
    assert json.loads(run.config_file.read_text())["base"] == "prx-tiny"
    steps = [row for row in run.metrics if "loss" in row]
    assert len(steps) == 3
    # A new model begins at the loss of guessing the mean picture, several times as high.
    assert steps[0]["loss"] < 1.0
    tuned = run.pipeline()
    assert tuned.config.default_sample_size == 64
    picture = model.draw(tuned, "a hat", size=(64, 64), seed=0, steps=2, guidance=3.0)
    assert isinstance(picture, Image.Image)


def test_a_model_or_a_text_encoder_of_ones_own_asks_for_a_new_one(settings: dict[str, Any]) -> None:
    alone = {"dataset": settings["dataset"], "output": settings["output"]}
    assert TrainConfig(**alone).base == "prx-tiny"
    assert TrainConfig(**alone, model=settings["model"]).base is None
    assert TrainConfig(**alone, text_encoder=settings["text_encoder"]).base is None
    assert TrainConfig(**alone, base="prx-tiny", model=settings["model"]).base == "prx-tiny"


if __name__ == "__main__":
    found = {prompt: summary(drawn(prompt, number)) for number, prompt in enumerate(PROMPTS)}
    GOLDEN.write_text(json.dumps(found) + "\n")
