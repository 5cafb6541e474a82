"""A normalized autoencoder whose density is known: a ring in the plane, its weights written down instead of learned.

Encoder x / |x|, decoder R z, so that E(x) = (|x| - R)^2 / 2, and exp(-E/T) is a ring of radius R with a radial
density r exp(-(r - R)^2 / (2 T)), uniform in the angle.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from jetnae.models import NaeConfig, NormalizedAutoencoder
from jetnae.models.negatives import FeatureSampling
from jetnae.models.networks import LEAK, NetworkConfig

RADIUS, WIDTH = 1.0, 0.1
EXACT = NaeConfig(
    NetworkConfig(hidden=4, latent_dim=2),
    # one direction across the ring: E has a mean of half its temperature, and its mean is the energy scale
    features=FeatureSampling(temperature=2.0, bounds=(-2.0, 2.0), n_steps=20),
)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ring(n: int, seed: int = 1, around: float = 2.0) -> Tensor:
    """Points (n, 2) of that density, by rejection; `around` is the range of the angle in units of pi."""
    source = generator(seed)
    radius = RADIUS + WIDTH * torch.randn(4 * n, generator=source)
    kept = radius[torch.rand(4 * n, generator=source) * (RADIUS + 6 * WIDTH) < radius][:n]
    angle = torch.rand(n, generator=source) * around * torch.pi
    return torch.stack([kept * torch.cos(angle), kept * torch.sin(angle)], dim=1)


def exact_model(
    config: NaeConfig = EXACT, kind: type[NormalizedAutoencoder] = NormalizedAutoencoder
) -> NormalizedAutoencoder:
    """The model of `ring`, with chains at its temperature."""
    model = kind((2,), None, config)
    _write_scaled_identity(model.encoder, 1.0)
    _write_scaled_identity(model.decoder, RADIUS)
    model.begin(ring(4000, seed=9), generator())
    return model.eval()


def at_rest(config: NaeConfig = EXACT) -> NaeConfig:
    """The same at a hundredth of the temperature: chains run downhill."""
    return replace(config, features=replace(config.features, temperature=0.02))


@torch.no_grad()
def _write_scaled_identity(network: nn.Module, scale: float) -> None:
    """x = (f(x) - f(-x)) / (1 + a) for f leaky with slope a; so through both hidden layers."""
    first, second, third = (layer for layer in network.modules() if isinstance(layer, nn.Linear))
    split = torch.cat([torch.eye(2), -torch.eye(2)])
    for layer, weight in ((first, split), (second, split @ split.T), (third, scale * split.T)):
        layer.weight.copy_(weight if layer is first else weight / (1 + LEAK))
        layer.bias.zero_()
