"""The unit sphere: evenly spread points, Langevin chains on it, and starts drawn by importance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from jetnae.errors import InputError, NotConvergedError
from jetnae.sampling.langevin import (
    Energy,
    Langevin,
    clip_per_sample,
    gradient,
    normalize_per_sample,
    value_and_gradient,
)


def sphere_points(n: int, dim: int, generator: torch.Generator) -> Tensor:
    """`n` points spread evenly over the unit sphere in `dim` dimensions, on the generator's device."""
    return normalize(torch.randn(n, dim, generator=generator, device=generator.device), dim=1)


def kernel_points(centers: Tensor, concentration: float, generator: torch.Generator) -> Tensor:
    """One point (n, d) of each von Mises-Fisher kernel, p(z) ~ exp(kappa c z), around `centers` (n, d) on the sphere.

    The part along the center by rejection (Wood, Commun. Stat. Simul. 23 (1994) 157), the rest evenly around it.
    """
    (n, dim), device = centers.shape, centers.device
    side = dim - 1
    slant = side / (math.sqrt(4 * concentration**2 + side**2) + 2 * concentration)
    mode = (1 - slant) / (1 + slant)
    offset = concentration * mode + side * math.log1p(-(mode**2))
    along = torch.full((n,), mode, dtype=torch.float64, device=device)
    left = torch.arange(n, device=device)
    while len(left):
        sizes = torch.randn(2, len(left), side, generator=generator, device=device, dtype=torch.float64)
        first, second = sizes.square().sum(dim=2)
        beta = first / (first + second)
        tried = (1 - (1 + slant) * beta) / (1 - (1 - slant) * beta)
        uniform = torch.rand(len(left), generator=generator, device=device, dtype=torch.float64)
        accept = concentration * tried + side * torch.log1p(-mode * tried) - offset >= uniform.log()
        along[left[accept]] = tried[accept]
        left = left[~accept]
    around = tangent(torch.randn(n, dim, generator=generator, device=device, dtype=centers.dtype), centers)
    across = (1 - along.square()).clamp_min(0).sqrt()
    point = along[:, None] * centers + across[:, None] * normalize(around, dim=1)
    return normalize(point.to(centers.dtype), dim=1)


def run_sphere_chain(energy: Energy, start: Tensor, rule: Langevin, generator: torch.Generator) -> Tensor:
    """Run a Langevin chain on the unit sphere (n, d): drift and noise in the tangent plane, then back onto it."""
    if rule.metropolis is not None:
        return metropolis_sphere_chain(energy, start, rule, generator)[0]
    z = start.detach()
    for _ in range(rule.n_steps):
        grad = gradient(energy, z)
        grad = normalize_per_sample(grad) if rule.normalized else clip_per_sample(grad, rule.max_gradient)
        noise = rule.noise_std * torch.randn(z.shape, generator=generator, device=z.device)
        z = normalize(z + tangent(noise - rule.step_size * grad, z), dim=1)
    return z


