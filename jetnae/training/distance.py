"""How far apart two samples are."""

from __future__ import annotations

import torch
from torch import Tensor

N_PROJECTIONS = 128


def sliced_wasserstein(a: Tensor, b: Tensor, generator: torch.Generator, n_projections: int = N_PROJECTIONS) -> float:
    """Sliced Wasserstein distance of order 1 between samples (n, ...) of equal size, in the unit of the values.

    The mean over random directions of the mean distance of sorted projections (arXiv:1503.02675, eq. 9), times the
    square root of the dimension, so that a shift of all values by s counts as s times that root.
    """
    a, b = a.flatten(1), b.flatten(1)
    directions = torch.randn(a.shape[1], n_projections, generator=generator, device=a.device)
    directions = directions / directions.norm(dim=0) * a.shape[1] ** 0.5
    gaps = (a @ directions).sort(dim=0).values - (b @ directions).sort(dim=0).values
    return float(gaps.abs().mean())
