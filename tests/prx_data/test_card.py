"""The dataset card, its picture, and the shards that it names."""

import json
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prx_data import curate, shards
from prx_data.card import cell, licence_ids
from prx_data.samples import grid

from .conftest import draw_product, encode

Curate = Callable[..., dict[str, Any]]

LOAD = """
import json, sys
import datasets

path, cache = sys.argv[1:]
whole = datasets.load_dataset(path, cache_dir=cache)
streamed = datasets.load_dataset(path, streaming=True)
told = lambda rows: [[row["key"], row["caption"], row["image"].size] for row in rows]
print(json.dumps([{split: told(rows) for split, rows in loaded.items()} for loaded in (whole, streamed)]))
"""


def front_matter(card: str) -> dict[str, Any]:
    return dict(DatasetCard(card).data.to_dict())


def test_a_clean_process_loads_it_streaming_and_not(curated: Curate, tmp_path: Path) -> None:
    curated(validation_fraction=0.3)
    folder = tmp_path / "dataset"
    words = [sys.executable, "-W", "error::ResourceWarning", "-c", LOAD, str(folder), str(tmp_path / "cache")]
    # Nothing of this project is imported: only the folder is given.
    environment = {"PATH": "", "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, check=True, capture_output=True, env=environment, text=True)
    whole, streamed = json.loads(done.stdout.splitlines()[-1])
    rows = {
        split: [
            [row["key"], row["caption"], list(Image.open(BytesIO(row["image"]["bytes"])).size)]
            for path in sorted(folder.glob(f"data/{split}-*"))
            for row in pq.read_table(path).to_pylist()
        ]
        for split in ("train", "validation")
    }
    assert whole == streamed == rows
    assert all(rows.values())


def test_the_card_tells_the_funnel_and_what_is_in_it(curated: Curate, tmp_path: Path) -> None:
    counts = curated(validation_fraction=0.3)["counts"]
    card = (tmp_path / "dataset" / "README.md").read_text()
    steps = [("photos in", counts["photos"]), ("kept", counts["kept"])]
    steps += [
        (f"{kind}: {reason.replace('_', ' ')}", n)
        for kind in ("dropped", "failed")
        for reason, n in counts[kind].items()
    ]
    assert all(f"| {name} | {number} |" in card for name, number in steps)
    assert "| shorter side, pixels | 240 | 240 | 240 |" in card
    rows = pq.read_table(tmp_path / "dataset" / "data").to_pylist()
    words = sorted(len(row["caption"].split()) for row in rows)
    assert f"| words of a caption | {words[0]} | {words[len(words) // 2]} | {words[-1]} |" in card
    assert "Captions by what wrote them: `template` 9;" in card
    assert "| sub | 1 |" in card
    facts = front_matter(card)
    assert facts["size_categories"] == ["n<1K"]
    assert "license" not in facts
    assert "add it here before you publish" in card
    names = pq.read_schema(next((tmp_path / "dataset" / "data").glob("*"))).names
    assert all(f"`{name}`" in card for name in names)


def test_licences_and_provenance_of_the_metadata(pile: Path, tmp_path: Path) -> None:
    lines = ["file_name,License,author,source_url,color"]
    lines += [f"{n}.jpg,{'CC BY 4.0' if n else 'cc0'},<script>|*{n % 2},https://example.org/{n},red" for n in range(8)]
    (pile / "metadata.csv").write_text("\n".join(lines))
    curate(photos=pile, workspace=tmp_path / "work", output=tmp_path / "dataset", workers=1)
    card = (tmp_path / "dataset" / "README.md").read_text()
    assert front_matter(card)["license"] == ["cc-by-4.0", "cc0-1.0", "other"]  # the blue one has no metadata
    assert "| CC BY 4.0 | 7 |\n| (none given) | 1 |\n| cc0 | 1 |" in card
    assert "`author` says where a photo came from: given in 8 rows, 2 values." in card
    assert "`source_url` says where a photo came from: given in 8 rows, 8 values." in card
    assert "add it here" not in card
    assert "<script>" not in card


def test_licence_ids_are_those_of_the_hub() -> None:
    rows = [{"rights": value} for value in ("CC-BY-SA 4.0", "Apache 2.0", "MIT", None)]
    assert licence_ids(rows, ["rights"]) == ["apache-2.0", "cc-by-sa-4.0", "mit", "other"]
    assert licence_ids(rows, ["name"]) == []


@settings(deadline=None)
@given(st.text())
def test_no_value_leaves_its_cell(text: str) -> None:
    shown = cell(text)
    assert "\n" not in shown
    assert "|" not in shown
    assert "<" not in shown


def test_the_grid_holds_every_picture_where_it_belongs() -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 200, (20 + 11 * n, 160 - 9 * n, 3), dtype=np.uint8) for n in range(8)]
    sheet = grid(pictures)
    assert sheet.shape == (2 * 168 + 8, 6 * 168 + 8, 3)
    for number, picture in enumerate(pictures):
        cell_of = sheet[8 + number // 6 * 168 :, 8 + number % 6 * 168 :][:160, :160]
        inked = np.argwhere((cell_of != 255).any(axis=2))
        (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0) + 1
        assert np.array_equal(cell_of[top:bottom, left:right], picture)
        assert abs((top + bottom) / 2 - 80) <= 1
        assert abs((left + right) / 2 - 80) <= 1


def test_the_samples_are_of_the_datasets_own_pictures(curated: Curate, tmp_path: Path) -> None:
    curated()
    with Image.open(tmp_path / "dataset" / "samples.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (2 * 168 + 8, 6 * 168 + 8, 3)
    reddish = (pixels[..., 0] > 120) & (pixels[..., 1:] < 90).all(axis=2)
    assert [bool(reddish[8:168, 8 + 168 * n :][:, :160].any()) for n in range(6)].count(True) >= 5


def test_shards_stay_bounded_where_pictures_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CMYK JPEGs become PNGs, several times as large: no file may hold more than its share all the same."""
    pile, most = tmp_path / "photos", 40_000
    pile.mkdir()
    noise = np.random.default_rng(1)
    for number in range(30):
        image = draw_product(number)
        if number >= 15:
            speckled = np.asarray(image).astype(int) + noise.integers(-20, 20, (300, 240, 3))
            image = Image.fromarray(speckled.clip(0, 255).astype(np.uint8)).convert("CMYK")
        (pile / f"{number}.jpg").write_bytes(encode(image, quality=60))
    monkeypatch.setattr(shards, "SHARD_BYTES", most)
    monkeypatch.setattr(shards, "_GROUP_BYTES", 1)  # a row group for each photo
    manifest = curate(
        photos=pile,
        workspace=tmp_path / "work",
        output=tmp_path / "dataset",
        workers=1,
        rules={"min_cleanliness": None},
    ).manifest
    rows = 0
    for split in ("train", "validation"):
        files = sorted((tmp_path / "dataset" / "data").glob(f"{split}-*"))
        assert [path.name for path in files] == [
            f"{split}-{n:05d}-of-{len(files):05d}.parquet" for n in range(len(files))
        ]
        for path in files:
            pictures = [len(one["bytes"]) for one in pq.read_table(path)["image"].to_pylist()]
            assert sum(pictures) <= most or len(pictures) == 1
            rows += len(pictures)
    assert rows == manifest["counts"]["kept"] > 20
    keys = [
        key
        for path in sorted((tmp_path / "dataset" / "data").glob("train-*"))
        for key in pq.read_table(path)["key"].to_pylist()
    ]
    assert keys == sorted(keys)
