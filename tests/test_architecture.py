"""What keeps the shape: import contracts, instant imports, sizes, and what must not be there at all."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
HEAVY = {
    "prx_data": (
        "numpy",
        "numba",
        "PIL",
        "pyarrow",
        "scipy",
        "faiss",
        "matplotlib",
        "pydantic",
        "loky",
        "jinja2",
        "torch",
    ),
    "prx_train": ("torch", "diffusers", "transformers", "numpy", "PIL", "pyarrow", "pydantic", "jinja2"),
}


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    # The editable installation names the repository itself; the copy has to come first.
    path = ":".join(str(one / "src") for one in sorted((root / "packages").iterdir()))
    environment = {"PYTHONPATH": path, "PATH": str(Path(sys.executable).parent)}
    return subprocess.run(
        [command, "--no-cache"], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "packages", tmp_path / "packages", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("prx-data/src/prx_data/records.py", "import prx_data.pipeline", "an arrow only points down"),
        ("prx-data/src/prx_data/decisions/rules.py", "import prx_data.decoding", "decisions never see a pixel"),
        ("prx-data/src/prx_data/report/build.py", "import PIL", "only decoding opens an image"),
        ("prx-data/src/prx_data/sources/__init__.py", "import torch", "prx_data needs no torch"),
        ("prx-data/src/prx_data/cli.py", "import prx_train", "share a format, not code"),
        ("prx-train/src/prx_train/objective.py", "import prx_train.loop", "prx_train: an arrow only points down"),
        ("prx-train/src/prx_train/loop.py", "import diffusers", "only model knows diffusers"),
        ("prx-train/src/prx_train/report/__init__.py", "import torch", "the report imports no torch"),
    ],
)
def test_a_planted_violation_fails(copy: Path, file: str, line: str, contract: str) -> None:
    source = copy / "packages" / file
    source.write_text(source.read_text() + f"\n{line}\n")
    result = lint_imports(copy)
    assert result.returncode != 0
    broken = [one for one in result.stdout.splitlines() if " BROKEN" in one]
    assert any(contract in one for one in broken), result.stdout


def test_the_contracts_hold(copy: Path) -> None:
    result = lint_imports(copy)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("package", sorted(HEAVY))
@pytest.mark.parametrize("action", ["import", "help"])
def test_import_and_help_load_nothing_heavy(package: str, action: str) -> None:
    code = f"import sys, {package}\n"
    if action == "help":
        code += (
            f"from {package}.cli import main\n"
            "for words in (['--help'], ['fit', '--help'], ['curate', '--help']):\n"
            "    try: main(words)\n"
            "    except SystemExit: pass\n"
        )
    code += f"print('LOADED', *[name for name in {HEAVY[package]!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("package", sorted(HEAVY))
def test_every_exported_member_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)
    assert not [name for name in dir(module) if name not in module.__all__ and not name.startswith("_")]
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


@pytest.mark.parametrize("word", ["pickle", "trust_remote_code", "shell=True", "torch.load", "eval("])
def test_nothing_dangerous(word: str) -> None:
    assert len(SOURCES) > 20
    assert [str(one) for one in SOURCES if word in one.read_text().replace(".eval()", "")] == []


def test_files_and_functions_are_short() -> None:
    long = []
    for path in SOURCES:
        text = path.read_text()
        if text.count("\n") > 350:
            long.append(f"{path.name}: {text.count(chr(10))} lines")
        long += [
            f"{path.name}: {node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
        ]
    assert long == []


def test_benchmarks_that_are_named_are_there() -> None:
    pages = [ROOT / "Makefile", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("packages/*/README.md")]
    named = {name for page in pages for name in re.findall(r"benchmarks/\w+\.py", page.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
