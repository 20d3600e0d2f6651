"""What a workspace remembers of its sources: several of them, what changed in them, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_data import ConfigError, SourceError, Workspace, curate, storage
from prx_data import index as indexing
from prx_data.dataset import metadata_columns
from prx_data.features import arrow_of, feature_of, infer, plain, unify
from prx_data.measures.basics import Basics
from prx_data.workspace import WorkspaceStore, source_labels

from .conftest import draw_product, encode, write_pile


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were hashed."""
    found: list[str] = []
    honest = indexing._index_file

    def counted(path: str) -> Any:
        found.append(Path(path).name)
        return honest(path)

    monkeypatch.setattr(indexing, "_index_file", counted)
    return found


def origins(photos: WorkspaceStore) -> list[str]:
    found: list[str] = photos.photos()["origin"].to_pylist()
    assert found == sorted(set(found))
    return found


def test_a_second_pile_is_added_and_the_same_pile_is_looked_at_again(tmp_path: Path, reads: list[str]) -> None:
    a, b = write_pile(tmp_path / "a", [1, 2]), write_pile(tmp_path / "b", [2, 3])
    photos = Workspace(tmp_path / "work")
    assert photos.add(a) == 2
    assert origins(photos) == ["1.jpg", "2.jpg"]
    photos.add(b)
    assert origins(photos) == ["a/1.jpg", "a/2.jpg", "b/2.jpg", "b/3.jpg"]
    assert len(photos.readable()) == 3
    (a / "1.jpg").unlink()
    write_pile(a, [4])
    reads.clear()
    photos.add(a / "sub" / "..")
    assert origins(photos) == ["a/2.jpg", "a/4.jpg", "b/2.jpg", "b/3.jpg"]
    assert reads == ["4.jpg"]
    assert photos.sources == [str(a), str(b)]
    reasons = photos.measure(workers=1), {row["reason"] for row in photos.select().verdicts.to_pylist()}
    assert reasons == (3, {"kept", "exact_duplicate"})


def test_curate_gives_what_a_fresh_workspace_gives_whatever_it_held(tmp_path: Path) -> None:
    piles = [write_pile(tmp_path / name / "photos", seeds) for name, seeds in (("x", [1, 2]), ("y", [2, 3]))]
    for number, photos in enumerate([piles, piles[0], piles[::-1], piles[1], tuple(map(str, piles))]):
        settings: dict[str, Any] = {"photos": photos, "workers": 1}
        used = curate(workspace=tmp_path / "used", output=tmp_path / "dataset", **settings).manifest
        fresh = curate(workspace=tmp_path / f"fresh{number}", output=tmp_path / f"dataset{number}", **settings).manifest
        assert used["fingerprint"] == fresh["fingerprint"]
    verdicts = pq.read_table(tmp_path / "dataset" / "verdicts.parquet")["origin"].to_pylist()
    assert verdicts == ["x/photos/1.jpg", "x/photos/2.jpg", "y/photos/2.jpg", "y/photos/3.jpg"]


def test_metadata_goes_with_one_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it goes with one folder"):
        curate(photos=["a", "b"], metadata="m.csv", workspace=tmp_path / "w", output=tmp_path / "d")


paths = st.lists(st.sampled_from(["a", "b", "memory:", ""]), min_size=1, max_size=4).map("/".join)


@given(st.lists(paths, min_size=1, max_size=6, unique=True), st.lists(paths, min_size=1, max_size=4, unique=True))
def test_labels_tell_sources_apart(names: list[str], below: list[str]) -> None:
    labels = source_labels(names)
    assert len(set(labels)) == len(names)
    assert all(name.endswith(label) for name, label in zip(names, labels, strict=True))


def test_types_of_two_sources_meet(tmp_path: Path) -> None:
    photos = Workspace(tmp_path / "work")
    for name, line in (("a", '"n": 1, "x": 1, "m": [1]'), ("b", '"n": 2, "x": 0.5, "m": "one", "only": true')):
        folder = write_pile(tmp_path / name, [ord(name)])
        (folder / "metadata.jsonl").write_text(f'{{"file_name": "{ord(name)}.jpg", {line}}}')
        photos.add(folder)
    photos.measure(workers=1)
    photos.select().write(tmp_path / "dataset")
    table = pa.concat_tables([pq.read_table(path) for path in (tmp_path / "dataset").glob("data/*")]).sort_by("origin")
    assert table.select(["n", "x", "m", "only"]).to_pylist() == [
        {"n": 1, "x": 1.0, "m": "[1]", "only": None},
        {"n": 2, "x": 0.5, "m": "one", "only": True},
    ]
    assert {name: str(table.schema.field(name).type) for name in ("n", "x", "m", "only")} == {
        "n": "int64",
        "x": "double",
        "m": "string",
        "only": "bool",
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(json_values, max_size=5), st.lists(json_values, max_size=5))
def test_inferred_types_hold_their_values(a: list[Any], b: list[Any]) -> None:
    one, other = infer(a), infer(b)
    both = unify(one, other)
    assert both == unify(other, one)
    assert feature_of(arrow_of(both)) == both
    through = [plain(plain(value, feature), both) for values, feature in ((a, one), (b, other)) for value in values]
    column = pa.array(json.loads(json.dumps(through)), arrow_of(both)).to_pylist()
    assert column == through
    assert [value is None for value in column] == [value is None for value in [*a, *b]]


