"""What chains of a model leave behind: where they began, what they ended in, and how they ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Chains:
    """Fresh chains of a model with a density, started neither from data nor from a replay buffer.

    starts, latent_ends : decoded beginnings and ends of the latent chains, (n, *shape); the same where a model has no
    latent chain. samples : ends of the chains in the space of the inputs, (n, *shape). at_bounds : share of values
    that had to be put back into that space in the last step. temperatures : effective, by the name of the chain, in
    the unit of the energy.
    """

    starts: Tensor
    latent_ends: Tensor
    samples: Tensor
    at_bounds: float
    temperatures: Mapping[str, float]
