"""Fixtures for every test of the repository."""

import gc
import os
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).parent

if "PYTEST_XDIST_WORKER" in os.environ:
    # The other process of pytest has the other core. It is read when numpy or torch is loaded, hence here.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is imported stays: to look for garbage in a million objects, again and again, takes half the time of collecting.
gc.disable()

# How long an example takes is no property of what is tested, least of all beside another process of pytest.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

_LONG = (
    "test_wheels.py",
    "test_notebooks.py",
    "test_sharding.py",
    "test_stopping.py",
    "test_bases.py",
    "test_faults.py",
    "test_fit.py",
    "test_caption_server.py",
    "test_gradients.py",
    "test_adapters.py",
    "test_prx_tiny.py",
    "test_config_and_cli.py",
)
"""Files that take longest: begun last, one would keep one process busy while the other has none left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the files that take longest come first, in the order above."""
    places = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, in what came since."""
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only those tests are asked for that run alone, files without one are not imported, which takes seconds."""
    if config.option.markexpr == "alone" and collection_path.name.startswith("test_"):
        return "pytest.mark.alone" not in collection_path.read_text(encoding="utf-8") or None
    return None


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photos: `catalogue`, `phone` and `grocery`, each with its `metadata.csv`.

    They lie beside the repository, or where PRX_PHOTOS says. On CI they must be there; elsewhere a test that needs
    them is skipped.
    """
    folder = Path(os.environ.get("PRX_PHOTOS", REPOSITORY.parent / "shared" / "images"))
    if not (folder / "catalogue" / "metadata.csv").exists():
        message = f"the real photos are not at {folder}; set PRX_PHOTOS"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def mds_python() -> Path:
    """The interpreter of the environment in which mosaicml-streaming is installed: see the Makefile.

    On CI it must be there; elsewhere a test that needs it is skipped.
    """
    python = REPOSITORY / ".venv-mds" / "bin" / "python"
    if not python.exists():
        message = f"mosaicml-streaming is not at {python}; `make .venv-mds/.ready` installs it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return python
