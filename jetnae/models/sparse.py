"""The sparse autoencoder: more latent values than it needs, few of them in use at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from jetnae.errors import InputError
from jetnae.models.autoencoder import AutoencoderConfig
from jetnae.models.networks import NetworkConfig
from jetnae.models.scaled import ScaledAutoencoder
from jetnae.models.settings import check_settings


@dataclass(frozen=True)
class SparseConfig(AutoencoderConfig):
    """Network with free latent vectors, which may have more values than the inputs.

    sparsity : weight of the L1 norm of the latent vectors against the unexplained share of the variance.
    """

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(latent_dim=512, latent="flat"))
    sparsity: float = 0.1

    def __post_init__(self) -> None:
        check_settings(sparsity=(self.sparsity, 0, 1e6))
        if self.network.latent != "flat":
            raise InputError("model: a sparse autoencoder with latent = 'sphere', expected 'flat'")


class SparseAutoencoder(ScaledAutoencoder):
    """Overcomplete autoencoder held back by sparse latent vectors instead of few latent values.

    The penalty is the mean absolute latent value in units of their root mean square over the batch: 1 where all are
    equally large, towards 0 where few carry everything. The unit keeps the network from paying less by making all
    latent values small and the decoder's weights large.
    """

    config: SparseConfig

    def penalty(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """L1 norm per latent value of vectors (n, latent_dim), in units of their root mean square."""
        del generator
        return self.config.sparsity * z.abs().mean() / (z.square().mean() + torch.finfo(z.dtype).tiny).sqrt()
