"""The gradients of a step: of several batches together, of compiled blocks, and with checkpointing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prx_train import TrainConfig, fit
from prx_train.step import batch_losses, step
from prx_train.storage import seed_from


def test_a_step_of_several_batches_counts_all_their_photos(settings: dict[str, Any]) -> None:
    run = fit(TrainConfig(**{**settings, "batch_size": 2, "accumulate": 3, "budget": "2 steps"}))
    rows = [row for row in run.metrics if "loss" in row]
    assert [row["step"] for row in rows] == [1, 2]
    # 21 photos in three shapes of 9, 6 and 6: of an epoch's 11 batches one has a single photo.
    assert rows[0]["samples"] in (5, 6)
    assert rows[1]["samples"] in (11, 12)


def test_accumulated_gradients_are_those_of_the_batches_together(settings: dict[str, Any], tmp_path: Path) -> None:
    """Slow reference: the gradients of three batches, each by itself, added up and divided by the six photos."""
    from prx_train.buckets import Batch
    from prx_train.run import open_run
    from prx_train.schedule import Clock
    from prx_train.setup import start_session

    config = TrainConfig(**{**settings, "batch_size": 2, "accumulate": 3})
    session = start_session(config, open_run(tmp_path / "run"), Clock(), say=lambda text: None)
    torch.nn.init.normal_(session.transformer.final_layer.linear.weight, std=0.1)
    alike = [n for n, row in enumerate(session.train.rows) if row.size == session.sample_size][:6]
    batches = [Batch(epoch=0, rows=tuple(alike[n : n + 2])) for n in (0, 2, 4)]
    order = iter([(batch, 0, n) for n, batch in enumerate(batches)] * 9)
    seeds = [seed_from("step", session.config.seed, 0, part) for part in range(3)]
    parts = []
    for batch, seed in zip(batches, seeds, strict=True):
        found = batch_losses(session, batch, [session.train.picture(row) for row in batch.rows], seed)
        assert found is not None
        loss = found.sum()
        parts.append(torch.autograd.grad(loss, list(session.weights.values()), allow_unused=True))
    expected = [sum(g for g in gradients if g is not None) / 6 for gradients in zip(*parts, strict=True)]
    norm = torch.stack([torch.as_tensor(g).square().sum() for g in expected]).sum().sqrt()
    with session.feed(order) as feed:
        step(session, next(feed).batches, 1e-3)
    # A processor with AMX trains in bf16, where padding to another length rounds another way.
    assert session.run.metrics[-1]["grad_norm"] == pytest.approx(float(norm), rel=1e-3)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the compiler, about tensors of its own
def test_compiled_blocks_learn_the_same(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks are compiled again for other shapes and numbers of photos, up to a limit, and past it run as they are,
    # without a word: a failure here. Validation and samples, of more shapes, do not count.
    monkeypatch.setattr(torch._dynamo.config, "fail_on_recompile_limit_hit", True)
    plain = fit(TrainConfig(**{**settings, "budget": "2 steps"}))
    compiled = fit(TrainConfig(**{**settings, "budget": "2 steps", "compile": True, "output": tmp_path / "compiled"}))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    one, other = ([row["loss"] for row in run.metrics if "loss" in row] for run in (plain, compiled))
    assert one == pytest.approx(other, rel=1e-4)
    names = load_file(compiled.pipeline_folder / "transformer/diffusion_pytorch_model.safetensors").keys()
    assert names == load_file(plain.pipeline_folder / "transformer/diffusion_pytorch_model.safetensors").keys()


def test_checkpointing_changes_memory_and_nothing_else(tuning: dict[str, Any], tmp_path: Path) -> None:
    plain = fit(TrainConfig(**{**tuning, "budget": "2 steps"}))
    lean = fit(TrainConfig(**{**tuning, "budget": "2 steps", "gradient_checkpointing": True, "output": tmp_path / "b"}))
    one, other = ([row["loss"] for row in run.metrics if "loss" in row] for run in (plain, lean))
    assert one == pytest.approx(other, rel=1e-5)
