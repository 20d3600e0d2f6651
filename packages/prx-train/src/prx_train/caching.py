"""Tensors on disk, keyed by what they were made from and by what made them, never by a position in the dataset.

A file is named after the digest of its bytes, which is looked at when something in it is first needed: one that has
been changed is removed, and made again.

A cache may be larger than memory: what was read stays there up to a limit, and the rest is read from the files, which
the system maps, when it is asked for.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from prx_train.budget import spoken
from prx_train.errors import BudgetError, ResourceError, Stopped
from prx_train.storage import digest, file_digest, sweep, write_atomic

T = TypeVar("T")
Encode = Callable[[Sequence[str]], list[Tensor]]
"""Captions → one tensor of shape (tokens, width) each."""

_AT_ONCE = 64
_FILE = 2048
_NAME = 32  # hex digits of a file's digest
_QUIET = 15.0  # seconds between two lines of progress
_STALE = 86400.0  # seconds: somebody may still write what is younger
_SPARE = 1.05  # the disk has to have room for so many times what is expected


class Watch:
    """Looks after a cache that is being filled; this one lets it go on whatever it takes."""

    def made(self, done: int, count: int) -> None:
        """Called after each few of `count` items; if it raises `BudgetError` or `Stopped`, what is made is kept."""

    def filed(self, items: int) -> None:
        """Called after each file that was written, with the items in it."""


class TensorCache:
    """Tensors in a folder named after the digest of what made them; every file in it is complete.

    A file holds what one run found missing, so two runs may share the folder and neither waits for the other.
    """

    def __init__(
        self,
        folder: Path,
        mark: str,
        *,
        name: str = "tensors",
        ram_limit: float = 1e9,
        per_file: int | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """A cache; nothing is read before it is filled.

        Args:
            folder: That caches of several makers may share.
            mark: Digest of what makes the tensors.
            name: Of what is in it, for what is said.
            ram_limit: Bytes that are kept in memory.
            per_file: Items in a file: a kill loses the work on one file at most; None for 2,048.
            say: Takes what happens: sizes before there is anything to wait for, and progress.
        """
        self.folder = folder / mark[:16]
        self.name, self._say = name, say
        self._kept: dict[str, Tensor] = {}
        self._room, self._per_file = ram_limit, per_file or _FILE
        self._opened: set[Path] = set()
        self._places: dict[str, Any] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def tensor(self, key: str) -> Tensor:
        """One tensor, as it was made."""
        if (found := self._kept.get(key)) is None:
            found = self._places[key].get_tensor(key)
            size = found.numel() * found.element_size()
            if size <= self._room:
                self._room -= size
                self._kept[key] = found
        return found

    def fill(
        self,
        wanted: Mapping[str, T],
        make: Callable[[Sequence[T]], Sequence[Tensor | None]],
        watch: Watch = Watch(),  # noqa: B008  # it holds nothing
    ) -> int:
        """Makes the tensors of all keys available; returns how many had to be made.

        Args:
            wanted: What each key's tensor is made from, in the order in which it is best made.
            make: Makes one tensor for each of a few items, or None where there is nothing to make it from.
            watch: Looks after it, and may end it.

        Raises:
            ResourceError: the disk has no room for them, as far as the first few tell.
        """
        self.available(wanted)
        missing = [key for key in wanted if key not in self]
        sweep(self.folder, older_than=_STALE)
        began = last = time.monotonic()
        done = made = 0
        for keys in _parts(missing, self._per_file):
            found: dict[str, Tensor] = {}
            try:
                for some in _parts(keys, _AT_ONCE):
                    pairs = zip(some, make([wanted[key] for key in some]), strict=True)
                    found.update((key, tensor) for key, tensor in pairs if tensor is not None)
                    if found and not done:
                        self._size_up(found, len(missing), time.monotonic() - began)
                    done += len(some)
                    if time.monotonic() - last > _QUIET:
                        last = time.monotonic()
                        left = (last - began) / done * (len(missing) - done)
                        self._say(f"{self.name}: {done:,} of {len(missing):,}, about {spoken(left)} left")
                    watch.made(done, len(missing))
            except (BudgetError, Stopped):
                self._write(found, watch)
                raise
            self._write(found, watch)
            made += len(found)
        return made

    def _write(self, found: Mapping[str, Tensor], watch: Watch) -> None:
        if found:
            data = save(dict(found))
            path = self.folder / f"{hashlib.sha256(data).hexdigest()[:_NAME]}.safetensors"
            write_atomic(path, data)
            self._open(path, set(found))
            watch.filed(len(found))

    def available(self, wanted: Iterable[str]) -> set[str]:
        """Finds what is on disk of these keys, and returns which of them there are."""
        keys = set(wanted)
        if not keys <= self._places.keys():
            for path in sorted(self.folder.glob("*.safetensors")):
                with suppress(FileNotFoundError):  # another process has found it damaged
                    self._open(path, keys)
        return keys & self._places.keys()

    def _open(self, path: Path, wanted: set[str]) -> None:
        """Takes over a file that holds some of the keys, unless it is no longer what was written."""
        if path in self._opened:
            return
        try:
            file: Any = safe_open(path, framework="pt")
            keys = list(file.keys())
            if wanted.isdisjoint(keys):
                return
            sound = file_digest(path)[:_NAME] == path.stem
        except SafetensorError:
            sound = False
        if not sound:
            path.unlink(missing_ok=True)
            self._say(f"{self.name}: '{path.name}' was damaged; what it held is made again where it is needed")
            return
        self._opened.add(path)
        for key in keys:
            self._places.setdefault(key, file)

    def _size_up(self, found: Mapping[str, Tensor], count: int, seconds: float) -> None:
        """Says what all will take, judging by the first few, and whether the disk has that much."""
        size = sum(tensor.numel() * tensor.element_size() for tensor in found.values()) / len(found) * count
        if count > len(found):
            self._say(
                f"{self.name}: {count:,} to be made, about {size / 1e9:.2f} GB in '{self.folder}' and "
                f"{spoken(seconds / len(found) * count)}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if _SPARE * size > free:
            raise ResourceError(
                f"{self.name} will take about {size / 1e9:.2f} GB, and '{self.folder}' has room for {free / 1e9:.2f} "
                "GB; set 'cache' to a folder on a larger disk."
            )


class TextCache(TensorCache):
    """Text embeddings by caption."""

    def ensure(self, captions: Iterable[str], encode: Encode, watch: Watch = Watch()) -> int:  # noqa: B008
        """Makes the embeddings of all `captions` available; returns how many had to be encoded."""
        # Sorted by text alone, the batches are the same in every run; by length first, they need little padding.
        ordered = sorted(set(captions), key=lambda caption: (len(caption), caption))
        return self.fill({digest(caption): caption for caption in ordered}, encode, watch)

    def __getitem__(self, caption: str) -> Tensor:
        """The embeddings of one caption, shape (tokens, width), float32."""
        return self.tensor(digest(caption)).float()


def padded(embeddings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stacks embeddings to (B, L, D) with L the longest, and a mask (B, L) that is True at real tokens."""
    longest = max(len(embedding) for embedding in embeddings)
    text = torch.zeros(len(embeddings), longest, embeddings[0].shape[1])
    mask = torch.zeros(len(embeddings), longest, dtype=torch.bool)
    for index, embedding in enumerate(embeddings):
        text[index, : len(embedding)] = embedding
        mask[index, : len(embedding)] = True
    return text, mask


def _parts(keys: Sequence[str], size: int) -> Iterable[list[str]]:
    return (list(keys[start : start + size]) for start in range(0, len(keys), size))
