"""MDS by aspect bucket, read by its description and by mosaicml-streaming."""

import json
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prx_data import export
from prx_data.exports.mds import aspect_buckets, nearest

from .test_exports import rows_in, rows_of, write_dataset

Row = dict[str, Any]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset", {"train": [rows_of(7), rows_of(6, 7)], "validation": [rows_of(3, 13)]})


def read_shard(path: Path) -> Iterator[Row]:
    """One MDS shard by the format's description, a field after the other."""
    data = path.read_bytes()
    (number,) = struct.unpack_from("<I", data)
    offsets = struct.unpack_from(f"<{number + 1}I", data, 4)
    facts = json.loads(data[4 * (number + 2) : offsets[0]])
    columns = list(zip(facts["column_names"], facts["column_encodings"], facts["column_sizes"], strict=True))
    assert (facts["version"], facts["format"], facts["compression"]) == (2, "mds", None)
    assert offsets[-1] == len(data)
    for place in offsets[:-1]:
        sizes: list[int] = []
        for _, _, size in columns:
            if size is None:
                sizes += struct.unpack_from("<I", data, place)
                place += 4
            else:
                sizes.append(size)
        row: Row = {}
        for (name, encoding, _), size in zip(columns, sizes, strict=True):
            value = data[place : place + size]
            place += size
            decoders: dict[str, Callable[[bytes], Any]] = {
                "bytes": bytes,
                "str": bytes.decode,
                "int": lambda raw: struct.unpack("<q", raw)[0],
                "json": json.loads,
            }
            row[name] = decoders[encoding](value)
        yield row


def read_mds(out: Path, split: str) -> dict[str, list[Row]]:
    """Rows by bucket."""
    found = {}
    for index in sorted((out / split).glob("*/index.json")):
        facts = json.loads(index.read_text())
        assert facts["version"] == 2
        rows = []
        for shard in facts["shards"]:
            path = index.parent / shard["raw_data"]["basename"]
            assert path.stat().st_size == shard["raw_data"]["bytes"]
            part = list(read_shard(path))
            assert len(part) == shard["samples"]
            rows += part
        found[index.parent.name] = rows
    return found


def test_mds_holds_the_rows_by_bucket(dataset: Path, tmp_path: Path) -> None:
    manifest = export(dataset, tmp_path / "out", format="mds", shard_bytes=12_000, resolution=256, patch_size=16)
    assert manifest["caption_keys"] == [["caption", 1.0], ["caption_dense", 0.75], ["caption_short", 0.25]]
    buckets = aspect_buckets(256, 16)
    for split in ("train", "validation"):
        expected, found = rows_in(dataset, split), read_mds(tmp_path / "out", split)
        assert sorted(row["key"] for rows in found.values() for row in rows) == sorted(expected)
        for name, rows in found.items():
            assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
            for row in rows:
                known = expected[row["key"]]
                assert row["image"] == known["image"]["bytes"]
                assert (row["original_width"], row["original_height"]) == (known["width"], known["height"])
                assert row["caption"] == known["caption"]
                assert row["caption_short"] == (known["caption_short"] or "")
                assert row["caption_dense"] == known["captions"][0]["text"]
                assert row["metadata"]["tags"] == known["tags"]
                width, height = nearest(known["width"], known["height"], buckets)
                assert name == f"{width}x{height}"
    assert all(path.stat().st_size <= 12_000 for path in (tmp_path / "out").rglob("*.mds"))
    assert max(len(list(path.glob("*.mds"))) for path in (tmp_path / "out" / "train").iterdir()) > 1


def test_mosaicml_streaming_reads_every_sample(dataset: Path, tmp_path: Path, mds_python: Path) -> None:
    """The trainer's own reader, each bucket as a dataset of its own."""
    manifest = export(dataset, tmp_path / "out", format="mds", shard_bytes=12_000)
    buckets = sorted((tmp_path / "out").glob("*/*"))
    words = [str(mds_python), "-I", str(Path(__file__).with_name("mds_reader.py")), *map(str, buckets)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = {split: rows_in(dataset, split) for split in manifest["splits"]}
    seen: dict[str, list[str]] = {split: [] for split in expected}
    for bucket, line in zip(buckets, done.stdout.splitlines(), strict=True):
        for row in json.loads(line):
            split = bucket.parent.name
            known = expected[split][row["key"]]
            seen[split].append(row["key"])
            assert bytes.fromhex(row["image"]) == known["image"]["bytes"]
            texts = {one["kind"]: one["text"] for one in known["captions"]}
            captions = {"caption": known["caption"], "caption_dense": texts["dense"]}
            captions |= {"caption_short": texts.get("short", "")}
            assert captions.keys() == dict(manifest["caption_keys"]).keys()
            assert {name: row[name] for name in captions} == captions
            assert (row["original_width"], row["original_height"]) == (known["width"], known["height"])
            width, height = nearest(known["width"], known["height"], aspect_buckets(512, 32))
            assert bucket.name == f"{width}x{height}"
            assert row["metadata"]["text"] == known["text"]
    assert {split: sorted(keys) for split, keys in seen.items()} == {
        one: sorted(rows) for one, rows in expected.items()
    }
    assert max(len(list(bucket.glob("*.mds"))) for bucket in buckets) > 1


@settings(deadline=None)
@given(st.integers(20, 1500), st.integers(20, 1500), st.sampled_from([(512, 32), (512, 16), (1024, 32), (256, 16)]))
def test_a_bucket_is_the_one_that_the_trainer_resizes_to(width: int, height: int, grid: tuple[int, int]) -> None:
    resolution, patch = grid
    area = (resolution // patch) ** 2
    # The slow way: of all grids of patches those to which no row and no column can be added.
    sides = range(1, 2 * resolution // patch + 1)
    known = {
        (across * patch, down * patch)
        for across in sides
        for down in sides
        if across * down <= area
        and (across * (down + 1) > area or (across + 1) * down > area)
        and any(
            area / 2 <= side * side <= 2 * area and other == area // side
            for side, other in ((across, down), (down, across))
        )
    }
    buckets = aspect_buckets(resolution, patch)
    assert set(buckets) == known
    chosen = nearest(width, height, buckets)
    assert all(abs(chosen[0] / chosen[1] - width / height) <= abs(w / h - width / height) for w, h in known)
