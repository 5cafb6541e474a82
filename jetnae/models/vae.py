"""The variational autoencoder: Gaussian latent vectors, and a bound on the likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from jetnae.errors import InputError
from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.model import Logs, squared_error
from jetnae.models.networks import NetworkConfig, make_networks
from jetnae.models.settings import check_settings

MAX_LOG_VARIANCE = 20.0


@dataclass(frozen=True)
class VaeConfig(AutoencoderConfig):
    """Network with free latent vectors, and what the score is.

    beta : weight of the Kullback-Leibler divergence in the loss; 1 is the bound on the likelihood.
    score : reconstruction gives the error at the mean latent vector, bound the negative lower bound of log p(x).
    """

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(latent="flat"))
    beta: float = 1.0
    score: Literal["reconstruction", "bound"] = "reconstruction"

    def __post_init__(self) -> None:
        check_settings(beta=(self.beta, 0, 1e6))
        if self.network.latent != "flat":
            raise InputError("model: a variational autoencoder with latent = 'sphere', expected 'flat'")


class VariationalAutoencoder(Autoencoder):
    """Variational autoencoder: q(z|x) Gaussian with diagonal covariance, p(z) standard normal, p(x|z) Gaussian.

    Loss and bound follow arXiv:1312.6114; the variance s^2 of p(x|z), one for all values, takes its most likely
    value, the mean squared error (arXiv:2006.13202), so that no weight depends on the scale of the inputs: that of
    the batch while training, that of the training inputs in the end.
    """

    config: VaeConfig
    variance: Tensor

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: VaeConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        network = config.network  # an encoder twice as wide: means and logarithms of variances
        self.encoder, _ = make_networks(shape, pixel_sum, replace(network, latent_dim=2 * network.latent_dim))
        self.register_buffer("variance", torch.ones(()))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of q(z|x), each (n, latent_dim)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Inputs (n, *shape) through the mean latent vector and the decoder."""
        reconstruction: Tensor = self.decoder(self.encode(x)[0])
        return reconstruction

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Negative lower bound of log p(x) per value, with one latent vector drawn for each input."""
        mean, log_variance = self.encode(x)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        error = squared_error(x, self.decoder(mean + (log_variance / 2).exp() * noise)).mean()
        divergence = kl_to_normal(mean, log_variance).mean()
        loss = gaussian_cost(error, error) + self.config.beta * divergence / self.n_values
        return loss, {"energy_data": float(error.detach()), "kl": float(divergence.detach())}

    @torch.no_grad()
    def finish(self, x: Tensor) -> None:
        """Fix the variance of p(x|z) to the mean squared error of inputs (n, *shape) over q(z|x)."""
        errors = [self._expected_error(batch, *self.encode(batch)) for batch in torch.split(x, 1024)]
        self.variance.copy_(torch.cat(errors).mean().clamp_min(1e-12))

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Reconstruction error per value, or the negative lower bound of log p(x) in nats, shape (n,)."""
        return self.energy(x) if self.config.score == "reconstruction" else -self.bound(x)

    def bound(self, x: Tensor) -> Tensor:
        """Lower bound of log p(x) in nats (arXiv:1312.6114, eq. 3), shape (n,)."""
        mean, log_variance = self.encode(x)
        error = self._expected_error(x, mean, log_variance)
        return -self.n_values * gaussian_cost(error, self.variance) - kl_to_normal(mean, log_variance)

    def _expected_error(self, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Mean squared error per value over q(z|x), shape (n,).

        A mean over 2d points at sqrt(d) standard deviations along the axes, exact where the error is a polynomial of
        third degree in z, so for a linear decoder (Arasaratnam and Haykin, IEEE TAC 54 (2009) 1254): a number that
        depends on nothing but x.
        """
        reach = math.sqrt(mean.shape[1]) * (log_variance / 2).exp()
        total = torch.zeros_like(mean[:, 0])
        for axis in torch.eye(mean.shape[1], device=mean.device):
            for sign in (-1, 1):
                total = total + squared_error(x, self.decoder(mean + sign * axis * reach))
        return total / (2 * mean.shape[1])


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence KL(q || standard normal) of diagonal Gaussians (n, d) in nats, shape (n,); arXiv:1312.6114, app. B."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def gaussian_cost(error: Tensor, variance: Tensor) -> Tensor:
    """Negative logarithm per value of a Gaussian density with this mean squared deviation and variance, in nats."""
    variance = variance.clamp_min(1e-12)
    return 0.5 * (error / variance + (2 * math.pi * variance).log())
