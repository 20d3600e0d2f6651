"""Aesthetic heads: read from a file, the same as torch's linear layer on normalised embeddings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from prx_data import ConfigError
from prx_data.decisions.aesthetic import aesthetic, load_head


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_linear_layer_on_embeddings_of_length_one(tmp_path: Path, bias: bool) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(12, 1, bias=bias)
    save_file(layer.state_dict(), tmp_path / "head.safetensors")
    embeddings = torch.randn(7, 12) * 5
    with torch.no_grad():
        expected = layer(torch.nn.functional.normalize(embeddings))[:, 0].numpy()
    head = load_head(tmp_path / "head.safetensors")
    assert np.allclose(aesthetic(embeddings.numpy(), head), expected, atol=1e-6)
    assert np.allclose(aesthetic(embeddings.numpy().astype(np.float16), head), expected, atol=2e-3)
    assert np.isnan(aesthetic(np.zeros((1, 12)), head)).all()
    with pytest.raises(ConfigError, match="takes embeddings of 12 numbers, and these have 5"):
        aesthetic(np.ones((3, 5)), head)


def test_what_is_no_head_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    with pytest.raises(ConfigError, match="There is no aesthetic head at "):
        load_head(path)
    path.write_text("no tensors")
    with pytest.raises(ConfigError, match="is no safetensors file"):
        load_head(path)
    save_file(torch.nn.Linear(12, 3).state_dict(), path)
    with pytest.raises(ConfigError, match=r"holds bias \[3\], weight \[3, 12\] instead of a matrix \[1, D\]"):
        load_head(path)
