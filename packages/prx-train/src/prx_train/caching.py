"""Tensors on disk, keyed by what they were made from and by what made them, never by a position in the dataset."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from prx_train.storage import digest, write_atomic

T = TypeVar("T")
Encode = Callable[[Sequence[str]], list[Tensor]]
"""Captions → one tensor of shape (tokens, width) each."""

_AT_ONCE = 64
_FILE = 2048
"""Items in a file: a kill loses the work on one file at most."""


class TensorCache:
    """Tensors in a folder named after the digest of what made them; every file in it is complete.

    A file holds what one run found missing, so two runs may share the folder and neither waits for the other.
    """

    def __init__(self, folder: Path, mark: str) -> None:
        self.folder = folder / mark[:16]
        self.loaded: dict[str, Tensor] = {}

    def fill(self, wanted: Mapping[str, T], make: Callable[[Sequence[T]], Sequence[Tensor]]) -> int:
        """Makes the tensors of all keys available; returns how many had to be made.

        Args:
            wanted: What each key's tensor is made from, in the order in which it is best made.
            make: Makes one tensor for each of a few items.
        """
        self.available(wanted)
        missing = [key for key in wanted if key not in self.loaded]
        for keys in _parts(missing, _FILE):
            found: dict[str, Tensor] = {}
            for some in _parts(keys, _AT_ONCE):
                found.update(zip(some, make([wanted[key] for key in some]), strict=True))
            write_atomic(self.folder / f"{digest(*keys)[:32]}.safetensors", save(found))
            self.loaded.update(found)
        return len(missing)

    def available(self, wanted: Iterable[str]) -> set[str]:
        """Loads what is on disk of these keys, and returns which of them there are."""
        keys = set(wanted)
        self._load(keys - self.loaded.keys())
        return keys & self.loaded.keys()

    def _load(self, keys: Iterable[str]) -> None:
        wanted = set(keys)
        for path in sorted(self.folder.glob("*.safetensors")):
            if not wanted:
                return
            try:
                with safe_open(path, framework="pt") as file:
                    for key in wanted & set(file.keys()):
                        self.loaded[key] = file.get_tensor(key)
            except SafetensorError:
                continue  # A damaged file is a cache miss.
            wanted -= self.loaded.keys()


class TextCache(TensorCache):
    """Text embeddings by caption."""

    def ensure(self, captions: Iterable[str], encode: Encode) -> int:
        """Makes the embeddings of all `captions` available; returns how many had to be encoded."""
        # Sorted by text alone, the batches are the same in every run; by length first, they need little padding.
        ordered = sorted(set(captions), key=lambda caption: (len(caption), caption))
        return self.fill({digest(caption): caption for caption in ordered}, encode)

    def __getitem__(self, caption: str) -> Tensor:
        """The embeddings of one caption, shape (tokens, width), float32."""
        return self.loaded[digest(caption)]


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
