"""Aesthetic scores: a linear head on CLIP embeddings, from a local file.

    clip = Clip(model="ViT-L-14", weights="openai")
    measures = [*standard_measures(), clip, Aesthetic(head="aesthetic-vit-l-14.safetensors", clip=clip)]
    prx_data.Workspace("work", measures=measures)

The head has to have been trained on embeddings of the same CLIP model, normalised to length 1
(LAION-AI/aesthetic-predictor, 2022). Photos are not embedded for it: scores are worked out from the embeddings.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.errors import ConfigError
from prx_data.measures.clip import Clip
from prx_data.picture import Picture

Floats = npt.NDArray[np.float32]
_BLOCK = 16_384


@dataclass(frozen=True, kw_only=True)
class Head:
    """A linear layer with one output."""

    weight: Floats
    """Shape (D,)."""
    bias: float


def load_head(path: str | Path) -> Head:
    """Read a head: a safetensors file with one matrix of shape (1, D), and a bias of one number or none.

    Raises:
        ConfigError: safetensors is missing, there is no such file, or it holds something else.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ConfigError("Aesthetic scores need safetensors: pip install 'prx-data[aesthetic]'.") from error
    if not Path(path).is_file():
        raise ConfigError(f"There is no aesthetic head at {path}.")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ConfigError(f"The aesthetic head {path} is no safetensors file: {error}.") from error
    weights = [one for one in tensors.values() if one.ndim == 2 and one.shape[0] == 1]
    biases = [one for one in tensors.values() if one.size == 1 and one.ndim < 2]
    if len(weights) != 1 or len(weights) + len(biases) != len(tensors) or len(biases) > 1:
        shapes = ", ".join(f"{name} {list(one.shape)}" for name, one in sorted(tensors.items()))
        raise ConfigError(f"The aesthetic head {path} holds {shapes} instead of a matrix [1, D] and a bias [1].")
    bias = float(biases[0].reshape(())) if biases else 0.0
    return Head(weight=weights[0][0].astype(np.float32), bias=bias)


def aesthetic(embeddings_ND: npt.NDArray[np.floating], head: Head) -> Floats:
    """The score of each photo, shape (N,), on the scale of what the head was trained on; NaN for an embedding of zeros.

    Args:
        embeddings_ND: CLIP embeddings of any length and type.
        head: Of the same width.

    Raises:
        ConfigError: The head is for embeddings of another width.
    """
    width = embeddings_ND.shape[1]
    if width != len(head.weight):
        raise ConfigError(f"The aesthetic head takes embeddings of {len(head.weight)} numbers, and these have {width}.")
    wide = embeddings_ND.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1)
    lengths[lengths == 0] = np.nan
    return np.asarray(wide @ head.weight / lengths + head.bias, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Aesthetic:
    """The column `aesthetic`: the score of each photo that `clip` embedded, float32."""

    head: str | Path
    """See `load_head`."""
    clip: Clip
    """Whose embeddings it scores; among the workspace's measures too."""
    name: ClassVar[str] = "aesthetic"
    schema: ClassVar[pa.Schema] = pa.schema([("aesthetic", pa.float32())])

    @cached_property
    def version(self) -> str:
        """A digest of the head, and what the embeddings depend on.

        Raises:
            ConfigError: The head cannot be read, or is for embeddings of another width.
        """
        facts = [self._head.weight.tobytes(), np.float64(self._head.bias).tobytes()]
        width = self.clip.schema.types[0].list_size
        aesthetic(np.zeros((0, width), dtype=np.float16), self._head)
        return f"1-{hashlib.sha256(b''.join(facts)).hexdigest()[:12]}-{self.clip.version}"

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """The score of one picture, which is embedded for it."""
        vector = np.asarray(self.clip(picture)[self.clip.name])
        return {"aesthetic": float(aesthetic(vector[None], self._head)[0])}

    def derive(self, columns: pa.Table) -> dict[str, pa.Array]:
        """The scores; null where there is no embedding.

        Raises:
            ConfigError: The embeddings are not among the columns.
        """
        if self.clip.name not in columns.column_names:
            raise ConfigError(f"Aesthetic scores need the measure {self.clip.name!r} beside them.")
        column = columns[self.clip.name]
        scores = np.full(len(column), np.nan, dtype=np.float32)
        for start in range(0, len(column), _BLOCK):
            part = column.slice(start, _BLOCK)
            there = part.is_valid().to_numpy()
            if there.any():
                vectors = part.drop_null().combine_chunks().flatten().to_numpy().reshape(there.sum(), -1)
                scores[start : start + _BLOCK][there] = aesthetic(vectors, self._head)
        return {"aesthetic": pa.array(scores, mask=np.isnan(scores))}

    @cached_property
    def _head(self) -> Head:
        return load_head(self.head)
