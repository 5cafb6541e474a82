"""A limit on the reconstruction error while a density is learned, held by a multiplier."""

from __future__ import annotations

import torch
from torch import Tensor

RATE, FIRST, RANGE = 0.02, 0.1, (0.05, 100.0)
"""Step of the logarithm of the multiplier; where it begins, hardly felt; its range."""


def first_multiplier() -> Tensor:
    """Where a multiplier begins."""
    return torch.tensor(FIRST)


def held(error: Tensor, limit: float, multiplier: Tensor) -> tuple[Tensor, Tensor]:
    """What an error costs, and the next multiplier: it rises while the error is above the limit, and falls below it."""
    multiplier = multiplier.to(error.device)
    change = RATE * (error.detach() - limit).clamp(-1, 1)
    return multiplier * error, (multiplier * change.exp()).clamp(*RANGE)
