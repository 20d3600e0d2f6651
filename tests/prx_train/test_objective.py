import torch
from hypothesis import given
from hypothesis import strategies as st

from prx_train.objective import losses, noisy, shifted, times, velocity

SHAPE = (2, 3, 4, 5)


def test_the_path_runs_from_the_picture_to_noise() -> None:
    x0, eps = torch.randn(SHAPE), torch.randn(SHAPE)
    assert torch.equal(noisy(x0, eps, torch.zeros(2)), x0)
    assert torch.equal(noisy(x0, eps, torch.ones(2)), eps)


def test_velocity_is_noise_minus_picture_above_the_clamp() -> None:
    x0, eps, t = torch.randn(SHAPE), torch.randn(SHAPE), torch.tensor([0.05, 0.9])
    torch.testing.assert_close(velocity(noisy(x0, eps, t), x0, t), eps - x0, rtol=1e-4, atol=1e-4)


def test_golden_losses() -> None:
    """Worked by hand: the error of x̂ is 0.2 everywhere, so the loss is (0.2 / max(t, 0.05))²."""
    x0, eps = torch.full(SHAPE, 0.5), torch.full(SHAPE, -1.0)
    t = torch.tensor([0.4, 0.01])
    found = losses(x0 + 0.2, x0, eps, t)
    torch.testing.assert_close(found, torch.tensor([0.25, 16.0]), rtol=1e-5, atol=0)
    velocity_found = losses(eps - x0 + 0.2, x0, eps, t, "velocity")
    torch.testing.assert_close(velocity_found, torch.tensor([0.04, 0.04]), rtol=1e-5, atol=0)


def test_both_predictions_of_one_guess_cost_the_same_above_the_clamp() -> None:
    torch.manual_seed(0)
    x0, eps, guess, t = torch.randn(SHAPE), torch.randn(SHAPE), torch.randn(SHAPE), torch.tensor([0.06, 0.9])
    as_clean = losses(guess, x0, eps, t, "clean")
    as_velocity_ = losses(velocity(noisy(x0, eps, t), guess, t), x0, eps, t, "velocity")
    torch.testing.assert_close(as_clean, as_velocity_, rtol=1e-4, atol=1e-4)


def test_golden_times() -> None:
    z = torch.tensor([0.0, 2.0, 0.0, -30.0])
    found = times(z, torch.tensor([0.5, 0.5, 0.25, 0.0]), torch.tensor([0.9, 0.1, 0.09, 0.5]), shift=3.0)
    torch.testing.assert_close(found, torch.tensor([0.75, 0.956833, 0.25075, 0.001]), rtol=1e-5, atol=1e-6)


@given(st.floats(0, 1), st.floats(0.1, 10))
def test_a_shift_keeps_the_ends_and_is_undone_by_its_inverse(t: float, shift: float) -> None:
    value = torch.tensor(t, dtype=torch.float64)
    there = shifted(value, shift)
    assert 0 <= float(there) <= 1
    torch.testing.assert_close(shifted(there, 1 / shift), value, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32), st.floats(0.5, 5))
def test_times_lie_where_they_may(seed: int, shift: float) -> None:
    random = torch.Generator().manual_seed(seed)
    z, (u, c) = torch.randn(64, generator=random) * 9, torch.rand(2, 64, generator=random)
    t = times(z, u, c, shift=shift)
    assert float(t.min()) >= 1e-3
    assert float(t.max()) <= 1
