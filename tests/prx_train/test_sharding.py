"""FSDP2: two processes that hold half of the model each learn what one process learns with a whole one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from prx_train import ConfigError, Run, TrainConfig, fit
from prx_train.checkpoint import list_checkpoints, read_progress
from prx_train.sharding import Sharding, asked_sharding

from .conftest import rows, write_split
from .launched import REPOSITORY, Launched
from .test_fit import weights
from .tiny import save_tiny_pipeline

CONFIG = REPOSITORY / "examples" / "fsdp2.yaml"
SHARDED = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "PRXBlock",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"accumulate": 2},
    "muon": {"optimizer": "muon", "gradient_checkpointing": True, "flip": True},
    "lora": {"lora": {"rank": 3}},
}
STEPS, STOPPED = 6, 3
# Muon computes in bf16 where that is fast: what the order of a sum changes in the last digit of float32, it rounds.
NEAR = {"plain": 1e-5, "muon": 2e-4, "lora": 1e-5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, text_encoder: Path) -> dict[str, tuple[Run, Run]]:
    """For each kind a run of one process and one of two that share a model, which was stopped and went on."""
    folder = tmp_path_factory.mktemp("sharding")
    base = save_tiny_pipeline("pixel", folder / "base", AutoTokenizer.from_pretrained(text_encoder))
    records = rows(18)
    records[4]["image"]["bytes"] = records[4]["image"]["bytes"][:120]  # a process of its batch alone has none then
    write_split(folder / "data", "train", records)
    write_split(folder / "data", "validation", rows(5, start=100))
    common: dict[str, Any] = {
        "dataset": str(folder / "data"),
        "budget": f"{STEPS} steps",
        "validate_every": "4 steps",
        "checkpoint_every": "5 steps",
        "text_encoder": str(text_encoder),
        # The bottleneck cannot be halved, and one row of it is padding.
        "model": {"hidden_size": 32, "depth": 3, "num_heads": 2, "patch_size": 8, "bottleneck_size": 17},
        "resolution": 32,
        "batch_size": 1,
        "sample_steps": 2,
        "prompts": ["a red hoodie"],
        "device": "cpu",
        "trackers": [],
    }
    asked = {kind: {**common, **changes} for kind, changes in KINDS.items()}
    one = {}
    for kind, settings in asked.items():
        if kind != "plain":
            settings |= {"base": str(base), "model": {}, "text_encoder": None}
        twice = {"accumulate": 2 * settings.get("accumulate", 1), "output": folder / f"one-{kind}"}
        one[kind] = fit(TrainConfig(**{**settings, **twice}))
    two = {kind: {**settings, "output": str(folder / f"two-{kind}")} for kind, settings in asked.items()}
    compiled = {**two["plain"], "compile": True, "output": str(folder / "compiled")}
    launch(
        folder / "runs.json", [*({**settings, "last": STOPPED} for settings in two.values()), *two.values(), compiled]
    )
    return {kind: (run, Run(folder / f"two-{kind}")) for kind, run in one.items()}


def launch(file: Path, settings: list[dict[str, Any]]) -> None:
    """Two processes of accelerate's with the configuration that is documented."""
    file.write_text(json.dumps(settings), encoding="utf-8")
    words: list[str | Path] = ["--config_file", CONFIG, "-m", "tests.prx_train.sharded_runs", file]
    Launched(file.with_suffix(".log"), *words).end_well()


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_lies_in_two_halves(runs: dict[str, tuple[Run, Run]], kind: str) -> None:
    facts = json.loads((runs[kind][1].output / "facts.json").read_text())
    assert facts["sharded"] == facts["parameters"]
    assert facts["types"] == ["torch.float32"]
    assert 0.45 * facts["in all"] < facts["here"] < 0.55 * facts["in all"]
    assert facts["wrapped"] == ["", "blocks.0", "blocks.1", *(["blocks.2"] if kind == "plain" else [])]
    assert facts["stepped"] == len(load_file(list_checkpoints(runs[kind][1].checkpoints)[-1] / "weights.safetensors"))


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_what_one_process_does(runs: dict[str, tuple[Run, Run]], kind: str) -> None:
    one, two = runs[kind]
    losses = [[row["loss"] for row in run.metrics if "loss" in row] for run in runs[kind]]
    norms = [[row["grad_norm"] for row in run.metrics if "loss" in row] for run in runs[kind]]
    assert len(losses[0]) == STEPS
    assert losses[0][:3] == pytest.approx(losses[1][:3], rel=1e-5)
    assert losses[0] == pytest.approx(losses[1], rel=NEAR[kind])
    assert norms[0] == pytest.approx(norms[1], rel=10 * NEAR[kind])
    assert one.summary["samples"] == two.summary["samples"]
    for name, near in (("val_loss_before", 1e-5), ("val_loss_after", NEAR[kind])):
        assert one.summary[name] == pytest.approx(two.summary[name], rel=near)
    validations = [[row["step"] for row in run.metrics if "val_loss" in row] for run in runs[kind]]
    assert set(validations[0]) == set(validations[1])


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_leaves_has_the_layout_of_one_process(runs: dict[str, tuple[Run, Run]], kind: str) -> None:
    found, wanted = (weights(run) for run in reversed(runs[kind]))
    assert {name: (one.shape, one.dtype) for name, one in found.items()} == {
        name: (one.shape, one.dtype) for name, one in wanted.items()
    }
    for name, one in found.items():
        assert torch.allclose(one, wanted[name], rtol=1e-4, atol=NEAR[kind]), name
    file = "lora/adapter.safetensors" if kind == "lora" else "pipeline/transformer/diffusion_pytorch_model.safetensors"
    exported, reference = (load_file(run.output / file) for run in reversed(runs[kind]))
    assert exported.keys() == reference.keys()
    for name, one in exported.items():
        assert torch.allclose(one, reference[name], atol=NEAR[kind]), name
    config = "lora/adapter.json" if kind == "lora" else "pipeline/transformer/config.json"
    assert (runs[kind][0].output / config).read_text() == (runs[kind][1].output / config).read_text()
    assert runs[kind][1].pipeline() is not None


