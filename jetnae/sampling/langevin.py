"""Langevin chains in flat space: they know an energy and bounds to stay in, nothing about networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from jetnae.errors import InputError
from jetnae.sampling.bounds import Bounds

Energy = Callable[[Tensor], Tensor]
"""Maps a batch (n, ...) to its energies (n,)."""
Projection = Callable[[Tensor], Tensor]
"""Puts a batch back into its space after a step."""


@dataclass(frozen=True)
class Langevin:
    """Step rule of a chain: x <- x - step_size * clip(grad E) + noise_std * normal.

    The two knobs are independent. The stationary density is exp(-E/T) at the effective temperature
    T = noise_std^2 / (2 step_size), in the unit of E, up to terms of order step_size and where the clip does not act.

    max_gradient : largest norm of each sample's gradient; longer ones are shortened.
    normalized : take the direction of each sample's gradient only, so that every step has the same length.
    metropolis : temperature at which every step is accepted or rejected, which makes exp(-E/T) exact at any step size.

    Raises `InputError` for settings without sense, and for `metropolis` at another temperature than the effective one.
    """

    n_steps: int
    step_size: float
    noise_std: float
    max_gradient: float | None = None
    normalized: bool = False
    metropolis: float | None = None

    def __post_init__(self) -> None:
        if self.n_steps < 0 or self.step_size <= 0 or self.noise_std < 0:
            raise InputError(f"langevin: expected n_steps >= 0, step_size > 0, noise_std >= 0, found {self}")
        if self.max_gradient is not None and self.max_gradient <= 0:
            raise InputError(f"langevin: max_gradient = {self.max_gradient}, expected a positive number or none")
        if self.metropolis is not None:
            self._check_metropolis(self.metropolis)

    def _check_metropolis(self, temperature: float) -> None:
        if temperature <= 0 or self.normalized:
            raise InputError("langevin: a Metropolis step needs a positive temperature and the gradient as it is")
        if not math.isclose(self.temperature, temperature, rel_tol=1e-6):
            raise InputError(
                f"langevin: a Metropolis step at temperature {temperature:g} needs noise_std^2 = 2 step_size T, but "
                f"noise_std and step_size are those of {self.temperature:g}: set noise_std to "
                f"{(2 * self.step_size * temperature) ** 0.5:g}"
            )

    @property
    def temperature(self) -> float:
        """Effective temperature in the unit of the energy; 0 is plain gradient descent."""
        return self.noise_std**2 / (2 * self.step_size)


def at_temperature(temperature: float, step_size: float, n_steps: int, *, metropolis: bool = False) -> Langevin:
    """The exact Langevin rule at a stated temperature: noise_std = sqrt(2 step_size T)."""
    noise_std = (2 * step_size * temperature) ** 0.5
    return Langevin(n_steps, step_size, noise_std, metropolis=temperature if metropolis else None)


def run_chain(
    energy: Energy,
    start: Tensor,
    rule: Langevin,
    generator: torch.Generator,
    *,
    space: Projection | Bounds | None = None,
    create_graph: bool = False,
) -> Tensor:
    """Run a Langevin chain from `start` (n, ...) and return where it ends, in the same shape.

    `space` is where the chain has to stay: bounds, or any projection. With `create_graph`, the end is differentiable
    in the parameters of the energy, through all steps; otherwise it is detached. Raises `InputError` for a Metropolis
    step with a projection, or one to be differentiated: neither keeps the density.
    """
    if rule.metropolis is None:
        return _unadjusted(energy, start, rule, generator, space=space, create_graph=create_graph)
    if create_graph or not (space is None or isinstance(space, Bounds)):
        raise InputError("langevin: a Metropolis step needs free space or bounds, and cannot be differentiated")
    return metropolis_chain(energy, start, rule, generator, bounds=space)[0]


def _unadjusted(
    energy: Energy,
    start: Tensor,
    rule: Langevin,
    generator: torch.Generator,
    *,
    space: Projection | Bounds | None,
    create_graph: bool,
) -> Tensor:
    x = start.detach()
    for _ in range(rule.n_steps):
        proposed = x + langevin_step(energy, x, rule, generator, create_graph=create_graph)
        if isinstance(space, Bounds):
            x = space.keep(x, proposed)
            continue
        x = proposed if space is None else space(proposed)
    return x


def metropolis_chain(
    energy: Energy, start: Tensor, rule: Langevin, generator: torch.Generator, *, bounds: Bounds | None = None
) -> tuple[Tensor, Tensor]:
    """Run a Metropolis-adjusted Langevin chain; returns its end (n, ...) and the share of accepted steps (n,).

    Reflecting bounds are exact because the chain runs on the energy mirrored in its walls; others reject what leaves.
    Raises `InputError` for bounds that clamp.
    """
    energy = energy if bounds is None else bounds.extended(energy)
    x = start.detach()
    value, drift = _value_and_drift(energy, x, rule)
    accepted = torch.zeros(len(x), device=x.device)
    for _ in range(rule.n_steps):
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        proposed = x - drift + rule.noise_std * noise
        new_value, new_drift = _value_and_drift(energy, proposed, rule)
        log_ratio = (value - new_value) / rule.temperature + _log_proposal_ratio(x, proposed, drift, new_drift, rule)
        uniform = torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype)
        accept = uniform.log() < log_ratio
        accepted += accept
        x = torch.where(per_sample(accept, x), proposed, x)
        drift = torch.where(per_sample(accept, x), new_drift, drift)
        value = torch.where(accept, new_value, value)
    end = x if bounds is None else bounds.fold(x)
    return end, accepted / max(rule.n_steps, 1)


def _log_proposal_ratio(x: Tensor, proposed: Tensor, drift: Tensor, new_drift: Tensor, rule: Langevin) -> Tensor:
    """log q(x | proposed) - log q(proposed | x) of the Gaussian proposal, (n,)."""
    forward = (proposed - x + drift).flatten(1).square().sum(dim=1)
    backward = (x - proposed + new_drift).flatten(1).square().sum(dim=1)
    return (forward - backward) / (2 * rule.noise_std**2)


def _value_and_drift(energy: Energy, x: Tensor, rule: Langevin) -> tuple[Tensor, Tensor]:
    value, grad = value_and_gradient(energy, x)
    return value, rule.step_size * clip_per_sample(grad, rule.max_gradient)


def langevin_step(
    energy: Energy, x: Tensor, rule: Langevin, generator: torch.Generator, *, create_graph: bool = False
) -> Tensor:
    """The displacement of one step of `rule` in flat space, drift and noise, in the shape of `x`."""
    grad = gradient(energy, x, create_graph=create_graph)
    grad = normalize_per_sample(grad) if rule.normalized else clip_per_sample(grad, rule.max_gradient)
    return rule.noise_std * torch.randn(x.shape, generator=generator, device=x.device) - rule.step_size * grad


def gradient(energy: Energy, x: Tensor, *, create_graph: bool = False) -> Tensor:
    """Gradient of each sample's energy with respect to the sample, in the shape of `x`."""
    with torch.enable_grad():
        x = x if create_graph and x.requires_grad else x.detach().requires_grad_()
        (grad,) = torch.autograd.grad(energy(x).sum(), x, create_graph=create_graph)
    return grad


def value_and_gradient(energy: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample's energy (n,) and its gradient in the shape of `x`, both detached."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = energy(x)
        (grad,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), grad


def clip_per_sample(grad: Tensor, limit: float | None) -> Tensor:
    """Shorten each sample's gradient (n, ...) to a norm of at most `limit`, taken over all its components."""
    if limit is None:
        return grad
    return grad * per_sample((limit / _norm(grad)).clamp(max=1), grad)


def normalize_per_sample(grad: Tensor) -> Tensor:
    """Scale each sample's gradient (n, ...) to a norm of 1, taken over all its components; 0 stays 0."""
    return grad / per_sample(_norm(grad), grad)


def _norm(grad: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(grad.flatten(1), dim=1)
    return norm.clamp_min(torch.finfo(grad.dtype).tiny)


def per_sample(factor: Tensor, x: Tensor) -> Tensor:
    """A factor per sample (n,) in the shape that multiplies `x` (n, ...)."""
    return factor.view(-1, *[1] * (x.dim() - 1))
