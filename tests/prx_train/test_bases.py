"""Every kind of PRX pipeline as a base: what is trained is what its pipeline runs; and what is exported."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from prx_train import ConfigError, ModelError, TrainConfig, fit, identity, load_lora, model, storage
from prx_train.caching import padded
from prx_train.checkpoint import list_checkpoints
from prx_train.cli import main
from prx_train.config import LoraConfig
from prx_train.objective import as_velocity, noisy
from prx_train.sample import euler, fixed_noise, guided, sampling_times
from prx_train.storage import file_digest, read_json, write_json

from .conftest import Counting
from .tiny import TOKENS, redrawn, save_tiny_pipeline

CAPTIONS = ["a photo of a RED hoodie", "", "a hat (new!) #123456", "a &amp;amp; b  shoe", "red " * 100]


@pytest.fixture
def base(tuning: dict[str, Any]) -> model.Base:
    return model.open_base(TrainConfig(**tuning))


def _predict(transformer: Any, text: Tensor, mask: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return model.predict(transformer, x, t, text, mask)


def test_the_training_forward_is_the_pipelines(base: model.Base, folder: Path) -> None:
    pipeline, encoder, space = model.load_pipeline(folder), base.text_encoder("cpu"), base.space("cpu")
    texts, masks, _, _ = pipeline.encode_prompt(CAPTIONS, do_classifier_free_guidance=False)
    assert texts.shape == (5, TOKENS, 32)
    own, own_mask = padded(encoder.encode(CAPTIONS))
    assert own_mask.sum(1).tolist() == masks.sum(1).tolist()
    x, t = torch.randn(5, space.channels, 8, 16), torch.rand(5)
    expected = pipeline.transformer(
        hidden_states=x, timestep=t, encoder_hidden_states=texts, attention_mask=masks, return_dict=False
    )[0]
    transformer = base.transformer(text_width=encoder.width)
    found = model.predict(transformer, x, t, own, own_mask)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.01


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_our_samples_are_the_pipelines(base: model.Base, folder: Path, guidance: float) -> None:
    pipeline, encoder, space = model.load_pipeline(folder), base.text_encoder("cpu"), base.space("cpu")
    drawn = pipeline(
        "a red hat",
        height=40,
        width=24,
        num_inference_steps=5,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(4),
        use_resolution_binning=False,
        output_type="np",
    ).images[0]
    empty, prompt = (padded(encoder.encode([text])) for text in ("", "a red hat"))
    predict = guided(
        partial(_predict, pipeline.transformer, *empty), partial(_predict, pipeline.transformer, *prompt), guidance
    )
    shape = (space.channels, 40 // space.compression, 24 // space.compression)
    noise = space.noise_scale * fixed_noise(4, shape)[None]
    clean = euler(predict, noise, sampling_times(5, shift=space.shift), space.predicts)
    own = (space.decode(clean) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)[0]
    torch.testing.assert_close(own, torch.from_numpy(drawn), rtol=0, atol=1e-4)
    assert own.std() > 0.01


def test_noise_and_velocity_are_the_schedulers(base: model.Base) -> None:
    """x_t is what the scheduler calls scaled noise, and a step along the true velocity leads to the clean sample."""
    space = base.space("cpu")
    scheduler = FlowMatchEulerDiscreteScheduler(shift=space.shift)
    scheduler.set_timesteps(7)
    x0, eps = torch.randn(2, 3, 4, 5), space.noise_scale * torch.randn(2, 3, 4, 5)
    for sigma, time in zip(scheduler.sigmas[:-1], scheduler.timesteps, strict=True):
        t = sigma.expand(2)
        torch.testing.assert_close(noisy(x0, eps, t), scheduler.scale_noise(x0, time[None], eps), rtol=1e-5, atol=1e-5)
    x_t, t = noisy(x0, eps, scheduler.sigmas[:1].expand(2)), scheduler.sigmas[:1].expand(2)
    truth = x0 if space.predicts == "clean" else eps - x0
    v = as_velocity(truth, x_t, t, space.predicts)
    moved = scheduler.step(v, scheduler.timesteps[0], x_t).prev_sample
    torch.testing.assert_close(moved, noisy(x0, eps, scheduler.sigmas[1:2].expand(2)), rtol=1e-4, atol=1e-4)


def test_latents_are_what_the_pipeline_decodes(base: model.Base) -> None:
    space = base.space("cpu")
    x = torch.rand(3, 3, 16, 24) * 2 - 1
    encoded = space.encode(x)
    assert encoded.shape == (3, space.channels, 16 // space.compression, 24 // space.compression)
    if space.vae is None:
        assert torch.equal(space.decode(encoded), x)
        return
    config = space.vae.config
    posterior = space.vae.encode(x)
    raw = posterior.latent_dist.mode() if hasattr(posterior, "latent_dist") else posterior.latent
    shift = getattr(config, "shift_factor", None) or 0.0
    torch.testing.assert_close(encoded, (raw - shift) * config.scaling_factor)
    torch.testing.assert_close(space.decode(encoded), space.vae.decode(raw, return_dict=False)[0], rtol=1e-4, atol=1e-4)


def test_the_digest_changes_with_the_autoencoder(tuning: dict[str, Any], base: model.Base, tmp_path: Path) -> None:
    space = base.space("cpu")
    if space.vae is None:
        assert not space.digest
        return
    same, changed = (shutil.copytree(tuning["base"], tmp_path / name) for name in ("same", "changed"))
    config = changed / "vae" / "config.json"
    write_json(config, {**read_json(config), "scaling_factor": 1.7})
    again, other = (model.open_base(TrainConfig(**{**tuning, "base": str(f)})).space("cpu") for f in (same, changed))
    assert again.digest == space.digest
    assert other.digest != space.digest


def test_a_base_is_tuned_and_exported_with_all_else_untouched(tuning: dict[str, Any], folder: Path) -> None:
    run = fit(TrainConfig(**{**tuning, "budget": "12 steps", "learning_rate": 3e-3}))
    assert run.summary["val_loss_after"] < run.summary["val_loss_before"]
    for file in folder.rglob("*"):
        if file.is_file() and file.parent.name != "transformer":
            assert file_digest(run.pipeline_folder / file.relative_to(folder)) == file_digest(file)
    weights = "transformer/diffusion_pytorch_model.safetensors"
    before, after = load_file(folder / weights), load_file(run.pipeline_folder / weights)
    assert before.keys() == after.keys()
    assert not all(torch.equal(before[name], after[name]) for name in before)
    assert redrawn(run, run.pipeline()) <= 1


_README = """
import sys
from diffusers import PRXPipeline
from prx_train import load_lora
pipe = load_lora(PRXPipeline.from_pretrained(sys.argv[1]), sys.argv[2])
"""


def test_latent_pipelines_are_loaded_in_new_processes(text_encoder: Path, tmp_path: Path) -> None:
    """In this one the class of their text encoder has been imported, which a user's process has not.

    `prx-train sample` calls `load`.
    """
    tokenizer = AutoTokenizer.from_pretrained(text_encoder)
    run, lora, drawn = tmp_path / "run", tmp_path / "lora", tmp_path / "hat.png"
    save_tiny_pipeline("kl", run / "pipeline", tokenizer)
    folder = save_tiny_pipeline("dc", tmp_path / "dc", tokenizer)
    lora.mkdir()
    transformer = model.load_transformer(folder)
    model.add_lora(transformer, LoraConfig(rank=2), seed=0)
    model.save_lora(lora, {n: p for n, p in transformer.named_parameters() if "lora_" in n}, LoraConfig(rank=2))
    for command in (
        ["-m", "prx_train.cli", "sample", str(run), "a red hat", "--steps", "1", "--out", str(drawn)],
        ["-c", _README, str(folder), str(lora)],
    ):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert drawn.is_file()


def test_a_base_that_was_loaded_and_saved_again_is_taken_or_told_of(tuning: dict[str, Any], tmp_path: Path) -> None:
    """Whatever diffusers does to it: T5Gemma's encoder is not what it was, and mended as the sentence says."""
    before, again = Path(tuning["base"]), tmp_path / "again"
    model.load_pipeline(before).save_pretrained(again)
    config = TrainConfig(**{**tuning, "base": str(again), "budget": "1 steps"})
    if read_json(before / "model_index.json")["text_encoder"][1] == "T5GemmaEncoder":
        for work in (lambda: model.load_pipeline(again), lambda: fit(config)):
            with pytest.raises(ModelError, match="loaded and saved again, after which its T5Gemma text encoder"):
                work()
        shutil.rmtree(again / "text_encoder")
        shutil.copytree(before / "text_encoder", again / "text_encoder")
        shutil.copyfile(before / "model_index.json", again / "model_index.json")
    assert fit(config).pipeline()


