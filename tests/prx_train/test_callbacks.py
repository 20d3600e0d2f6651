"""What callers may do while a run goes on, and curves for others to draw."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS

from prx_train import Callback, ConfigError, ModelError, Run, TrainConfig, Training, fit, load
from prx_train.trackers import Tracker, tracker_callbacks


class Notes(Callback):
    """Notes what is called, validates and draws once, and stops after the fourth step."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_start(self, training: Training) -> None:
        self.events.append(f"start at {training.step}")

    def on_step(self, training: Training, row: Mapping[str, Any]) -> None:
        assert row["step"] == training.step
        assert training.seconds > 0
        self.events.append(f"step {row['step']}")
        if training.step == 2:
            assert training.validate() > 0
            assert training.sample("second").is_file()
        if training.step == 4:
            training.stop()

    def on_validation(self, training: Training, loss: float) -> None:
        assert training.settings["batch_size"] == 4
        self.events.append("validation")

    def on_end(self, training: Training, *, finished: bool) -> None:
        self.events.append(f"end, finished: {finished}")


def test_callbacks_see_validate_draw_and_stop(settings: dict[str, Any]) -> None:
    config = TrainConfig(**{**settings, "validate_every": "3 steps"})
    notes = Notes()
    run = fit(config, callbacks=[notes])
    assert not run.finished
    assert notes.events == [
        "start at 0",
        *("step 1", "step 2", "step 3", "validation", "step 4"),
        "end, finished: False",
    ]
    assert [row["step"] for row in run.metrics if "val_loss" in row] == [0, 2, 3]
    again = Notes()
    assert fit(config, callbacks=[again]).finished
    assert again.events == ["start at 4", "step 5", "step 6", "validation", "end, finished: True"]


class Elsewhere(Callback):
    """Draws under names that are none."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def on_start(self, training: Training) -> None:
        for name in ("../x", "/x", "a/b", "..", ".hidden", "", "a\\b", "x\n", "before", "after"):
            with pytest.raises(ConfigError, match="samples cannot be named"):
                training.sample(name)
            self.refused.append(name)


def test_samples_stay_in_their_folder_and_leave_the_runs_own_alone(settings: dict[str, Any]) -> None:
    callback = Elsewhere()
    run = fit(TrainConfig(**{**settings, "budget": "1 steps"}), callbacks=[callback])
    assert len(callback.refused) == 10
    assert {path.name for path in run.samples.iterdir()} == {
        "samples.json",
        *(name for kind in ("before", "after") for name in (kind, f"{kind}.png")),
    }


class Broken(Callback):
    """Somebody else's mistake."""

    def on_step(self, training: Training, row: Mapping[str, Any]) -> None:
        raise KeyError(f"no such thing at {row['step']}")


def test_a_broken_callback_is_told_once_and_costs_no_run(settings: dict[str, Any]) -> None:
    said: list[str] = []
    assert fit(TrainConfig(**settings), callbacks=[Broken()], say=said.append).finished
    told = [text for text in said if "Broken.on_step failed" in text]
    assert len(told) == 1
    assert "no such thing at 1" in told[0]


def test_tensorboard_has_the_curves_and_all_of_it_lies_in_the_run(settings: dict[str, Any]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = fit(TrainConfig(**{**settings, "trackers": ["tensorboard"], "validate_every": "3 steps"}))
    (folder,) = (run.output / "logs").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    written = {event.step: event.value for event in events.Scalars("train/loss")}
    assert written == pytest.approx({row["step"]: row["loss"] for row in run.metrics if "loss" in row})
    assert [event.step for event in events.Scalars("validation/loss")] == [3, 6]


def test_two_runs_of_one_process_log_into_their_own_folders_with_trackio(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It asks for an older Pillow than the one that is tested with, so the environment of the tests lacks it. With what
    # `pip install --no-deps --target FOLDER trackio gradio_client httpx httpcore h11 orjson python-dotenv uvicorn
    # starlette python-multipart websockets` puts into a folder at the end of PYTHONPATH, this runs.
    pytest.importorskip("trackio", reason="trackio asks for another Pillow than the one that is tested with")
    monkeypatch.delenv("TRACKIO_DIR", raising=False)
    logged = {**settings, "budget": "2 steps", "trackers": ["trackio"]}

    def fail() -> bool:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fit(TrainConfig(**{**logged, "output": tmp_path / "failed"}), stop=fail)
    runs = [fit(TrainConfig(**{**logged, "output": tmp_path / name})) for name in ("first", "second")]
    for run in runs:
        assert [file.stem for file in (run.output / "logs").glob("*.db")] == [run.output.name]
    assert "TRACKIO_DIR" not in os.environ


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_tracker_is_accelerates_own_or_told_to_be_missing(name: str) -> None:
    """Of those that are not installed, too, the class that would be taken has what is asked of it."""
    kind = LOGGER_TYPE_TO_CLASS[name]
    assert kind.name == name
    assert kind.requires_logging_directory == (name == "tensorboard")
    if importlib.util.find_spec(name) is None:
        with pytest.raises(ConfigError, match=f"'{name}', which is not installed; pip install {name}"):
            tracker_callbacks((name,))
        return
    (found,) = tracker_callbacks((name,))
    assert isinstance(found, Tracker)
    assert found._kind is kind


def test_unknown_trackers_are_told_before_any_work(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="names 'paper'; known are"):
        fit(TrainConfig(**{**settings, "trackers": ["paper"]}))
    with pytest.raises(ConfigError, match="pip install clearml"):
        fit(TrainConfig(**{**settings, "trackers": ["clearml"]}))
    assert not Run(settings["output"]).config_file.exists()


def test_a_run_is_loaded_in_one_line(settings: dict[str, Any], tmp_path: Path) -> None:
    run = fit(TrainConfig(**{**settings, "budget": "2 steps"}))
    tuned = fit(
        TrainConfig(
            **{
                **settings,
                "base": str(run.pipeline_folder),
                "text_encoder": None,
                "lora": {"rank": 2},
                "output": tmp_path / "tuned",
                "learning_rate": 0.3,
            }
        )
    )
    options = {"num_inference_steps": 2, "height": 32, "width": 32, "use_resolution_binning": False}

    def drawn(folder: Path) -> Any:
        import torch

        picture = load(folder)("a red hat", generator=torch.Generator().manual_seed(0), **options).images[0]
        return np.asarray(picture, dtype=int)

    assert np.array_equal(drawn(run.output), drawn(run.pipeline_folder))
    assert np.array_equal(drawn(tuned.output), drawn(tuned.lora_folder))
    assert np.abs(drawn(tuned.output) - drawn(run.output)).max() > 0
    with pytest.raises(ModelError, match="holds no pipeline"):
        load(tmp_path)
