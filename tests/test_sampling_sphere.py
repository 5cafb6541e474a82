"""Laws of chains on the sphere: they stay there, with the moments of the von Mises-Fisher distribution."""

from __future__ import annotations

import math

import pytest
import torch

from jetnae.errors import InputError, NotConvergedError
from jetnae.sampling import (
    Langevin,
    SphereWalk,
    at_temperature,
    metropolis_sphere_chain,
    resample,
    run_sphere_chain,
    sphere_points,
    walk_on_sphere,
)
from jetnae.sampling.sphere import geodesic, tangent


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


KAPPA = 2.0


def energy(z: torch.Tensor) -> torch.Tensor:
    return -KAPPA * z[:, 0]


def expected_mean(dim: int) -> float:
    """The same by integrating over the angle, (sin t)^(d - 2) exp(kappa cos t)."""
    angle = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    weight = torch.exp(KAPPA * angle.cos()) * angle.sin() ** (dim - 2)
    return float((weight * angle.cos()).sum() / weight.sum())


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_a_metropolis_chain_has_the_moments_of_von_mises_and_fisher(dim: int) -> None:
    n = 20_000
    rule = at_temperature(1.0, step_size=0.3, n_steps=60, metropolis=True)
    z, accepted = metropolis_sphere_chain(energy, sphere_points(n, dim, generator()), rule, generator(2))
    assert 0.5 < float(accepted.mean()) < 0.99
    torch.testing.assert_close(z.norm(dim=1), torch.ones(n))
    mean = expected_mean(dim)
    second = 1 - (dim - 1) / KAPPA * mean
    first_error, second_error = (5 * float((z[:, 0] ** power).std()) / n**0.5 for power in (1, 2))
    assert float(z[:, 0].mean()) == pytest.approx(mean, abs=first_error)
    assert float(z[:, 0].square().mean()) == pytest.approx(second, abs=second_error)
    assert float(z[:, 1].mean()) == pytest.approx(0, abs=5 / n**0.5)


@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_walk_has_the_moments_of_von_mises_and_fisher(dim: int, temperature: float) -> None:
    n = 8_000
    rule = SphereWalk(400, temperature)
    # an energy of T times the usual one has the usual density
    z, accepted = walk_on_sphere(
        lambda z: temperature * energy(z), sphere_points(n, dim, generator()), rule, generator(2)
    )
    assert 0.5 < float(accepted.mean()) < 0.99
    torch.testing.assert_close(z.norm(dim=1), torch.ones(n))
    mean = expected_mean(dim)
    assert float(z[:, 0].mean()) == pytest.approx(mean, abs=5 * float(z[:, 0].std()) / n**0.5)
    second = 1 - (dim - 1) / KAPPA * mean
    assert float(z[:, 0].square().mean()) == pytest.approx(second, abs=5 * float(z[:, 0].square().std()) / n**0.5)
    assert float(z[:, 1].mean()) == pytest.approx(0, abs=5 / n**0.5)


def test_a_walk_does_not_ask_for_gradients() -> None:
    stairs = lambda z: (4 * z[:, 0]).round()  # noqa: E731  no gradient anywhere
    z, _ = walk_on_sphere(stairs, sphere_points(20_000, 3, generator()), SphereWalk(100, 1.0), generator(2))
    # on the sphere in three dimensions each coordinate is even in [-1, 1] before the weights
    grid = torch.linspace(-1, 1, 200_001)
    weight = torch.exp(-(4 * grid).round())
    expected = float((grid * weight).sum() / weight.sum())
    assert float(z[:, 0].mean()) == pytest.approx(expected, abs=5 * float(z[:, 0].std()) / 20_000**0.5)


@pytest.mark.parametrize("settings", [(-1, 1.0), (5, 0.0), (5, 1.0, (0.0, 0.1)), (5, 1.0, (0.2, 0.1))])
def test_walks_without_sense_are_refused(settings: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match="walk: expected"):
        SphereWalk(*settings)  # type: ignore[arg-type]