def test_what_is_left_open_suits_the_base(tuning: dict[str, Any]) -> None:
    run = fit(TrainConfig(**{**tuning, "budget": "1 steps"}))
    config = read_json(run.config_file)
    assert (config["resolution"], config["shift"], config["learning_rate"]) == (32, 3.0, 1e-4)
    again = fit(TrainConfig(**{**tuning, "budget": "1 steps"}), say=lambda text: None)
    assert again.finished


def test_other_weights_in_the_base_are_refused(settings: dict[str, Any], text_encoder: Path, tmp_path: Path) -> None:
    base = save_tiny_pipeline("kl", tmp_path / "base", AutoTokenizer.from_pretrained(text_encoder))
    tuned = {**settings, "base": str(base), "lora": {"rank": 2}, "resolution": None, "text_encoder": None}
    config = TrainConfig(**{key: value for key, value in tuned.items() if key != "model"})
    run = fit(config, callbacks=[steps := Counting()], stop=lambda: steps.done >= 0)
    saved = read_json(list_checkpoints(run.checkpoints)[-1] / "checkpoint.json")
    assert saved["config"] == read_json(run.config_file)
    for folder, name in (("transformer", "transformer"), ("text_encoder", "text encoder"), ("vae", "autoencoder")):
        (file,) = (base / folder).glob("*.safetensors")
        before = file.read_bytes()
        save_file({key: 1.5 * value for key, value in load_file(file).items()}, file, {"format": "pt"})
        with pytest.raises(ConfigError, match=f"'base' holds another {name} than the one .* change it back or choose"):
            fit(config)
        file.write_bytes(before)
    saved_again = base / "vae" / "config.json"
    write_json(saved_again, {**read_json(saved_again), "_diffusers_version": "1.0"})
    assert fit(config).finished