def test_what_did_not_change_is_not_read_again(tmp_path: Path, reads: list[str]) -> None:
    folder = write_pile(tmp_path / "a", [1, 2, 3])
    photos = Workspace(tmp_path / "work")
    photos.add(folder)
    before = photos.photos()
    assert sorted(reads) == ["1.jpg", "2.jpg", "3.jpg"]
    reads.clear()
    photos.add(folder)
    assert photos.photos() == before
    assert reads == []
    # Changed in place, same size: the time tells.
    old, status = (folder / "2.jpg").read_bytes(), (folder / "2.jpg").stat()
    (folder / "2.jpg").write_bytes(old[:-3] + b"\x00" + old[-2:])
    os.utime(folder / "2.jpg", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    photos.add(folder)
    assert reads == ["2.jpg"]
    assert photos.photos()["key"][1] != before["key"][1]
    # Metadata is read anew, whether or not the photos are.
    (folder / "metadata.csv").write_text("file_name,sku\n1.jpg,x\n")
    reads.clear()
    photos.add(folder)
    assert photos.photos()["metadata"][0].as_py() == '{"sku": "x"}'
    assert reads == []


def test_a_photo_that_changes_while_it_is_used_is_a_sentence(tmp_path: Path) -> None:
    folder = write_pile(tmp_path / "a", [1, 2, 3])
    photos = Workspace(tmp_path / "work")
    photos.add(folder)
    photos.measure(workers=1)
    (folder / "2.jpg").write_bytes(encode(draw_product(5)))
    with pytest.raises(SourceError, match=r"The photo 2\.jpg changed since it was indexed"):
        photos.select().write(tmp_path / "dataset")
    photos.add(folder)
    photos.measure(workers=1)
    assert photos.select().write(tmp_path / "dataset")["counts"]["kept"] == 3


def test_a_pile_that_fails_leaves_what_was_known(tmp_path: Path) -> None:
    folder = write_pile(tmp_path / "a", [1, 2])
    photos = Workspace(tmp_path / "work")
    photos.add(folder)
    before = photos.photos()
    (folder / "metadata.csv").write_text("nonsense\n")
    with pytest.raises(SourceError, match="no column"):
        photos.add(folder)
    assert photos.photos() == before


ADD = """
import sys, time
from prx_data import index
from prx_data.measures.basics import Basics
from prx_data.records import Status
from prx_data.sources import Findings, open_source
from prx_data.workspace import WorkspaceStore
index._JOURNAL_SECONDS, index._CHUNK = 0.0, 8
honest = index._index_file
def slow(path):
    time.sleep(0.01)
    return honest(path)
index._index_file = slow
WorkspaceStore(sys.argv[1]).add(sys.argv[2])
"""


def test_killed_while_adding_it_goes_on(tmp_path: Path, reads: list[str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number}.jpg").write_bytes(b"%d" % number)

    def journal() -> list[Path]:
        return list((tmp_path / "killed").glob("sources/*.journal/*.parquet"))

    for parts in (1, 7, 20):
        command = [sys.executable, "-c", ADD, str(tmp_path / "killed"), str(folder)]
        process = subprocess.Popen(command, start_new_session=True)
        while len(journal()) < parts and process.poll() is None:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    known = sum(pq.read_metadata(path).num_rows for path in journal())
    assert 20 * 8 <= known < 400
    killed, whole = WorkspaceStore(tmp_path / "killed"), WorkspaceStore(tmp_path / "whole")
    killed.add(folder)
    assert len(reads) == 400 - known  # finished work is not done again
    whole.add(folder)
    assert killed.photos() == whole.photos()
    assert not list((tmp_path / "killed").rglob("*.journal"))


CURATE = """
import sys
from pathlib import Path
import prx_data
home = Path(sys.argv[1])
prx_data.curate(photos=home / "photos", workspace=home / "work", output=home / "dataset", workers=1)
print(*sorted({"fsspec", "datasets", "huggingface_hub", "aiohttp", "torch"} & sys.modules.keys()))
"""


def test_local_photos_load_no_package_for_remote_ones(tmp_path: Path) -> None:
    write_pile(tmp_path / "photos", [1, 2])
    command = [sys.executable, "-c", CURATE, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == ""


def test_a_pile_may_hold_the_workspace_and_the_dataset(tmp_path: Path) -> None:
    folder = write_pile(tmp_path / "photos", [1, 2, 3])
    settings: dict[str, Any] = {"workspace": folder / "work", "output": folder / "out" / "dataset", "workers": 1}
    first = curate(photos=folder, **settings)
    assert curate(photos=folder, **settings).manifest == first.manifest
    again = curate(photos=folder / "out" / "dataset", workspace=tmp_path / "w", output=tmp_path / "d", workers=1)
    assert again.manifest["counts"]["kept"] == 3


def test_columns_of_ours_that_come_back_find_a_name(tmp_path: Path) -> None:
    assert metadata_columns(["key", "metadata_key", "sku"]) == {
        "sku": "sku",
        "metadata_key": "metadata_key",
        "key": "metadata_metadata_key",
    }
    source, names = write_pile(tmp_path / "photos", [1, 2]), []
    for number in range(3):
        output = tmp_path / f"dataset{number}"
        curate(photos=source, workspace=tmp_path / f"work{number}", output=output, workers=1)
        names.append(len(pq.read_schema(next(output.glob("data/*.parquet"))).names))
        source = output
    own = names[0]
    assert names == [own, own + own - 1, own + 2 * (own - 1)]  # all but `image`


def packed(path: Path, seeds: list[int]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for seed in seeds:
            data = encode(draw_product(seed))
            info = tarfile.TarInfo(f"{seed}.jpg")
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return path


def spooled(folder: Path) -> set[str]:
    return {path.name for path in (folder / "spool").rglob("*") if path.is_file()}


def test_bytes_that_a_killed_run_left_are_swept_by_the_next(tmp_path: Path) -> None:
    photos = Workspace(tmp_path / "work")
    photos.add(packed(tmp_path / "a.tgz", [1, 2]))
    kept = spooled(photos.folder)
    assert kept == set(photos.photos()["key"].to_pylist())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = photos.folder / "spool" / "ab" / f".{'ab' * 32}.{storage._HOST}-{ended.pid}-x.tmp"
    for path in (left, left.with_name("ab" * 32)):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half a photo")
    photos.add(write_pile(tmp_path / "b", [3]))
    assert spooled(photos.folder) == kept
    packed(tmp_path / "a.tgz", [1])
    photos.add(tmp_path / "a.tgz")
    assert len(spooled(photos.folder)) == 1
    photos.keep_only([tmp_path / "b"])
    assert spooled(photos.folder) == set()


def test_bytes_are_not_swept_while_another_process_adds(tmp_path: Path) -> None:
    photos = Workspace(tmp_path / "work")
    photos.add(packed(tmp_path / "a.tgz", [1]))
    fresh = photos.folder / "spool" / "cd" / ("cd" * 32)
    fresh.parent.mkdir()
    fresh.write_bytes(b"a photo that is in no source yet")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = photos.folder / f".writing.{storage._HOST}-{other.pid}-x.tmp"
    mark.touch()
    photos.add(write_pile(tmp_path / "b", [3]))
    assert fresh.exists()
    other.communicate(b"\n")
    photos.add(tmp_path / "b")
    assert not fresh.exists()


def test_what_is_readable_is_what_a_walk_over_the_rows_finds(tmp_path: Path) -> None:
    photos = Workspace(tmp_path / "work")
    photos.add(write_pile(tmp_path / "b", [1, 2]))
    photos.add(write_pile(tmp_path / "a", [2, 3]))
    (tmp_path / "a" / "gone.csv").write_text("file_name\ngone.jpg\n")
    photos.add(tmp_path / "a" / "gone.csv")
    slow: dict[str, str] = {}
    for row in photos.photos().to_pylist():
        if row["status"] == "ok":
            slow.setdefault(row["key"], row["locator"])
    assert photos.locators() == slow
    assert photos.readable()["key"].to_pylist() == list(slow)


@pytest.mark.parametrize("decode_side", [None, 384])
def test_photos_of_which_none_can_be_read_have_verdicts(decode_side: int | None, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\none.jpg\ntwo.jpg\n")
    photos = Workspace(tmp_path / "work", decode_side=decode_side)
    photos.add(tmp_path / "list.csv")
    assert photos.measure(workers=1) == 0
    chosen = photos.select()
    assert chosen.counts == {"photos": 2, "kept": 0, "dropped": {}, "failed": {"missing": 2}}
    assert [one["passed"] for one in chosen.check("marketplace_main").to_pylist()] == [False, False]
    assert "0 of 0 photos" in chosen.show_captions().page()
    with pytest.raises(SourceError, match=r'^No photo was kept: 2 missing\. "one\.jpg", for one: No such file\.$'):
        chosen.write(tmp_path / "dataset")


def test_photos_that_are_gone_before_they_are_measured_are_told_of(tmp_path: Path) -> None:
    pile = write_pile(tmp_path / "pile", [1, 2])
    photos = Workspace(tmp_path / "work", [Basics()])
    photos.add(pile)
    pile.rename(tmp_path / "away")
    with pytest.raises(SourceError, match=r"^None of the 2 photos to be measured can be read any more: "):
        photos.measure(workers=1)
    (tmp_path / "away").rename(pile)
    assert photos.measure(workers=1) == 2
