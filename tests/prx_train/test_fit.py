"""Whole runs, with tiny real models."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prx_train import BudgetError, ConfigError, Run, TrainConfig, fit
from prx_train.budget import spoken
from prx_train.config import load_config
from prx_train.storage import read_json, read_jsonl

from .conftest import Counting, rows, write_split

COMMAND = [sys.executable, "-m", "prx_train.cli"]


def weights(run: Run) -> dict[str, torch.Tensor]:
    """Everything a checkpoint holds."""
    last = sorted(run.checkpoints.glob("step-*"))[-1]
    found: dict[str, torch.Tensor] = {}
    for file in sorted(last.glob("*.safetensors")):
        found |= {f"{file.stem}/{name}": value for name, value in load_file(file).items()}
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_clock(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in run.metrics]


def test_a_run_leaves_what_it_promises(settings: dict[str, Any]) -> None:
    run = fit(TrainConfig(**settings))
    assert run.finished
    steps = [row for row in run.metrics if "loss" in row]
    assert [row["step"] for row in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[-1]["lr"] < 0.5 * max(row["lr"] for row in steps)
    assert run.summary["steps"] == 6
    assert run.summary["val_loss_after"] != run.summary["val_loss_before"]
    samples = read_json(run.samples / "samples.json")
    for name in ("before", "after"):
        assert (run.samples / f"{name}.png").is_file()
        assert [entry["seed"] for entry in samples[name]] == [0, 1]
        assert all((run.samples / entry["file"]).is_file() for entry in samples[name])
    assert (run.pipeline_folder / "README.md").read_text().count("use_resolution_binning=False") == 2
    assert not list(run.output.rglob("*.bin")) + list(run.output.rglob("*.pt")) + list(run.output.rglob("*.pkl"))
    assert len(list(run.checkpoints.iterdir())) == 2


@pytest.mark.alone
def test_the_ledger_adds_up_to_the_wall_clock(settings: dict[str, Any]) -> None:
    began = time.monotonic()
    run = fit(TrainConfig(**settings))
    spent = time.monotonic() - began
    ledger = read_jsonl(run.ledger_file)
    assert abs(sum(row["seconds"] for row in ledger) - spent) < 0.03 * spent + 0.1
    assert sum(row["items"] for row in ledger if row["stage"] == "train") == 6
    assert {"load", "text_cache", "sample_before", "train", "validate", "checkpoint"} <= {r["stage"] for r in ledger}
    assert {"sample_after", "export", "report"} <= {row["stage"] for row in ledger}
    keys = {"package", "stage", "started", "seconds", "items", "unit", "device", "devices"}
    assert all(set(row) == keys for row in ledger)
    assert {row["unit"] for row in ledger} <= {"photos", "steps", "pictures", "captions", "checkpoints"}


def test_training_lowers_the_validation_loss(settings: dict[str, Any]) -> None:
    run = fit(TrainConfig(**{**settings, "budget": "60 steps", "learning_rate": 3e-3}))
    assert run.summary["val_loss_after"] < 0.5 * run.summary["val_loss_before"]


def test_a_finished_run_says_so_and_does_nothing(settings: dict[str, Any]) -> None:
    said: list[str] = []
    run = fit(TrainConfig(**settings))
    before = {path: path.stat().st_mtime_ns for path in run.output.rglob("*")}
    assert fit(TrainConfig(**settings), say=said.append).finished
    assert len(said) == 1
    assert "finished already" in said[0]
    assert {path: path.stat().st_mtime_ns for path in run.output.rglob("*")} == before
    with pytest.raises(ConfigError, match="'seed' = 5 differs from the 0 this run began with"):
        fit(TrainConfig(**{**settings, "seed": 5}))


def test_a_stopped_run_goes_on_to_the_same_weights(settings: dict[str, Any], tmp_path: Path) -> None:
    whole = fit(TrainConfig(**{**settings, "output": tmp_path / "whole"}))
    part = fit(TrainConfig(**settings), callbacks=[steps := Counting()], stop=lambda: steps.done >= 3)
    assert (part.finished, part.stopped) == (False, True)
    assert part.metrics[-1]["step"] == 3
    with pytest.raises(ConfigError, match=r"'model.depth' = 1 differs from the 2 this run began with"):
        fit(TrainConfig(**{**settings, "model": {**settings["model"], "depth": 1}}))
    said: list[str] = []
    done = fit(TrainConfig(**{**settings, "price_per_hour": 4.0}), say=said.append)
    assert "changed since the last start: price_per_hour = 4.0, was 3.0" in said
    assert done.finished
    assert torch.__version__.startswith(read_json(done.environment_file)["packages"]["torch"])
    assert same(weights(whole), weights(done))
    assert [row for row in without_clock(whole) if "loss" in row] == [
        row for row in without_clock(done) if "loss" in row
    ]


def test_killed_in_the_middle_it_goes_on_to_the_same_weights(
    settings: dict[str, Any], toml: Callable[..., Path], tmp_path: Path
) -> None:
    changes = {"budget": "40 steps", "checkpoint_every": "3 steps", "validate_every": "10 steps"}
    whole = fit(TrainConfig(**{**settings, **changes, "output": tmp_path / "whole"}))
    killed = Run(tmp_path / "killed")
    config = toml(**changes, output=killed.output)
    process = subprocess.Popen([*COMMAND, "fit", config], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while process.poll() is None and not any("loss" in row and row["step"] >= 8 for row in killed.metrics):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not killed.manifest_file.exists()
    assert fit(load_config(config)).finished
    assert same(weights(whole), weights(killed))
    assert without_clock(killed) == without_clock(whole)
    exported = [
        load_file(r.pipeline_folder / "transformer/diffusion_pytorch_model.safetensors") for r in (whole, killed)
    ]
    assert same(*exported)


@pytest.mark.alone
def test_a_budget_in_seconds_is_met_and_drives_the_learning_rate(settings: dict[str, Any]) -> None:
    began = time.monotonic()
    run = fit(TrainConfig(**{**settings, "budget": "14s"}), started_at=began - 2)
    # A fiftieth for a machine on which others work: of so short a budget that is less than one stall.
    assert 0.8 * 14 <= time.monotonic() - began + 2 <= 1.02 * 14
    rates = [row["lr"] for row in run.metrics if "lr" in row]
    assert len(rates) > 20
    assert rates[0] < 0.5 * max(rates)
    # Where other work slows the machine down in the last second, the end comes a little early.
    assert rates[-1] < 0.25 * max(rates)
    assert max(rates) == pytest.approx(1e-3)  # the default for a new model


def test_a_budget_too_short_for_one_step_is_told(settings: dict[str, Any]) -> None:
    with pytest.raises(BudgetError, match=r"'budget' = '0\.1s' is too short for one step"):
        fit(TrainConfig(**{**settings, "budget": "0.1s"}))
    assert not Run(settings["output"]).finished
    assert fit(TrainConfig(**settings)).finished


@pytest.mark.alone
def test_time_spent_counts_over_all_starts(settings: dict[str, Any]) -> None:
    fit(TrainConfig(**settings), callbacks=[steps := Counting()], stop=lambda: steps.done >= 0)
    first = sum(row["seconds"] for row in read_jsonl(Run(settings["output"]).ledger_file))
    time.sleep(1.5)
    run = fit(TrainConfig(**settings))
    assert run.summary["seconds"] >= first
    total = sum(row["seconds"] for row in read_jsonl(run.ledger_file))
    assert run.summary["seconds"] == pytest.approx(total, abs=0.3)


def test_the_export_loads_where_this_package_is_blocked(settings: dict[str, Any], tmp_path: Path) -> None:
    run = fit(TrainConfig(**{**settings, "prompts": ("a photo of a red hoodie",)}))
    entry = read_json(run.samples / "samples.json")["after"][0]
    script = tmp_path / "load.py"
    script.write_text(
        "import sys, json\n"
        "sys.modules['prx_train'] = sys.modules['prx_data'] = None\n"
        "import torch\n"
        "from diffusers import PRXPixelPipeline\n"
        "entry = json.loads(sys.argv[2])\n"
        "pipe = PRXPixelPipeline.from_pretrained(sys.argv[1])\n"
        "image = pipe(entry['prompt'], height=entry['height'], width=entry['width'],\n"
        "             num_inference_steps=entry['steps'], guidance_scale=entry['guidance'],\n"
        "             generator=torch.Generator().manual_seed(entry['seed']), use_resolution_binning=False).images[0]\n"
        "image.save(sys.argv[3])\n"
    )
    drawn = tmp_path / "drawn.png"
    command: list[str | Path] = [sys.executable, script, run.pipeline_folder, json.dumps(entry), drawn]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    import numpy as np
    from PIL import Image

    own, theirs = (np.asarray(Image.open(path)).astype(int) for path in (run.samples / entry["file"], drawn))
    assert own.shape == theirs.shape
    # Both round to bytes; a value at the edge of two may fall either way.
    assert np.abs(own - theirs).max() <= 1
    assert (own != theirs).mean() < 0.01
    assert own.std() > 1


def test_a_run_goes_on_from_the_pipeline_of_another(settings: dict[str, Any], tmp_path: Path) -> None:
    first = fit(TrainConfig(**settings))
    tuned = {**settings, "base": str(first.pipeline_folder), "output": tmp_path / "tuned", "text_encoder": None}
    second = fit(TrainConfig(**tuned))
    assert second.summary["val_loss_before"] == pytest.approx(first.summary["val_loss_after"], rel=1e-4)


def test_bad_rows_are_counted_and_the_run_goes_on(settings: dict[str, Any], tmp_path: Path) -> None:
    records = rows(9)
    records[4]["image"] = {"bytes": b"no picture", "path": None}
    records[6]["image"]["bytes"] = records[6]["image"]["bytes"][:120]  # found when it is decoded
    write_split(tmp_path / "data", "train", records)
    said: list[str] = []
    run = fit(TrainConfig(**{**settings, "dataset": tmp_path / "data"}), say=said.append)
    assert [sentence.split(": ")[0].split(", ")[-1] for sentence in run.summary["skipped"]] == ["row 4", "row 6"]
    assert any("row 4" in line for line in said)
    assert "none are held out" in run.derived_file.read_text()
    assert run.summary["steps_skipped"] == 0


def test_texts_and_pads_and_pools_are_trained_with(settings: dict[str, Any], tmp_path: Path) -> None:
    records = [{**row, "brief": "a hat", "photo": row.pop("image")} for row in rows(20)]
    write_split(tmp_path / "data", "train", records)
    changes = {"dataset": tmp_path / "data", "image_column": "photo", "captions": {"caption": 1, "brief": 2}}
    said: list[str] = []
    run = fit(TrainConfig(**{**settings, **changes, "fit": "pad", "shuffle_groups": 1}), say=said.append)
    assert run.finished
    (begun,) = (line for line in said if "photos padded" in line)
    assert "of 20 that were decoded so far" in begun
    assert "with an even ground, 0 with the colours of uneven edges, of 20 that" in run.report_file.read_text()
    with pytest.raises(ConfigError, match=r"'fit' = 'crop' differs from the 'pad'"):
        fit(TrainConfig(**{**settings, **changes, "shuffle_groups": 1}))


def test_durations_in_the_report_are_those_of_the_ledger(settings: dict[str, Any]) -> None:
    run = fit(TrainConfig(**settings))
    page = run.report_file.read_text(encoding="utf-8")
    ledger = read_jsonl(run.ledger_file)[:-1]
    assert f"In {spoken(sum(row['seconds'] for row in ledger))} the model saw" in page
