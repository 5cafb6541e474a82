"""The convolutional autoencoder: its reconstruction error is the anomaly score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from jetnae.errors import InputError
from jetnae.models.networks import Decoder, Encoder, NetworkConfig

Logs = dict[str, float]


@dataclass(frozen=True)
class AutoencoderConfig:
    """An autoencoder is its network."""

    network: NetworkConfig = field(default_factory=NetworkConfig)


class Autoencoder(nn.Module):
    """Convolutional autoencoder with latent vectors on the unit sphere.

    Parameters
    ----------
    side : pixels per side of the images, a multiple of 4.
    pixel_sum : what the pixels of every image sum to.

    The energy is the reconstruction error per pixel, E(x) = (1/D) sum_i (x_i - f_d(f_e(x))_i)^2
    (arXiv:2206.14225), in squared units of the pixels; it is also the score.
    """

    def __init__(self, side: int, pixel_sum: float, config: AutoencoderConfig) -> None:
        super().__init__()
        if side < 4 or side % 4:
            raise InputError(f"images of {side} x {side} pixels: this network expects a multiple of 4")
        self.side = side
        self.pixel_sum = pixel_sum
        self.config = config
        self.encoder = Encoder(side, config.network)
        self.decoder = Decoder(side, pixel_sum, config.network)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images (n, side, side) through encoder and decoder."""
        image: Tensor = self.decoder(self.encoder(x))
        return image

    def energy(self, x: Tensor) -> Tensor:
        """Reconstruction error per pixel of images (n, side, side), shape (n,)."""
        return (x - self.reconstruct(x)).square().flatten(1).mean(dim=1)

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Mean reconstruction error of a batch, in the unit of its own size, and what to log."""
        del generator  # nothing random here
        energy = self.energy(x).mean()
        return energy, {"energy_data": float(energy.detach())}

    def pretrain_loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """The loss of the steps before `begin`: here always the reconstruction error."""
        return Autoencoder.loss(self, x, generator)

    def begin(self, energy_data: float, generator: torch.Generator) -> None:
        """Called once after pretraining, with the mean energy of held-out data; nothing to prepare here."""

    def training_state(self) -> dict[str, Tensor]:
        """Tensors beside the weights that a training needs to go on."""
        return {}

    def load_training_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `training_state` gave."""

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Anomaly score (n,) of images (n, side, side), larger is more anomalous."""
        return self.energy(x)
