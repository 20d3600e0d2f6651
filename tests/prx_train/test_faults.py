"""What goes wrong in a run: infinite losses, full disks, no memory; and runs that are repeated or shared."""

import json
import math
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from prx_train import ConfigError, DivergedError, ResourceError, Run, TrainConfig, fit
from prx_train.checkpoint import list_checkpoints
from prx_train.measuring import MEASURED_STEPS
from prx_train.recovery import told

from .conftest import Counting, rows, settings_of, write_split, write_toml
from .launched import Launched
from .test_fit import same, weights
from .tiny import save_tiny_pipeline


def with_rates(run: Run, output: Path, rates: Sequence[float]) -> Run:
    """A finished run with other learning rates on record, so that a replay takes these."""
    shutil.copytree(run.output, output)
    rows = [{"step": n + 1, "seconds": 0.1, "lr": rate, "loss": 1.0} for n, rate in enumerate(rates)]
    Run(output).metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Run(output)


def test_a_run_by_the_clock_is_repeated_to_the_bit(settings: dict[str, Any], tmp_path: Path) -> None:
    first = fit(TrainConfig(**{**settings, "budget": "6s"}))
    again = fit(TrainConfig(**{**settings, "budget": f"as {first.output}", "output": tmp_path / "again"}))
    rates = [[(row["lr"], row["loss"]) for row in run.metrics if "lr" in row] for run in (first, again)]
    assert len(rates[0]) > 5
    assert rates[0] == rates[1]
    assert same(weights(first), weights(again))
    with pytest.raises(ConfigError, match="names no finished run"):
        fit(TrainConfig(**{**settings, "budget": "as nowhere", "output": tmp_path / "none"}))


def test_after_infinite_losses_it_goes_back_and_on(settings: dict[str, Any], tmp_path: Path) -> None:
    plain = fit(TrainConfig(**{**settings, "budget": "1 steps"}))
    wild = with_rates(plain, tmp_path / "wild", [1e-3] * 4 + [1e30] + [1e-3] * 10)
    changed = {"budget": f"as {wild.output}", "output": tmp_path / "out", "checkpoint_every": "3 steps"}
    run = fit(TrainConfig(**{**settings, **changed, "validate_every": "100 steps"}))
    rows = run.metrics
    skipped = [row for row in rows if "skipped" in row]
    assert [row["step"] for row in skipped] == [6, 7, 8, 9, 10]
    assert all(len(key) == 64 for row in skipped for key in row["keys"])
    assert [row["back_to"] for row in rows if "back_to" in row] == [3]
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]
    assert (run.summary["steps_skipped"], run.summary["rollbacks"]) == (5, 1)
    report = run.report_file.read_text(encoding="utf-8")
    assert "photos in 15 steps" in report
    assert "5 of the steps changed nothing: the loss was not finite (5); their photos are named" in report
    assert "back to those after step 3 (at step 10), each time at half the learning rate." in report
    assert all(torch.isfinite(tensor).all() for tensor in weights(run).values())


