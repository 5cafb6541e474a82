"""Where the chains of a model lead: what diagnostics look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Chains:
    """Fresh chains of a model, started neither from data nor from a replay buffer.

    starts : where they began (n, *shape). latent_ends : the decoded ends of the latent chain, the starts where there
    is none. samples : where they ended.
    at_bounds : share of values that the projection had to clamp in the last step.
    temperatures : effective temperature of each chain in the unit of the energy; empty where steps have no temperature.
    """

    starts: Tensor
    latent_ends: Tensor
    samples: Tensor
    at_bounds: float
    temperatures: dict[str, float] = field(default_factory=dict)
