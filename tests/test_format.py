"""docs/dataset-format.md, held to: prx-data writes, prx-train reads, and both do what the page says."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

import prx_data
from prx_data.records import FAILED, Reason
from prx_train.data import Columns, load_split, split_files
from prx_train.errors import DatasetError
from prx_train.fingerprint import fingerprint
from prx_train.places import Folder

PAGE = (Path(__file__).parent.parent / "docs" / "dataset-format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("format")
    (home / "photos").mkdir()
    rows = ["file_name,sku,name,color,caption_note,image"]
    for number in range(12):
        image = Image.new("RGB", (160 + 8 * number, 200), "white")
        drawing = ImageDraw.Draw(image)
        corners = [(40, 30), (120 + 5 * number, 40 + 9 * number), (60 + number, 180)]
        drawing.polygon(corners, fill=(200, 16 * number, 50))
        drawing.rectangle((70, 60 + 5 * number, 90, 80 + 5 * number), fill="black")
        image.save(home / "photos" / f"{number}.png")
        rows.append(f"{number}.png,sku{number},thing {number},red,note {number},mine")
    (home / "photos" / "broken.jpg").write_bytes(b"")
    (home / "photos" / "metadata.csv").write_text("\n".join(rows) + "\n")
    prx_data.curate(
        photos=home / "photos", workspace=home / "work", output=home / "dataset", validation_fraction=0.3, workers=1
    )
    return home / "dataset"


def documented(section: str) -> dict[str, str]:
    """Column to type of the table in a section of the page."""
    text = PAGE.split(f"## {section}", 1)[1].split("\n## ", 1)[0]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and cells[0].startswith("`"):
            for name in re.findall(r"`(\w+)`", cells[0]):
                found[name] = cells[1].rstrip("?")
    return found


def test_the_columns_are_those_of_the_page(dataset: Path) -> None:
    schema = pq.read_schema(next((dataset / "data").glob("train-*.parquet")))
    arrow = {"float": "float32"}
    written = {one.name: arrow.get(str(one.type), str(one.type)) for one in schema}
    said = documented("Columns of `data/*.parquet`")
    assert len(said) == 28
    for name, kind in said.items():
        assert re.sub(r"<element: struct<.*>>", "<struct>", written[name].replace(" not null", "")) == kind, name
    extra = {name: kind for name, kind in written.items() if name not in said}
    # The user's columns ride along; one that bears a name of the format is renamed.
    assert extra == dict.fromkeys(("caption_note", "metadata_color", "metadata_image", "name", "sku"), "string")


def test_the_verdicts_are_those_of_the_page(dataset: Path) -> None:
    table = pq.read_table(dataset / "verdicts.parquet")
    assert {one.name: str(one.type) for one in table.schema} == documented("`verdicts.parquet`")
    assert table["origin"].to_pylist() == sorted(table["origin"].to_pylist())
    text = PAGE.split("## `verdicts.parquet`", 1)[1].split("\n## ", 1)[0]
    for reason in [*FAILED, *Reason]:
        assert f"`{reason}`" in text, f"{reason} is not on the page"


def test_every_file_of_the_page_is_there_and_the_manifest_tells_the_truth(dataset: Path) -> None:
    manifest = json.loads((dataset / "curation.json").read_text())
    found = {str(one.relative_to(dataset)) for one in dataset.rglob("*") if one.is_file()}
    others = {"README.md", "samples.png", "report.json", "report.html", "ledger.jsonl", "curation.json"}
    assert found - set(manifest["files"]) == others
    for name, facts in manifest["files"].items():
        assert pq.read_metadata(dataset / name).num_rows == facts["rows"]
        assert (dataset / name).stat().st_size == facts["bytes"]
    for row in map(json.loads, (dataset / "ledger.jsonl").read_text().splitlines()):
        assert set(row) == set(documented("`ledger.jsonl`"))
    blocks = json.loads((dataset / "report.json").read_text())["blocks"]
    assert {one["kind"] for one in blocks} <= set(documented("`report.json`"))


def test_prx_train_reads_what_prx_data_wrote(dataset: Path) -> None:
    folder = Folder(root=str(dataset))
    files = split_files(folder)
    manifest = json.loads((dataset / "curation.json").read_text())
    assert fingerprint(folder, files["train"]) == manifest["fingerprint"]
    for split, paths in files.items():
        read = load_split(paths, resolution=32, patch_size=8, ram_limit=1e9)
        written: list[dict[str, Any]] = [row for path in paths for row in pq.read_table(path).to_pylist()]
        assert read.skipped == []
        assert len(read.rows) == manifest["splits"][split] == len(written)
        for number, (row, source) in enumerate(zip(read.rows, written, strict=True)):
            assert (row.key, row.caption, row.weight) == (source["key"], source["caption"], source["weight"])
            # A photo on white is white at its corners, in training as on disk.
            found = read.picture(number)
            assert found is not None
            assert np.abs(found[0, 0].astype(int) - 255).max() <= 2


def test_prx_train_mixes_the_lengths_of_captions(dataset: Path) -> None:
    columns = Columns(captions={"caption": 3.0, "caption_short": 1.0})
    files = split_files(Folder(root=str(dataset)))["train"]
    read = load_split(files, resolution=32, patch_size=8, ram_limit=1e9, columns=columns)
    written = [row for path in files for row in pq.read_table(path).to_pylist()]
    for row, source in zip(read.rows, written, strict=True):
        assert row.captions == ((source["caption"], 0.75), (source["caption_short"], 0.25))
        assert source["captions"] == [
            {
                "text": row.caption,
                "kind": "template",
                "source": "template",
                "prompt_version": "template-3",
                "weight": 1.0,
            }
        ]


def test_a_later_format_is_refused(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset"
    copy.mkdir()
    (copy / "curation.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(DatasetError, match="format 2"):
        split_files(Folder(root=str(copy)))
