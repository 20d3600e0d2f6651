"""Aesthetic scores: a linear head on CLIP embeddings, from a local file.

    head = load_head("aesthetic-vit-l-14.safetensors")
    scores = aesthetic(embeddings, head)

The head has to have been trained on embeddings of the same CLIP model, normalised to length 1.
(LAION-AI/aesthetic-predictor, 2022.)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prx_data.errors import ConfigError

Floats = npt.NDArray[np.float32]


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
