"""The denoising autoencoder: it learns to take noise away, and scores by its reconstruction error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jetnae.models.autoencoder import AutoencoderConfig
from jetnae.models.model import Logs, squared_error
from jetnae.models.scaled import ScaledAutoencoder
from jetnae.models.settings import check_settings
from jetnae.sampling.simplex import nearest


@dataclass(frozen=True)
class DenoisingConfig(AutoencoderConfig):
    """Network, and the noise on the inputs while training.

    noise : standard deviation of the noise on each value, in units of the typical deviation of a value from its mean.
    """

    noise: float = 0.2

    def __post_init__(self) -> None:
        check_settings(noise=(self.noise, 0, 10))


class DenoisingAutoencoder(ScaledAutoencoder):
    """Denoising autoencoder: reconstructs clean inputs from noisy ones (Vincent et al., JMLR 11 (2010) 3371).

    Gaussian noise is added to every value; a noisy image of fixed pixel sum is the nearest one without negative
    pixels and with that sum, so that empty regions mostly stay empty. The score is that of clean inputs.
    """

    config: DenoisingConfig

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Mean error of the clean inputs reconstructed from noisy ones, in units of the variance of the data."""
        error = squared_error(x, self.reconstruct(self.noisy(x, generator))).mean()
        return error / self.variance, {"energy_data": float(error.detach())}

    @torch.no_grad()
    def noisy(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Inputs (n, *shape) with noise, images of fixed pixel sum still of that sum."""
        noise = torch.randn(x.shape, generator=generator, device=x.device)
        x = x + self.config.noise * self.variance.sqrt() * noise
        return x if self.pixel_sum is None else nearest(self.pixel_sum)(x)
