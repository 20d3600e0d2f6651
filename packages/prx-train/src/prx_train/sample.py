"""From noise to pictures: Euler's method along a velocity, with guidance."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from prx_train.objective import Prediction, as_velocity, shifted

Predict = Callable[[Tensor, Tensor], Tensor]
"""(x_t of shape BCHW, t of shape (B,)) → what the network predicts, shape BCHW."""


def sampling_times(steps: int, *, shift: float, train_steps: int = 1000) -> Tensor:
    """The times of a sampler, from 1 to exactly 0, shape (steps + 1,), float32.

    The same as `FlowMatchEulerDiscreteScheduler(num_train_timesteps=train_steps, shift=shift)` gives, which shifts the
    ends of its range once more when it spaces the steps.
    """
    ends = shifted(torch.tensor([1.0, 1.0 / train_steps], dtype=torch.float64), shift)
    spaced = torch.linspace(float(ends[0]), float(ends[1]), steps, dtype=torch.float64)
    return torch.cat([shifted(spaced, shift), torch.zeros(1, dtype=torch.float64)]).float()


def guided(unconditional: Predict, conditional: Predict, guidance: float) -> Predict:
    """Classifier-free guidance: p(∅) + w·(p(c) − p(∅)) (Ho & Salimans 2022, arXiv:2207.12598, eq. 6)."""

    def predict(x_t_BCHW: Tensor, t_B: Tensor) -> Tensor:
        without = unconditional(x_t_BCHW, t_B)
        return without + guidance * (conditional(x_t_BCHW, t_B) - without)

    return conditional if guidance == 1.0 else predict


@torch.no_grad()
def euler(predict: Predict, noise_BCHW: Tensor, times: Tensor, kind: Prediction = "clean") -> Tensor:
    """Follows dx/dt = v(x, t) from noise at t = 1 down the `times` to a clean sample, shape BCHW."""
    x = noise_BCHW
    for t, t_next in pairwise(times):
        t_B = t.expand(len(x)).to(x.device)
        v = as_velocity(predict(x, t_B), x, t_B, kind)
        x = x + (t_next - t).to(x.device) * v
    return x


def fixed_noise(seed: int, shape: tuple[int, int, int]) -> Tensor:
    """Standard normal noise of shape CHW that depends on the seed alone, as a pipeline's generator draws it."""
    return torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed))[0]


def to_uint8(pictures_BCHW: Tensor) -> Tensor:
    """From [-1, 1] to bytes, shape BHWC, uint8; what lies outside is cut off, as in diffusers."""
    scaled = (pictures_BCHW / 2 + 0.5).clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
