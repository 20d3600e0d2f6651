"""A dataset of the hub that changes, is closed to us, or cannot be reached: nothing is missed, and a sentence says why.

In a process of its own, as the hub's package reads its address once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prx_data.sources import source_name

from .conftest import draw_product, encode
from .hub_server import hub

LOG_IN = "if it is private or gated, ask for access and log in: `hf auth login`, or a token in HF_TOKEN."


def run(script: str, endpoint: str, home: Path) -> list[str]:
    online = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "NO_PROXY": "127.0.0.1", "HF_TOKEN": ""}
    environment = {**os.environ, **online, "HF_ENDPOINT": endpoint, "HF_HOME": str(home / "home")}
    command = [sys.executable, "-c", script, str(home)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


CHANGED = """
import sys
from pathlib import Path
from prx_data import Workspace

home = Path(sys.argv[1])
photos = Workspace(home / "work")
print(photos.add("owner/name"))
(home / "later.jpg").rename(home / "served" / "later.jpg")
print(photos.add("owner/name"), photos.add("owner/name"))
"""


def test_what_was_pushed_since_is_seen_by_the_same_process(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    for number in range(2):
        (served / f"{number}.jpg").write_bytes(encode(draw_product(number)))
    (tmp_path / "later.jpg").write_bytes(encode(draw_product(2)))
    with hub(served) as (endpoint, _):
        assert run(CHANGED, endpoint, tmp_path) == ["2", "3 3"]


CURATE = """
import json, sys
from prx_data import PrxDataError, curate

try:
    curate(photos="owner/name", workspace=sys.argv[1] + "/work", output=sys.argv[1] + "/dataset", workers=1)
except PrxDataError as error:
    print(json.dumps(str(error)))
"""

ADD = """
import json, sys
from prx_data import PrxDataError, Workspace

photos = Workspace(sys.argv[1] + "/work")
try:
    photos.add("owner/name")
    print(photos.photos()["status"].to_pylist())
except PrxDataError as error:
    print(json.dumps(str(error)))
"""

GATED = (403, "GatedRepo")


@pytest.mark.parametrize("kind", ["pictures", "parquet"])
def test_a_gated_dataset_says_how_to_get_in_and_is_read_when_we_are(kind: str, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    pictures = [encode(draw_product(number), quality=92) for number in range(3)]
    if kind == "pictures":
        (served / "metadata.csv").write_text("file_name,name\n0.jpg,shirt\n")
        for number, picture in enumerate(pictures):
            (served / f"{number}.jpg").write_bytes(picture)
    else:
        pq.write_table(pa.table({"image": pictures}), served / "train.parquet")
    refused = {"/resolve/": GATED}
    with hub(served, refused=refused) as (endpoint, _):
        (told,) = run(CURATE, endpoint, tmp_path)
        refused.clear()
        assert run(ADD, endpoint, tmp_path) == ["['ok', 'ok', 'ok']"]
    sentence = json.loads(told)
    assert "\n" not in sentence
    if kind == "pictures":
        assert sentence.startswith("The metadata hf://datasets/owner/name/metadata.csv cannot be read: 403 ")
        assert sentence.endswith(LOG_IN)
    else:
        assert sentence.startswith(
            'No photo was kept: 1 unreadable. "train.parquet", for one: The Parquet file cannot '
        )
        assert "403" in sentence


SHARDS = """
import json, sys
from pathlib import Path
from prx_data.cli import main

