"""Datasets of the hub as sources: read where they lie, or streamed, few photos at a time, and kept."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prx_data import Workspace
from prx_data import index as indexing
from prx_data.records import PhotoFile
from prx_data.sources import Earlier, Findings
from prx_data.sources.hub import streamed_photos

from .conftest import Pile
from .hub_server import hub
from .piles import dataset_rows, hugging_face, verdicts, write_hf_parquet, write_saved, write_zip


def test_what_is_streamed_is_spooled_once(photos_in: Pile, expected: Path, tmp_path: Path) -> None:
    rows = hugging_face(photos_in).to_iterable_dataset(num_shards=2)

    class Streamed:
        revision = "commit"
        read = 0

        def photos(self, findings: Findings, earlier: Earlier) -> Any:
            for photo in streamed_photos({"train": rows}, findings, name="streamed"):
                Streamed.read += 1
                yield photo

    photos = Workspace(tmp_path / "work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prx_data.workspace.source_name", lambda photos: str(photos))
        patch.setattr("prx_data.workspace.open_source", lambda photos, metadata, image_column: Streamed())
        photos.add("hf://datasets/owner/name")
        photos.add("hf://datasets/owner/name")
        assert Streamed.read == len(photos_in)
        next((tmp_path / "work" / "spool").glob("*/*")).unlink()
        photos.add("hf://datasets/owner/name")
        assert Streamed.read == 2 * len(photos_in)
    assert photos.photos()["origin"].to_pylist()[0] == "train/0"
    photos.measure(workers=1)
    photos.select().write(tmp_path / "dataset")
    assert verdicts(tmp_path / "dataset") == verdicts(expected)


CURATE_HUB = """
import json, sys
from prx_data import PrxDataError, curate
for name in sys.argv[2:]:
    try:
        for _ in range(2):
            done = curate(photos=name, workspace=sys.argv[1] + "/work", output=sys.argv[1] + "/dataset", workers=1)
    except PrxDataError as error:
        print(error)
"""


def write_zip_alone(pile: Pile, home: Path) -> None:
    write_zip(pile, home.parent).rename(home / "train.zip")


def write_arrow(pile: Pile, home: Path) -> None:
    """Shards without the files that tell which shards belong to a dataset: only `datasets` knows what to do with it."""
    write_saved(pile, home.parent)
    (home.parent / "saved" / "data-00000-of-00002.arrow").rename(home / "train-00000-of-00002.arrow")
    (home.parent / "saved" / "data-00001-of-00002.arrow").rename(home / "train-00001-of-00002.arrow")


@pytest.mark.parametrize("write", [write_hf_parquet, write_zip_alone, write_arrow], ids=lambda write: write.__name__)
def test_a_dataset_of_the_hub(
    write: Callable[[Pile, Path], object], photos_in: Pile, expected: Path, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    write(photos_in, served)
    with hub(served) as (endpoint, requests):
        online = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
        environment = {**os.environ, **online, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-c", CURATE_HUB, str(tmp_path), "owner/name", "hf://datasets/owner/name", "no/such"]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (told,) = run.stdout.splitlines()
    assert told.startswith("photos = 'no/such' is no local path, and no dataset of the hub could be read: ")
    assert verdicts(tmp_path / "dataset") == verdicts(expected)
    assert dataset_rows(tmp_path / "dataset", ["sku", "tags"]) == dataset_rows(expected, ["sku", "tags"])
    assert len(list((tmp_path / "work" / "spool").glob("*/*"))) == (9 if write is write_arrow else 0)
    assert any(one.startswith("GET /datasets/owner/name/resolve") for one in requests)


def test_few_streamed_photos_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_CHUNK_BYTES", 5_000_000)
    alive: set[int] = set()
    most = 0

    class Counted(bytes):
        def __del__(self) -> None:
            alive.discard(id(self))

    def photos() -> Any:
        nonlocal most
        for number in range(40):
            content = Counted(bytes([number]) * 1_000_000)
            alive.add(id(content))
            most = max(most, len(alive))
            yield PhotoFile(origin=str(number), locator="", stamp="", content=content)

    spool, journal = indexing.Spool(tmp_path / "spool"), indexing.Journal(tmp_path / "journal")
    assert len(indexing.index_photos(photos(), {}, spool, journal)) == 40
    assert 5 <= most <= 11
