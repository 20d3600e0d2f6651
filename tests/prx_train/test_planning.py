"""What a budget buys: the arithmetic, and a plan beside the run that it was for."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_train import ConfigError, Run, TrainConfig, fit, plan
from prx_train.budget import Budget
from prx_train.cli import main
from prx_train.reckoning import Measured, Plan, elsewhere, reckon

MEASURED = Measured(
    start={"load": 20.0, "text_cache": 10.0, "sample_before": 10.0},
    end=20.0,
    step=0.5,
    waiting=0.1,
    updating=0.2,
    validation=2.0,
    checkpoint=1.0,
    photos=16.0,
    dataset=400,
    image_tokens=64.0,
    text_tokens=12.0,
    memory=2_000_000_000,
    price_per_hour=3.6,
)


def seconds(amount: float) -> Budget:
    return Budget(amount=amount, unit="seconds")


def reckoned(measured: Measured = MEASURED, budget: float = 600.0, every: float = 60.0) -> Plan:
    return reckon(
        measured,
        seconds(budget),
        asked="10m",
        validate_every=seconds(every),
        checkpoint_every=seconds(every),
        settings={"optimizer": "muon", "gradient_checkpointing": False},
    )


def test_a_plan_by_hand() -> None:
    """540 s are left; each 120 steps of 0.5 s bring a validation of 2 s and a checkpoint of 1 s."""
    found = reckoned()
    assert found.steps == int(540 / 63 * 120)
    assert found.photos == 16 * found.steps
    assert found.epochs == pytest.approx(16 * found.steps / 400, abs=0.01)
    assert found.image_tokens == 64 * found.photos
    assert found.text_tokens == 12 * found.photos
    assert found.seconds == pytest.approx(600, rel=0.01)
    assert found.cost == pytest.approx(0.6, rel=0.01)
    assert any("AdamW is cheaper than Muon" in sentence for sentence in found.faster)
    assert any("waiting for pictures" in sentence for sentence in found.faster)
    assert found.step_parts["the model, forwards and backwards"] == pytest.approx(0.7)


@given(st.floats(61, 1e6), st.floats(0.01, 50), st.floats(1, 1e4), st.floats(0, 30))
def test_a_plan_never_takes_more_than_the_budget_and_leaves_little(
    budget: float, step: float, every: float, validation: float
) -> None:
    found = reckoned(replace(MEASURED, step=step, validation=validation), budget, every)
    assert found.seconds <= budget + 0.1
    # Whatever is left is a validation or checkpoint that would have come next, or part of a step.
    assert (
        found.seconds >= min(budget, budget - step - 2 * (validation + 1.0)) - 0.02 * budget or every < 3 * validation
    )


def test_other_hardware_is_planned_from_its_throughput() -> None:
    fast = elsewhere(MEASURED, photos_per_second=320, devices=8)
    assert fast.step == 16 / 320
    assert fast.validation == pytest.approx(0.2)
    assert fast.start["load"] == 20
    assert fast.start["sample_before"] == pytest.approx(1)
    assert reckoned(fast).steps > 9 * reckoned().steps
    assert reckoned(fast).cost == pytest.approx(8 * 0.6, rel=0.01)


def test_a_run_is_compared_with_its_plan(settings: dict[str, Any], toml: Callable[..., Path]) -> None:
    found = plan(TrainConfig(**{**settings, "budget": "30 steps"}), steps=4)
    run = Run(settings["output"])
    assert found.steps == 30
    assert found.cost is not None
    assert found.memory_bytes > 50e6
    assert not (run.output / ".plan").exists()
    assert not run.config_file.exists()
    assert json.loads(run.plan_file.read_text())["steps"] == 30
    cached = {path.name for path in (run.output / "cache").rglob("*.safetensors")}
    assert cached
    fit(TrainConfig(**{**settings, "budget": "30 steps"}))
    assert {path.name for path in (run.output / "cache").rglob("*.safetensors")} == cached
    report = run.report_file.read_text()
    assert "Planned and real" in report
    assert "a step, everything in training included" in report


def test_a_run_without_a_plan_makes_its_own(settings: dict[str, Any]) -> None:
    run = fit(TrainConfig(**{**settings, "budget": "26 steps"}))
    assert json.loads(run.plan_file.read_text())["steps"] == 26
    assert "Planned and real" in run.report_file.read_text()


def test_a_plan_for_another_run_or_machine_is_not_compared(settings: dict[str, Any]) -> None:
    config = TrainConfig(**{**settings, "budget": "26 steps"})
    run = Run(config.output)
    plan(config, steps=2, photos_per_second=9000, devices=8)
    assert not run.plan_file.exists()
    plan(TrainConfig(**{**settings, "budget": "5 steps"}), steps=2)
    plan(TrainConfig(**{**settings, "budget": "26 steps", "batch_size": 2}), steps=2)
    of_others = run.plan_file.read_text()
    fit(config)
    found = json.loads(run.plan_file.read_text())
    assert run.plan_file.read_text() != of_others
    assert found["steps"] == 26
    assert found["identity"] == run.summary["identity"]
    # What a finished run was planned as stays.
    before = run.plan_file.read_bytes()
    assert plan(TrainConfig(**{**settings, "budget": "12 steps"}), steps=2).steps == 12
    assert run.plan_file.read_bytes() == before


def test_a_run_that_is_too_short_to_plan_shows_no_plan_of_another(settings: dict[str, Any]) -> None:
    plan(TrainConfig(**{**settings, "budget": "30 steps"}), steps=2)
    run = fit(TrainConfig(**settings))
    assert not run.plan_file.exists()
    assert "Planned and real" not in run.report_file.read_text()


def test_money_is_divided_among_the_devices_that_are_planned_with(settings: dict[str, Any]) -> None:
    config = TrainConfig(**{**settings, "budget": "$1"})
    found = [plan(config, steps=2, photos_per_second=200, devices=devices) for devices in (1, 8)]
    assert [one.cost for one in found] == pytest.approx([1, 1], rel=0.1)
    assert [one.seconds for one in found] == pytest.approx([1200, 150], rel=0.1)
    # Replacing devices by more that are as fast together, the same money buys fewer steps.
    assert 6 < found[0].steps / found[1].steps < 9
    with pytest.raises(ConfigError, match="both must be 1 or more"):
        plan(config, steps=0)
    with pytest.raises(ConfigError, match="8 devices that are not here needs their photos a second"):
        plan(config, steps=2, devices=8)


def test_a_plan_is_printed(toml: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    config = toml(budget="200s")
    assert main(["plan", str(config), "--steps", "2"]) == 0
    text = capsys.readouterr().out
    assert "where the time will go" in text
    assert text.startswith("budget      200s: ")
    assert main(["plan", str(config), "--steps", "2", "--json", "--photos-per-second", "5000", "--devices", "4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["devices"] == 4
    assert 20_000 < found["photos"] < 1_000_000
    for wrong in ("0", "nan", "inf"):
        assert main(["plan", str(config), "--photos-per-second", wrong]) == 2
    assert main(["plan", str(toml(budget="0.1s")), "--steps", "2"]) == 2
    assert "too short for one step" in capsys.readouterr().err