home = Path(sys.argv[1])
text = 'photos = "owner/name"\\nworkspace = "{0}/work"\\noutput = "{0}/dataset"\\nworkers = 1\\n'
(home / "curate.toml").write_text(text.format(home))
print(main(["curate", str(home / "curate.toml")]))
print(json.loads((home / "dataset" / "curation.json").read_text())["counts"]["kept"])
"""


@pytest.mark.parametrize("kind", ["parquet", "zip"])
def test_a_shard_that_the_network_keeps_back_is_an_exit_code_and_no_loss(kind: str, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    for shard in range(2):
        pictures = {f"{number}.jpg": encode(draw_product(2 * shard + number), quality=92) for number in range(2)}
        path = served / f"{shard}.{kind}"
        if kind == "parquet":
            pq.write_table(pa.table({"image": list(pictures.values())}), path)
        else:
            with ZipFile(path, "w") as packed:
                for name, data in pictures.items():
                    packed.writestr(name, data)
    refused = {f"/1.{kind}": (403, "")}
    with hub(served, refused=refused) as (endpoint, _):
        assert [line for line in run(SHARDS, endpoint, tmp_path) if line.isdecimal()] == ["3", "2"]
        refused.clear()
        assert [line for line in run(SHARDS, endpoint, tmp_path) if line.isdecimal()] == ["0", "4"]


def refused_by(status: int, code: str, folder: Path) -> AbstractContextManager[tuple[str, Sequence[str]]]:
    return hub(folder, refused={"/api/": (status, code)})


@pytest.mark.parametrize(
    ("status", "code", "ending"),
    [
        (404, "RepoNotFound", LOG_IN),
        (401, "", LOG_IN),
        (500, "", "/api/datasets/owner/name'."),
        (0, "", "Connection refused."),
    ],
)
def test_what_cannot_be_listed_is_one_sentence(status: int, code: str, ending: str, tmp_path: Path) -> None:
    nobody = nullcontext(("http://127.0.0.1:9", ()))
    with refused_by(status, code, tmp_path) if status else nobody as (endpoint, _):
        (told,) = run(ADD, endpoint, tmp_path)
    sentence = json.loads(told)
    assert sentence.startswith("photos = 'owner/name' is no local path, and no dataset of the hub could be read: ")
    assert sentence.endswith(ending)
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("https://huggingface.co/datasets/owner/name", "hf://datasets/owner/name"),
        ("https://huggingface.co/datasets/owner/name/", "hf://datasets/owner/name"),
        ("https://huggingface.co/datasets/owner/name/tree/v1.0", "hf://datasets/owner/name@v1.0"),
        (
            "https://huggingface.co/datasets/owner/name/resolve/main/a.csv",
            "https://huggingface.co/datasets/owner/name/resolve/main/a.csv",
        ),
    ],
)
def test_the_address_of_a_datasets_page_is_the_dataset(page: str, name: str) -> None:
    assert source_name(page) == name


STREAM = """
import contextlib, io, json, sys, time
from pathlib import Path
import datasets.config
from prx_data.cli import main

time.sleep = lambda seconds: None  # as patient as ever, but for the clock
datasets.config.STREAMING_READ_MAX_RETRIES = 2
home = Path(sys.argv[1])
text = 'photos = "owner/name"\\nworkspace = "{0}/work"\\noutput = "{0}/dataset"\\nworkers = 1\\n'
(home / "curate.toml").write_text(text.format(home))
with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(io.StringIO()):
    code = main(["curate", str(home / "curate.toml")])
print(json.dumps([code, errors.getvalue().splitlines()[-1]]))
"""


def write_stream(served: Path) -> None:
    """Arrow files that only `datasets` knows what to do with; of the first, the first request fetches three rows."""
    schema = pa.schema([("image", pa.binary()), ("name", pa.string())])
    files = {"train-00000-of-00002": range(7), "train-00001-of-00002": (7, 8), "test-00000-of-00001": (9,)}
    for name, seeds in files.items():
        with pa.ipc.new_stream(served / f"{name}.arrow", schema) as stream:
            for seed in seeds:
                picture = encode(draw_product(seed, size=(700, 800)), "BMP")
                stream.write_batch(pa.record_batch([[picture], [f"thing {seed}"]], schema=schema))


def streamed(endpoint: str, home: Path) -> tuple[int, str, dict[str, dict[str, object]]]:
    """The exit code, the last line on standard error, and the verdicts."""
    home.mkdir(exist_ok=True)
    code, told = json.loads(run(STREAM, endpoint, home)[-1])
    verdicts = pq.read_table(home / "dataset" / "verdicts.parquet").to_pylist()
    return code, told, {one["origin"]: one for one in verdicts}


@pytest.mark.parametrize(
    ("cut", "refused", "last", "why"),
    [
        ({"train-00000": 7_500_000}, {}, 3, "Server Disconnected."),
        ({}, {"train-00001": GATED}, 7, LOG_IN),
    ],
    ids=["within a file", "between files"],
)
def test_a_stream_that_breaks_off_keeps_what_came_and_is_read_by_the_next_run(
    cut: dict[str, int], refused: dict[str, tuple[int, str]], last: int, why: str, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    write_stream(served)
    with hub(served, cut=cut, refused=refused) as (endpoint, requests):
        code, told, broken = streamed(endpoint, tmp_path / "broken")
        tried = len(requests)
        assert (code, told) == (
            3,
            "prx-data: 1 file of the source could not be read, and the photos in it are missing: "
            f'"train from row {last} on"; the same command tries again.',
        )
        assert broken.keys() == {"train", "test/0", *(f"train/{number}" for number in range(last))}
        detail = str(broken["train"]["detail"])
        assert detail.startswith(f"The rows from {last} on cannot be read: ")
        assert detail.endswith(why)
        cut.clear()
        refused.clear()
        code, told, healed = streamed(endpoint, tmp_path / "broken")
        assert len(requests) > tried
        assert (code, "could not be read" in told) == (0, False)
        assert healed == streamed(endpoint, tmp_path / "whole")[2]
    assert len(healed) == 10