def test_broken_rows_that_training_meets_are_named_everywhere(settings: dict[str, Any], tmp_path: Path) -> None:
    records = [{**row, "key": f"{n:064x}", "width": 40, "height": 24} for n, row in enumerate(rows(9))]
    whole = records[5]["image"]["bytes"]
    records[2]["image"] = {"bytes": b"no picture", "path": None}
    records[5]["image"] = {"bytes": whole[: len(whole) // 2], "path": None}
    records[7]["image"] = {"bytes": None, "path": "<b>none.jpg"}
    write_split(tmp_path / "broken", "train", records)
    write_split(tmp_path / "broken", "validation", rows(2, start=50))
    config = TrainConfig(**{**settings, "dataset": tmp_path / "broken", "budget": "9 steps"})
    said: list[str] = []
    asked = iter([False] * 4 + [True])
    assert not fit(config, stop=lambda: next(asked), say=said.append).finished
    run = fit(config, say=said.append)
    found = {row["key"]: row for row in map(json.loads, run.left_out_file.read_text().splitlines())}
    assert len(run.left_out_file.read_text().splitlines()) == 3
    assert sorted(found) == [f"{n:064x}" for n in (2, 5, 7)]
    assert found[f"{2:064x}"]["reason"] == "it is no picture that can be read"
    assert found[f"{7:064x}"]["reason"] == "it names '<b>none.jpg', and there is no such file"
    assert found[f"{5:064x}"]["place"] == "train-00000-of-00001.parquet, row group 0, row 5"
    assert sum(text.startswith("left out train-") for text in said) == 1
    report = run.report_file.read_text()
    assert "Rows left out while training" in report
    assert "row group 0, row 7" in report
    assert "<b>none" not in report
    assert not any("0x" in text for text in [report.partition("Rows left out")[2], *said, *run.summary["skipped"]])


def test_what_stays_infinite_ends_in_a_sentence(settings: dict[str, Any]) -> None:
    config = TrainConfig(**{**settings, "budget": "100 steps", "learning_rate": 1e30, "checkpoint_every": "1 steps"})
    with pytest.raises(DivergedError, match="after 3 returns to earlier checkpoints"):
        fit(config)
    run = Run(settings["output"])
    assert not run.finished
    assert len([row for row in run.metrics if "back_to" in row]) == 3


def test_an_end_without_a_finite_loss_exports_earlier_weights(settings: dict[str, Any], tmp_path: Path) -> None:
    plain = fit(TrainConfig(**{**settings, "budget": "1 steps"}))
    wild = with_rates(plain, tmp_path / "wild", [1e-3] * 7 + [1e30])
    changed = {"budget": f"as {wild.output}", "output": tmp_path / "out", "validate_every": "100 steps"}
    said: list[str] = []
    run = fit(TrainConfig(**{**settings, **changed, "checkpoint_every": "3 steps"}), say=said.append)
    losses = [row["val_loss"] for row in run.metrics if "val_loss" in row]
    assert [row["step"] for row in run.metrics if "val_loss_not_finite" in row] == [8]
    assert all(math.isfinite(loss) for loss in losses)
    assert run.summary["val_loss_after"] == losses[-1]
    assert any(text.startswith("the validation loss after step 8 is ") and "of step 6" in text for text in said)
    exported = load_file(run.pipeline_folder / "transformer" / "diffusion_pytorch_model.safetensors")
    average = load_file(run.checkpoints / "step-000000006" / "average.safetensors")
    assert all(torch.equal(exported[name], tensor) for name, tensor in average.items())


def test_an_end_without_a_finite_loss_and_earlier_weights_is_no_finish(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    plain = fit(TrainConfig(**{**settings, "budget": "1 steps"}))
    wild = with_rates(plain, tmp_path / "wild", [1e-3] * 3 + [1e30])
    changed = {"budget": f"as {wild.output}", "output": tmp_path / "out", "checkpoint_every": "100 steps"}
    steps = Counting()

    def stop() -> bool:
        if steps.done == 3:  # what was there to begin with is lost
            for path in list_checkpoints(tmp_path / "out" / "checkpoints"):
                shutil.rmtree(path)
        return False

    with pytest.raises(DivergedError, match=r"after step 4 is (nan|inf), with every checkpoint that is left"):
        fit(TrainConfig(**{**settings, **changed}), callbacks=[steps], stop=stop)
    assert not Run(tmp_path / "out").finished
    assert not Run(tmp_path / "out").pipeline_folder.exists()


def test_a_start_without_a_finite_loss_is_told_at_once(
    settings: dict[str, Any], text_encoder: Path, tmp_path: Path
) -> None:
    base = save_tiny_pipeline("pixel", tmp_path / "base", AutoTokenizer.from_pretrained(text_encoder))
    file = base / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["final_layer.linear.weight"][0, 0] = math.nan
    save_file(tensors, file, metadata={"format": "pt"})
    plain = {key: value for key, value in settings.items() if key != "model"}
    with pytest.raises(DivergedError, match="the validation loss is nan before the first step"):
        fit(TrainConfig(**{**plain, "base": str(base), "text_encoder": None, "resolution": None}))
    assert not [row for row in Run(settings["output"]).metrics if "loss" in row]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Nothing larger can be written, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_checkpoints_and_not_the_run(settings: dict[str, Any]) -> None:
    """The disk is full between the third and the sixth step, for checkpoints and for the rows of the metrics."""
    said: list[str] = []
    steps, limit = Counting(), files_of_at_most(100)

    def stop() -> bool:
        if steps.done == 2:
            limit.__enter__()
        if steps.done == 5:
            assert [path.name for path in list_checkpoints(run.checkpoints)] == ["step-000000001", "step-000000002"]
            limit.__exit__(None, None, None)
        return False

    run = Run(settings["output"])
    # TensorBoard's own thread would end on a full disk, with a trace of its own.
    changes = {"budget": "8 steps", "checkpoint_every": "1 steps", "validate_every": "100 steps", "trackers": ()}
    fit(TrainConfig(**{**settings, **changes}), callbacks=[steps], stop=stop, say=said.append)
    assert run.finished
    assert any("no checkpoint" in text and "step-000000002 stays" in text for text in said)
    assert sum("metrics.jsonl cannot be written" in text for text in said) == 1
    assert [row["step"] for row in run.metrics if "loss" in row] == [1, 2, 6, 7, 8]
    assert not list(run.output.rglob("*.tmp"))


@pytest.mark.parametrize("full_after", [0, MEASURED_STEPS - 1])
def test_a_plan_that_a_full_disk_does_not_take_costs_no_run(settings: dict[str, Any], full_after: int) -> None:
    steps, limit = Counting(), files_of_at_most(100)

    def stop() -> bool:
        if steps.done == full_after:
            limit.__enter__()
        if steps.done == MEASURED_STEPS + 1:
            limit.__exit__(None, None, None)
        return False

    changes = {"budget": f"{MEASURED_STEPS + 2} steps", "validate_every": "100 steps", "trackers": ()}
    run = fit(TrainConfig(**{**settings, **changes}), callbacks=[steps], stop=stop)
    assert run.finished
    assert not run.plan_file.exists()


def test_a_disk_that_is_full_at_the_end_is_told_and_the_run_goes_on_later(settings: dict[str, Any]) -> None:
    steps, limit = Counting(), files_of_at_most(100)

    def stop() -> bool:
        if steps.done == 6:
            limit.__enter__()
        return False

    config = TrainConfig(**{**settings, "trackers": ()})
    with pytest.raises(ResourceError, match="free some space, and the same command goes on"):
        fit(config, callbacks=[steps], stop=stop)
    limit.__exit__(None, None, None)
    assert fit(config).finished


def test_no_memory_is_told_with_what_to_change(settings: dict[str, Any]) -> None:
    config = TrainConfig(**{**settings, "batch_size": 6})
    sentence = "batches of 6 at 32 pixels; set batch_size = 3 with accumulate = 2"
    with pytest.raises(ResourceError, match=sentence), told(config):
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="mat1"), told(config):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


PARTED = {"budget": "24 steps", "checkpoint_every": "8 steps", "validate_every": "12 steps"}


@pytest.fixture(scope="module")
def together(dataset: Path, text_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs of two processes, which train one after the other, as processes take long to start.

    "parted" was stopped before, in the middle, and "parted adapters" after half of its steps. Another run lies between
    that and its new start, so that only the checkpoint leads from one to the other.
    """
    home = tmp_path_factory.mktemp("together")
    base = save_tiny_pipeline("pixel", home / "base", AutoTokenizer.from_pretrained(text_encoder))
    runs = {name: Run(home / name) for name in ("parted", "two", "timed", "parted adapters", "adapters")}
    plain = settings_of(dataset, text_encoder, runs["parted"].output)
    stop(write_toml(home / "train.toml", {**plain, **PARTED}), runs["parted"], steps=24)
    adapters = {"base": base, "budget": "40 steps", "learning_rate": 1e-2, "lora": {"rank": 2}, "model": {}}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("parted", PARTED),
        ("two", PARTED),
        ("timed", {"budget": "12s"}),
        ("parted adapters", {**adapters, "last": 20}),
        ("adapters", adapters),
        ("parted adapters", adapters),
    ]
    file = home / "runs.json"
    file.write_text(json.dumps([{**plain, **one, "output": runs[name].output} for name, one in asked], default=str))
    Launched(file.with_suffix(".log"), "--multi_gpu", "-m", "tests.prx_train.parted_runs", file).end_well()
    return runs


def stop(config: Path, run: Run, *, steps: int) -> None:
    """Two processes of the command are stopped in the middle of their steps."""
    # Without GPUs, accelerate's launcher for several of them starts as many processes.
    words: list[str | Path] = ["--multi_gpu", "-m", "prx_train.cli", "fit", config]
    process = Launched(config.with_suffix(".log"), *words).process
    while process.poll() is None and not any(row["step"] >= 3 for row in run.metrics):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert not run.finished
    last = max(row["step"] for row in run.metrics)
    assert last < steps
    assert (run.checkpoints / f"step-{last:09d}" / "checkpoint.json").is_file()


def test_two_processes_learn_what_one_does_go_on_alike_and_end_with_the_clock_of_the_first(
    settings: dict[str, Any], together: dict[str, Run]
) -> None:
    two, parted, timed = (together[name] for name in ("two", "parted", "timed"))
    one = fit(TrainConfig(**{**settings, **PARTED, "accumulate": 2}))
    losses = [[row["loss"] for row in run.metrics if "loss" in row] for run in (one, two)]
    assert len(losses[0]) == 24
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert one.summary["val_loss_after"] == pytest.approx(two.summary["val_loss_after"], rel=1e-5)
    assert same(weights(two), weights(parted))
    exported = [load_file(r.pipeline_folder / "transformer/diffusion_pytorch_model.safetensors") for r in (two, parted)]
    assert same(*exported)
    assert timed.finished
    assert timed.summary["steps"] > 1
    assert any("val_loss" in row for row in timed.metrics)


def test_adapters_of_two_processes_go_on_to_the_same_bits(together: dict[str, Run]) -> None:
    whole, parted = together["adapters"], together["parted adapters"]
    found = weights(whole)
    assert {name.partition("/")[0] for name in found} == {"weights", "average", "optimizer"}
    assert all("lora_" in name for name in found)
    assert any(value.any() for name, value in found.items() if name.startswith("weights/") and "lora_B" in name)
    assert same(found, weights(parted))
    losses, others = ([(r["step"], r["loss"]) for r in run.metrics if "loss" in r] for run in (whole, parted))
    assert [step for step, _ in losses] == [*range(1, 41)]
    assert losses == others
    assert same(*(load_file(run.lora_folder / "adapter.safetensors") for run in (whole, parted)))


def stopped_after_four(settings: dict[str, Any]) -> tuple[TrainConfig, Run, list[Path]]:
    """A run with a checkpoint after each of its first four steps."""
    changes = {"checkpoint_every": "1 steps", "validate_every": "100 steps", "trackers": (), "keep_checkpoints": 3}
    config, steps = TrainConfig(**{**settings, **changes}), Counting()
    run = fit(config, callbacks=[steps], stop=lambda: steps.done >= 4, say=lambda text: None)
    saved = list_checkpoints(run.checkpoints)
    assert [path.name[-1] for path in saved] == ["2", "3", "4"]
    return config, run, saved


def cut(path: Path) -> None:
    """The end of the optimizers' states is lost."""
    file = path / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def emptied(path: Path) -> None:
    """The manifest has become empty."""
    (path / "checkpoint.json").write_bytes(b"")


def turned(path: Path) -> None:
    """One bit of a weight is another: the file can still be loaded."""
    file = path / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(settings: dict[str, Any], tmp_path: Path) -> None:
    config, stopped, _ = stopped_after_four(settings)
    whole = fit(TrainConfig(**{**settings, "output": tmp_path / "whole"}))
    harms: list[tuple[Callable[[Path], None], str]] = [
        (cut, "optimizer.safetensors is not as it was written"),
        (turned, "weights.safetensors is not as it was written"),
        (emptied, "checkpoint.json cannot be read"),
    ]
    for harm, what in harms:
        run, said = Run(tmp_path / harm.__name__), list[str]()
        shutil.copytree(stopped.output, run.output)
        last = list_checkpoints(run.checkpoints)[-1]
        harm(last)
        assert fit(config.model_copy(update={"output": run.output}), say=said.append).finished
        assert f"the checkpoint '{last}' is damaged, {what}; step-000000003 is taken instead" in said
        assert f"{run.output}: going on after step 3" in said
        assert [row["step"] for row in run.metrics if "loss" in row] == [1, 2, 3, 4, 5, 6]
        assert same(weights(whole), weights(run))


def test_only_the_checkpoint_that_is_loaded_is_read(settings: dict[str, Any]) -> None:
    config, _, saved = stopped_after_four(settings)
    emptied(saved[0])
    said: list[str] = []
    assert fit(config, say=said.append).finished
    assert not any("damaged" in text for text in said)


def test_without_a_sound_checkpoint_it_ends_in_a_sentence(settings: dict[str, Any]) -> None:
    config, run, saved = stopped_after_four(settings)
    for path in saved:
        cut(path)
    with pytest.raises(ConfigError, match=f"'{saved[0]}' is damaged, .*no other to go on from, so choose another"):
        fit(config)
    assert list_checkpoints(run.checkpoints) == saved


def test_after_infinite_losses_a_damaged_checkpoint_is_passed_over(settings: dict[str, Any], tmp_path: Path) -> None:
    plain = fit(TrainConfig(**{**settings, "budget": "1 steps"}))
    wild = with_rates(plain, tmp_path / "wild", [1e-3] * 4 + [1e30] + [1e-3] * 6)
    run, steps, said = Run(tmp_path / "out"), Counting(), list[str]()

    def harm() -> bool:
        if steps.done == 5:
            cut(run.checkpoints / "step-000000004")
        return False

    changed = {"budget": f"as {wild.output}", "output": run.output, "checkpoint_every": "2 steps"}
    config = TrainConfig(**{**settings, **changed, "validate_every": "100 steps"})
    fit(config, callbacks=[steps], stop=harm, say=said.append)
    assert [row["back_to"] for row in run.metrics if "back_to" in row] == [2]
    assert any("step-000000004' is damaged" in text and "step-000000002 is taken" in text for text in said)
