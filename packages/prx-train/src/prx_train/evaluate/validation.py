"""The loss on held-out photos at fixed noise and fixed times, so that two numbers differ only by the weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prx_train.objective import Prediction, losses, noisy
from prx_train.storage import seed_from

PredictWithText = Callable[[Tensor, Tensor, Sequence[str]], Tensor]
"""(x_t of shape BCHW, t of shape (B,), captions) → what the network predicts, shape BCHW."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A held-out photo."""

    key: str
    """Its content key, which fixes its noise."""
    caption: str
    """Its text."""
    clean: Tensor
    """x₀: pixels in [-1, 1] or a latent, float32, shape CHW."""


def validation_times(count: int) -> Tensor:
    """The middles of `count` equal parts of [0, 1], shape (count,)."""
    return (torch.arange(count, dtype=torch.float32) + 0.5) / count


@torch.no_grad()
def validation_loss(
    predict: PredictWithText,
    examples: Sequence[Example],
    *,
    seed: int,
    times: int = 4,
    batch_size: int = 32,
    kind: Prediction = "clean",
    noise_scale: float = 1.0,
) -> float:
    """The mean velocity error over all examples at each of `times` fixed times; lower is better.

    Noise depends on (seed, key, time) only: neither the order of the examples nor the batch size moves the number
    beyond rounding.
    """
    cases = [(example, float(t), n) for example in examples for n, t in enumerate(validation_times(times))]
    # Pictures of one shape go together; Python's sort keeps the order within.
    cases.sort(key=lambda case: tuple(case[0].clean.shape))
    total, start = 0.0, 0
    while start < len(cases):
        shape = cases[start][0].clean.shape
        batch = [case for case in cases[start : start + batch_size] if case[0].clean.shape == shape]
        x0 = torch.stack([example.clean for example, _, _ in batch])
        eps = torch.stack([_noise(shape, seed_from("validation", seed, example.key, n)) for example, _, n in batch])
        eps = noise_scale * eps
        t = torch.tensor([t for _, t, _ in batch])
        x_t = noisy(x0, eps, t)
        prediction = predict(x_t, t, [example.caption for example, _, _ in batch])
        total += float(losses(prediction.float().cpu(), x0, eps, t, kind).double().sum())
        start += len(batch)
    return total / len(cases)


def _noise(shape: torch.Size, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