def test_a_callback_that_would_wait_for_the_others_is_refused(runs: dict[str, tuple[Run, Run]]) -> None:
    said = runs["plain"][1].output.with_suffix(".txt").read_text()
    assert "Note.on_step failed and is left out from now on" in said
    assert "a callback cannot validate or draw where the model is sharded" in said


@pytest.mark.parametrize("kind", ["plain", "lora"])
def test_with_adamw_all_losses_are_those_of_one_process(runs: dict[str, tuple[Run, Run]], kind: str) -> None:
    one, two = ([row.get("loss", row.get("val_loss")) for row in run.metrics] for run in runs[kind])
    assert one == pytest.approx(two, rel=1e-5)


def test_blocks_that_are_compiled_are_refused_before_any_work(runs: dict[str, tuple[Run, Run]]) -> None:
    output = runs["plain"][1].output.parent / "compiled"
    said = output.with_suffix(".txt").read_text()
    assert said == "config key 'compile' = true cannot be used where accelerate shards the model."
    assert list(output.iterdir()) == []


def test_weights_stay_float32_where_blocks_compute_in_bf16(runs: dict[str, tuple[Run, Run]]) -> None:
    facts = json.loads((runs["plain"][1].output.parent / "bf16.json").read_text())
    assert facts == {"weights": ["torch.float32"], "gradients": ["torch.float32"], "gathered": ["torch.bfloat16"]}


def test_another_configuration_of_the_launcher_is_refused_before_any_work(
    runs: dict[str, tuple[Run, Run]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = json.loads(runs["plain"][0].config_file.read_text())
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(ConfigError, match="'fsdp_version' is 1"):
        fit(TrainConfig(**{**settings, "output": tmp_path / "run"}))
    assert not list((tmp_path / "run").iterdir())


def test_asked_for_again_it_is_finished(runs: dict[str, tuple[Run, Run]]) -> None:
    two, said = runs["plain"][1], list[str]()
    settings = {**json.loads(two.config_file.read_text()), "trackers": ()}
    assert fit(TrainConfig(**settings), say=said.append).finished
    assert "finished already" in said[0]
    with pytest.raises(ConfigError, match="'accumulate' = 3 differs from the 4"):
        fit(TrainConfig(**{**settings, "accumulate": 3}))


def test_one_process_goes_on_with_what_two_left(runs: dict[str, tuple[Run, Run]], tmp_path: Path) -> None:
    one, two = runs["plain"]
    settings = json.loads(one.config_file.read_text())
    run = Run(tmp_path / "on")
    saved = list_checkpoints(two.checkpoints)[0]
    shutil.copytree(saved, run.checkpoints / saved.name)
    run.config_file.write_text(one.config_file.read_text())
    assert fit(TrainConfig(**{**settings, "output": run.output, "trackers": ()})).finished
    losses = [{row["step"]: row["loss"] for row in each.metrics if "loss" in row} for each in (one, run)]
    done = read_progress(saved)[0].step
    assert [*losses[1]] == [*range(done + 1, STEPS + 1)]
    assert losses[1] == pytest.approx({step: losses[0][step] for step in losses[1]}, rel=1e-5)
    for name, found in weights(run).items():
        assert torch.allclose(found, weights(one)[name], rtol=1e-4, atol=1e-5), name


def test_accelerates_variables_are_read() -> None:
    assert asked_sharding({}) is None
    assert asked_sharding({"ACCELERATE_USE_FSDP": "false", "FSDP_VERSION": "1"}) is None
    assert asked_sharding(SHARDED) == Sharding(reshard_after_forward=True)
    assert asked_sharding({**SHARDED, "FSDP_RESHARD_AFTER_FORWARD": "false"}) == Sharding(reshard_after_forward=False)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("FSDP_VERSION", "1", "'fsdp_version' is 1; prx-train needs 2"),
        ("FSDP_AUTO_WRAP_POLICY", "SIZE_BASED_WRAP", "'fsdp_auto_wrap_policy' is SIZE_BASED_WRAP"),
        ("FSDP_TRANSFORMER_CLS_TO_WRAP", "BertLayer", "'fsdp_transformer_layer_cls_to_wrap' is BertLayer"),
        ("FSDP_OFFLOAD_PARAMS", "true", "'fsdp_offload_params' is true"),
        ("FSDP_CPU_RAM_EFFICIENT_LOADING", "True", "'fsdp_cpu_ram_efficient_loading' is True"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "'gradient_checkpointing' does that"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "configured with deepspeed"),
    ],
)
def test_what_is_not_done_is_refused(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        asked_sharding({**SHARDED, variable: value})
