"""Caches give what was made from this photo by this encoder, or nothing."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from prx_train import TrainConfig
from prx_train.caching import TensorCache, Watch
from prx_train.data import Split, load_split
from prx_train.errors import Stopped
from prx_train.latents import note_contents
from prx_train.run import open_run
from prx_train.schedule import Clock
from prx_train.session import as_signal
from prx_train.setup import start_session

from .conftest import SIZES, rows, write_split
from .tiny import save_tiny_pipeline


def _silent(_text: str) -> None:
    pass


@pytest.mark.parametrize("described", [False, True])
def test_a_latent_is_of_its_own_photo_whatever_the_keys_are(
    settings: dict[str, Any], text_encoder: Path, tmp_path: Path, described: bool
) -> None:
    """Two photos of one key; then others of the same keys in their place, with the same cache."""
    base = save_tiny_pipeline("kl", tmp_path / "base", AutoTokenizer.from_pretrained(text_encoder))
    changed = {"base": str(base), "text_encoder": None, "resolution": None, "cache": tmp_path / "cache"}
    plain = {key: value for key, value in settings.items() if key != "model"}
    for start in (0, 50):
        records = [{**row, "key": f"{n // 2:06d}"} for n, row in enumerate(rows(12, start=start))]
        if described:
            for n, record in enumerate(records, start):
                record["width"], record["height"] = SIZES[n % 7 % 3]
        write_split(tmp_path / "data", "train", records)
        output = tmp_path / f"run-{start}"
        config = TrainConfig(**{**plain, **changed, "dataset": tmp_path / "data", "output": output})
        session = start_session(config, open_run(output), Clock(), say=_silent)
        for index in range(12):
            picture = session.train.picture(index)
            assert picture is not None
            found = session.clean_batch(session.train, [index], [None])
            assert found is not None
            # Half precision, and rounding that depends on how many are encoded together.
            expected = session.space.encode(as_signal(picture[None].copy()))
            torch.testing.assert_close(found[0], expected, rtol=2e-3, atol=2e-3)


def _described(folder: Path, records: list[dict[str, Any]]) -> Split:
    file = write_split(folder, "train", records)
    os.utime(file, ns=(0, 0))  # as a copy that keeps times
    return load_split([str(file)], resolution=32, patch_size=8, ram_limit=0)


def test_pictures_are_digested_once_unless_the_file_changes(tmp_path: Path) -> None:
    records = [{**row, "key": "same", "width": 32, "height": 32} for row in rows(12)]
    records[5]["image"] = None
    expected = [
        hashlib.sha256(record["image"]["bytes"]).hexdigest() if record["image"] else "00" * 32 for record in records
    ]
    split = _described(tmp_path, records)
    photos = [(split, index) for index in range(12)]
    read = [note_contents(tmp_path / "cache", photos, _silent)]
    assert [split.contents[index] for index in range(12)] == expected
    split.contents.clear()
    read.append(note_contents(tmp_path / "cache", photos, _silent))
    assert [split.contents[index] for index in range(12)] == expected
    records[3]["image"] = {"bytes": records[3]["image"]["bytes"][::-1], "path": None}
    changed = _described(tmp_path, records)
    read.append(note_contents(tmp_path / "cache", [(changed, index) for index in range(12)], _silent))
    assert changed.contents[3] == hashlib.sha256(records[3]["image"]["bytes"]).hexdigest()
    assert [changed.contents[index] for index in range(12) if index != 3] == expected[:3] + expected[4:]
    assert read == [2, 0, 2]


class Ends(Watch):
    """Asks for an end after the first few."""

    def made(self, done: int, count: int) -> None:
        raise Stopped(15)


def test_digesting_pictures_heeds_a_stop_and_keeps_what_is_done(tmp_path: Path) -> None:
    split = _described(tmp_path, [{**row, "width": 32, "height": 32} for row in rows(12)])
    photos = [(split, index) for index in range(12)]
    with pytest.raises(Stopped):
        note_contents(tmp_path / "cache", photos, _silent, Ends())
    assert note_contents(tmp_path / "cache", photos, _silent) == 0


def test_pictures_in_files_of_their_own_are_digested_as_they_are_now(tmp_path: Path) -> None:
    records = [{**row, "key": "same", "width": 32, "height": 32} for row in rows(3)]
    contents = [record["image"]["bytes"] for record in records]
    (tmp_path / "data").mkdir()
    for number, (record, content) in enumerate(zip(records, contents, strict=True)):
        (tmp_path / "data" / f"{number}.png").write_bytes(content)
        record["image"] = {"bytes": None, "path": f"{number}.png"}
    split = _described(tmp_path, records)
    photos = [(split, index) for index in range(3)]
    for content in (contents[1], contents[0]):
        (tmp_path / "data" / "1.png").write_bytes(content)
        note_contents(tmp_path / "cache", photos, _silent)
        expected = [hashlib.sha256(one).hexdigest() for one in (contents[0], content, contents[2])]
        assert [split.contents[index] for index in range(3)] == expected


def _flipped(data: bytes) -> bytes:
    return data[:-400] + bytes(byte ^ 0x55 for byte in data[-400:])


def _cut(data: bytes) -> bytes:
    return data[:-400]


def _renamed_key(data: bytes) -> bytes:
    return data.replace(b'"a7"', b'"x7"', 1)


@pytest.mark.parametrize("damage", [_flipped, _cut, _renamed_key])
def test_a_damaged_file_is_a_miss_and_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    made = {f"{name}{n}": torch.full((20, 3), n + 0.5) for n in range(10) for name in "ab"}
    for name in "ab":
        keys = {key: key for key in made if key[0] == name}
        before = set(tmp_path.rglob("*.safetensors"))
        TensorCache(tmp_path, "mark").fill(keys, lambda some: [made[key] for key in some])
        if name == "a":
            (file,) = set(tmp_path.rglob("*.safetensors")) - before
    sound = file.read_bytes()
    file.write_bytes(damage(sound))
    assert file.read_bytes() != sound
    said: list[str] = []
    cache = TensorCache(tmp_path, "mark", name="latents", say=said.append)
    assert cache.available(made) == {key for key in made if key[0] == "b"}
    assert said == [f"latents: '{file.name}' was damaged; what it held is made again where it is needed"]
    assert not file.exists()
    assert cache.fill({key: key for key in made}, lambda some: [made[key] for key in some]) == 10
    again = TensorCache(tmp_path, "mark", say=said.append)
    assert again.available(made) == made.keys()
    assert all(torch.equal(again.tensor(key), tensor) for key, tensor in made.items())
    assert len(said) == 1


def test_files_of_others_are_not_read(tmp_path: Path) -> None:
    """A cache may hold far more than a run needs: what it does not need is neither checked nor said."""
    for key in ("mine", "theirs"):
        TensorCache(tmp_path, "mark").fill({key: key}, lambda some: [torch.ones(200) for _ in some])
    for file in tmp_path.rglob("*.safetensors"):
        data = file.read_bytes()
        if b"theirs" in data:
            file.write_bytes(_flipped(data))
    said: list[str] = []
    cache = TensorCache(tmp_path, "mark", say=said.append)
    assert cache.available(["mine", "missing"]) == {"mine"}
    assert not said
    assert cache.available(["theirs"]) == set()
    assert len(said) == 1
