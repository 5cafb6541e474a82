"""Laws of the distances between samples: closed forms, symmetry, zero at equality, gradients, and the floor."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch

from jetnae.distances import exact, floor, mmd, sinkhorn, sliced_wasserstein
from jetnae.errors import InputError, MissingExtraError

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sliced(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return sliced_wasserstein(a, b, generator(7))


DISTANCES = {"sliced": sliced, "exact": exact, "sinkhorn": sinkhorn, "mmd": mmd}


def normal(n: int, dim: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, dim, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", DISTANCES)
class TestEveryDistance:
    def test_it_is_zero_at_equality_and_only_there(self, name: str) -> None:
        a, distance = normal(80), DISTANCES[name]
        shuffled = a[torch.randperm(80, generator=generator(3))]
        assert float(distance(a, shuffled)) == pytest.approx(0, abs=1e-9)
        assert float(distance(a, a + 0.3)) > 1e-3

    def test_it_is_symmetric(self, name: str) -> None:
        a, b, distance = normal(60), 1.5 * normal(90, seed=2) + 0.5, DISTANCES[name]
        assert float(distance(a, b)) == pytest.approx(float(distance(b, a)), rel=1e-6)

    def test_a_sample_written_twice_is_the_same_sample(self, name: str) -> None:
        a, b, distance = normal(40), normal(50, seed=2) + 0.5, DISTANCES[name]
        assert float(distance(a.repeat(2, 1), b)) == pytest.approx(float(distance(a, b)), rel=1e-6)

    def test_its_gradient_is_that_of_finite_differences(self, name: str) -> None:
        a, b = normal(12).requires_grad_(), normal(15, seed=2) + 1
        # bandwidths that follow the data would move with them
        distance = {"mmd": lambda a, b: mmd(a, b, bandwidth=1.0), "sinkhorn": fixed_blur}.get(name, DISTANCES[name])
        (grad,) = torch.autograd.grad(distance(a, b), a)
        step = 1e-5
        for entry in [(0, 0), (5, 1), (11, 0)]:
            shift = torch.zeros_like(a)
            shift[entry] = step
            slope = float((distance(a + shift, b) - distance(a - shift, b)).detach()) / (2 * step)
            assert float(grad[entry]) == pytest.approx(slope, rel=1e-3, abs=1e-6)

    def test_images_are_as_good_as_rows(self, name: str) -> None:
        a, b, distance = normal(20, 16), normal(20, 16, seed=2), DISTANCES[name]
        assert float(distance(a.view(-1, 4, 4), b.view(-1, 4, 4))) == float(distance(a, b))

    def test_samples_that_do_not_fit_are_refused(self, name: str) -> None:
        with pytest.raises(InputError, match="expected"):
            DISTANCES[name](normal(5, 2), normal(5, 3))
        with pytest.raises(InputError, match="expected"):
            DISTANCES[name](normal(5), normal(0))
        many = torch.zeros(20_000, 1)
        with pytest.raises(InputError, match="compare fewer"):
            DISTANCES[name](many, many)


def fixed_blur(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Sinkhorn at an entropy that does not move with the samples."""
    return sinkhorn(a, b, blur=0.3, n_iterations=300, length=1.4)


@pytest.mark.parametrize("name", ["exact", "sinkhorn"])
def test_transport_of_a_shifted_sample_costs_the_square_of_the_shift(name: str) -> None:
    a, shift = normal(200), torch.tensor([0.6, -0.8], dtype=torch.float64)
    assert float(DISTANCES[name](a, a + shift)) == pytest.approx(1.0, rel=1e-9 if name == "exact" else 1e-3)
    # a scaling by c moves each point by (c - 1) times itself; entropy blurs that a little
    expected = float((0.5 * a).square().sum(dim=1).mean())
    assert float(DISTANCES[name](a, 1.5 * a)) == pytest.approx(expected, rel=1e-9 if name == "exact" else 0.05)


