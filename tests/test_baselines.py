"""The laws of the models that a normalized autoencoder is measured against."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from jetnae.checkpoint import build_model
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.models import MODELS
from jetnae.models.networks import to_sphere
from jetnae.models.vae import kl_to_normal
from jetnae.models.wae import mmd
from jetnae.sampling import sphere_points
from tests.conftest import SMALL_NETWORK

FEATURES = FeatureSpec(("mass", "girth", "multiplicity", "ptd", "tau1", "tau2"))
IMAGE = ImageSpec(n_pixels=8, pixel_sum=40.0)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model_of(name: str, **config: Any) -> Any:
    """A model of six features in its own defaults, as random as it is made."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build_model(name, config, FEATURES)


def correlated(n: int = 200) -> Tensor:
    """Rows of six features with different widths, means and correlations."""
    mixing = torch.randn(6, 6, generator=generator(4)) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])
    return torch.randn(n, 6, generator=generator(5)) @ mixing.T + torch.arange(6.0)


def jet_images(n: int = 20) -> Tensor:
    x = torch.rand(n, 8, 8, generator=generator(2)) ** 8
    return 40 * x / x.sum(dim=(1, 2), keepdim=True)


class TestPrincipalComponents:
    @pytest.mark.parametrize("n_components", [0, 1, 3, 6])
    def test_reconstructs_like_a_singular_value_decomposition(self, n_components: int) -> None:
        x = correlated()
        model = model_of("pca", n_components=n_components)
        model.finish(x)
        values = x.double().numpy()
        mean = values.mean(axis=0)
        _, _, directions = np.linalg.svd(values - mean, full_matrices=False)
        kept = directions[:n_components]
        expected = mean + (values - mean) @ kept.T @ kept
        np.testing.assert_allclose(model.reconstruct(x).detach(), expected, atol=1e-5 * values.std())

    def test_the_energy_falls_with_the_components_to_zero(self) -> None:
        x, energies = correlated(), []
        for n_components in range(7):
            model = model_of("pca", n_components=n_components)
            model.finish(x)
            energies.append(float(model.score(x).mean()))
        assert all(after < before for before, after in pairwise(energies))
        assert energies[0] == pytest.approx(float((x - x.mean(dim=0)).square().mean()), rel=1e-5)
        assert energies[-1] < 1e-10

    def test_no_linear_autoencoder_does_better(self) -> None:
        x = correlated()
        model = model_of("pca", n_components=2)
        model.finish(x)
        best = float(model.score(x).mean())
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(50):
            optimizer.zero_grad()
            model.loss(x, generator())[0].backward()
            optimizer.step()
        assert float(model.score(x).mean()) >= best * (1 - 1e-5)

    def test_fewer_inputs_than_components_are_reconstructed(self) -> None:
        model = model_of("pca", n_components=5)
        model.finish(correlated(3))
        assert float(model.score(correlated(3)).max()) < 1e-9

    def test_more_components_than_values_are_refused(self) -> None:
        with pytest.raises(InputError, match="n_components = 7, expected at most 6"):
            model_of("pca", n_components=7)


