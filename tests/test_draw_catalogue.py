"""The sample catalogue is what its truth says, and curation finds that truth again."""

import csv
import hashlib
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from prx_data import curate, decode

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    draw(folder, 90)
    return folder


def draw(folder: Path, count: int) -> None:
    sys.path.insert(0, str(EXAMPLES))
    try:
        from draw_catalogue import draw_catalogue
    finally:
        sys.path.remove(str(EXAMPLES))
    draw_catalogue(folder, count=count)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_files_are_what_the_truth_says(catalogue: Path) -> None:
    truth = rows(catalogue / "truth.csv")
    assert Counter(one["relation"] for one in truth)["original"] == 90
    assert {"original", "exact_duplicate", "near_duplicate", "color_variant", "broken"} == {
        one["relation"] for one in truth
    }
    for one in truth:
        path = catalogue / one["file_name"]
        if one["fault"] == "missing":
            assert not path.exists()
        elif one["fault"] in {"empty", "truncated", "not_an_image"}:
            assert decode(path.read_bytes()).status == one["fault"]
        else:
            assert decode(path.read_bytes()).pixels is not None
        if one["relation"] == "exact_duplicate":
            assert path.read_bytes() == (catalogue / one["of"]).read_bytes()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        draw(tmp_path / name, 4)
        digests.append({one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in (tmp_path / name).iterdir()})
    assert digests[0] == digests[1]


def test_curation_finds_the_truth(catalogue: Path, tmp_path: Path) -> None:
    curate(photos=catalogue, workspace=tmp_path / "work", output=tmp_path / "dataset", rules={"min_cleanliness": None})
    reasons = {one["origin"]: one["reason"] for one in pq.read_table(tmp_path / "dataset/verdicts.parquet").to_pylist()}
    truth = rows(catalogue / "truth.csv")
    for one in truth:
        name, relation = one["file_name"], one["relation"]
        if relation == "broken":
            assert reasons[name] == one["fault"], name
        elif relation == "exact_duplicate":
            assert {reasons[name], reasons[one["of"]]} == {"kept", "exact_duplicate"}, name
        elif relation == "near_duplicate":
            assert {reasons[name], reasons[one["of"]]} == {"kept", "near_duplicate"}, name
        else:
            assert reasons[name] in {"kept", "near_duplicate", "exact_duplicate"}, name
    # What stands for a copy may be the copy; nothing else is ever dropped.
    copies = {one["of"] for one in truth if one["relation"] in {"near_duplicate", "exact_duplicate"}}
    dropped = {one["file_name"] for one in truth if one["relation"] in {"original", "color_variant"}}
    dropped = {name for name in dropped if reasons[name] != "kept"}
    assert dropped <= copies


def test_the_background_measure_knows_clutter(catalogue: Path, tmp_path: Path) -> None:
    curate(photos=catalogue, workspace=tmp_path / "work", output=tmp_path / "dataset")
    reasons = {one["origin"]: one["reason"] for one in pq.read_table(tmp_path / "dataset/verdicts.parquet").to_pylist()}
    found = Counter(
        (one["background"], reasons[one["file_name"]] == "cluttered_background")
        for one in rows(catalogue / "truth.csv")
        if reasons[one["file_name"]] != "exact_duplicate"
    )
    assert found["plain_white", True] == 0
    assert found["plain_color", True] == 0
    assert found["cluttered", True] >= 9 * found["cluttered", False]
    assert found["cluttered", True] > 5
