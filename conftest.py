"""Fixtures for every test of the repository."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent


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
