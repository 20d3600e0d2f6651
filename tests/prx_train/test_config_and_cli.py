import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prx_train
from prx_train import ConfigError, TrainConfig
from prx_train.cli import main
from prx_train.config import ModelConfig, load_config, resolve

HEAVY = {"torch", "diffusers", "transformers", "datasets", "numpy", "pydantic", "PIL", "pyarrow"}


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "prx_train.cli", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def one_sentence(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 1 and lines[0].startswith("prx-train: ") and lines[0].endswith(".")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_sise": 4}, "config key 'batch_sise' is unknown; did you mean 'batch_size'?"),
        ({"model": {"width": 4}}, "config key 'model.width' is unknown; known are hidden_size"),
        ({"batch_size": 0}, "config key 'batch_size' = 0 is wrong: input should be greater than or equal to 1."),
        ({"budget": "soon"}, "config key 'budget' = 'soon' is neither a time"),
        ({"batch_size": True}, "config key 'batch_size' = True is wrong: neither true nor false can stand here."),
        ({"learning_rate": math.inf}, "config key 'learning_rate' = inf is wrong: input should be a finite number."),
        ({"prompts": "a hat"}, "config key 'prompts' = 'a hat' is wrong: it must be a list, such as ['a', 'b']."),
        ({"captions": "text"}, "config key 'captions' = 'text' is wrong: it must be a table, such as {name = 1}."),
        ({"lora": {"rank": True}}, "config key 'lora.rank' = True is wrong: neither true nor false can stand here."),
        ({"device": "tpu"}, "config key 'device' = 'tpu' is wrong: it must be 'auto', 'cpu' or 'cuda'."),
        ({"warmup": 0.7, "decay": 0.6}, "config keys 'warmup' = 0.7 and 'decay' = 0.6 add up to more than 1."),
        ({"resolution": 36}, "config key 'resolution' = 36 is no multiple of model.patch_size = 8."),
        ({"model": {"hidden_size": 34}}, "config key 'model.hidden_size' = 34 is no multiple of 4 × num_heads"),
        ({"dataset": None}, "config key 'dataset' = None is wrong"),
    ],
)
def test_a_wrong_setting_is_told_in_a_sentence(settings: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        TrainConfig(**{**settings, **change})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_missing_setting_is_told() -> None:
    with pytest.raises(ConfigError, match="config key 'output' is missing"):
        TrainConfig(dataset=Path())  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [TrainConfig, ModelConfig])
def test_every_setting_is_explained(kind: type[TrainConfig] | type[ModelConfig]) -> None:
    assert [name for name, field in kind.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(("changes", "rate"), [({"base": None}, 1e-3), ({}, 1e-4), ({"lora": {}}, 3e-4)])
def test_the_learning_rate_suits_what_is_trained(changes: dict[str, Any], rate: float) -> None:
    config = TrainConfig(**{"dataset": "dataset", "output": "run", **changes})
    assert resolve(config, resolution=64, shift=1.0, batch_size=32, accumulate=1).learning_rate == rate


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("checkpoint_every", "0s"),
        ("checkpoint_every", "$5"),
        ("validate_every", "soon"),
        ("validate_every", "as runs/first"),
        ("seed", 2**63),
        ("sample_seed", 2**64),
    ],
)
def test_a_value_that_is_wrong_is_told_by_its_key(key: str, value: str | int) -> None:
    with pytest.raises(ConfigError, match=rf"^config key '{key}' = '?{re.escape(str(value))}'? "):
        TrainConfig(**{"dataset": "dataset", "output": "run", key: value})


def test_toml_gives_what_python_gives(settings: dict[str, Any], toml: Callable[..., Path]) -> None:
    assert load_config(toml()) == TrainConfig(**settings)


@pytest.mark.usefixtures("signals")
def test_user_mistakes_end_with_2_and_a_sentence(
    toml: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").touch()
    (tmp_path / "broken.toml").write_text("dataset = ")
    cases: list[tuple[Callable[[], Path], str]] = [
        (lambda: toml(unknown_key=1), "'unknown_key' is unknown"),
        (lambda: toml(output=tmp_path / "file" / "run"), "cannot be written to"),
        (lambda: toml(output=tmp_path / "own"), "not empty and not a run"),
        (lambda: toml(dataset=tmp_path / "nothing"), "is empty, so it is not a dataset"),
        (lambda: toml(dataset=tmp_path / "own"), "so it is not a dataset"),
        (lambda: toml(budget="0.1s"), "is too short for one step"),
        (lambda: tmp_path / "broken.toml", "is not TOML"),
        (lambda: tmp_path / "absent.toml", "cannot be read"),
    ]
    for config, words in cases:
        code, said = main(["fit", str(config())]), capsys.readouterr().err
        assert code == 2, said
        errors = [line for line in said.splitlines() if line.startswith("prx-train: ")]
        assert one_sentence(errors[0]), said
        assert words in errors[0]
        assert "Traceback" not in said
    # In a process of its own, in which nothing is loaded yet.
    done = command("fit", toml(budget="1s"))
    assert done.returncode == 2, done.stderr
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("prx-train: "))
    assert "is too short for one step" in error
    assert "Traceback" not in done.stderr


