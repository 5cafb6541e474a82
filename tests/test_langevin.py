"""Laws of the chains: the right distribution at the stated temperature, and the space they stay in."""

from __future__ import annotations

import pytest
import torch

from jetnae.errors import InputError
from jetnae.models.langevin import (
    Langevin,
    at_temperature,
    clip_per_sample,
    replay_starts,
    run_chain,
    run_sphere_chain,
    to_simplex,
)
from jetnae.models.networks import sphere_points


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_a_quadratic_energy_gives_a_gaussian_at_the_stated_temperature(temperature: float) -> None:
    center = torch.tensor([1.0, -2.0])
    stiffness = torch.tensor([1.0, 4.0])

    def energy(x: torch.Tensor) -> torch.Tensor:
        return 0.5 * (stiffness * (x - center) ** 2).sum(dim=1)

    n, step = 20_000, 0.02
    rule = at_temperature(temperature, step_size=step, n_steps=400)
    x = run_chain(energy, torch.zeros(n, 2), rule, generator())
    # the variance of the discretized chain is T / (k (1 - step k / 2)); five standard errors of both moments
    variance = temperature / (stiffness * (1 - step * stiffness / 2))
    assert rule.temperature == pytest.approx(temperature)
    torch.testing.assert_close(x.mean(dim=0), center, rtol=0, atol=5 * float((variance / n).sqrt().max()))
    torch.testing.assert_close(x.var(dim=0), variance, rtol=5 * (2 / n) ** 0.5, atol=0)


def test_a_latent_on_the_sphere_stays_there() -> None:
    start = sphere_points(500, 3, generator())
    rule = Langevin(50, step_size=0.1, noise_std=0.2)
    end = run_sphere_chain(lambda z: 5 * z[:, 0], start, rule, generator(2))
    torch.testing.assert_close(end.norm(dim=1), torch.ones(500))
    assert float((end - start).norm(dim=1).min()) > 0


def test_the_sphere_chain_samples_the_von_mises_fisher_distribution() -> None:
    # energy -k z_0 at temperature T on S^2 has <z_0> = coth(k/T) - T/k (the Langevin function)
    kappa, n = 2.0, 20_000
    rule = at_temperature(1.0, step_size=0.005, n_steps=600)
    z = run_sphere_chain(lambda z: -kappa * z[:, 0], sphere_points(n, 3, generator()), rule, generator(2))
    expected = 1 / torch.tanh(torch.tensor(kappa)) - 1 / kappa
    assert float(z[:, 0].mean()) == pytest.approx(float(expected), abs=5 * float(z[:, 0].std()) / n**0.5 + 0.005)


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


def test_the_simplex_keeps_sum_and_sign() -> None:
    x = to_simplex(40.0)(torch.randn(10, 8, 8, generator=generator()))
    assert bool((x >= 0).all())
    torch.testing.assert_close(x.flatten(1).sum(dim=1), torch.full((10,), 40.0))
    torch.testing.assert_close(to_simplex(40.0)(x), x)


@pytest.mark.parametrize("ratio", [0.0, 0.8, 1.0])
def test_the_share_of_replayed_starts(ratio: float) -> None:
    n = 5000
    starts, slots = replay_starts(torch.zeros(100, 3), n, ratio, torch.ones(n, 3), generator())
    share = float((starts[:, 0] == 0).float().mean())
    assert share == pytest.approx(ratio, abs=5 * (ratio * (1 - ratio) / n) ** 0.5)
    assert int(slots.max()) < 100


def test_a_rule_without_sense_is_refused() -> None:
    with pytest.raises(InputError, match="step_size"):
        Langevin(5, 0.0, 0.1)
