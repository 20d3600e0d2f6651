"""The training objective: pure functions in the papers' letters, with noise and time as arguments.

Time runs from t = 0, a clean sample, to t = 1, noise (Esser et al. 2024, arXiv:2403.03206, eq. 13). The network
predicts the velocity, or the clean sample x̂; the loss compares velocities either way (Li & He 2025, arXiv:2511.13720,
table 1). ε is the noise as it stands at t = 1: whoever draws it scales it.
"""

from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["clean", "velocity"]
"""What a network says of x_t: the clean sample, as PRX in pixel space, or the velocity, as PRX in latents."""

T_MIN = 0.05
"""The smallest time to divide by: without it the loss of an almost clean picture is boundless. The pipeline clamps
its own division the same way, so this is a convention of the checkpoints and no setting."""


def noisy(x0_BCHW: Tensor, eps_BCHW: Tensor, t_B: Tensor) -> Tensor:
    """x_t = (1 − t)·x₀ + t·ε, the straight path of rectified flow (arXiv:2403.03206, eq. 13)."""
    t = t_B[:, None, None, None]
    return (1 - t) * x0_BCHW + t * eps_BCHW


def velocity(x_t_BCHW: Tensor, x0_BCHW: Tensor, t_B: Tensor) -> Tensor:
    """V = (x_t − x₀) / max(t, 0.05), which is ε − x₀ wherever t ≥ 0.05; x₀ may be a prediction."""
    return (x_t_BCHW - x0_BCHW) / t_B.clamp(min=T_MIN)[:, None, None, None]


def as_velocity(prediction_BCHW: Tensor, x_t_BCHW: Tensor, t_B: Tensor, kind: Prediction) -> Tensor:
    """A network's prediction as a velocity."""
    return prediction_BCHW if kind == "velocity" else velocity(x_t_BCHW, prediction_BCHW, t_B)


def losses(
    prediction_BCHW: Tensor, x0_BCHW: Tensor, eps_BCHW: Tensor, t_B: Tensor, kind: Prediction = "clean"
) -> Tensor:
    """The mean squared error of velocities for each sample, shape (B,).

    The target is ε − x₀; for a network that predicts x̂ it is (x_t − x₀) / max(t, 0.05), so that both velocities share
    the clamp, and their difference is that of the clean pictures by it.
    """
    if kind == "velocity":
        return (prediction_BCHW - (eps_BCHW - x0_BCHW)).square().mean((1, 2, 3))
    return (prediction_BCHW - x0_BCHW).square().mean((1, 2, 3)) / t_B.clamp(min=T_MIN).square()


def shifted(t: Tensor, shift: float) -> Tensor:
    """s·t / (1 + (s − 1)·t): more time near noise for larger pictures (arXiv:2403.03206, eq. 23)."""
    return shift * t / (1 + (shift - 1) * t)


def times(normal_B: Tensor, uniform_B: Tensor, choice_B: Tensor, *, shift: float, uniform_share: float = 0.1) -> Tensor:
    """Training times in [0.001, 1], shape (B,).

    t = sigmoid(z), shifted, with z normal (the logit-normal of arXiv:2403.03206, section 3.1); where `choice_B`, in
    [0, 1), falls below `uniform_share` it is uniform instead, so that both ends are seen.
    """
    logit_normal = shifted(normal_B.sigmoid(), shift)
    uniform = 1e-3 + (1 - 1e-3) * uniform_B
    return torch.where(choice_B < uniform_share, uniform, logit_normal).clamp(1e-3, 1.0)