class TestMahalanobis:
    def fitted(self, x: Tensor, map_of: Tensor, shift: Tensor) -> Tensor:
        """Scores of a model whose encoder is an affine map of the inputs."""
        model = model_of("mahalanobis", network={"latent_dim": 6}, shrinkage=1e-9)
        model.encoder = nn.Linear(6, 6)
        with torch.no_grad():
            model.encoder.weight.copy_(map_of)
            model.encoder.bias.copy_(shift)
        model.finish(x)
        return torch.as_tensor(model.score(x))

    def test_does_not_change_under_affine_maps_of_the_latent_space(self) -> None:
        x = torch.randn(100, 6, generator=generator())
        plain = self.fitted(x, torch.eye(6), torch.zeros(6))
        mapped = self.fitted(x, torch.eye(6) + 0.3 * torch.randn(6, 6, generator=generator()), torch.arange(6.0))
        torch.testing.assert_close(mapped, plain, rtol=1e-3, atol=1e-4)

    def test_equals_the_distance_by_the_inverse_covariance(self) -> None:
        x = torch.randn(100, 6, generator=generator())
        deviation = (x - x.mean(dim=0)).double().numpy()
        inverse = np.linalg.inv(np.cov(deviation.T, ddof=0))
        expected = np.einsum("ni,ij,nj->n", deviation, inverse, deviation) / 6
        np.testing.assert_allclose(self.fitted(x, torch.eye(6), torch.zeros(6)), expected, rtol=1e-4)
        assert expected.mean() == pytest.approx(1)

    @pytest.mark.parametrize("n_inputs", [1, 3])
    def test_stays_finite_where_the_covariance_has_no_inverse(self, n_inputs: int) -> None:
        model = model_of("mahalanobis", network={"latent_dim": 8})
        model.finish(correlated(n_inputs))
        assert bool(torch.isfinite(model.score(correlated())).all())

    def test_wholly_shrunk_is_the_distance_in_units_of_the_mean_variance(self) -> None:
        x = correlated()
        model = model_of("mahalanobis", shrinkage=1.0)
        model.finish(x)
        z = model.encoder(x).detach()
        deviation = (z - z.mean(dim=0)).square().mean(dim=1)
        torch.testing.assert_close(model.score(x), deviation / deviation.mean(), rtol=1e-4, atol=1e-5)


def test_the_divergence_of_gaussians_is_what_sampling_finds() -> None:
    mean, log_variance = torch.tensor([[0.5, -1.0, 2.0]]), torch.tensor([[0.3, -1.5, 0.0]])
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    z = mean + (log_variance / 2).exp() * torch.randn(100_000, 3, generator=generator())
    ratio = (posterior.log_prob(z) - torch.distributions.Normal(0, 1).log_prob(z)).sum(dim=1)
    error = float(ratio.std()) / math.sqrt(len(z))
    assert float(kl_to_normal(mean, log_variance)) == pytest.approx(float(ratio.mean()), abs=4 * error)
    assert float(kl_to_normal(torch.zeros(1, 3), torch.zeros(1, 3))) == 0


class TestBound:
    """A linear decoder with Gaussian noise has a likelihood in closed form: x ~ N(b, W W^T + s^2)."""

    NOISE = 0.3

    def linear(self, weight: Tensor, encode: Tensor, offset: Tensor, log_variance: Tensor) -> Any:
        """The model with decoder W z + b and q(z|x) of mean A x + c and a variance that is the same for all x."""
        model = model_of("vae", network={"latent_dim": 2}, score="bound")
        model.decoder, model.encoder = nn.Linear(2, 6), nn.Linear(6, 4)
        with torch.no_grad():
            model.variance.fill_(self.NOISE**2)
            model.decoder.weight.copy_(weight)
            model.encoder.weight.copy_(torch.cat([encode, torch.zeros(2, 6)]))
            model.encoder.bias.copy_(torch.cat([offset, log_variance]))
        return model

    def log_likelihood(self, model: Any, x: Tensor) -> Tensor:
        weight = model.decoder.weight.detach()
        covariance = weight @ weight.T + self.NOISE**2 * torch.eye(6)
        return torch.distributions.MultivariateNormal(model.decoder.bias.detach(), covariance).log_prob(x)

    @pytest.mark.parametrize("seed", range(10))
    def test_is_never_above_the_likelihood(self, seed: int) -> None:
        g = generator(seed)
        shapes = [(6, 2), (2, 6), (2,), (2,)]
        model = self.linear(*(torch.randn(shape, generator=g) for shape in shapes))
        x = torch.randn(50, 6, generator=g)
        exact = self.log_likelihood(model, x)
        assert bool((-model.score(x) <= exact + 1e-4 * exact.abs()).all())

    def test_is_the_likelihood_at_the_exact_posterior(self) -> None:
        directions, _ = torch.linalg.qr(torch.randn(6, 2, generator=generator()))
        weight = directions * torch.tensor([2.0, 0.5])  # orthogonal, so that the posterior is diagonal
        variance = 1 / (1 + weight.square().sum(dim=0) / self.NOISE**2)
        model = self.linear(weight, torch.zeros(2, 6), torch.zeros(2), variance.log())
        encode = variance[:, None] * weight.T / self.NOISE**2
        with torch.no_grad():
            model.encoder.weight[:2] = encode
            model.encoder.bias[:2] = -encode @ model.decoder.bias
        x = torch.randn(50, 6, generator=generator(2))
        torch.testing.assert_close(-model.score(x), self.log_likelihood(model, x), rtol=1e-4, atol=1e-3)

    def test_the_loss_is_on_average_the_bound_per_value(self) -> None:
        """At the variance that the batch itself asks for, up to the noise of one latent vector per input."""
        model, x = model_of("vae", score="bound"), correlated(2000)
        model.finish(x)
        losses = [float(model.loss(x, generator(seed))[0].detach()) for seed in range(20)]
        expected = float(model.score(x).mean()) / 6
        assert np.mean(losses) == pytest.approx(expected, abs=4 * np.std(losses) / math.sqrt(20) + 1e-3)

    def test_other_scores_are_refused(self) -> None:
        with pytest.raises(InputError, match="'reconstruction' or 'bound'"):
            model_of("vae", score="likelihood")


