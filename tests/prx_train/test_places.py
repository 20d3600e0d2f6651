"""Datasets that are not in a folder here: on the hub, downloaded or read in place, and at other addresses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import huggingface_hub
import pyarrow.parquet as pq
import pytest

from prx_train import DatasetError, TrainConfig, fit
from prx_train.data import load_split, split_files
from prx_train.fingerprint import fingerprint
from prx_train.places import Folder, change_mark, find_folder, retried
from tests.prx_data.hub_server import NAME, hub

RUN = """
import json, sys
from prx_train import TrainConfig, fit
for settings in json.loads(sys.argv[1]):
    run = fit(TrainConfig(**settings), say=lambda text: None)
    print(json.dumps([row["loss"] for row in run.metrics if "loss" in row]))
    (run.output / "home.txt").write_text("\\n".join(map(str, run.output.parent.glob("home/**/*.parquet"))))
"""


def losses(settings: dict[str, Any]) -> list[float]:
    run = fit(TrainConfig(**settings), say=lambda text: None)
    return [row["loss"] for row in run.metrics if "loss" in row]


def test_a_dataset_of_the_hub_is_downloaded_or_read_in_place_to_the_same_bits(
    settings: dict[str, Any], dataset: Path, tmp_path: Path
) -> None:
    here = losses({**settings, "output": tmp_path / "here"})
    runs = [
        {**settings, "dataset": NAME, "output": tmp_path / "streamed", "stream": True},
        {**settings, "dataset": NAME, "output": tmp_path / "downloaded"},
    ]
    with hub(dataset) as (endpoint, requests):
        # In a process of their own, as the hub's address is read once.
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
        environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", RUN, json.dumps(runs, default=str)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert any("train" in one for one in requests)
    assert not (tmp_path / "streamed" / "home.txt").read_text()
    assert "train" in (tmp_path / "downloaded" / "home.txt").read_text()
    assert [here, here] == [json.loads(line) for line in done.stdout.splitlines()[-2:]]
    assert len(here) == 6


def test_other_addresses_are_read_in_place(dataset: Path) -> None:
    memory: Any = fsspec.filesystem("memory")
    for file in dataset.rglob("*.parquet"):
        memory.pipe(f"/shop/{file.relative_to(dataset)}", file.read_bytes())
    folder = find_folder("memory://shop")
    files, here = split_files(folder), split_files(Folder(root=str(dataset)))
    assert not folder.local
    for split in ("train", "validation"):
        assert [file.rsplit("/", 1)[-1] for file in files[split]] == [Path(file).name for file in here[split]]
        remote, local = (load_split(one[split], resolution=32, patch_size=8, ram_limit=0) for one in (files, here))
        assert [row.key for row in remote.rows] == [row.key for row in local.rows]
        for index in range(len(local.rows)):
            one, other = remote.picture(index), local.picture(index)
            assert one is not None
            assert other is not None
            assert (one == other).all()
    before, mark = fingerprint(folder, files["train"]), change_mark(files["train"][0])
    assert change_mark(files["train"][0]) == mark
    memory.pipe(files["train"][0].removeprefix("memory://"), b"another")
    assert fingerprint(folder, files["train"]) != before
    assert change_mark(files["train"][0]) != mark
    memory.rm("/shop", recursive=True)


def test_what_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    for name in (str(tmp_path / "absent"), "no dataset", "nosuch://bucket/dataset", f"{NAME}@c0ffee/x y"):
        with pytest.raises(DatasetError, match="config key 'dataset'") as caught:
            find_folder(name)
        assert "\n" not in str(caught.value)


def test_a_network_that_fails_now_and_then_is_asked_again(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prx_train.places._FIRST_PAUSE", 0.0)
    file = shutil.copy(next(dataset.rglob("train*.parquet")), tmp_path / "train.parquet")
    answers = iter([OSError("reset"), OSError("reset"), None])

    def read() -> int:
        if (failure := next(answers)) is not None:
            raise failure
        return int(pq.ParquetFile(file).metadata.num_rows)

    assert retried(read) == 21
    asked: list[int] = []

    def absent() -> None:
        asked.append(1)
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        retried(absent)
    assert len(asked) == 1


def test_what_the_hubs_client_raises_is_a_network_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its errors of a connection are no `OSError`; nobody listens at this address."""
    monkeypatch.setattr("prx_train.places._FIRST_PAUSE", 0.0)
    asked: list[int] = []

    def read(failures: int) -> str:
        asked.append(1)
        if len(asked) <= failures:
            huggingface_hub.get_session().get("http://127.0.0.1:9")
        return "read"

    assert retried(lambda: read(2)) == "read"
    with pytest.raises(OSError, match="refused"):
        retried(lambda: read(100))
    with monkeypatch.context() as patched:
        patched.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: read(100))
        with pytest.raises(DatasetError, match=r"'owner/name' is no folder, and cannot be reached: .*refused"):
            find_folder("owner/name", stream=True)
