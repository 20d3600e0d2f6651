"""Datasets to the hub: a real client against a server that keeps what it is sent."""

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from prx_data import ConfigError, SourceError, push

from .hub_server import hub
from .hub_uploads import TOKEN, Uploads
from .test_exports import content, rows_in, rows_of, write_dataset

PUSH = """
import sys
import prx_data.publish
from prx_data.cli import main

prx_data.publish.COMMIT_FILES = 2
sys.exit(main(["push", *sys.argv[1:]]))
"""


class Repository:
    """The hub's dataset `owner/name`, and processes that push to it."""

    def __init__(self, tmp_path: Path, endpoint: str, uploads: Uploads) -> None:
        self.folder, self.uploads = uploads.folder, uploads
        self.process: subprocess.Popen[str] | None = None
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            # The protocol of large files that a small server can speak; the client's other one sends chunks elsewhere.
            "HF_HUB_DISABLE_XET": "1",
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "home"),
            "HF_TOKEN": TOKEN,
            "NO_PROXY": "127.0.0.1",
        }

    def push(self, dataset: Path, *words: str, **environment: str) -> tuple[int, str, str]:
        command = [sys.executable, "-c", PUSH, str(dataset), "owner/name", *words]
        self.process = subprocess.Popen(
            command,
            env={**self.environment, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, error = self.process.communicate()
        return self.process.returncode, out, error


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "served"
    folder.mkdir()
    uploads = Uploads(folder, tmp_path / "store")
    with hub(folder, uploads) as (endpoint, _):
        yield Repository(tmp_path, endpoint, uploads)


def dataset_of(folder: Path, shards: Sequence[int], start: int = 0) -> Path:
    """A dataset with so many rows in each of its shards, and with the files beside them."""
    parts = [rows_of(number, start + 100 * place) for place, number in enumerate(shards)]
    write_dataset(folder, {"train": parts, "validation": [rows_of(2, start + 9000)]})
    manifest = json.loads((folder / "curation.json").read_text())
    for name, facts in manifest["files"].items():
        facts["sha256"] = sha256((folder / name).read_bytes()).hexdigest()
    (folder / "curation.json").write_text(json.dumps(manifest))
    (folder / "README.md").write_text(f"---\ntags:\n- prx-data\n---\n\n{len(shards)} shards from {start}\n")
    (folder / "samples.png").write_bytes(rows_of(2)[1]["image"]["bytes"])
    (folder / "ledger.jsonl").write_text("{}\n")
    return folder


def test_a_dataset_is_sent_shards_first_and_manifest_last(repository: Repository, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "dataset", [3, 2, 4])
    code, out, error = repository.push(dataset)
    assert (code, error) == (0, "")
    assert "       8 files sent\n       0 files there already\n" in out
    assert content(repository.folder) == content(dataset)
    assert repository.uploads.created["visibility"] == "private"
    first, second, last = repository.uploads.commits
    assert [name for _, name in (*first, *second)] == sorted(name for name in content(dataset) if "/" in name)
    assert [name for _, name in last] == ["ledger.jsonl", "samples.png", "README.md", "curation.json"]
    written = [path.read_bytes() for top in (dataset, tmp_path / "home") for path in top.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in data for data in written)
    assert TOKEN not in out


LOAD = """
import datasets
loaded = datasets.load_dataset("owner/name")
print({split: sorted(rows["key"]) for split, rows in loaded.items()})
"""


def test_what_was_pushed_is_loaded_by_its_name(repository: Repository, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "dataset", [3, 2])
    assert repository.push(dataset)[0] == 0
    environment = {**repository.environment, "HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"}
    done = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=True)
    expected = {split: sorted(rows_in(dataset, split)) for split in ("train", "validation")}
    assert ast.literal_eval(done.stdout.splitlines()[-1]) == expected


def test_pushed_again_nothing_is_sent(repository: Repository, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "dataset", [3, 2])
    repository.push(dataset)
    puts, commits = list(repository.uploads.puts), list(repository.uploads.commits)
    code, out, _ = repository.push(dataset)
    assert code == 0
    assert "       0 files sent\n       7 files there already\n" in out
    assert (repository.uploads.puts, repository.uploads.commits) == (puts, commits)


@pytest.mark.parametrize("killed_at", [1, 2, 4, 6])
def test_a_killed_upload_goes_on(repository: Repository, tmp_path: Path, killed_at: int) -> None:
    dataset = dataset_of(tmp_path / "dataset", [2, 3, 2, 3, 2, 3])

    def kill(number: int) -> None:
        if number == killed_at:
            assert repository.process is not None
            os.kill(repository.process.pid, signal.SIGKILL)

    repository.uploads.before_put = kill
    code, _, _ = repository.push(dataset)
    assert code == -signal.SIGKILL
    assert "curation.json" not in content(repository.folder)
    assert len(content(repository.folder)) == (killed_at - 1) // 2 * 2  # commits of two shards
    assert repository.push(dataset)[0] == 0
    assert content(repository.folder) == content(dataset)
    # Seven shards and the picture of samples: of all that was sent only what the kill cut may have been sent twice.
    assert len(set(repository.uploads.puts)) == 8
    assert len(repository.uploads.puts) <= 9


def test_another_dataset_replaces_the_first(repository: Repository, tmp_path: Path) -> None:
    first = dataset_of(tmp_path / "first", [3, 2, 4])
    repository.push(first)
    (repository.folder / "LICENSE").write_text("mine")
    second = dataset_of(tmp_path / "second", [5, 2], start=40)
    before = len(repository.uploads.commits)
    code, out, _ = repository.push(second)
    assert code == 0
    assert "       3 files of an earlier dataset removed\n" in out
    assert content(repository.folder) == {**content(second), "LICENSE": b"mine"}
    assert ("deletedFile", "curation.json") in repository.uploads.commits[before]  # half replaced, it is not complete
    assert repository.uploads.commits[-1][-1] == ("file", "curation.json")


def test_what_the_hub_refuses_is_one_sentence(repository: Repository, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "dataset", [2])
    code, out, error = repository.push(dataset, HF_TOKEN="hf_" + "x" * 34)
    assert (code, out) == (2, "")
    assert error.startswith("prx-data: owner/name on the hub cannot be written to: ")
    assert error.endswith("Set HF_TOKEN to a token that may write there, or log in with `hf auth login`.\n")
    assert error.count("\n") == 1
    assert not repository.uploads.puts
    code, _, _ = repository.push(dataset, "--public")
    assert code == 0
    assert repository.uploads.created["visibility"] == "public"


def test_what_cannot_be_pushed_is_told_before_the_hub_is_asked(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "dataset", [2])
    with pytest.raises(ConfigError, match="repository = 'mine' is wrong: it should be of the form owner/name"):
        push(dataset, "mine")
    (dataset / "curation.json").unlink()
    with pytest.raises(SourceError, match="or not a complete one"):
        push(dataset, "owner/name")