class TestDiscrepancy:
    N_TRIALS, N = 200, 50

    def trials(self, shift: float) -> np.ndarray:
        g = generator()
        draws = [torch.randn(2, self.N, 3, generator=g) for _ in range(self.N_TRIALS)]
        return np.array([float(mmd(a, b + shift, 6.0)) for a, b in draws])

    def test_is_zero_on_average_for_equal_distributions(self) -> None:
        values = self.trials(0.0)
        assert values.mean() == pytest.approx(0, abs=4 * values.std() / math.sqrt(self.N_TRIALS))
        assert values.min() < 0 < values.max()

    def test_grows_with_the_distance_of_the_distributions(self) -> None:
        means = [self.trials(shift).mean() for shift in (0.0, 0.5, 1.0, 3.0)]
        assert means == sorted(means)
        assert means[1] > 4 * self.trials(0.0).std() / math.sqrt(self.N_TRIALS)

    def test_equals_a_sum_over_pairs(self) -> None:
        a, b = torch.randn(2, 4, 3, generator=generator()).double()
        scales = [6.0 * width for width in (0.1, 0.2, 0.5, 1, 2, 5, 10)]

        def kernel(x: Tensor, y: Tensor) -> float:
            distance = float((x - y).square().sum())
            return sum(scale / (scale + distance) for scale in scales) / len(scales)

        same = sum(kernel(s[i], s[j]) for s in (a, b) for i in range(4) for j in range(4) if i != j) / 12
        cross = sum(kernel(x, y) for x in a for y in b) / 16
        assert float(mmd(a, b, 6.0)) == pytest.approx(same - 2 * cross, rel=1e-9)

    @pytest.mark.parametrize("latent", ["sphere", "flat"])
    def test_latent_vectors_that_follow_the_prior_cost_nothing(self, latent: str) -> None:
        model, n = model_of("wae", network={"latent": latent}), 1000
        even = sphere_points(n, 3, generator(8)) if latent == "sphere" else torch.randn(n, 3, generator=generator(8))
        shifted = even + torch.tensor([1.0, 0.0, 0.0])
        shifted = to_sphere(shifted) if latent == "sphere" else shifted
        cost = abs(float(model.penalty(even, generator(9))))
        assert cost < 4 / n  # kernels of at most 1: the estimate spreads by about 1/n where both agree
        assert float(model.penalty(shifted, generator(9))) > 10 * cost


