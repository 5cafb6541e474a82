"""Autoencoders that weigh their reconstruction error against something else, in a unit that carries over."""

from __future__ import annotations

import torch
from torch import Tensor

from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.model import Logs


class ScaledAutoencoder(Autoencoder):
    """Autoencoder whose loss is the unexplained share of the variance of the data, plus a penalty of the latents.

    The variance per value, which is the energy of the mean of the data, is fixed when the loss begins, so that
    weights and noise in its unit mean the same for images and features of any scale.
    """

    variance: Tensor

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: AutoencoderConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.register_buffer("variance", torch.ones(()))

    @torch.no_grad()
    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """Fix the unit of the loss to the variance per value of inputs (n, *shape)."""
        del generator
        self.variance.copy_((x - x.mean(dim=0)).square().mean().clamp_min(1e-12))

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Mean reconstruction error in units of the variance of the data, plus the penalty of the latent vectors."""
        z: Tensor = self.encoder(x)
        energy = (x - self.decoder(z)).square().mean()
        penalty = self.penalty(z, generator)
        logs = {"energy_data": float(energy.detach()), "penalty": float(penalty.detach())}
        return energy / self.variance + penalty, logs

    def penalty(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """What latent vectors (n, latent_dim) cost beside the reconstruction, a scalar; here nothing."""
        del generator
        return z.new_zeros(())
