"""Laws of the chains in flat space: the right distribution at the stated temperature, in the bounds they stay in."""

from __future__ import annotations

import math

import pytest
import torch

from jetnae.errors import InputError
from jetnae.sampling import Bounds, Langevin, at_temperature, metropolis_chain, run_chain
from jetnae.sampling.bounds import Walls, share_at
from jetnae.sampling.langevin import clip_per_sample, normalize_per_sample


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CENTER = torch.tensor([1.0, -2.0])
STIFFNESS = torch.tensor([1.0, 4.0])


def quadratic(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * (STIFFNESS * (x - CENTER) ** 2).sum(dim=1)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_a_quadratic_energy_gives_a_gaussian_at_the_stated_temperature(temperature: float) -> None:
    n, step = 20_000, 0.02
    rule = at_temperature(temperature, step_size=step, n_steps=400)
    x = run_chain(quadratic, torch.zeros(n, 2), rule, generator())
    # the variance of the discretized chain is T / (k (1 - step k / 2)); five standard errors of both moments
    variance = temperature / (STIFFNESS * (1 - step * STIFFNESS / 2))
    assert rule.temperature == pytest.approx(temperature)
    torch.testing.assert_close(x.mean(dim=0), CENTER, rtol=0, atol=5 * float((variance / n).sqrt().max()))
    torch.testing.assert_close(x.var(dim=0), variance, rtol=5 * (2 / n) ** 0.5, atol=0)


@pytest.mark.parametrize("temperature", [0.2, 3.0])
@pytest.mark.parametrize("max_gradient", [None, 1.0])
def test_with_metropolis_steps_the_gaussian_is_exact_at_large_steps(
    temperature: float, max_gradient: float | None
) -> None:
    n, step = 20_000, 0.3
    rule = Langevin(300, step, (2 * step * temperature) ** 0.5, max_gradient, metropolis=temperature)
    x, accepted = metropolis_chain(quadratic, torch.zeros(n, 2), rule, generator())
    variance = temperature / STIFFNESS
    assert 0.5 < float(accepted.mean()) < 0.99
    torch.testing.assert_close(x.mean(dim=0), CENTER, rtol=0, atol=5 * float((variance / n).sqrt().max()))
    torch.testing.assert_close(x.var(dim=0), variance, rtol=5 * (2 / n) ** 0.5, atol=0)
    # without them, a step of this size makes the stiff direction wider by 1 / (1 - step k / 2) = 2.5
    plain = run_chain(quadratic, torch.zeros(n, 2), at_temperature(temperature, step, 300), generator())
    assert float(plain.var(dim=0)[1]) == pytest.approx(2.5 * float(variance[1]), rel=5 * (2 / n) ** 0.5)


@pytest.mark.parametrize("walls", ["reflect", "reject"])
@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_between_walls_a_linear_energy_gives_a_cut_exponential(walls: Walls, slope: float) -> None:
    n = 20_000
    rule = at_temperature(1.0, step_size=0.1, n_steps=200, metropolis=True)
    bounds = Bounds(-1.0, 1.0, walls)
    x = run_chain(lambda x: slope * x.sum(dim=1), torch.zeros(n, 2), rule, generator(), space=bounds)
    expected = 1 / slope - 1 / math.tanh(slope) if slope else 0.0
    spread = 1 / slope**2 - 1 / math.sinh(slope) ** 2 if slope else 1 / 3
    assert float(x.abs().max()) <= 1
    torch.testing.assert_close(x.mean(dim=0), torch.full((2,), expected), rtol=0, atol=5 * (spread / n) ** 0.5)
    torch.testing.assert_close(x.var(dim=0), torch.full((2,), spread), rtol=0.05, atol=0)


@pytest.mark.parametrize("walls", ["reflect", "reject"])
def test_without_a_force_walls_keep_the_samples_even(walls: Walls) -> None:
    x = run_chain(
        lambda x: 0 * x.sum(dim=1),
        torch.zeros(20_000, 1),
        Langevin(200, 0.1, 0.3),
        generator(),
        space=Bounds(-1, 1, walls),
    )
    counts = torch.histc(x, 10, -1, 1)
    assert float(((counts - 2000) ** 2 / 2000).sum()) < 27.9  # chi-squared of 9 degrees of freedom, one in a thousand
    assert share_at(x, -1, 1) == 0


def test_a_clamp_piles_samples_up_at_the_bounds() -> None:
    x = run_chain(
        lambda x: 0 * x.sum(dim=1),
        torch.zeros(2000, 1),
        Langevin(200, 0.1, 0.3),
        generator(),
        space=Bounds(-1, 1, "clamp"),
    )
    # in one step of 0.3, a sixth or so of the width of the box, leaves more than a tenth
    assert share_at(x, -1, 1) > 0.1


def test_reflection_folds_any_step_back() -> None:
    x = torch.tensor([[0.3, 1.2, -1.5, 3.1, -4.9]])
    torch.testing.assert_close(Bounds(-1, 1).fold(x), torch.tensor([[0.3, 0.8, -0.5, -0.9, -0.9]]))


def test_the_end_is_differentiable_in_the_energy_through_all_steps() -> None:
    start, step = torch.randn(50, 3, generator=generator()), 0.1
    stiffness = torch.tensor(2.0, requires_grad=True)
    rule = Langevin(4, step, 0.0)
    end = run_chain(lambda x: 0.5 * stiffness * x.square().sum(dim=1), start, rule, generator(), create_graph=True)
    # each step multiplies by (1 - step k)
    torch.testing.assert_close(end.detach(), start * (1 - 2 * step) ** 4)
    (grad,) = torch.autograd.grad(end.sum(), stiffness)
    torch.testing.assert_close(grad, (start * 4 * (1 - 2 * step) ** 3 * -step).sum())
    assert not run_chain(lambda x: stiffness * x.sum(dim=1), start, rule, generator()).requires_grad


def test_without_noise_the_energy_falls() -> None:
    start = torch.randn(50, 4, generator=generator())
    end = run_chain(lambda x: (x**2).sum(dim=1), start, Langevin(10, 0.05, 0.0), generator())
    assert bool(((end**2).sum(dim=1) < (start**2).sum(dim=1)).all())


def test_no_steps_return_the_start() -> None:
    start = torch.randn(5, 4, generator=generator())
    assert torch.equal(run_chain(lambda x: x.sum(dim=1), start, Langevin(0, 1.0, 1.0), generator()), start)


def test_the_clip_acts_on_each_sample_as_a_whole() -> None:
    grad = torch.randn(20, 6, 6, generator=generator())
    grad[0] *= 1e-3
    clipped = clip_per_sample(grad, 1.0)
    norms = clipped.flatten(1).norm(dim=1)
    assert torch.equal(clipped[0], grad[0])
    torch.testing.assert_close(norms[1:], torch.ones(19))
    cosine = (clipped.flatten(1) * grad.flatten(1)).sum(dim=1) / norms / grad.flatten(1).norm(dim=1)
    torch.testing.assert_close(cosine, torch.ones(20))


def test_normalized_steps_all_have_one_length() -> None:
    start = torch.randn(20, 6, 6, generator=generator())
    rule = Langevin(1, 0.25, 0.0, normalized=True)
    end = run_chain(lambda x: (x**4).flatten(1).sum(dim=1), start, rule, generator())
    torch.testing.assert_close((end - start).flatten(1).norm(dim=1), torch.full((20,), 0.25))
    assert torch.equal(normalize_per_sample(torch.zeros(2, 3)), torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step_size": 0.0}, "step_size"),
        ({"n_steps": -1}, "n_steps"),
        ({"max_gradient": 0.0}, "max_gradient"),
        ({"metropolis": 0.2}, "set noise_std to 0.2"),
        ({"metropolis": -1.0}, "positive temperature"),
        ({"metropolis": 0.05, "normalized": True}, "gradient as it is"),
        ({"noise_std": 0.0, "metropolis": 0.05}, "set noise_std"),
    ],
)
def test_a_rule_without_sense_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Langevin(**({"n_steps": 5, "step_size": 0.1, "noise_std": 0.1} | settings))


def test_metropolis_steps_are_refused_where_they_are_not_exact() -> None:
    rule = at_temperature(1.0, 0.1, 5, metropolis=True)
    with pytest.raises(InputError, match="free space or bounds"):
        run_chain(quadratic, torch.zeros(3, 2), rule, generator(), space=lambda x: x.clamp_min(0))
    with pytest.raises(InputError, match="cannot be differentiated"):
        run_chain(quadratic, torch.zeros(3, 2), rule, generator(), create_graph=True)
    with pytest.raises(InputError, match="not clamp"):
        run_chain(quadratic, torch.zeros(3, 2), rule, generator(), space=Bounds(-1, 1, "clamp"))
    with pytest.raises(InputError, match="low < high"):
        Bounds(1, -1)
