"""Distance in the latent space of an autoencoder, in units of how far the background reaches."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.networks import NetworkConfig
from jetnae.models.settings import check_settings


@dataclass(frozen=True)
class MahalanobisConfig(AutoencoderConfig):
    """Network, and how far the covariance of the latent vectors is drawn to a round one.

    shrinkage : share of the mean variance in every direction, above 0 so that the distance is always finite.
    """

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(latent="flat"))
    shrinkage: float = 1e-6

    def __post_init__(self) -> None:
        check_settings(shrinkage=(self.shrinkage, 1e-9, 1))


class MahalanobisAutoencoder(Autoencoder):
    """Autoencoder scored by the squared Mahalanobis distance of the latent vector, per latent value.

    Mean and covariance are those of the training inputs, the covariance shrunk to (1 - a) S + a tr(S)/d
    (Ledoit and Wolf, J. Multivar. Anal. 88 (2004) 365). On the training inputs the score has mean 1.
    """

    config: MahalanobisConfig
    latent_mean: Tensor
    whitening: Tensor

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: MahalanobisConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        dim = config.network.latent_dim
        self.register_buffer("latent_mean", torch.zeros(dim))
        self.register_buffer("whitening", torch.eye(dim))

    @torch.no_grad()
    def finish(self, x: Tensor) -> None:
        """Fit mean and covariance of the latent vectors of inputs (n, *shape), in double precision."""
        z = torch.cat([self.encoder(batch) for batch in torch.split(x, 1024)]).cpu().double()
        share, dim = self.config.shrinkage, z.shape[1]
        covariance = torch.cov(z.T, correction=0).view(dim, dim)
        mean_variance = (covariance.trace() / dim).clamp_min(1e-12)
        variances, directions = torch.linalg.eigh(covariance)
        shrunk = (1 - share) * variances.clamp_min(0) + share * mean_variance
        self.latent_mean.copy_(z.mean(dim=0))
        self.whitening.copy_((directions / shrunk.sqrt()).T)

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Squared distance of the latent vector from the mean, per latent value, shape (n,)."""
        deviation: Tensor = self.encoder(x) - self.latent_mean
        return (deviation @ self.whitening.T).square().mean(dim=1)
