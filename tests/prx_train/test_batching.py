"""How many photos make a step where the settings leave it open: by the base, the memory and what the run began with."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer

from prx_train import TrainConfig, batching, fit, model
from prx_train.batching import STEP_PHOTOS, choose_batches
from prx_train.crew import Crew
from prx_train.hardware import free_memory, has_bf16
from prx_train.storage import read_json

from .conftest import Counting
from .kinds import KINDS
from .tiny import save_tiny_pipeline


@pytest.fixture
def open_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of a run that leaves its batches open."""
    return {key: value for key, value in settings.items() if key != "batch_size"}


def with_memory(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """As on a machine that has so many bytes left."""
    monkeypatch.setattr(batching, "free_memory", lambda device: int(free))


def test_prx_tiny_takes_all_photos_of_a_step_at_once(dataset: Path, tmp_path: Path) -> None:
    config = TrainConfig(dataset=dataset, output=tmp_path / "run", device="cpu")
    base = model.open_base(config)
    found = choose_batches(config, base, base.space("cpu"), Crew(), resolution=64)
    assert (found.batch_size, found.accumulate) == (STEP_PHOTOS, 1)
    assert "fits into memory" in found.why


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [{}, {"lora": {"rank": 2}}, {"gradient_checkpointing": True}])
def test_with_less_memory_a_step_is_parted_and_stays_as_large(
    open_settings: dict[str, Any],
    changes: dict[str, Any],
    kind: str,
    text_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = save_tiny_pipeline(kind, tmp_path / kind, AutoTokenizer.from_pretrained(text_encoder))
    config = TrainConfig(**{**open_settings, "base": str(folder), "ram_limit_gb": 0, **changes})
    base = model.open_base(config)
    space = base.space("cpu")
    needs = model.needs(base, space, resolution=32, device="cpu", half=has_bf16("cpu"))
    fixed = needs.weights + needs.encoder
    sizes = []
    for photos in (0, 1.5, 5, 15, 17):
        with_memory(monkeypatch, (fixed + photos * needs.photo) / 0.8)
        found = choose_batches(config, base, space, Crew(), resolution=32)
        assert found.batch_size * found.accumulate == STEP_PHOTOS
        assert ("may not fit" in found.why) == (photos == 0)
        sizes.append(found.batch_size)
    assert sizes == [1, 1, 4, 8, 16]


def test_settings_are_never_changed(open_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with_memory(monkeypatch, 0)
    for given, wanted in (
        ({"batch_size": 48}, (48, 1)),
        ({"batch_size": 3, "accumulate": 5}, (3, 5)),
        ({"accumulate": 4}, (1, 4)),
    ):
        config = TrainConfig(**{**open_settings, **given})
        base = model.open_base(config)
        found = choose_batches(config, base, base.space("cpu"), Crew(), resolution=32)
        assert (found.batch_size, found.accumulate) == wanted
    with_memory(monkeypatch, 1e12)
    config = TrainConfig(**{**open_settings, "accumulate": 4})
    found = choose_batches(config, base, base.space("cpu"), Crew(), resolution=32)
    assert (found.batch_size, found.accumulate) == (STEP_PHOTOS // 4, 4)


def test_processes_share_a_step_that_the_run_began_with(open_settings: dict[str, Any]) -> None:
    config = TrainConfig(**open_settings)
    base = model.open_base(config)
    begun = {"batch_size": 8, "accumulate": 4}
    for size, in_turn in ((1, 4), (2, 2), (4, 1)):
        found = choose_batches(config, base, base.space("cpu"), Crew(size=size), resolution=32, begun=begun)
        assert (found.batch_size, found.accumulate) == (8, in_turn)


def test_a_run_goes_on_as_it_began_whatever_memory_is_left(
    open_settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(TrainConfig(**{**open_settings, "output": tmp_path / "whole", "budget": "4 steps"}))
    config = TrainConfig(**{**open_settings, "budget": "4 steps"})
    assert not fit(config, callbacks=[steps := Counting()], stop=lambda: steps.done >= 2).finished
    with_memory(monkeypatch, 1e6)
    said: list[str] = []
    run = fit(config, say=said.append)
    assert any("as this run began" in line for line in said)
    losses = [[row["loss"] for row in one.metrics if "loss" in row] for one in (whole, run)]
    assert losses[0] == losses[1]
    written = read_json(run.config_file)
    assert (written["batch_size"], written["accumulate"]) == (STEP_PHOTOS, 1)
    assert "photos of a step" in run.report_file.read_text()
    assert fit(config).finished  # with nothing to be done


def _transformer(config: TrainConfig, folder: Path) -> Any:
    transformer = model.load_transformer(folder).train()
    if config.lora is not None:
        transformer.requires_grad_(False)
        model.add_lora(transformer, config.lora, seed=0)
    return transformer


def _kept(config: TrainConfig, folder: Path, batch: int) -> int:
    """Slow reference: bytes that autograd keeps of a real forward pass of so many photos."""
    base = model.open_base(config)
    space, transformer = base.space("cpu"), _transformer(config, folder)
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    side = 32 // space.compression
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.predict(
            transformer,
            torch.rand(batch, space.channels, side, side),
            torch.rand(batch),
            torch.rand(batch, base.text_tokens, 32),
            torch.ones(batch, base.text_tokens, dtype=torch.bool),
        )
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
@pytest.mark.parametrize("kind", ["kl", "pixel"])
def test_what_is_expected_of_a_photo_is_what_autograd_keeps_of_it(
    open_settings: dict[str, Any], lora: dict[str, Any] | None, kind: str, text_encoder: Path, tmp_path: Path
) -> None:
    folder = save_tiny_pipeline(kind, tmp_path / kind, AutoTokenizer.from_pretrained(text_encoder))
    config = TrainConfig(**{**open_settings, "base": str(folder), "lora": lora})
    base = model.open_base(config)
    expected = model.needs(base, base.space("cpu"), resolution=32, device="cpu", half=False)
    each = (_kept(config, folder, 9) - _kept(config, folder, 1)) / 8
    assert expected.photo == pytest.approx(each, rel=0.1)
    parameters = [*_transformer(config, folder).parameters()]
    floats = sum(one.numel() * (5 if one.requires_grad else 1) for one in parameters)
    assert expected.weights == pytest.approx(4 * floats, rel=0.01)


def test_memory_that_is_free_is_some_of_the_machines() -> None:
    assert 1e6 < free_memory("cpu") < 1e14
