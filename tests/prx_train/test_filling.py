"""Caches that are filled at the start of a run: within the budget or not at all, and with each photo once."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prx_train import BudgetError, caching, data, decoding, places
from prx_train.budget import Budget
from prx_train.caching import TensorCache, TextCache, Watch
from prx_train.crew import Crew
from prx_train.errors import Stopped
from prx_train.filling import Filling
from prx_train.journal import Journal
from prx_train.latents import encode_photos, note_contents
from prx_train.ledger import Ledger
from prx_train.model import Space
from prx_train.schedule import Clock, Reserve, Schedule
from prx_train.session import as_signal, latent_key
from prx_train.storage import read_jsonl

from .conftest import rows, write_split
from .tiny import tiny_kl

CAPTIONS = [f"a hat of {number:04d} colours" for number in range(300)]


class Slow:
    """An encoder for which each call takes so many seconds of a clock that nobody has to wait for."""

    def __init__(self, *seconds: float) -> None:
        self.seconds, self.calls, self.now = seconds, 0, 0.0

    def __call__(self, captions: Sequence[str]) -> list[torch.Tensor]:
        self.now += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1
        return [torch.full((2, 3), float(len(caption))) for caption in captions]


def filling(folder: Path, slow: Slow, budget: Budget, stop: Callable[[], int] = lambda: 0, **more: Any) -> Filling:
    clock = Clock(now=lambda: slow.now)
    schedule = Schedule(budget, clock, 0.1, 0.3, reserve=Reserve(fixed=0.5))
    ledger = Ledger(folder / "ledger.jsonl", clock, Journal(print), device="cpu")
    return Filling(
        "text_cache", "captions", "embeddings", schedule=schedule, ledger=ledger, crew=Crew(stop=stop), **more
    )


def booked(folder: Path) -> list[tuple[int, float]]:
    return [(row["items"], row["seconds"]) for row in read_jsonl(folder / "ledger.jsonl")]


def test_what_the_budget_cannot_hold_is_told_after_the_first_few(tmp_path: Path) -> None:
    """300 captions, 64 at a time and 1 s each time, take 4.7 s of a budget of 4 s."""
    slow = Slow(1.0)
    said = (
        r"'budget' = '4\.0 s' is too short for one step: after making 128 of 300 embeddings, 2\.0 s were spent and the "
        r"rest needs at least 3\.2 s, so give it 7\.8 s or more"
    )
    with pytest.raises(BudgetError, match=said):
        TextCache(tmp_path, "mark").ensure(CAPTIONS, slow, filling(tmp_path, slow, Budget(amount=4, unit="seconds")))
    assert slow.calls == 2
    assert booked(tmp_path) == [(128, 2.0)]
    assert TextCache(tmp_path, "mark").ensure(CAPTIONS, slow) == 172  # the next start has those that were made


@pytest.mark.parametrize(
    ("slow", "budget", "begun"),
    [
        (Slow(2.0, 0.1), Budget(amount=4, unit="seconds"), False),  # a first call that takes long says nothing
        (Slow(0.1, 0.1, 2.0, 0.1), Budget(amount=4, unit="seconds"), False),  # nor does one that had to wait
        (Slow(100.0), Budget(amount=4, unit="steps"), False),
        (Slow(100.0), Budget(amount=4, unit="seconds"), True),  # the end of a run that has begun is not refused
    ],
)
def test_what_fits_is_not_refused(tmp_path: Path, slow: Slow, budget: Budget, begun: bool) -> None:
    watch = filling(tmp_path, slow, budget, begun=begun)
    assert TextCache(tmp_path, "mark").ensure(CAPTIONS, slow, watch) == 300


def test_each_file_is_booked_and_a_stop_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "_FILE", 100)
    slow = Slow(1.0)
    # A file's items are made 64 and 36 at a time.
    watch = filling(tmp_path, slow, Budget(amount=9, unit="steps"), lambda: 15 if slow.calls == 3 else 0)
    with pytest.raises(Stopped):
        TextCache(tmp_path, "mark").ensure(CAPTIONS, slow, watch)
    assert booked(tmp_path) == [(100, 2.0), (64, 1.0)]
    assert TextCache(tmp_path, "mark").ensure(CAPTIONS, slow) == 136


def test_photos_are_read_and_decoded_once_and_their_latents_as_if_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = rows(40)  # in three shapes, 8 to a row group
    records[11]["image"]["bytes"] = records[11]["image"]["bytes"][:120]
    file = str(write_split(tmp_path, "train", records))
    split = data.load_split([file], resolution=32, patch_size=8, ram_limit=0, open_groups=1)
    decoded, opened = Counter[bytes](), list[str]()

    def decode(content: bytes, *arguments: Any, **named: Any) -> Any:
        decoded[content] += 1
        return decoding.decoded(content, *arguments, **named)

    def open_file(name: str) -> Any:
        opened.append(name)
        return places.open_parquet(name)

    space = Space(channels=4, compression=2, vae=tiny_kl(), digest="kl")
    photos = [(split, index) for index in reversed(range(len(split.rows)))]
    note_contents(tmp_path / "cache", photos, print)
    with monkeypatch.context() as patched:
        patched.setattr(data, "decoded", decode)
        patched.setattr(data, "open_parquet", open_file)
        cache = TensorCache(tmp_path / "cache", "kl")
        assert encode_photos(cache, space, photos, "crop", Watch()) == 39
    assert set(decoded.values()) == {1}
    assert len(decoded) == 40
    assert len(opened) == 4  # of five row groups, one of which is open still
    assert len(split.skipped) == 1
    for index in range(len(split.rows)):
        picture = split.picture(index)
        key = latent_key(split, index, "crop")
        assert (picture is None) == (key not in cache)
        if picture is not None:
            wanted = space.encode(as_signal(np.asarray(picture)[None].copy()))[0].half()
            torch.testing.assert_close(cache.tensor(key), wanted, rtol=0, atol=2e-3)


def test_a_latent_is_not_found_by_those_who_decode_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = data.load_split([str(write_split(tmp_path, "train", rows(1)))], resolution=32, patch_size=8, ram_limit=0)
    note_contents(tmp_path / "cache", [(split, 0)], print)
    keys = {latent_key(split, 0, fit) for fit in ("crop", "pad")}
    monkeypatch.setattr(decoding, "VERSION", decoding.VERSION + 1)
    keys |= {latent_key(split, 0, fit) for fit in ("crop", "pad")}
    assert len(keys) == 4