@pytest.mark.parametrize("dim", [1, 2, 10])
def test_sliced_transport_is_the_mean_over_directions(dim: int) -> None:
    a, shift = normal(500, dim), torch.full((dim,), 0.7, dtype=torch.float64)
    found = float(sliced_wasserstein(a, a + shift, generator(), n_projections=4000))
    # <(d . u)^2> = |d|^2 / D with relative spread sqrt(2 (D - 1) / (D + 2)) of one direction
    error = 5 * (2 * (dim - 1) / (dim + 2) / 4000) ** 0.5 + 1e-9
    assert found == pytest.approx(0.49, rel=error)


def test_gaussians_of_two_widths_have_the_known_distances() -> None:
    a, b = normal(4000), 2 * normal(4000, seed=2) + torch.tensor([1.0, 0.0], dtype=torch.float64)
    # W2^2 = |shift|^2 + D (s1 - s2)^2 = 1 + 2, sliced: 1/2 + 1. The errors of the means and widths enter: a few percent
    assert float(sliced(a, b)) == pytest.approx(1.5, rel=0.15)
    assert float(exact(a[:1500], b[:1500])) == pytest.approx(3.0, rel=0.1)
    h2 = 1.5**2

    def overlap(s2: float, shift2: float) -> float:
        return h2 / (h2 + s2) * float(torch.tensor(-shift2 / (2 * (h2 + s2))).exp())

    expected = overlap(2, 0) + overlap(8, 0) - 2 * overlap(5, 1)
    assert float(mmd(a, b, bandwidth=1.5)) == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize(("n", "m"), [(7, 7), (7, 11), (12, 4), (1, 5)])
def test_in_one_dimension_all_transport_agrees(n: int, m: int) -> None:
    a, b = normal(n, 1), 2 * normal(m, 1, seed=2)
    assert float(sliced_wasserstein(a, b, generator(), n_projections=3)) == pytest.approx(float(exact(a, b)), rel=1e-9)


def test_order_one_is_the_distance_itself() -> None:
    a = normal(50, 1)
    assert float(sliced_wasserstein(a, a - 2, generator(), order=1)) == pytest.approx(2)


def test_the_sinkhorn_divergence_goes_to_the_exact_cost() -> None:
    a, b = normal(100), normal(100, seed=2) @ torch.tensor([[1.0, 0.5], [0.0, 2.0]], dtype=torch.float64)
    cost = float(exact(a, b))
    errors = [abs(float(sinkhorn(a, b, blur=blur, n_iterations=300)) - cost) for blur in (0.4, 0.1, 0.03)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01 * cost


def test_the_floor_is_what_disjoint_samples_of_one_gaussian_have() -> None:
    # the expected squared difference of the quantiles of two samples of one normal variable is about 2 log(log n) / n
    found = floor(normal(2000, 1), generator(), 200, sliced, n_repeats=20)
    again = floor(normal(2000, 1), generator(), 800, sliced, n_repeats=20)
    assert (found.n, again.n) == (200, 800)
    assert 1 / 200 < found.mean < 6 / 200
    assert found.mean / again.mean == pytest.approx(4, rel=0.5)
    assert 0 < found.std < found.mean
    biased = floor(normal(2000, 3), generator(), 200, mmd, n_repeats=20)
    assert biased.mean == pytest.approx(2 / 200 * (1 - _self_overlap(3)), rel=0.3)


def _self_overlap(dim: int) -> float:
    """Mean kernel between two entries at the median bandwidth, by sampling."""
    a, b = normal(2000, dim, seed=3), normal(2000, dim, seed=4)
    square = (a - b).square().sum(dim=1)
    return float(torch.exp(-square / (2 * square.median())).mean())


def test_the_two_samples_of_the_floor_share_nothing() -> None:
    seen: list[int] = []

    def count(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        seen.append(len(torch.cat([a, b]).unique()))
        return a.sum()

    floor(torch.arange(30.0)[:, None], generator(), 15, count, n_repeats=3)
    assert seen == [30, 30, 30]
    with pytest.raises(InputError, match="expected at most half"):
        floor(normal(10), generator(), 6, sliced)


def test_without_pot_the_exact_distance_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(MissingExtraError, match=r"jetnae\[transport\]"):
        exact(normal(3), normal(3))