def metropolis_sphere_chain(
    energy: Energy, start: Tensor, rule: Langevin, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Run a Metropolis-adjusted Langevin chain on the unit sphere (n, d); returns its end and the share accepted (n,).

    A step draws a Gaussian vector v in the tangent plane around the drift and follows the geodesic exp_z(v). The
    density of the end point on the sphere is q(z'|z) = N(v; drift, noise_std^2) (|v| / sin|v|)^(d - 2) for |v| < pi,
    and longer steps are rejected, so that v is the only vector that leads there. |v| is the same on the way back: the
    second factor drops out of the ratio, and the density exp(-E/T) on the sphere is exact at any step size.
    """
    z = start.detach()
    value, drift = _value_and_drift(energy, z, rule)
    accepted = torch.zeros(len(z), device=z.device)
    for _ in range(rule.n_steps):
        noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        v = drift + rule.noise_std * tangent(noise, z)
        proposed, back = geodesic(z, v)
        new_value, new_drift = _value_and_drift(energy, proposed, rule)
        forward, backward = (v - drift).square().sum(dim=1), (back - new_drift).square().sum(dim=1)
        log_ratio = (value - new_value) / rule.temperature + (forward - backward) / (2 * rule.noise_std**2)
        uniform = torch.rand(len(z), generator=generator, device=z.device, dtype=z.dtype)
        accept = (uniform.log() < log_ratio) & (v.norm(dim=1) < math.pi)
        accepted += accept
        z = torch.where(accept[:, None], proposed, z)
        drift = torch.where(accept[:, None], new_drift, drift)
        value = torch.where(accept, new_value, value)
    return z, accepted / max(rule.n_steps, 1)


@dataclass(frozen=True)
class SphereWalk:
    """Metropolis steps on the unit sphere without gradients, exact for exp(-E/T) however rough the energy is.

    temperature : T in the unit of the energy. scales : smallest and largest size of a step, as the noise per component
    before it is put back onto the sphere; each step draws its own, evenly in the logarithm, so that one rule explores
    wide basins and settles in narrow ones.
    """

    n_steps: int
    temperature: float
    scales: tuple[float, float] = (0.03, 0.6)

    def __post_init__(self) -> None:
        if self.n_steps < 0 or self.temperature <= 0 or not 0 < self.scales[0] <= self.scales[1]:
            raise InputError(f"walk: expected n_steps >= 0, temperature > 0, 0 < scales[0] <= scales[1], found {self}")


@torch.no_grad()
def walk_on_sphere(
    energy: Energy, start: Tensor, rule: SphereWalk, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Run a Metropolis chain on the unit sphere (n, d); returns its end and the share accepted (n,).

    The proposal normalize(z + s noise) depends on the angle between both points only, the same on the way back: the
    acceptance is min(1, exp(-(E' - E)/T)) (Metropolis et al., J. Chem. Phys. 21 (1953) 1087).
    """
    z = start.detach()
    value, low, high = energy(z), math.log(rule.scales[0]), math.log(rule.scales[1])
    accepted = torch.zeros(len(z), device=z.device)
    for _ in range(rule.n_steps):
        scale = (low + (high - low) * torch.rand(len(z), 1, generator=generator, device=z.device, dtype=z.dtype)).exp()
        noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        proposed = normalize(z + scale * noise, dim=1)
        new_value = energy(proposed)
        uniform = torch.rand(len(z), generator=generator, device=z.device, dtype=z.dtype)
        accept = uniform.log() < (value - new_value) / rule.temperature
        accepted += accept
        z, value = torch.where(accept[:, None], proposed, z), torch.where(accept, new_value, value)
    return z, accepted / max(rule.n_steps, 1)


def geodesic(z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Where the geodesic from `z` (n, d) along the tangent vector `v` (n, d) ends, and the vector that leads back."""
    length = v.norm(dim=1, keepdim=True)
    end = normalize(length.cos() * z + torch.sinc(length / math.pi) * v, dim=1)
    return end, tangent(length * length.sin() * z - length.cos() * v, end)


def tangent(v: Tensor, z: Tensor) -> Tensor:
    """The part of vectors `v` (n, d) in the tangent plane of the sphere at `z` (n, d)."""
    return v - (v * z).sum(dim=1, keepdim=True) * z


def _value_and_drift(energy: Energy, z: Tensor, rule: Langevin) -> tuple[Tensor, Tensor]:
    value, grad = value_and_gradient(energy, z)
    return value, -rule.step_size * tangent(clip_per_sample(grad, rule.max_gradient), z)


@dataclass(frozen=True)
class Resampled:
    """Points drawn by importance.

    points : (n, ...), drawn with replacement. effective_size : (sum w)^2 / sum w^2 of the candidates; where it is not
    well above 1, a few candidates stand for all.
    """

    points: Tensor
    effective_size: float


@torch.no_grad()
def resample(
    energy: Energy, candidates: Tensor, n: int, generator: torch.Generator, *, temperature: float
) -> Resampled:
    """Keep `n` of the candidates (m, ...) with probability proportional to exp(-E/T).

    From evenly spread candidates this draws from exp(-E/T) exactly as m grows, without any chain: affordable in few
    dimensions (latent spheres), where it finds all modes with their right weights. Raises `InputError` for a
    temperature that is not positive, `NotConvergedError` for energies that are not finite.
    """
    if temperature <= 0:
        raise InputError(f"resample: temperature = {temperature}, expected a positive one")
    weights = torch.softmax(-energy(candidates).double() / temperature, dim=0)
    if not bool(torch.isfinite(weights).all()):
        raise NotConvergedError("resample: the energies are not finite, the model diverged")
    index = torch.multinomial(weights, n, replacement=True, generator=generator)
    return Resampled(candidates[index], float(1 / weights.square().sum()))
