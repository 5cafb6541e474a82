"""Langevin chains as small pure pieces: they know an energy and a space to stay in, nothing about networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from jetnae.errors import InputError

Energy = Callable[[Tensor], Tensor]
"""Maps a batch (n, ...) to its energies (n,)."""
Projection = Callable[[Tensor], Tensor]
"""Puts a batch back into its space after a step."""


@dataclass(frozen=True)
class Langevin:
    """Step rule of a chain: x <- x - step_size * clip(grad E) + noise_std * normal.

    The stationary density is exp(-E/T) at the effective temperature T = noise_std^2 / (2 step_size), in the unit of
    E, up to terms of order step_size and as long as the clip (of each sample's gradient norm) does not act.
    """

    n_steps: int
    step_size: float
    noise_std: float
    max_gradient: float | None = None

    def __post_init__(self) -> None:
        if self.n_steps < 0 or self.step_size <= 0 or self.noise_std < 0:
            raise InputError(f"langevin: expected n_steps >= 0, step_size > 0, noise_std >= 0, found {self}")

    @property
    def temperature(self) -> float:
        """Effective temperature in the unit of the energy; 0 is plain gradient descent."""
        return self.noise_std**2 / (2 * self.step_size)


def at_temperature(temperature: float, step_size: float, n_steps: int) -> Langevin:
    """The exact Langevin rule at a stated temperature: noise_std = sqrt(2 step_size T)."""
    return Langevin(n_steps, step_size, (2 * step_size * temperature) ** 0.5)


def run_chain(
    energy: Energy,
    start: Tensor,
    rule: Langevin,
    generator: torch.Generator,
    *,
    project: Projection | None = None,
) -> Tensor:
    """Run a Langevin chain from `start` (n, ...) and return where it ends, detached, in the same shape."""
    x = start.detach()
    for _ in range(rule.n_steps):
        x = langevin_step(energy, x, rule, generator)
        if project is not None:
            x = project(x)
    return x


def run_sphere_chain(energy: Energy, start: Tensor, rule: Langevin, generator: torch.Generator) -> Tensor:
    """Run a Langevin chain on the unit sphere (n, d): drift and noise in the tangent plane, then back onto it."""
    z = start.detach()
    for _ in range(rule.n_steps):
        drift = rule.step_size * clip_per_sample(gradient(energy, z), rule.max_gradient)
        noise = rule.noise_std * torch.randn(z.shape, generator=generator, device=z.device)
        step = noise - drift
        step = step - (step * z).sum(dim=1, keepdim=True) * z
        z = torch.nn.functional.normalize(z + step, dim=1)
    return z


def langevin_step(energy: Energy, x: Tensor, rule: Langevin, generator: torch.Generator) -> Tensor:
    """One step of `rule` in flat space."""
    drift = rule.step_size * clip_per_sample(gradient(energy, x), rule.max_gradient)
    return x - drift + rule.noise_std * torch.randn(x.shape, generator=generator, device=x.device)


def gradient(energy: Energy, x: Tensor) -> Tensor:
    """Gradient of each sample's energy with respect to the sample, in the shape of `x`."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (grad,) = torch.autograd.grad(energy(x).sum(), x)
    return grad


def clip_per_sample(grad: Tensor, limit: float | None) -> Tensor:
    """Shorten each sample's gradient (n, ...) to a norm of at most `limit`, taken over all its components."""
    if limit is None:
        return grad
    norm = torch.linalg.vector_norm(grad.flatten(1), dim=1).clamp_min(torch.finfo(grad.dtype).tiny)
    return grad * _per_sample((limit / norm).clamp(max=1), grad)


def _per_sample(factor: Tensor, x: Tensor) -> Tensor:
    """A factor per sample (n,) in the shape that multiplies `x` (n, ...)."""
    return factor.view(-1, *[1] * (x.dim() - 1))


def to_simplex(total: float) -> Projection:
    """Projection that keeps images non-negative with pixel sum `total`: clamp, then rescale."""

    def project(x: Tensor) -> Tensor:
        x = x.clamp_min(0)
        return x * _per_sample(total / x.flatten(1).sum(dim=1).clamp_min(1e-12), x)

    return project


def replay_starts(
    buffer: Tensor, n: int, replay_ratio: float, fresh: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Chain starts (n, d) drawn from `buffer` with probability `replay_ratio`, else from `fresh`, and their slots.

    The chain's end points belong back into the same slots: `buffer[slots] = ends`.
    """
    slots = torch.randint(len(buffer), (n,), generator=generator, device=buffer.device)
    replayed = torch.rand(n, 1, generator=generator, device=buffer.device) < replay_ratio
    return torch.where(replayed, buffer[slots], fresh), slots