def test_even_huge_steps_keep_an_even_sphere_even() -> None:
    rule = Langevin(5, 1.0, 2.0, metropolis=2.0)
    z, accepted = metropolis_sphere_chain(
        lambda z: 0 * z[:, 0], sphere_points(20_000, 3, generator()), rule, generator(2)
    )
    assert float(accepted.mean()) < 0.9  # steps beyond the antipode are rejected
    # on S^2 every coordinate is uniform in [-1, 1]
    counts = torch.histc(z[:, 0], 10, -1, 1)
    assert float(((counts - 2000) ** 2 / 2000).sum()) < 27.9


def test_small_plain_steps_sample_the_same_distribution() -> None:
    n = 20_000
    rule = at_temperature(1.0, step_size=0.005, n_steps=600)
    z = run_sphere_chain(energy, sphere_points(n, 3, generator()), rule, generator(2))
    assert float(z[:, 0].mean()) == pytest.approx(expected_mean(3), abs=5 * float(z[:, 0].std()) / n**0.5 + 0.005)


def test_a_plain_chain_stays_on_the_sphere_and_moves() -> None:
    start = sphere_points(500, 3, generator())
    rule = Langevin(50, step_size=0.1, noise_std=0.2)
    end = run_sphere_chain(lambda z: 5 * z[:, 0], start, rule, generator(2))
    torch.testing.assert_close(end.norm(dim=1), torch.ones(500))
    assert float((end - start).norm(dim=1).min()) > 0


def test_geodesics_lead_back_the_same_way() -> None:
    z = torch.nn.functional.normalize(sphere_points(200, 4, generator()).double(), dim=1)
    v = tangent(torch.randn(200, 4, generator=generator(2), dtype=torch.float64), z)
    end, back = geodesic(z, v)
    again, forth = geodesic(end, back)
    torch.testing.assert_close(end.norm(dim=1), torch.ones(200, dtype=torch.float64))
    torch.testing.assert_close(back.norm(dim=1), v.norm(dim=1))
    torch.testing.assert_close(again, z)
    torch.testing.assert_close(forth, v)
    # the angle between the ends is the length of the vector
    short = v.norm(dim=1) < math.pi
    torch.testing.assert_close((z * end).sum(dim=1)[short].acos(), v.norm(dim=1)[short])


def test_resampled_points_have_the_exact_moments() -> None:
    n = 20_000
    found = resample(energy, sphere_points(50_000, 3, generator()), n, generator(2), temperature=1.0)
    assert found.points.shape == (n, 3)
    # (int w)^2 / int w^2 on S^2 with w = exp(kappa t): 2 sinh(kappa)^2 / (kappa sinh(2 kappa)) of all candidates
    share = 2 * math.sinh(KAPPA) ** 2 / (KAPPA * math.sinh(2 * KAPPA))
    assert found.effective_size == pytest.approx(50_000 * share, rel=0.02)
    error = 5 * 0.43 * (1 / n + 1 / found.effective_size) ** 0.5
    assert float(found.points[:, 0].mean()) == pytest.approx(expected_mean(3), abs=error)


def test_resampling_finds_two_separate_modes_with_their_weights() -> None:
    # wells at both poles, the northern one deeper by T log 3 and of the same width
    def wells(z: torch.Tensor) -> torch.Tensor:
        north = torch.exp(-20 * (1 - z[:, 2])) * 3
        return -(north + torch.exp(-20 * (1 + z[:, 2])) + 1e-6).log()

    n = 10_000
    found = resample(wells, sphere_points(20_000, 3, generator()), n, generator(2), temperature=1.0)
    error = 5 * (0.75 * 0.25 * (1 / n + 1 / found.effective_size)) ** 0.5
    assert float((found.points[:, 2] > 0).double().mean()) == pytest.approx(0.75, abs=error)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_resampling_without_a_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(InputError, match="temperature"):
        resample(energy, sphere_points(10, 3, generator()), 5, generator(), temperature=temperature)


def test_resampling_from_broken_energies_is_refused() -> None:
    with pytest.raises(NotConvergedError, match="not finite"):
        resample(lambda z: z[:, 0] * torch.nan, sphere_points(10, 3, generator()), 5, generator(), temperature=1.0)
