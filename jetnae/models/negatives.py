"""How negative samples are drawn: settings, and one sampler for images and one for feature vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from jetnae.errors import InputError
from jetnae.sampling import (
    Bounds,
    Langevin,
    SphereWalk,
    at_temperature,
    resample,
    run_chain,
    run_sphere_chain,
    sphere_points,
    walk_on_sphere,
)
from jetnae.sampling.bounds import share_at
from jetnae.sampling.langevin import Energy, Projection
from jetnae.sampling.simplex import even, rescale, share_of_zeros

Rule = TypeVar("Rule", Langevin, SphereWalk)
Start = Literal["on_manifold", "persistent", "contrastive"]
MAX_REPLAY = 1_000_000


@dataclass(frozen=True)
class FeatureSampling:
    """Exact chains of feature vectors at the temperature of the model, in bounds that reflect.

    temperature : in units of the energy scale; none: learned together with the weights.
    bounds : lowest and highest value of every standardized feature; none: 1.1 times the largest one of the data.
    n_candidates : evenly spread latent vectors, of which the starts are drawn by importance.
    n_latent, latent_step : steps of the latent chain, and their length in radians.
    n_steps, step : steps of the visible chain, and their noise in units of the width of exp(-E/T) across the manifold,
        sqrt(D T / 2); about 1 is best, since every step is accepted or rejected.
    """

    temperature: float | None = None
    bounds: tuple[float, float] | None = None
    n_candidates: int = 1000
    n_latent: int = 2
    latent_step: float = 0.1
    n_steps: int = 10
    step: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature is not None and self.temperature <= 0:
            raise InputError(
                f"features: temperature = {self.temperature}, expected a positive one, or none to learn it"
            )
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise InputError(f"features: bounds = {self.bounds}, expected low < high")
        if min(self.n_latent, self.n_steps) < 0 or not 1 <= self.n_candidates <= MAX_REPLAY:
            raise InputError(f"features: expected n_latent and n_steps >= 0, n_candidates from 1 to {MAX_REPLAY}")
        if min(self.latent_step, self.step) <= 0:
            raise InputError("features: expected step and latent_step above 0")


@dataclass(frozen=True)
class Sampling:
    """How negative samples are drawn.

    start : on_manifold begins in the latent space (arXiv:2105.05735); persistent where earlier visible chains ended;
        contrastive at the data of the batch.
    walk : latent chain of images by exact Metropolis steps, in place of `latent`.
    latent, visible : chains of images, on the energy in units of its mean over data before normalization begins, so
        that temperatures are in that unit; visible lengths are in units of the typical residual sqrt(D * energy_scale).
    features : chains of feature vectors.
    replay_size, replay_ratio : stored starts, and the share of chains that begin from them (latent vectors of images,
        or the inputs themselves for persistent starts).
    """

    start: Start = "on_manifold"
    walk: SphereWalk | None = None
    latent: Langevin = field(default_factory=lambda: Langevin(10, 0.02, 0.28, max_gradient=5.0))
    visible: Langevin = field(default_factory=lambda: Langevin(10, 0.0125, 5e-4, max_gradient=2.0))
    features: FeatureSampling = field(default_factory=FeatureSampling)
    replay_size: int = 1000
    replay_ratio: float = 0.95

    def __post_init__(self) -> None:
        check_replay(self.replay_size, self.replay_ratio)


def check_replay(size: int, ratio: float) -> None:
    """Raise `InputError` for a replay buffer without sense."""
    if not 0 <= ratio <= 1 or not 1 <= size <= MAX_REPLAY:
        raise InputError(
            f"model: expected replay_ratio in [0, 1] and replay_size in [1, {MAX_REPLAY}], found {ratio} and {size}"
        )


class Sampler(Protocol):
    """What a model needs to draw negative samples, for one state of its weights."""

    @property
    def temperatures(self) -> dict[str, float]:
        """Effective temperatures of both chains in the unit of the energy."""

    def fresh(self, n: int, generator: torch.Generator) -> Tensor:
        """Latent vectors (n, latent_dim) to start from."""

    def anywhere(self, n: int, generator: torch.Generator) -> Tensor:
        """Inputs (n, *shape) spread over their whole space, to start from without a latent space."""

    def latent(self, z: Tensor, generator: torch.Generator, *, length: int = 1) -> Tensor:
        """Ends (n, latent_dim) of latent chains from `z`, of `length` times the usual number of steps."""

    def visible(self, x: Tensor, generator: torch.Generator, *, length: int = 1) -> Tensor:
        """Ends (n, *shape) of visible chains from `x`, which is first put into its space."""

    def at_bounds(self, x: Tensor) -> float:
        """Share of values that the last step had to clamp."""


@dataclass(frozen=True)
class ImageSampler:
    """Images: a warm chain on the latent sphere, the decoder, a cold chain in the space of images.

    energy : of images. scale : its unit. decode : latent vectors to images. pixel_sum : none for images in [0, 1].
    starts : draws latent vectors to start from.
    """

    energy: Energy
    decode: Callable[[Tensor], Tensor]
    scale: float
    shape: tuple[int, ...]
    pixel_sum: float | None
    starts: Callable[[int, torch.Generator], Tensor]
    settings: Sampling

    @property
    def temperatures(self) -> dict[str, float]:
        """Effective temperatures of both chains in the unit of the energy."""
        rules = {"latent": self.settings.walk or self.settings.latent, "visible": self.settings.visible}
        if not self.settings.visible.n_steps:
            del rules["visible"]
        return {name: rule.temperature * self.scale for name, rule in rules.items()}

    def fresh(self, n: int, generator: torch.Generator) -> Tensor:
        """Latent vectors to start from, spread evenly or drawn from what is known of their density."""
        return self.starts(n, generator)

    def anywhere(self, n: int, generator: torch.Generator) -> Tensor:
        """White noise in the space of images."""
        if self.pixel_sum is None:
            return Bounds(0, 1).uniform(n, self.shape, generator)
        return even(n, self.shape, self.pixel_sum, generator)

    def latent(self, z: Tensor, generator: torch.Generator, *, length: int = 1) -> Tensor:
        """Chain on the sphere with the energy H(z) = E(f_d(z))."""
        if self.settings.walk is not None:
            return walk_on_sphere(self._latent_energy, z, longer(self.settings.walk, length), generator)[0]
        return run_sphere_chain(self._latent_energy, z, longer(self.settings.latent, length), generator)

    def visible(self, x: Tensor, generator: torch.Generator, *, length: int = 1, create_graph: bool = False) -> Tensor:
        """Chain of images that stay non-negative with the pixel sum of the data, or in [0, 1]."""
        unit, space = self._unit, self._space
        ends = run_chain(
            lambda y: self.energy(y * unit) / self.scale,
            space(x / unit),
            longer(self.settings.visible, length),
            generator,
            space=space,
            create_graph=create_graph,
        )
        return ends * unit

    def at_bounds(self, x: Tensor) -> float:
        """Share of pixels that were clamped."""
        return share_of_zeros(x) if self.pixel_sum is not None else share_at(x, 0, 1)

    def _latent_energy(self, z: Tensor) -> Tensor:
        return self.energy(self.decode(z)) / self.scale

    @property
    def _unit(self) -> float:
        n_values = torch.Size(self.shape).numel()
        return float((n_values * self.scale) ** 0.5)

    @property
    def _space(self) -> Projection:
        unit = self._unit
        return (lambda y: y.clamp(0, 1 / unit)) if self.pixel_sum is None else rescale(self.pixel_sum / unit)


@dataclass(frozen=True)
class FeatureSampler:
    """Feature vectors: starts drawn by importance on the latent sphere, then exact chains at one temperature.

    energy : of feature vectors. temperature : of the model, in the unit of the energy.
    """

    energy: Energy
    decode: Callable[[Tensor], Tensor]
    temperature: float
    n_features: int
    latent_dim: int
    bounds: Bounds
    settings: FeatureSampling

    @property
    def temperatures(self) -> dict[str, float]:
        """The same temperature for both chains: they are exact."""
        return {"latent": self.temperature, "visible": self.temperature}

    def fresh(self, n: int, generator: torch.Generator) -> Tensor:
        """Latent vectors drawn with probability exp(-H(z)/T) from evenly spread candidates."""
        candidates = sphere_points(max(n, self.settings.n_candidates), self.latent_dim, generator)
        return resample(self._latent_energy, candidates, n, generator, temperature=self.temperature).points

    def anywhere(self, n: int, generator: torch.Generator) -> Tensor:
        """Points spread evenly between the bounds."""
        return self.bounds.uniform(n, (self.n_features,), generator)

    def latent(self, z: Tensor, generator: torch.Generator, *, length: int = 1) -> Tensor:
        """Exact chain on the sphere with the energy H(z) = E(f_d(z))."""
        rule = self._rule(self.settings.latent_step, self.settings.n_latent * length)
        return run_sphere_chain(self._latent_energy, z, rule, generator)

    def visible(self, x: Tensor, generator: torch.Generator, *, length: int = 1) -> Tensor:
        """Exact chain between reflecting bounds."""
        width = (self.n_features * self.temperature / 2) ** 0.5
        rule = self._rule(self.settings.step * width, self.settings.n_steps * length)
        return run_chain(self.energy, self.bounds.fold(x), rule, generator, space=self.bounds)

    def at_bounds(self, x: Tensor) -> float:
        """Reflection clamps nothing: the share of values exactly on a bound."""
        return share_at(x, self.bounds.low, self.bounds.high)

    def _latent_energy(self, z: Tensor) -> Tensor:
        return self.energy(self.decode(z))

    def _rule(self, noise_std: float, n_steps: int) -> Langevin:
        return at_temperature(self.temperature, noise_std**2 / (2 * self.temperature), n_steps, metropolis=True)


def longer(rule: Rule, length: int) -> Rule:
    """The same rule with `length` times as many steps."""
    return replace(rule, n_steps=rule.n_steps * length)
