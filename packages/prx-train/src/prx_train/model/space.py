"""Where a model denoises: RGB pixels, or the latents of an autoencoder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor

from prx_train.errors import ModelError
from prx_train.objective import Prediction
from prx_train.storage import digest, folder_digest
from prx_train.version import release

_ENCODED_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Space:
    """Pixels in [-1, 1] to what the transformer works on, and back."""

    channels: int = 3
    """Of the transformer's input."""
    compression: int = 1
    """Pixels along the side of one of its cells."""
    predicts: Prediction = "clean"
    """What the transformer was trained to say: the clean picture, or the velocity."""
    noise_scale: float = 1.0
    """Standard deviation of the noise at t = 1."""
    shift: float = 1.0
    """Of the scheduler's times."""
    vae: Any = None
    """The autoencoder; None for pixels."""
    digest: str = ""
    """Changes with anything that changes a latent; empty for pixels."""

    @torch.no_grad()
    def encode(self, pixels_BCHW: Tensor) -> Tensor:
        """Pixels in [-1, 1] to clean samples x₀, float32; the mode of the posterior where the encoder gives one."""
        if self.vae is None:
            return pixels_BCHW
        device = next(self.vae.parameters()).device
        parts = []
        for part in torch.split(pixels_BCHW, _ENCODED_AT_ONCE):
            encoded = self.vae.encode(part.to(device))
            latent = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latent
            parts.append((latent - self._center) * self._scale)
        return torch.cat(parts).float()

    @torch.no_grad()
    def decode(self, x_BCHW: Tensor) -> Tensor:
        """Clean samples to pixels around [-1, 1]."""
        if self.vae is None:
            return x_BCHW
        parts = [
            self.vae.decode(part / self._scale + self._center, return_dict=False)[0]
            for part in torch.split(x_BCHW, _ENCODED_AT_ONCE)
        ]
        return torch.cat(parts)

    @property
    def _scale(self) -> float:
        return float(self.vae.config.scaling_factor)

    @property
    def _center(self) -> float:
        # AutoencoderDC has no such entry; the pipeline takes it for zero too.
        return float(getattr(self.vae.config, "shift_factor", None) or 0.0)


def load_vae(folder: Path, name: str, device: str, digest_of: Callable[[Path], str]) -> tuple[Any, int, str]:
    """An autoencoder in float32, its compression, and its digest; `digest_of` gives that of one of its files.

    Raises:
        ModelError: it is of a class that no PRX pipeline uses, or cannot be loaded.
    """
    if name not in ("AutoencoderKL", "AutoencoderDC"):
        raise ModelError(f"the autoencoder in '{folder}' is a {name}; AutoencoderKL and AutoencoderDC are known.")
    try:
        vae = getattr(diffusers, name).from_pretrained(folder, torch_dtype=torch.float32, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"no autoencoder could be loaded from '{folder}': {str(error).splitlines()[0]}") from None
    compression = (
        vae.spatial_compression_ratio
        if hasattr(vae, "spatial_compression_ratio")
        else 2 ** (len(vae.config.block_out_channels) - 1)
    )
    mark = digest(name, folder_digest(folder, digest_of), release("diffusers"))
    return vae.eval().requires_grad_(False).to(device), int(compression), mark
