"""What fresh chains of a model with a density come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Chains:
    """Chains started neither from data nor from a replay buffer, in the space of the inputs, each (n, *shape).

    starts : where the chains began. latent_ends : where their latent part ended, decoded; the starts where there
    is none.
    samples : where they ended. at_bounds : share of the values that the last step had to be clamped for.
    temperatures : the effective temperature of each part, in the unit of the energy.
    """

    starts: Tensor
    latent_ends: Tensor
    samples: Tensor
    at_bounds: float = 0.0
    temperatures: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Density(Protocol):
    """A model with an energy that samples can be drawn from."""

    def energy(self, x: Tensor) -> Tensor:
        """Energies (n,) of inputs (n, *shape)."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights by name."""

    def chains(self, n: int, generator: torch.Generator, *, length: int = 1) -> Chains:
        """`n` fresh chains of `length` times the usual number of steps."""
