"""A density of latent vectors on the unit sphere: a mixture of von Mises-Fisher kernels of one concentration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize

from jetnae.errors import InputError
from jetnae.models.autoencoder import FrozenAutoencoder
from jetnae.models.model import squared_error
from jetnae.models.published import Apply
from jetnae.models.settings import check_settings
from jetnae.sampling import kernel_points, sphere_points

RATE = 10.0
"""How much faster than the weights of the networks the mixture learns."""
MIN_CONCENTRATION, MAX_CONCENTRATION = 1e-3, 1e4
NEAR = 0.3
"""Noise per component on the latent vectors of data that are to come back."""
CHUNK = 4096
"""Latent vectors that are compared with all kernels at once: bounds memory."""


@dataclass(frozen=True)
class LatentDensityConfig:
    """Size of a mixture, and the steps of its first fit.

    n_kernels : more resolve more, and need more data. n_steps : of expectation and maximization.
    consistency : weight of |f_e(f_d(z)) - z|^2, in units of the variance of a value, for latent vectors z everywhere:
        else the decoder folds, several latent vectors stand for one input, and chains find it too often.
    concentration : of all kernels; None: learned. A low one keeps the density smooth: what a sharper one resolves is
        where simple inputs crowd, whatever they are.
    """

    n_kernels: int = 64
    n_steps: int = 50
    consistency: float = 0.0
    concentration: float | None = None

    def __post_init__(self) -> None:
        check_settings(consistency=(self.consistency, 0, 1e6))
        if self.concentration is not None:
            check_settings(concentration=(self.concentration, MIN_CONCENTRATION, MAX_CONCENTRATION))
        if not 1 <= self.n_kernels <= 10_000 or not 1 <= self.n_steps <= 10_000:
            raise InputError(f"latent_density: expected n_kernels and n_steps from 1 to 10000, found {self}")


class LatentDensity(nn.Module):
    """Mixture of von Mises-Fisher kernels, p(z) ~ sum_k w_k exp(kappa (c_k z - 1)), on the sphere in `dim` dimensions.

    All kernels share the concentration kappa, hence the norm of exp(-U), with the energy U(z) = -log sum_k w_k
    exp(kappa (c_k z - 1)), is that of one kernel, whatever the weights and centers are. U lies in [0, 2 kappa], and is
    0 only where all kernels meet: the energy has a natural zero, and no constant can be hidden in it.
    """

    def __init__(self, dim: int, config: LatentDensityConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = dim
        # short centers, of which only the direction counts, and small numbers: they turn and change RATE times as fast
        self.raw_centers = nn.Parameter(normalize(torch.randn(config.n_kernels, dim), dim=1) / RATE)
        self.raw_weights = nn.Parameter(torch.zeros(config.n_kernels))
        first = 0.0 if config.concentration is None else math.log(config.concentration) / RATE
        self.raw_concentration = nn.Parameter(torch.tensor(first), requires_grad=config.concentration is None)

    @property
    def centers(self) -> Tensor:
        """Directions of the kernels (n_kernels, dim)."""
        return normalize(self.raw_centers, dim=1)

    @property
    def log_weights(self) -> Tensor:
        """Logarithms of the weights (n_kernels,), which sum to one."""
        return log_softmax(RATE * self.raw_weights, dim=0)

    @property
    def concentration(self) -> Tensor:
        """Concentration kappa of all kernels; at most `MAX_CONCENTRATION`."""
        return (RATE * self.raw_concentration).exp().clamp_max(MAX_CONCENTRATION)

    def forward(self, z: Tensor) -> Tensor:
        """Energy U (n,) of points (n, dim) on the sphere, between 0 and 2 kappa."""
        terms: Tensor = self.concentration * (z @ self.centers.T - 1) + self.log_weights
        return -torch.logsumexp(terms, dim=1)

    @torch.no_grad()
    def log_density(self, z: Tensor) -> Tensor:
        """Logarithm of the density (n,) of points (n, dim), relative to the area of the sphere in radians."""
        energy: Tensor = self(z)
        return -energy - log_norm(self.dim, float(self.concentration))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` points (n, dim) of the mixture, drawn exactly."""
        kernel = torch.multinomial(self.log_weights.exp(), n, replacement=True, generator=generator)
        return kernel_points(self.centers[kernel], float(self.concentration), generator)

    def folding(self, encoder: Apply, decoder: Apply, x: Tensor, z: Tensor, *, generator: torch.Generator) -> Tensor:
        """Mean squared distance of latent vectors from where they come back to, per value, times its weight.

        In units of the variance of a value of the batch `x` (n, *shape), whose latent vectors are `z` (n, dim); half of
        the vectors are near these, the others even on the sphere.
        """
        if not self.config.consistency:
            return x.new_zeros(())
        half = len(z) // 2
        noise = torch.randn(half, self.dim, generator=generator, device=z.device)
        near = normalize(z.detach()[:half] + NEAR * noise, dim=1)
        start = torch.cat([near, sphere_points(len(z) - half, self.dim, generator)])
        variance = (x - x.mean(dim=0)).square().mean()
        return self.config.consistency * variance * (encoder(decoder(start)) - start).square().mean()

    @torch.no_grad()
    def fit(self, z: Tensor, generator: torch.Generator) -> None:
        """Fit the mixture to points (n, dim) by expectation and maximization (Banerjee et al., JMLR 6 (2005) 1345).

        Centers begin at points drawn at random; of fewer points than kernels, some are drawn more than once.
        """
        n_kernels, dim = self.raw_centers.shape
        picked = torch.randint(len(z), (n_kernels,), generator=generator, device=z.device)
        if len(z) >= n_kernels:
            picked = torch.randperm(len(z), generator=generator, device=z.device)[:n_kernels]
        jitter = 1e-3 * sphere_points(n_kernels, dim, generator).to(z.dtype)
        self._set(z[picked] + jitter, torch.full_like(self.raw_weights, 1 / n_kernels), 10.0 * dim)
        for _ in range(self.config.n_steps):
            sums, shares = self._expect(z)
            length = float(sums.norm(dim=1).sum() / len(z))
            empty = sums.norm(dim=1, keepdim=True) < 1e-12
            self._set(torch.where(empty, self.centers, sums), shares, concentration_of(dim, length))

    def _expect(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the points that belong to each kernel (n_kernels, dim), and their share (n_kernels,)."""
        sums, counts = torch.zeros_like(self.raw_centers), torch.zeros_like(self.raw_weights)
        for part in torch.split(z, CHUNK):
            belongs = torch.softmax(self.concentration * (part @ self.centers.T) + self.log_weights, dim=1)
            sums += belongs.T @ part
            counts += belongs.sum(dim=0)
        return sums, counts / len(z)

    def _set(self, centers: Tensor, weights: Tensor, concentration: float) -> None:
        self.raw_centers.copy_(normalize(centers, dim=1) / RATE)
        self.raw_weights.copy_(weights.clamp_min(1e-12).log() / RATE)
        if self.config.concentration is None:
            self.raw_concentration.fill_(math.log(min(concentration, MAX_CONCENTRATION)) / RATE)


@dataclass(frozen=True)
class FrozenNormalized(FrozenAutoencoder):
    """The parts of a normalized autoencoder with fixed weights, for chains.

    density : energy of latent vectors in units of `unit`, which is that of the reconstruction error.
    """

    density: Apply
    unit: float

    def energy(self, x: Tensor) -> Tensor:
        """Reconstruction error per value of inputs (n, *shape), plus the energy of their latent vectors, (n,)."""
        z = self.encoder(x)
        return squared_error(x, self.decoder(z)) + self.unit * self.density(z)


def log_norm(dim: int, concentration: float) -> float:
    """Logarithm of the integral of exp(kappa (c z - 1)) over the unit sphere in `dim` dimensions."""
    from scipy.special import ive  # scoring needs none of it

    order = dim / 2 - 1
    if concentration < 1e-6:  # the area of the sphere
        return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    bessel = float(ive(order, concentration))
    return dim / 2 * math.log(2 * math.pi) + math.log(bessel) - order * math.log(concentration)


def mean_length(dim: int, concentration: float) -> float:
    """Mean of c z for points z of a kernel around c, I_{d/2}(kappa) / I_{d/2-1}(kappa)."""
    from scipy.special import ive  # scoring needs none of it

    return float(ive(dim / 2, concentration) / ive(dim / 2 - 1, concentration))


def concentration_of(dim: int, length: float) -> float:
    """The concentration at which points of a kernel have this mean of c z, by Newton's method from the usual guess."""
    length = min(max(length, 1e-6), 1 - 1e-6)
    kappa = length * (dim - length**2) / (1 - length**2)
    for _ in range(10):
        found = mean_length(dim, kappa)
        slope = 1 - found**2 - (dim - 1) / kappa * found
        if abs(found - length) < 1e-8 or slope <= 0:
            break
        kappa = min(max(kappa - (found - length) / slope, kappa / 2), MAX_CONCENTRATION)
    return min(kappa, MAX_CONCENTRATION)
