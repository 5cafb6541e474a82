"""The autoencoder: its reconstruction error is the anomaly score."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from jetnae.models.model import Model, squared_error
from jetnae.models.networks import NetworkConfig, frozen, make_networks
from jetnae.models.published import Apply


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
        return squared_error(x, self.decoder(self.encoder(x)))


class Autoencoder(Model):
    """Autoencoder, by default with latent vectors on the unit sphere: convolutional for images, dense for features.

    Parameters
    ----------
    shape : of one input, (rows, columns) in pixels, or (n_features,).
    pixel_sum : what the pixels of every image sum to; None for features, and for images with a free sum.

    The energy is the reconstruction error per value, E(x) = (1/D) sum_i (x_i - f_d(f_e(x))_i)^2
    (arXiv:2206.14225), in squared units of the values; it is also the score.
    """

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: AutoencoderConfig) -> None:
        super().__init__(shape, pixel_sum)
        self.config = config
        self.encoder, self.decoder = make_networks(shape, pixel_sum, config.network)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Inputs (n, *shape) through encoder and decoder."""
        reconstruction: Tensor = self.decoder(self.encoder(x))
        return reconstruction

    def frozen(self) -> FrozenAutoencoder:
        """This model with its weights as they are now; anew after every update."""
        return FrozenAutoencoder(frozen(self.encoder), frozen(self.decoder))
