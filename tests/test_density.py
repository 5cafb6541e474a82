"""What the training rests on: densities that are known are learned, and the gradient is that of the likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from jetnae.distances import exact, floor
from jetnae.models import Autoencoder, NaeConfig, NormalizedAutoencoder
from jetnae.models.nae import TEMPERATURE_RATE
from jetnae.models.negatives import FeatureSampling
from jetnae.models.networks import NetworkConfig
from jetnae.models.wnae import WassersteinNormalizedAutoencoder, WnaeConfig
from jetnae.sampling import Langevin

Draw = Callable[[int, torch.Generator], torch.Tensor]


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def learn(model: Autoencoder, draw: Draw, rng: torch.Generator, *, steps: tuple[int, int], rate: float) -> None:
    """Pretrain, begin, and train with a learning rate that falls to zero along a cosine, on fresh batches of 256."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for step in range(sum(steps)):
        later = step - steps[0]
        if later == 0:
            model.begin(draw(5000, rng), rng)
        if later >= 0:
            optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * later / steps[1]))
        loss, _ = (model.pretrain_loss if later < 0 else model.loss)(draw(256, rng), rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


RADIUS, WIDTH, SCALE = 4.0, 0.5, 1.414
ANGLES = torch.arange(8) * math.pi / 4
CENTERS = RADIUS / SCALE * torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)


def eight_gaussians(n: int, rng: torch.Generator) -> torch.Tensor:
    centers = CENTERS[torch.randint(8, (n,), generator=rng)]
    return centers + WIDTH / SCALE * torch.randn(n, 2, generator=rng)


