"""Adapters on every kind of base: trained alone, saved, merged; and runs of them that were stopped."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from prx_train import ConfigError, ModelError, TrainConfig, fit, load_lora, model
from prx_train.cli import main
from prx_train.storage import file_digest, read_json, write_json

from .conftest import Counting
from .kinds import KINDS
from .tiny import redrawn, save_tiny_pipeline


def test_adapters_alone_are_trained_saved_and_merged(tuning: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    run = fit(TrainConfig(**{**tuning, "budget": "12 steps", "learning_rate": 1e-2, "lora": {"rank": 4}}))
    assert run.summary["val_loss_after"] < run.summary["val_loss_before"]
    assert not run.pipeline_folder.exists()
    adapters = load_file(run.lora_folder / "adapter.safetensors")
    assert all("lora_" in name for name in adapters)
    pipeline = load_lora(model.load_pipeline(folder), run.lora_folder)
    known = dict(pipeline.transformer.named_parameters())
    assert all(torch.equal(known[name], tensor) for name, tensor in adapters.items())
    assert redrawn(run, pipeline) <= 1

    merged = tmp_path / "merged"
    assert main(["merge", str(run.output), str(merged)]) == 0
    assert main(["merge", str(run.output), str(merged)]) == 2  # is there already
    assert main(["merge", str(run.output), str(run.report_file / "in-a-file")]) == 2
    assert redrawn(run, model.load_pipeline(merged)) <= 2

    write_json(run.config_file, {**read_json(run.config_file), "base": "a/path/from/elsewhere"})
    with pytest.raises(ModelError, match="not found from this directory, from which a path counts"):
        run.pipeline()


def test_merged_adapters_are_loaded_where_neither_this_package_nor_peft_can_be_imported(
    settings: dict[str, Any], text_encoder: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(text_encoder)
    changes = {"resolution": None, "text_encoder": None, "budget": "1 steps", "lora": {"rank": 2}}
    tuned = {key: value for key, value in {**settings, **changes}.items() if key != "model"}
    merged = [str(tmp_path / f"merged-{kind}") for kind in KINDS]
    for kind, out in zip(KINDS, merged, strict=True):
        base = save_tiny_pipeline(kind, tmp_path / kind, tokenizer)
        run = fit(TrainConfig(**{**tuned, "base": str(base), "output": tmp_path / f"run-{kind}"}))
        assert main(["merge", str(run.output), out]) == 0
    script = (
        "import sys\nsys.modules['peft'] = sys.modules['prx_train'] = None\n"
        "from diffusers import DiffusionPipeline\n"
        "for folder in sys.argv[1:]:\n"
        "    pipe = DiffusionPipeline.from_pretrained(folder)\n"
        "    assert not [n for n, _ in pipe.transformer.named_parameters() if 'lora' in n]\n"
    )
    subprocess.run([sys.executable, "-c", script, *merged], check=True, capture_output=True)


def test_adapters_are_put_on_the_layers_that_are_named(tuning: dict[str, Any], tmp_path: Path) -> None:
    lora = {"rank": 2, "text": False, "targets": ["gate_proj", "blocks.1.attention.to_out.0"]}
    run = fit(TrainConfig(**{**tuning, "budget": "1 steps", "lora": lora}))
    adapted = {name.partition(".lora_")[0] for name in load_file(run.lora_folder / "adapter.safetensors")}
    assert {name for name in adapted if not name.endswith(".gate_proj")} == {"blocks.1.attention.to_out.0"}
    assert any(name.startswith("blocks.0.") for name in adapted)
    assert load_lora(model.load_pipeline(Path(tuning["base"])), run.lora_folder)
    for odd in ("gate", "attention"):
        changes = {"lora": {"targets": [odd]}, "output": tmp_path / odd}
        with pytest.raises(ConfigError, match=f"'lora.targets' names '{odd}', and no linear layer") as caught:
            fit(TrainConfig(**{**tuning, **changes}))
        assert "attention.img_qkv_proj, " in str(caught.value)
        assert "blocks" not in str(caught.value)
        assert not list((tmp_path / odd).iterdir())
    with pytest.raises(ConfigError, match=r"'lora.targets' = \[\] is wrong"):
        TrainConfig(**{**tuning, "lora": {"targets": []}})


@pytest.mark.parametrize("lora", [None, {"rank": 2, "text": False}])
def test_stopped_and_gone_on_it_is_the_same_to_the_bit(
    tuning: dict[str, Any], tmp_path: Path, lora: dict[str, Any] | None
) -> None:
    whole = fit(TrainConfig(**{**tuning, "lora": lora, "budget": "5 steps", "output": tmp_path / "whole"}))
    parted = {**tuning, "lora": lora, "budget": "5 steps", "output": tmp_path / "parted"}
    assert not fit(TrainConfig(**parted), callbacks=[steps := Counting()], stop=lambda: steps.done >= 2).finished
    done = fit(TrainConfig(**parted))
    for one, other in zip(
        sorted(whole.checkpoints.glob("*5/*.safetensors")),
        sorted(done.checkpoints.glob("*5/*.safetensors")),
        strict=True,
    ):
        assert file_digest(one) == file_digest(other)


def test_adapters_and_bases_are_part_of_what_a_run_is(tuning: dict[str, Any]) -> None:
    config = TrainConfig(**{**tuning, "lora": {"rank": 2}})
    stopped = fit(config, callbacks=[steps := Counting()], stop=lambda: steps.done >= 0)
    with pytest.raises(ConfigError, match=r"'lora.rank' = None differs from the 2 this run began with"):
        fit(TrainConfig(**tuning))
    assert not stopped.manifest_file.exists()
    done = fit(config)
    assert done.manifest_file.exists()
    with pytest.raises(ConfigError, match=r"'base' = None differs from"):
        fit(TrainConfig(**{**tuning, "base": None}))
