"""Muon for the blocks' matrices, AdamW for the rest, and a moving average that suits short runs."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prx_train.hardware import has_bf16
from prx_train.sharding import like, part, whole

_AVERAGED_EVERY = 4
_EVERY_STEP_UNTIL = 40  # a multiple of it
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


@torch.no_grad()
def orthogonalized(matrices_NAB: Tensor, *, steps: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    """Each matrix with its singular values moved to about 1, shape (N, A, B), by a quintic Newton–Schulz iteration.

    (Jordan et al. 2024, "Muon: an optimizer for hidden layers"; the coefficients leave singular values in [0.7, 1.2].)
    `dtype` is what is computed in; float32 is returned.
    """
    a, b, c = _NEWTON_SCHULZ
    x: Tensor = matrices_NAB / (matrices_NAB.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = x.to(dtype)
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.mT).float()


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are orthogonalized, scaled to the size of an AdamW update.

    Momentum 0.95 with Nesterov's look-ahead; the update is scaled by 0.2·√max(A, B) (Liu et al. 2025,
    arXiv:2502.16982, eq. 4), so that one learning rate serves both optimizers. Every parameter must be a matrix.
    """

    def __init__(
        self, params: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Updates every matrix that has a gradient; matrices of one shape together."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in shapes.items():
                # A part of a matrix cannot be orthogonalized: each process does all of it, as without sharding.
                updates = torch.stack([whole(self._momentum(one, group["momentum"])) for one in parameters])
                # bf16 is enough, and its authors' choice; processors without it emulate it, tens of times slower.
                dtype = torch.bfloat16 if has_bf16(updates.device.type) else torch.float32
                scale = 0.2 * max(shape) ** 0.5
                for parameter, update in zip(parameters, orthogonalized(updates, dtype=dtype), strict=True):
                    weight = part(parameter)
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(part(like(update, parameter)), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        assert parameter.grad is not None  # noqa: S101
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(state["momentum"], momentum)


def optimizers_for(
    model: nn.Module, *, name: str, learning_rate: float, weight_decay: float
) -> tuple[torch.optim.Optimizer, ...]:
    """AdamW for everything, or Muon for the matrices of `blocks` and AdamW for the rest.

    AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101, betas (0.9, 0.95); vectors and biases do not decay.
    """
    named = trained(model)
    hidden = [p for key, p in named.items() if name == "muon" and key.startswith("blocks.") and p.ndim == 2]
    taken = {id(parameter) for parameter in hidden}
    rest = [p for p in named.values() if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), eps=1e-8, fused=True)
    return (Muon(hidden, lr=learning_rate, weight_decay=weight_decay), adamw) if hidden else (adamw,)


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], value: float) -> None:
    """Sets the learning rate of every group."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = value


def clipped(weights: Sequence[Tensor], most: float) -> float:
    """Cuts gradients to a norm of at most `most`, to the bit as `torch.nn.utils.clip_grad_norm_`; the norm before.

    That one multiplies by 1 where there is nothing to cut, which would read and write every gradient in every step.
    """
    norm = torch.nn.utils.get_total_norm([one.grad for one in weights if one.grad is not None])
    value = float(whole(norm))
    if value + 1e-6 > most:  # as it has it
        torch.nn.utils.clip_grads_with_norm_(weights, most, norm)
    return value


def ema_decay(step: int, limit: float) -> float:
    """The decay after `step` steps: (1 + n) / (10 + n), at most `limit`.

    The average then covers about the last tenth of a short run, so that it forgets the untrained start.
    """
    return min(limit, (1 + step) / (10 + step))


def average_decay(step: int, limit: float) -> float | None:
    """What the average keeps of itself after `step` (0-based); None where it stays as it is.

    It takes the weights of each of the first 40 steps and of every fourth later, with the decays of all four: weights
    hardly move in four steps, and reading all of them again would cost as much as a third of the optimizer.
    """
    taken = 1 if step < _EVERY_STEP_UNTIL else _AVERAGED_EVERY
    if (step + 1) % taken:
        return None
    return math.prod(ema_decay(one, limit) for one in range(step + 1 - taken, step + 1))


class Average:
    """An exponential moving average of what is trained, kept beside the model and put in its place for a while.

    A second model would hold every frozen weight of a base a second time.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._weights = dict(parameters)
        self.shadows = {name: weight.detach().clone() for name, weight in parameters.items()}

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Averages ← decay·averages + (1 − decay)·weights."""
        shadows, weights = zip(*self._parts(), strict=True)
        torch._foreach_lerp_(shadows, weights, 1.0 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the model has the averaged weights, and `shadows` are the weights that were trained."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        # Numbers change places and not tensors: what gathers a sharded weight knows where its part lies.
        for shadow, weight in self._parts():
            held = weight.clone()
            weight.copy_(shadow)
            shadow.copy_(held)

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((part(self.shadows[name]), part(weight)) for name, weight in self._weights.items())


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