def cells(n: int = 100) -> torch.Tensor:
    """Centers of n x n cells of the region [-4, 4]^2."""
    edges = torch.linspace(-4, 4, n + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    return torch.stack(torch.meshgrid(middle, middle, indexing="ij"), dim=-1).reshape(-1, 2)


@torch.no_grad()
def total_variation(model: NormalizedAutoencoder) -> float:
    """0.5 sum |p - q| over the cells, q the normalized density exp(-E/T) of the model."""
    x = cells()
    truth = torch.exp(-(x[:, None] - CENTERS).square().sum(dim=2) / (2 * (WIDTH / SCALE) ** 2)).sum(dim=1)
    found = torch.softmax(-model.energy(x) / model.temperature(), dim=0)
    return 0.5 * float((truth / truth.sum() - found).abs().sum())


def density_model(seed: int) -> NormalizedAutoencoder:
    config = NaeConfig(
        network=NetworkConfig(hidden=64, depth=2, latent_dim=3), features=FeatureSampling(bounds=(-4.0, 4.0))
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return NormalizedAutoencoder((2,), None, config)


@pytest.mark.slow  # half a minute each
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_eight_gaussians_are_learned_as_a_density(seed: int) -> None:
    model, rng = density_model(seed), generator(seed)
    learn(model, eight_gaussians, rng, steps=(100, 500), rate=2e-3)
    assert total_variation(model) < 0.15
    # the width of the modes is that of the residuals across them: T = 2 variance / D
    assert float(model.temperature().detach()) == pytest.approx((WIDTH / SCALE) ** 2, rel=0.25)


def s_curve(n: int, rng: torch.Generator) -> torch.Tensor:
    """Points along an S with noise, of mean 0 and variance 1 in both directions."""
    angle = 3 * math.pi * (torch.rand(n, generator=rng) - 0.5)
    x = torch.stack([angle.sin(), angle.sign() * (angle.cos() - 1)], dim=1)
    x = x + 0.05 * torch.randn(n, 2, generator=rng)
    return (x - x.mean(dim=0)) / x.std(dim=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_chains_trained_by_transport_end_on_the_s_curve(seed: int) -> None:
    rng = generator(seed)
    # a thousand held-out points: with two hundred, two samples of the S itself are already at a distance of 0.1
    x = s_curve(3000, rng)
    training, held_out = x[:2000], x[2000:]
    config = WnaeConfig(
        network=NetworkConfig(hidden=32, depth=1, latent_dim=3),
        visible=Langevin(10, 0.2**2 / (2 * 0.05), 0.2),
        bounds=(-3.0, 3.0),
        replay_size=1000,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WassersteinNormalizedAutoencoder((2,), None, config)
    before = _distance_to_chains(model, training, held_out, rng)
    learn(
        model,
        lambda n, rng: training[torch.randint(2000, (n,), generator=rng)],
        rng,
        steps=(100, 600),
        rate=1.5e-3,
    )
    after = _distance_to_chains(model, training, held_out, rng)
    best = floor(x, rng, 1000, exact, n_repeats=3)
    assert after < 0.15
    assert after < 0.2 * before
    assert after < best.mean + 0.1


def _distance_to_chains(
    model: WassersteinNormalizedAutoencoder, training: torch.Tensor, held_out: torch.Tensor, rng: torch.Generator
) -> float:
    """Squared Wasserstein distance of held-out data to fresh chains ten times as long as in training."""
    if not bool(model.bounds.any()):
        model.begin(training, rng)
    return float(exact(held_out, model.chains(len(held_out), rng, length=10).samples))


def skewed(n: int, rng: torch.Generator) -> torch.Tensor:
    """Two modes of unequal width and weight on a line."""
    wide = torch.rand(n, 1, generator=rng) < 0.7
    x = torch.randn(n, 1, generator=rng)
    return torch.where(wide, 0.8 * x - 1, 0.3 * x + 1.5).clamp(-4, 4)


@pytest.fixture
def on_a_line() -> NormalizedAutoencoder:
    """A normalized autoencoder of one feature, pretrained on two modes."""
    config = NaeConfig(
        network=NetworkConfig(hidden=16, latent_dim=2), features=FeatureSampling(bounds=(-4.0, 4.0), n_steps=100)
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = NormalizedAutoencoder((1,), None, config)
    learn(model, skewed, generator(), steps=(200, 0), rate=1e-3)
    model.begin(skewed(5000, generator()), generator())
    with torch.no_grad():  # ten times as warm, so that a hundred steps forget their start
        model.log_temperature += math.log(10) / TEMPERATURE_RATE
    return model


LINE = torch.linspace(-4, 4, 4001)[:, None]


def exact_gradient(model: NormalizedAutoencoder, x: torch.Tensor) -> torch.Tensor:
    """Gradient of the negative log-likelihood, with the partition function integrated over the line."""
    log_omega = torch.logsumexp(-model.energy(LINE) / model.temperature(), dim=0)
    return flat_gradient(model, model.energy(x).mean() / model.temperature() + log_omega)


def flat_gradient(model: NormalizedAutoencoder, value: torch.Tensor) -> torch.Tensor:
    grads = torch.autograd.grad(value, list(model.parameters()))
    return torch.cat([grad.flatten() for grad in grads])


def drawn_exactly(model: NormalizedAutoencoder, n: int, rng: torch.Generator) -> torch.Tensor:
    with torch.no_grad():
        weights = torch.softmax(-model.energy(LINE) / model.temperature(), dim=0)
    return LINE[torch.multinomial(weights, n, replacement=True, generator=rng)]


@pytest.mark.parametrize("how", ["exactly", "by the chain"])
def test_the_gradient_is_that_of_the_likelihood(how: str, on_a_line: NormalizedAutoencoder) -> None:
    model, rng = on_a_line, generator(2)
    x = skewed(1000, rng)
    expected = exact_gradient(model, x)
    found = []
    for _ in range(20):
        negatives = drawn_exactly(model, 1000, rng) if how == "exactly" else model.draw(x, rng)
        found.append(flat_gradient(model, model.objective(x, negatives)[0]))
    mean = torch.stack(found).mean(dim=0)
    error = torch.stack(found).var(dim=0).sum().div(20).sqrt()
    assert float(error) < 0.1 * float(expected.norm())
    assert float((mean - expected).norm()) < 3 * float(error)
    # the temperature is among the parameters: its gradient alone
    index = [name for name, _ in model.named_parameters()].index("log_temperature")
    assert index == 0
    assert float(mean[0]) == pytest.approx(float(expected[0]), abs=5 * float(torch.stack(found)[:, 0].std()) / 20**0.5)
