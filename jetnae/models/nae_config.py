"""Settings of a normalized autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field

from jetnae.errors import InputError
from jetnae.models.autoencoder import AutoencoderConfig
from jetnae.models.latent_density import LatentDensityConfig
from jetnae.models.negatives import Sampling
from jetnae.models.networks import NetworkConfig


@dataclass(frozen=True)
class NaeConfig(Sampling, AutoencoderConfig):
    """Network, chains and objective of a normalized autoencoder.

    regularization : weight of the squared energy of the negative samples, in units of the energy scale; by default 0.1
        for images, 0 for features, whose exact chains need none, and where a latent density keeps the energy bounded.
    latent_density : adds a density of the latent vectors to the energy, at the temperature of the latent chain.
    error_limit : how much the reconstruction error of the data may grow while the density is learned, as a multiple of
        the energy scale; held by a multiplier. None: as much as it will.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    regularization: float | None = None
    latent_density: LatentDensityConfig | None = None
    error_limit: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network.latent != "sphere":
            raise InputError("model: a normalized autoencoder with latent = 'flat', expected 'sphere'")
        if self.regularization is not None and self.regularization < 0:
            raise InputError(f"model: regularization = {self.regularization}, expected none or at least 0")
        if self.error_limit is not None and self.error_limit < 1:
            raise InputError(f"model: error_limit = {self.error_limit}, expected none or at least 1")