class TestNoise:
    def denoiser(self, noise: float) -> Any:
        model = build_model("dae", {"network": SMALL_NETWORK["network"], "noise": noise}, IMAGE)
        model.begin(jet_images(), generator())
        return model

    @pytest.mark.parametrize("noise", [0.0, 0.2, 5.0])
    def test_noisy_images_have_the_pixel_sum_and_no_negative_pixels(self, noise: float) -> None:
        noisy = self.denoiser(noise).noisy(jet_images(), generator())
        assert float(noisy.min()) >= 0
        torch.testing.assert_close(noisy.sum(dim=(1, 2)), torch.full((20,), 40.0))
        assert torch.allclose(noisy, jet_images(), atol=1e-5) == (noise == 0)

    def test_without_noise_it_is_the_autoencoder(self) -> None:
        model = self.denoiser(0.0)
        error, logs = model.loss(jet_images(), generator())
        assert float(error.detach() * model.variance) == pytest.approx(
            float(model.score(jet_images()).mean()), rel=1e-4
        )
        assert logs["energy_data"] == pytest.approx(float(model.score(jet_images()).mean()), rel=1e-4)

    def test_the_noise_on_features_has_the_stated_size(self) -> None:
        x = correlated(2000)
        model = model_of("dae", noise=0.3)
        model.begin(x, generator())
        size = float((model.noisy(x, generator()) - x).std())
        spread = float((x - x.mean(dim=0)).square().mean().sqrt())
        assert size == pytest.approx(0.3 * spread, rel=4 / math.sqrt(2 * x.numel()))


class TestSparsity:
    @pytest.mark.parametrize("factor", [1e-3, 10.0])
    def test_does_not_depend_on_the_size_of_the_latent_vectors(self, factor: float) -> None:
        model, z = model_of("sparse"), torch.randn(20, 512, generator=generator())
        assert float(model.penalty(factor * z, generator())) == pytest.approx(
            float(model.penalty(z, generator())), rel=1e-5
        )

    def test_is_least_where_few_values_carry_everything(self) -> None:
        model, z = model_of("sparse", sparsity=1.0), torch.ones(10, 100)
        assert float(model.penalty(z, generator())) == pytest.approx(1)
        z[:, 4:] = 0
        assert float(model.penalty(z, generator())) == pytest.approx(math.sqrt(0.04))
        assert math.isfinite(float(model.penalty(torch.zeros(10, 100), generator())))

    def test_more_weight_makes_sparser_latent_vectors(self) -> None:
        x, shares = correlated(), []
        for sparsity in (0.0, 1.0):
            model = model_of("sparse", sparsity=sparsity, network={"hidden": 32, "latent_dim": 24})
            model.begin(x, generator())
            optimizer = torch.optim.Adam(model.parameters(), 3e-3)
            for _ in range(150):
                optimizer.zero_grad()
                model.loss(x, generator())[0].backward()
                optimizer.step()
            z = model.encoder(x).detach()
            shares.append(float(z.abs().mean() / z.square().mean().sqrt()))
        assert shares[1] < 0.8 * shares[0]


@pytest.mark.parametrize("name", ["dae", "sparse", "wae"])
def test_the_loss_does_not_depend_on_the_scale_of_the_data(name: str) -> None:
    x, losses = correlated(), []
    for factor in (1.0, 1e-3):
        model = model_of(name)
        model.decoder = nn.Sequential(model.decoder, Scale(factor))
        model.encoder = nn.Sequential(Scale(1 / factor), model.encoder)
        model.begin(factor * x, generator())
        losses.append(float(model.loss(factor * x, generator(2))[0].detach()))
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("dae", "noise", -0.1),
        ("sparse", "sparsity", -1.0),
        ("vae", "beta", math.nan),
        ("wae", "mmd", -1.0),
        ("pca", "n_components", -1),
        ("mahalanobis", "shrinkage", 0.0),
    ],
)
def test_settings_without_sense_are_refused(name: str, key: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{key} = {value}, expected"):
        model_of(name, **{key: value})


@pytest.mark.parametrize("name", ["sparse", "vae"])
def test_free_latent_vectors_are_not_for_the_sphere(name: str) -> None:
    assert name in MODELS
    with pytest.raises(InputError, match="expected 'flat'"):
        model_of(name, network={"latent": "sphere"})
