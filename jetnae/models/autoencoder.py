"""The autoencoder: its reconstruction error is the anomaly score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from jetnae.models.networks import NetworkConfig, frozen, make_networks
from jetnae.models.published import Apply

Logs = dict[str, float]


@dataclass(frozen=True)
class AutoencoderConfig:
    """An autoencoder is its network."""

    network: NetworkConfig = field(default_factory=NetworkConfig)


@dataclass(frozen=True)
class FrozenAutoencoder:
    """Encoder and decoder with fixed weights, for chains: gradients reach the input only, and cost half as much."""

    encoder: Apply
    decoder: Apply

    def energy(self, x: Tensor) -> Tensor:
        """Reconstruction error per value of inputs (n, *shape), shape (n,)."""
        return reconstruction_error(x, self.decoder(self.encoder(x)))


def reconstruction_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean square over all values of each input (n, *shape), shape (n,)."""
    return (x - reconstruction).square().flatten(1).mean(dim=1)


class Autoencoder(nn.Module):
    """Autoencoder with latent vectors on the unit sphere: convolutional for images, dense for features.

    Parameters
    ----------
    shape : of one input, (side, side) in pixels, the side a multiple of 4, or (n_features,).
    pixel_sum : what the pixels of every image sum to; None for features.

    The energy is the reconstruction error per value, E(x) = (1/D) sum_i (x_i - f_d(f_e(x))_i)^2
    (arXiv:2206.14225), in squared units of the values; it is also the score.
    """

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: AutoencoderConfig) -> None:
        super().__init__()
        self.n_values = math.prod(shape)
        self.pixel_sum = pixel_sum
        self.config = config
        self.encoder, self.decoder = make_networks(shape, pixel_sum, config.network)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Inputs (n, *shape) through encoder and decoder."""
        reconstruction: Tensor = self.decoder(self.encoder(x))
        return reconstruction

    def energy(self, x: Tensor) -> Tensor:
        """Reconstruction error per value of inputs (n, *shape), shape (n,)."""
        return reconstruction_error(x, self.reconstruct(x))

    def frozen(self) -> FrozenAutoencoder:
        """This model with its weights as they are now; anew after every update."""
        return FrozenAutoencoder(frozen(self.encoder), frozen(self.decoder))

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
        """Anomaly score (n,) of inputs (n, *shape), larger is more anomalous."""
        return self.energy(x)
