import torch
from torch import Tensor

from prx_train.evaluate import Example, validation_loss, validation_times
from prx_train.objective import noisy

EXAMPLES = [Example(key=str(n), caption="x" * n, clean=torch.full((3, 8, 8 + 8 * (n % 2)), 0.1 * n)) for n in range(5)]


def grey(x_t: Tensor, t: Tensor, captions: object) -> Tensor:
    return torch.zeros_like(x_t)


def test_times_cover_the_range() -> None:
    assert validation_times(4).tolist() == [0.125, 0.375, 0.625, 0.875]


def test_a_grey_guess_costs_what_it_should() -> None:
    """The error of x̂ = 0 is x₀, so the loss is the mean of (x₀ / t)² over photos and times."""
    expected = sum((0.1 * n / float(t)) ** 2 for n in range(5) for t in validation_times(4)) / 20
    assert abs(validation_loss(grey, EXAMPLES, seed=0) - expected) < 1e-4


def test_neither_order_nor_batch_size_moves_it_but_the_seed_does() -> None:
    def shaky(x_t: Tensor, t: Tensor, captions: object) -> Tensor:
        return 0.5 * x_t

    found = validation_loss(shaky, EXAMPLES, seed=0)
    assert abs(validation_loss(shaky, EXAMPLES[::-1], seed=0, batch_size=3) - found) < 1e-5
    assert abs(validation_loss(shaky, EXAMPLES, seed=1) - found) > 1e-4


def test_a_perfect_guess_costs_nothing() -> None:
    clean = {example.caption: example.clean for example in EXAMPLES}

    def perfect(x_t: Tensor, t: Tensor, captions: list[str]) -> Tensor:
        x0 = torch.stack([clean[caption] for caption in captions])
        assert x_t.shape == noisy(x0, x0, t).shape
        return x0

    assert validation_loss(perfect, EXAMPLES, seed=0) == 0  # type: ignore[arg-type]
