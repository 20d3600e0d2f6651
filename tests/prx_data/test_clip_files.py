"""The files that a CLIP needs: what is wrong or missing is one sentence that says what to put where."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import transformers
from huggingface_hub import constants
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from prx_data import Clip, ConfigError, Picture

from .conftest import draw_product
from .tiny_clip import ARCHITECTURES, SQUASH, write_folder, write_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


def test_the_state_dict_may_be_torchs_but_holds_tensors_only(tmp_path: Path, weights: Path) -> None:
    plain = Clip(model="tiny-clip", weights=write_model(tmp_path, suffix=".pt"))
    picture = Picture(np.asarray(draw_product(3)))
    np.testing.assert_array_equal(plain(picture)["clip"], Clip(model="tiny-clip", weights=weights)(picture)["clip"])
    evil = tmp_path / "evil.pt"
    torch.save({"state_dict": {"x": _Evil(tmp_path / "mark")}}, evil)
    with pytest.raises(ConfigError, match="cannot be loaded as tiny-clip"):
        Clip(model="tiny-clip", weights=evil).ready()
    assert not (tmp_path / "mark").exists()


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "tiny-clip"}, "needs weights"),
        ({"model": "local-dir:x", "weights": "y.pt"}, "brings its weights"),
        ({"model": "ViT-B-33", "weights": "openai"}, "no architecture of open_clip, such as ViT-B-32"),
        ({"model": "ViT-B-32", "weights": "nowhere.safetensors"}, "neither a file nor a tag .*laion2b_s34b_b79k"),
        ({"model": "local-dir:nowhere"}, "put .* into a folder"),
        ({"model": "tiny-clip", "weights": "x", "batch_size": 0}, "batch_size = 0"),
    ],
)
def test_what_is_wrong_is_one_sentence(weights: Path, arguments: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        _ = Clip(**arguments).version
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "ViT-B-32", "weights": "laion2b_s34b_b79k"},
        {"model": "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"},
    ],
)
def test_missing_weights_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "https://nowhere.invalid")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be downloaded") as caught:
        _ = Clip(**arguments).version
    sentence = str(caught.value)
    assert "put open_clip_config.json and open_clip_model.safetensors of" in sentence
    assert "https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K into a folder" in sentence
    assert 'clip.model = "local-dir:FOLDER"' in sentence
    assert 'embedding = "layout"' in sentence
    assert "\n" not in sentence
    assert not constants.HF_HUB_OFFLINE


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "https://nowhere.invalid")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def write_tokenizer(folder: Path) -> None:
    special = {"pad_token": "<pad>", "unk_token": "<unk>"}
    words = {"<pad>": 0, "<unk>": 1, "a": 2, "red": 3, "shoe": 4}
    tokenizer = Tokenizer(WordLevel(words, "<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


@pytest.mark.usefixtures("nowhere")
def test_a_tokenizer_that_is_not_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says what to put where, without asking again and again; put there, it is found."""
    home = write_folder(tmp_path / "siglip", "tiny-siglip", SQUASH)
    config = json.loads((home / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "timm/ViT-B-16-SigLIP"
    (home / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "tiny-hub-words.json").write_text(json.dumps(config["model_cfg"]))
    open_clip.add_model_config(tmp_path / "tiny-hub-words.json")
    weights = home / "open_clip_model.safetensors"
    files = r"put the tokenizer files \(tokenizer.json, .*\) of https://huggingface.co/timm/ViT-B-16-SigLIP into"
    with pytest.raises(ConfigError, match=rf"{files} a folder, .*clip.model = \"local-dir:FOLDER\"") as caught:
        Clip(model="tiny-hub-words", weights=weights, preprocess=SQUASH).texts(["a red shoe"])
    assert "\n" not in str(caught.value)
    assert not [record for record in caplog.records if record.name.startswith("huggingface_hub")]
    with pytest.raises(ConfigError, match=rf"{files} {home}\.$"):
        Clip(model=f"local-dir:{home}").texts(["a red shoe"])
    write_tokenizer(home)
    assert Clip(model=f"local-dir:{home}").texts(["a red shoe"]).shape == (1, 20)


@pytest.mark.usefixtures("nowhere")
def test_a_text_tower_of_transformers_that_is_not_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = tmp_path / "roberta"
    transformers.RobertaConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    ).save_pretrained(home)
    write_tokenizer(home)
    there = {"hf_model_name": str(home), "hf_tokenizer_name": "roberta-base", "hf_pooler_type": "mean_pooler"}
    architecture = {**ARCHITECTURES["tiny-clip"], "text_cfg": {**there, "hf_proj_type": "mlp"}}
    (tmp_path / "tiny-there.json").write_text(json.dumps(architecture))
    missing = {**architecture, "text_cfg": {**architecture["text_cfg"], "hf_model_name": "roberta-base"}}
    (tmp_path / "tiny-missing.json").write_text(json.dumps(missing))
    for name in ("tiny-there", "tiny-missing"):
        open_clip.add_model_config(tmp_path / f"{name}.json")
    model = open_clip.create_model("tiny-there", pretrained_text=False)
    weights = home / "open_clip_model.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights)
    words = r"put config.json and the tokenizer files .* of https://huggingface.co/roberta-base into a folder"
    caplog.clear()
    with pytest.raises(ConfigError, match=words) as caught:
        Clip(model="tiny-missing", weights=weights).ready()
    assert "\n" not in str(caught.value)
    assert not [record for record in caplog.records if record.name.startswith("huggingface_hub")]
    (home / "open_clip_config.json").write_text(json.dumps({"model_cfg": architecture}))
    assert Clip(model=f"local-dir:{home}").texts(["a red shoe", "a shoe"]).shape == (2, 24)


@pytest.mark.usefixtures("nowhere")
def test_missing_weights_that_need_a_tokenizer() -> None:
    with pytest.raises(ConfigError, match="cannot be downloaded") as caught:
        _ = Clip(model="ViT-B-16-SigLIP", weights="webli").version
    assert "ViT-B-16-SigLIP into a folder, with the tokenizer files (tokenizer.json, " in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be downloaded") as caught:
        _ = Clip(model="roberta-ViT-B-32", weights="laion2b_s12b_b32k").version
    assert "of https://huggingface.co/roberta-base, and set clip.model" in str(caught.value)