def test_sample_and_report_of_no_run_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["sample", str(tmp_path), "a hat"], ["report", str(tmp_path)]):
        assert main(arguments) == 2
        assert one_sentence(capsys.readouterr().err)


@pytest.mark.parametrize("guidance", ["nan", "inf", "0.5"])
def test_guidance_that_is_no_number_is_told_before_any_work(
    guidance: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(tmp_path), "a hat", "--guidance", guidance]) == 2
    said = capsys.readouterr().err
    assert one_sentence(said)
    assert f"--guidance {guidance} is wrong" in said


@pytest.mark.usefixtures("signals")
def test_a_trained_model_is_sampled_from_the_command_line(
    toml: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(toml(budget="2 steps"))]) == 0
    out = tmp_path / "hat.png"
    done = command("sample", tmp_path / "run", "a hat", "--out", out, "--steps", 2, "--width", 40, "--height", 24)
    assert (done.returncode, done.stdout.strip()) == (0, str(out))
    from PIL import Image

    with Image.open(out) as drawn:
        assert drawn.size == (40, 24)
    for nothing in ("--width", "--height", "--steps"):
        with pytest.raises(SystemExit, match=r"^2$"):
            main(["sample", str(tmp_path / "run"), "a hat", nothing, "0"])
    capsys.readouterr()
    assert main(["sample", str(tmp_path / "run"), "a hat", "--width", "41"]) == 2
    assert one_sentence(capsys.readouterr().err)
    (tmp_path / "run" / "report.html").unlink()
    assert command("report", tmp_path / "run").returncode == 0
    assert (tmp_path / "run" / "report.html").is_file()


ENDING = """
import atexit, sys
from prx_train import cli
class Module:
    def __del__(self): print("taken apart")
module = Module()
main = cli.main
def main_with_a_library():
    atexit.register(print, "registered")
    return main()
cli.main = main_with_a_library
print("said", end="; ")
sys.exit(cli.command())
"""


@pytest.mark.parametrize(("arguments", "code", "ends_as_usual"), [(["report", "nowhere"], 2, False), (["no"], 2, True)])
def test_a_command_ends_without_being_taken_apart(arguments: list[str], code: int, ends_as_usual: bool) -> None:
    words = [sys.executable, "-c", ENDING, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout == "said; registered\n" + "taken apart\n" * ends_as_usual
    assert done.stderr.strip()


@pytest.mark.parametrize(
    "code",
    [
        "import prx_train",
        "import prx_train.cli, sys\ntry:\n    prx_train.cli.main(['--help'])\nexcept SystemExit:\n    pass",
        "import prx_train.cli, sys\ntry:\n    prx_train.cli.main(['fit', '--help'])\nexcept SystemExit:\n    pass",
    ],
)
def test_importing_and_help_load_nothing_heavy(code: str) -> None:
    script = f"{code}\nimport sys\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.rpartition("LOADED")[2].split())


def test_the_report_needs_no_torch(toml: Callable[..., Path], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import prx_train.report, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert not {"torch", "diffusers", "transformers"} & set(done.stdout.split())


def test_the_public_names_are_exact() -> None:
    assert set(prx_train.__all__) == {
        "BudgetError",
        "Callback",
        "ConfigError",
        "DatasetError",
        "DivergedError",
        "LoraConfig",
        "ModelConfig",
        "ModelError",
        "Plan",
        "PrxTrainError",
        "ResourceError",
        "Run",
        "TrainConfig",
        "Training",
        "__version__",
        "fit",
        "load",
        "load_lora",
        "plan",
        "write_report",
    }
    assert all(getattr(prx_train, name) is not None for name in prx_train.__all__)
    with pytest.raises(AttributeError):
        prx_train.absent  # noqa: B018