def test_each_file_of_a_base_is_read_for_its_digest_once(
    tuning: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Counter[Path]()

    def counted(digest: Callable[[Path], str]) -> Callable[[Path], str]:
        def count(path: Path) -> str:
            read[path.resolve()] += 1
            return digest(path)

        return count

    monkeypatch.setattr(storage, "file_digest", counted(file_digest))
    monkeypatch.setattr(identity, "checksum", counted(storage.checksum))
    fit(TrainConfig(**{**tuning, "budget": "1 steps"}))
    weights = {path.resolve() for path in folder.rglob("*.safetensors")}
    assert len(weights) >= 2
    assert {path: count for path, count in read.items() if path in weights} == dict.fromkeys(weights, 1)


def test_a_file_that_is_written_to_is_read_for_its_digest_again(tmp_path: Path) -> None:
    file, digest_of = tmp_path / "weights", storage.Digests()
    file.write_bytes(b"one")
    assert digest_of(file) == digest_of(file) == file_digest(file)
    file.write_bytes(b"two, and longer")
    assert digest_of(file) == file_digest(file)


def test_what_does_not_go_together_is_told_before_anything_is_encoded(
    tuning: dict[str, Any], base: model.Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    config = base.folder / "transformer" / "config.json" if base.folder else None
    assert config is not None
    wide = shutil.copytree(base.folder or "", tmp_path / "wide")
    write_json(wide / "transformer" / "config.json", {**read_json(config), "context_in_dim": 40})
    bare = shutil.copytree(base.folder or "", tmp_path / "bare")
    (bare / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    cases: list[tuple[type[Exception], dict[str, Any], str]] = [
        (ConfigError, {"resolution": 33}, r"'resolution' = 33 is no multiple of"),
        (ConfigError, {"cache": tmp_path / "file" / "cache"}, r"'cache' = .* cannot be written to: Not a directory"),
        (ModelError, {"base": str(wide)}, "takes 40 numbers a text token instead of 32"),
        (ModelError, {"base": str(bare)}, "its weights are not there as safetensors"),
    ]
    if base.is_latent:
        cases.append((ConfigError, {"flip": True}, "'flip' = true cannot be used with latents"))
    output = tmp_path / "refused"
    for kind, change, said in cases:
        with pytest.raises(kind, match=said):
            fit(TrainConfig(**{**tuning, "output": output, **change}))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match="peft, which adds the adapters, is not installed"):
        fit(TrainConfig(**{**tuning, "output": output, "lora": {}}))
    assert not list(output.rglob("*.safetensors"))


def test_mistakes_about_bases_are_one_sentence(
    settings: dict[str, Any], text_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = save_tiny_pipeline("kl", tmp_path / "kl", AutoTokenizer.from_pretrained(text_encoder))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    tuned = {**settings, "text_encoder": None}
    cases: list[tuple[type[Exception], dict[str, Any], str]] = [
        (ConfigError, {"lora": {"rank": 2}}, "'lora' needs a 'base'"),
        (ConfigError, {"base": str(folder), "lora": {"rnk": 2}}, "'lora.rnk' is unknown; did you mean 'rank'"),
        (ConfigError, {"base": str(folder), "flip": True}, "'flip' = true cannot be used with latents"),
        (
            ModelError,
            {"base": str(tmp_path / "other")},
            "is a FluxPipeline; PRXPixelPipeline and PRXPipeline are known",
        ),
        (ModelError, {"base": "nobody/no-such-model"}, "is neither a folder nor to be had from the hub"),
    ]
    for kind, change, said in cases:
        with pytest.raises(kind, match=said):
            fit(TrainConfig(**{**tuned, **change, "output": tmp_path / "run"}))
    other = save_tiny_pipeline("pixel", tmp_path / "pixel", AutoTokenizer.from_pretrained(text_encoder))
    run = fit(TrainConfig(**{**tuned, "base": str(folder), "lora": {"rank": 2}, "output": tmp_path / "lora"}))
    with pytest.raises(ModelError, match="holds no adapters"):
        load_lora(model.load_pipeline(other), tmp_path)
    moved = load_file(run.lora_folder / "adapter.safetensors")
    assert moved
    assert main(["merge", str(tmp_path), str(tmp_path / "out")]) == 2


@pytest.mark.parametrize(("before", "trained", "after"), [(64, 32, 32), (512, 1024, 1024), (512, 384, 512)])
def test_an_export_draws_at_the_side_it_was_trained_at(
    folder: Path, tmp_path: Path, before: int, trained: int, after: int
) -> None:
    base = shutil.copytree(folder, tmp_path / "base")
    write_json(base / "model_index.json", {**read_json(base / "model_index.json"), "default_sample_size": before})
    exported = tmp_path / "exported"
    exported.mkdir()
    model.save_with_base(exported, model.load_transformer(base), base, resolution=trained)
    assert model.load_pipeline(exported).config.default_sample_size == after
