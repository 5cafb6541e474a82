"""Bounds of a flat space, and what a chain does when it reaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from jetnae.errors import InputError

Walls = Literal["reflect", "reject", "clamp"]


@dataclass(frozen=True)
class Bounds:
    """Every value stays in [low, high].

    walls : reflect mirrors a step that leaves, reject undoes it for the whole sample; both keep the density uniform
        where the energy is flat. clamp puts the value onto the bound, where it piles up: no density, but what is
        published.
    """

    low: float
    high: float
    walls: Walls = "reflect"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"bounds: [{self.low}, {self.high}], expected low < high")

    def keep(self, before: Tensor, after: Tensor) -> Tensor:
        """Samples (n, ...) after a step from `before` to `after`, inside the bounds."""
        if self.walls == "clamp":
            return after.clamp(self.low, self.high)
        if self.walls == "reflect":
            return self.fold(after)
        inside = self._inside(after)
        return torch.where(inside.view(-1, *[1] * (after.dim() - 1)), after, before)

    def fold(self, x: Tensor) -> Tensor:
        """Mirror values in the walls, as often as needed; those inside stay as they are."""
        width = self.high - self.low
        y = torch.remainder(x - self.low, 2 * width)
        folded = self.low + torch.minimum(y, 2 * width - y)
        return torch.where((x >= self.low) & (x <= self.high), x, folded)

    def extended(self, energy: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """The energy in all of space: mirrored in reflecting walls, infinite behind rejecting ones."""
        if self.walls == "clamp":
            raise InputError("bounds: a Metropolis step needs walls that reflect or reject, not clamp")
        if self.walls == "reflect":
            return lambda x: energy(self.fold(x))
        return lambda x: torch.where(self._inside(x), energy(x), torch.inf)

    def _inside(self, x: Tensor) -> Tensor:
        return ((x >= self.low) & (x <= self.high)).flatten(1).all(dim=1)

    def uniform(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """`n` points (n, *shape) spread evenly between the bounds."""
        unit = torch.rand(n, *shape, generator=generator, device=generator.device)
        return self.low + (self.high - self.low) * unit


def share_at(x: Tensor, low: float, high: float) -> float:
    """Share of values that lie on a bound, put there by a clamp (reflection and rejection put none there)."""
    return float(((x <= low) | (x >= high)).double().mean())
