"""The Wasserstein autoencoder: latent vectors of the data together fill a known distribution."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from jetnae.models.autoencoder import AutoencoderConfig
from jetnae.models.networks import NetworkConfig
from jetnae.models.scaled import ScaledAutoencoder
from jetnae.models.settings import check_settings
from jetnae.sampling import sphere_points

WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class WaeConfig(AutoencoderConfig):
    """Network, and how much the distribution of the latent vectors counts.

    mmd : weight of the maximum mean discrepancy against the unexplained share of the variance.
    """

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(latent="flat"))
    mmd: float = 1.0

    def __post_init__(self) -> None:
        check_settings(mmd=(self.mmd, 0, 1e6))


class WassersteinAutoencoder(ScaledAutoencoder):
    """Wasserstein autoencoder with a deterministic encoder (arXiv:1711.01558, algorithm 2).

    The latent vectors of a batch are drawn to the prior by their maximum mean discrepancy: to the standard normal
    distribution, or to an even one over the sphere, where the network keeps them on it.
    """

    config: WaeConfig

    def penalty(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Weighted discrepancy between latent vectors (n, latent_dim) and as many draws from the prior."""
        n, dim = z.shape
        if self.config.network.latent == "sphere":
            prior, distance = sphere_points(n, dim, generator), 2.0
        else:
            prior, distance = torch.randn(n, dim, generator=generator, device=z.device), 2.0 * dim
        return self.config.mmd * mmd(z, prior, distance)


def mmd(a: Tensor, b: Tensor, distance: float) -> Tensor:
    """Unbiased squared maximum mean discrepancy between samples (n, d) and (m, d), a scalar of mean 0 if they agree.

    The kernel is the mean of inverse multiquadratics C / (C + |x - y|^2) with C = `distance` times 0.1 to 10;
    `distance` is the mean squared distance of two points. A single point has no discrepancy from itself.
    """
    return _others(_kernel(a, a, distance)) + _others(_kernel(b, b, distance)) - 2 * _kernel(a, b, distance).mean()


def _kernel(a: Tensor, b: Tensor, distance: float) -> Tensor:
    squared = (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * a @ b.T).clamp_min(0)
    kernels = [width * distance / (width * distance + squared) for width in WIDTHS]
    return torch.stack(kernels).mean(dim=0)


def _others(kernel: Tensor) -> Tensor:
    """Mean over pairs of different points."""
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / max(n * (n - 1), 1)
