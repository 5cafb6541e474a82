"""Laws of the density on the latent sphere: its norm, its samples, its fit, and what it adds to an energy."""

from __future__ import annotations

import math

import pytest
import torch

from jetnae.errors import InputError
from jetnae.models import NaeConfig, NormalizedAutoencoder
from jetnae.models.latent_density import (
    LatentDensity,
    LatentDensityConfig,
    concentration_of,
    log_norm,
    mean_length,
)
from jetnae.models.limit import first_multiplier, held
from jetnae.models.networks import NetworkConfig
from jetnae.sampling import SphereWalk, kernel_points, sphere_points


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(dim: int, n_kernels: int, concentration: float, seed: int = 1) -> LatentDensity:
    density = LatentDensity(dim, LatentDensityConfig(n_kernels=n_kernels))
    weights = torch.rand(n_kernels, generator=generator(seed)) + 0.2
    with torch.no_grad():
        density._set(sphere_points(n_kernels, dim, generator(seed)), weights / weights.sum(), concentration)
    return density


def area(dim: int) -> float:
    return 2 * math.pi ** (dim / 2) / math.gamma(dim / 2)


@pytest.mark.parametrize(("dim", "concentration"), [(2, 3.0), (3, 5.0), (5, 2.0), (8, 20.0)])
def test_the_density_integrates_to_one(dim: int, concentration: float) -> None:
    density, n = mixture(dim, 6, concentration), 200_000
    values = density.log_density(sphere_points(n, dim, generator(2))).double().exp() * area(dim)
    assert float(values.mean()) == pytest.approx(1, abs=5 * float(values.std()) / n**0.5)


def test_the_norm_of_an_even_density_is_the_area_of_the_sphere() -> None:
    for dim in (2, 3, 8):
        assert math.exp(log_norm(dim, 0.0)) == pytest.approx(area(dim))
        assert math.exp(log_norm(dim, 1e-5)) == pytest.approx(area(dim), rel=1e-4)


@pytest.mark.parametrize(("dim", "concentration"), [(2, 1.0), (3, 5.0), (8, 20.0), (16, 300.0)])
def test_points_of_a_kernel_have_its_mean_and_are_even_around_it(dim: int, concentration: float) -> None:
    n = 20_000
    center = sphere_points(1, dim, generator(3)).expand(n, dim)
    z = kernel_points(center, concentration, generator(4))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(n))
    along = (z * center).sum(dim=1)
    assert float(along.mean()) == pytest.approx(mean_length(dim, concentration), abs=5 * float(along.std()) / n**0.5)
    across = z - along[:, None] * center
    assert float(across.mean(dim=0).norm()) < 5 * float(across.norm(dim=1).mean()) / n**0.5


def test_samples_of_a_mixture_have_the_density_that_it_states() -> None:
    """Importance: the mean of any f over samples is that of f p over the sphere."""
    density, n = mixture(4, 5, 8.0), 50_000
    z, even = density.sample(n, generator(5)), sphere_points(4 * n, 4, generator(6))
    weight = density.log_density(even).exp() * area(4)
    for f in (lambda v: v[:, 0], lambda v: v[:, 1].square(), lambda v: v[:, 2] * v[:, 3]):
        expected, found = f(even) * weight, f(z)
        error = math.hypot(float(expected.std()) / (4 * n) ** 0.5, float(found.std()) / n**0.5)
        assert float(found.mean()) == pytest.approx(float(expected.mean()), abs=5 * error)


def test_the_energy_is_never_negative_and_at_most_twice_the_concentration() -> None:
    density = mixture(3, 4, 7.0)
    energy = density(sphere_points(10_000, 3, generator(7))).detach()
    assert float(energy.min()) >= 0
    assert float(energy.max()) <= 2 * 7.0 + 1e-4


@pytest.mark.parametrize("dim", [2, 5, 16])
def test_the_concentration_is_found_from_the_mean_length(dim: int) -> None:
    for concentration in (0.5, 5.0, 60.0, 900.0):
        found = concentration_of(dim, mean_length(dim, concentration))
        assert found == pytest.approx(concentration, rel=1e-3)


def test_a_fit_finds_the_density_that_points_came_from() -> None:
    """With as many kernels, it explains new points as well as the true density, up to the parameters it has."""
    true = mixture(3, 4, 15.0)
    fitted = LatentDensity(3, LatentDensityConfig(n_kernels=4, n_steps=200))
    fitted.fit(true.sample(20_000, generator(8)), generator(11))
    new = true.sample(20_000, generator(10))
    loss = (true.log_density(new) - fitted.log_density(new)).mean()
    assert abs(float(loss)) < 0.02
    assert float(fitted.concentration.detach()) == pytest.approx(15.0, rel=0.1)


def test_each_step_of_a_fit_makes_its_points_more_likely() -> None:
    z = mixture(4, 9, 10.0).sample(3000, generator(12))
    likelihoods = []
    for n_steps in (1, 2, 4, 8, 16, 32):
        density = LatentDensity(4, LatentDensityConfig(n_kernels=6, n_steps=n_steps))
        density.fit(z, generator(13))
        likelihoods.append(float(density.log_density(z).mean()))
    assert likelihoods == sorted(likelihoods)


