"""Locators: they say where bytes are, and reading them again gives these bytes, in any order and any company."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prx_data import reading
from prx_data.reading import Locator, blocks, parts, read, read_many
from prx_data.records import PhotoFile
from prx_data.shards import gather
from prx_data.sources import Findings, open_source

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
locations = st.one_of(texts.map(lambda text: f"/{text}"), texts.map(lambda text: f"s3://bucket/{text}"))
numbers = st.integers(0, 10**15)
places = st.one_of(
    st.builds(lambda location: Locator(location=location), locations),
    st.builds(lambda location, a, b: Locator(location=location, kind="range", block=a, size=b), locations, numbers,
              numbers),
    st.builds(lambda location, a, b, c, name: Locator(location=location, kind="arrow", block=a, size=b, row=c,
                                                      column=name), locations, numbers, numbers, numbers, texts),
    st.builds(lambda location, a, b, name: Locator(location=location, kind="parquet", block=a, row=b, column=name),
              locations, numbers, numbers, texts),
)  # fmt: skip


@given(places)
def test_a_locator_is_what_its_text_says(place: Locator) -> None:
    assert Locator.parse(str(place)) == place
    assert str(Locator.parse(str(place))) == str(place)


@given(st.lists(places, max_size=12))
def test_blocks_hold_every_locator_once_in_reading_order(found: list[Locator]) -> None:
    wanted = {str(one) for one in found}
    flat = [one for block in blocks(wanted) for one in block]
    assert flat == sorted(wanted, key=reading.reading_order)
    for block in blocks(wanted):
        assert len({Locator.parse(one).together for one in block}) == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 400)), max_size=400), st.integers(1, 20))
def test_parts_cut_a_row_group_into_few(rows: list[tuple[int, int]], size: int) -> None:
    wanted = {f"parquet:{group}:{row}:image:/a.parquet" if group else f"/{row}.jpg" for group, row in rows}
    found = parts(wanted, size)
    assert [one for part in found for one in part] == [one for block in blocks(wanted) for one in block]
    for group in (1, 2):
        inside = {one for one in wanted if one.startswith(f"parquet:{group}:")}
        assert sum(not inside.isdisjoint(part) for part in found) <= 8
    assert all(len(part) <= max(size, -(-len(wanted) // 8)) for part in found)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Bytes by locator, of every kind, local and remote; some empty, of very different sizes."""
    home = tmp_path_factory.mktemp("cells")
    chance = np.random.default_rng(7)
    content = [chance.bytes(chance.choice([0, 1, 100, 5_000, 70_000])) for _ in range(60)]
    (home / "plain").mkdir()
    for number, data in enumerate(content):
        (home / "plain" / f"{number}.jpg").write_bytes(data)
    rows = [{"image": {"bytes": data, "path": None}} for data in content]
    features = datasets.Features({"image": datasets.Image(decode=False)})
    datasets.Dataset.from_list(rows, features=features).save_to_disk(home / "saved", num_shards=3)
    pq.write_table(pa.table({"image": content}), home / "a.parquet", row_group_size=23)
    memory = fsspec.filesystem("memory")
    found: dict[str, bytes] = {}
    for name in ("plain", "saved", "a.parquet"):
        memory.put(str(home / name), f"/cells/{name}", recursive=True)
        for source in (home / name, f"memory://cells/{name}"):
            photos = sorted(open_source(source).photos(Findings()), key=_number)
            found |= {one.locator: data for one, data in zip(photos, content, strict=True)}
    assert len(found) == 6 * len(content)
    return found


def _number(photo: PhotoFile) -> tuple[str, int]:
    folder, _, last = photo.origin.rpartition("/")
    return folder, int(last.removesuffix(".jpg"))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_of_them_in_any_order(cells: dict[str, bytes], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(sorted(cells)), max_size=20))
    assert dict(read_many(wanted)) == {one: cells[one] for one in wanted}
    for one in wanted[:2]:
        assert read(one) == cells[one]


def test_a_row_group_is_decoded_once(cells: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    honest = reading.open_parquet

    def counted(location: str) -> Any:
        opened.append(location)
        return honest(location)

    monkeypatch.setattr(reading, "open_parquet", counted)
    wanted = [one for one in reversed(cells) if one.startswith("parquet:") and "://" not in one]
    assert len(dict(read_many(wanted))) == 60
    assert len(opened) == 3


def test_few_rows_of_a_row_group_are_in_memory(tmp_path: Path) -> None:
    data = [bytes([number]) * 1_000_000 for number in range(100)]
    pq.write_table(pa.table({"image": data}), tmp_path / "a.parquet", compression="none", use_dictionary=False)
    del data
    wanted = [f"parquet:0:{row}:image:{tmp_path}/a.parquet" for row in range(100)]
    before, most = pa.total_allocated_bytes(), 0
    for _ in read_many(wanted):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 50_000_000


def test_photos_that_share_row_groups_are_gathered(cells: dict[str, bytes], tmp_path: Path) -> None:
    locators = {f"key{number}": one for number, one in enumerate(cells)}
    keys = list(locators)
    gathered = gather(tmp_path / "scratch", {"a": keys[::2], "b": keys[1::2]}, locators)
    moved = {key for key, one in locators.items() if "parquet:" in one or ("arrow:" in one and "memory:" in one)}
    assert set(gathered) == moved
    assert all(read(one) == cells[locators[key]] for key, one in gathered.items())
    assert {Locator.parse(gathered[key]).location for key in moved & set(keys[::2])} == {str(tmp_path / "scratch/a")}


@pytest.mark.parametrize(
    ("locator", "error"),
    [
        ("{home}/gone.jpg", FileNotFoundError),
        ("memory://cells/gone.jpg", FileNotFoundError),
        ("range:0+5:{home}/gone.tar", FileNotFoundError),
        ("range:0+50:{home}/short", OSError),
        ("parquet:0:0:image:{home}/short", OSError),
        ("parquet:0:0:image:{home}/gone.parquet", FileNotFoundError),
        ("parquet:0:7:image:{home}/a.parquet", OSError),
        ("parquet:3:0:image:{home}/a.parquet", OSError),
        ("parquet:0:0:other:{home}/a.parquet", OSError),
        ("parquet:0:1:image:{home}/a.parquet", FileNotFoundError),
        ("arrow:0+10:0:image:{home}/short", OSError),
        ("nosuch://a/b", OSError),
        ("http://127.0.0.1:9/a.jpg", OSError),
        ("{home}/\0", OSError),
        ("", OSError),
    ],
)
def test_what_cannot_be_read_is_an_os_error(tmp_path: Path, locator: str, error: type[OSError]) -> None:
    (tmp_path / "short").write_bytes(b"short")
    pq.write_table(pa.table({"image": [b"a", None]}), tmp_path / "a.parquet")
    with pytest.raises(error):
        read(locator.format(home=tmp_path))


def test_one_bad_photo_does_not_hide_its_neighbours(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"a", b"b"]}), tmp_path / "a.parquet")
    wanted = [f"parquet:0:{row}:image:{tmp_path}/a.parquet" for row in (0, 1, 2)]
    found: Iterator[bytes | OSError] = (content for _, content in read_many(wanted))
    assert next(found) == b"a"
    assert next(found) == b"b"
    assert isinstance(next(found), OSError)
