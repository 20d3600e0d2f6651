"""Text embeddings on disk, keyed by the caption and by what encoded it, never by a position in the dataset."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from prx_train.storage import digest, write_atomic

Encode = Callable[[Sequence[str]], list[Tensor]]
"""Captions → one tensor of shape (tokens, width) each."""


class TextCache:
    """Embeddings in a folder named after the encoder's digest; every file in it is complete.

    A file holds what one run found missing, so two runs may share the folder and neither waits for the other.
    """

    def __init__(self, folder: Path, encoder_digest: str) -> None:
        self.folder = folder / encoder_digest[:16]
        self.loaded: dict[str, Tensor] = {}

    def ensure(self, captions: Iterable[str], encode: Encode, *, batch_size: int = 64) -> int:
        """Makes the embeddings of all `captions` available; returns how many had to be encoded."""
        wanted = {digest(caption): caption for caption in captions}
        self._load(wanted.keys() - self.loaded.keys())
        # Sorted by length, captions of a batch need little padding; by text, the batches are the same in every run.
        missing = sorted(
            (key for key in wanted if key not in self.loaded), key=lambda key: (len(wanted[key]), wanted[key])
        )
        found: dict[str, Tensor] = {}
        for start in range(0, len(missing), batch_size):
            keys = missing[start : start + batch_size]
            found.update(zip(keys, encode([wanted[key] for key in keys]), strict=True))
        if found:
            write_atomic(self.folder / f"{digest(*missing)[:32]}.safetensors", save(found))
            self.loaded.update(found)
        return len(found)

    def __getitem__(self, caption: str) -> Tensor:
        """The embeddings of one caption, shape (tokens, width), float32."""
        return self.loaded[digest(caption)]

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


def padded(embeddings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stacks embeddings to (B, L, D) with L the longest, and a mask (B, L) that is True at real tokens."""
    longest = max(len(embedding) for embedding in embeddings)
    text = torch.zeros(len(embeddings), longest, embeddings[0].shape[1])
    mask = torch.zeros(len(embeddings), longest, dtype=torch.bool)
    for index, embedding in enumerate(embeddings):
        text[index, : len(embedding)] = embedding
        mask[index, : len(embedding)] = True
    return text, mask