def test_a_stated_concentration_is_kept_and_learns_nothing() -> None:
    density = LatentDensity(3, LatentDensityConfig(n_kernels=4, concentration=8.0))
    z = mixture(3, 4, 50.0).sample(500, generator(3))
    first = density.log_density(z).mean()
    density.fit(z, generator(4))
    assert float(density.concentration) == pytest.approx(8.0)
    assert density.log_density(z).mean() > first
    density(z).mean().backward()
    assert density.raw_concentration.grad is None
    assert density.raw_centers.grad is not None


def test_a_fit_takes_fewer_points_than_kernels() -> None:
    density = LatentDensity(3, LatentDensityConfig(n_kernels=32))
    density.fit(sphere_points(5, 3, generator(14)), generator(15))
    assert bool(torch.isfinite(density(sphere_points(100, 3, generator(16)))).all())


def test_sizes_without_sense_are_refused() -> None:
    with pytest.raises(InputError, match="concentration = 0"):
        LatentDensityConfig(concentration=0.0)
    with pytest.raises(InputError, match="n_kernels"):
        LatentDensityConfig(n_kernels=0)


def normalized(latent_density: LatentDensityConfig | None) -> NormalizedAutoencoder:
    network = NetworkConfig(architecture="dense", hidden=16, latent_dim=4)
    walk = SphereWalk(10, 3.0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return NormalizedAutoencoder((6, 6), 1.0, NaeConfig(network=network, walk=walk, latent_density=latent_density))


def images(n: int, seed: int = 1) -> torch.Tensor:
    x = torch.rand(n, 6, 6, generator=generator(seed))
    return x / x.sum(dim=(1, 2), keepdim=True)


def test_the_energy_is_the_reconstruction_error_plus_the_latent_energy_at_the_temperature_of_the_chain() -> None:
    model, x = normalized(LatentDensityConfig(n_kernels=8)), images(500)
    model.begin(x, generator())
    error = (x - model.reconstruct(x)).square().mean(dim=(1, 2)).detach()
    assert float(model.energy_scale) == pytest.approx(float(error.mean()), rel=1e-5)
    assert model.latent_density is not None
    expected = error + 3.0 * error.mean() * model.latent_density(model.encoder(x))
    torch.testing.assert_close(model.energy(x), expected)
    torch.testing.assert_close(model.frozen().energy(x), expected.detach())


def test_without_a_latent_density_the_energy_is_the_reconstruction_error() -> None:
    model, x = normalized(None), images(50)
    model.begin(x, generator())
    torch.testing.assert_close(model.energy(x), (x - model.reconstruct(x)).square().mean(dim=(1, 2)))


def test_long_chains_follow_the_density_of_the_whole_energy_on_the_manifold() -> None:
    """Against importance sampling of exp(-E(f_d(z)) / T) from evenly spread latent vectors."""
    model = normalized(LatentDensityConfig(n_kernels=8))
    model.begin(images(500), generator())
    sampler, n = model.sampler(), 4000
    even = sphere_points(200_000, 4, generator(17))
    with torch.no_grad():
        weight = torch.softmax(-model.energy(model.decoder(even)).double() / float(3 * model.energy_scale), dim=0)
    ends = sampler.latent(sampler.fresh(n, generator(18)), generator(19), length=20)
    for axis in range(4):
        expected = float((weight * even[:, axis]).sum())
        error = float(ends[:, axis].std()) / n**0.5 + 0.5 / 200_000**0.5
        assert float(ends[:, axis].mean()) == pytest.approx(expected, abs=5 * error)


def folding(consistency: float) -> float:
    """How far even latent vectors are from where they come back to, after a short pretraining."""
    model = normalized(LatentDensityConfig(n_kernels=8, consistency=consistency))
    rng, x = generator(20), images(500, seed=21)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(300):
        loss, _ = model.pretrain_loss(x[torch.randint(len(x), (64,), generator=rng)], rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    z = sphere_points(1000, 4, generator(22))
    with torch.no_grad():
        return float((model.encoder(model.decoder(z)) - z).square().sum(dim=1).mean())


def test_consistency_brings_latent_vectors_back_from_everywhere() -> None:
    assert folding(1.0) < 0.5 * folding(0.0)


def test_a_multiplier_settles_an_error_at_its_limit() -> None:
    """Gradient descent on -5 s + m s^2, where s would grow without end: s^2 ends at the limit."""
    size, multiplier = torch.tensor(0.5, requires_grad=True), first_multiplier()
    for _ in range(3000):
        cost, multiplier = held(size.square(), 1.5, multiplier)
        (slope,) = torch.autograd.grad(cost - 5 * size, size)
        size = (size - 0.01 * slope).detach().requires_grad_()
    assert float(size.detach().square()) == pytest.approx(1.5, rel=0.02)
    assert float(multiplier) == pytest.approx(5 / (2 * 1.5**0.5), rel=0.02)  # where both slopes cancel


def test_a_limit_keeps_reconstructions_and_its_multiplier_is_part_of_the_state() -> None:
    config = NaeConfig(network=NetworkConfig(architecture="dense", hidden=16, latent_dim=4), error_limit=1.5)
    model, x = NormalizedAutoencoder((6, 6), 1.0, config), images(100)
    model.begin(x, generator())
    _, logs = model.loss(x[:32], generator())
    state = model.training_state()
    assert logs["multiplier"] == pytest.approx(float(first_multiplier()))
    assert float(state["multiplier"]) != logs["multiplier"]
    other = NormalizedAutoencoder((6, 6), 1.0, config)
    other.load_training_state(state)
    assert torch.equal(other.multiplier, model.multiplier)
    with pytest.raises(InputError, match="error_limit"):
        NaeConfig(error_limit=0.5)
