"""Images of fixed pixel sum: non-negative values that add up to a total, most of them exactly zero.

Jet images put finite probability on exact zeros, so they have no density in pixel space, and no chain with continuous
steps can have them as its stationary distribution. There are two honest ways out. Either the projection is part of the
sampler: `nearest` moves all pixels down together and returns dark ones to exactly zero, so that samples carry zeros as
images do. Or the data are given a density by `dequantize`, and zeros mean nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from jetnae.errors import InputError
from jetnae.sampling.langevin import per_sample

if TYPE_CHECKING:
    from torch import Tensor

    from jetnae.sampling.langevin import Projection

TINY = 1e-12


def rescale(total: float) -> Projection:
    """Projection that keeps images (n, ...) non-negative with pixel sum `total`: clamp, then rescale.

    Not the nearest point: of noise s on n_dark empty pixels the clamp keeps the positive half, about 0.4 s n_dark in
    all, and the rescaling takes it out of the bright pixels. Each step dims them by total / (total + 0.4 s n_dark) and
    lights half of the empty ones.
    """

    def project(x: Tensor) -> Tensor:
        x = x.clamp_min(0)
        return x * per_sample(total / x.flatten(1).sum(dim=1).clamp_min(TINY), x)

    return project


def nearest(total: float) -> Projection:
    """Projection of images (n, ...) onto the nearest non-negative image with pixel sum `total`: max(x - c, 0).

    The level c is the one that gives the sum; pixels below it become exactly zero (the Euclidean projection onto the
    simplex, by sorting).
    """

    def project(x: Tensor) -> Tensor:
        values = x.flatten(1).sort(dim=1, descending=True).values
        ranks = torch.arange(1, values.shape[1] + 1, device=x.device)
        levels = (values.cumsum(dim=1) - total) / ranks
        # the pixels that stay lit are the brightest ones, as many as lie above the level they imply
        n_lit = (values > levels).sum(dim=1, keepdim=True).clamp_min(1)
        level = levels.gather(1, n_lit - 1)[:, 0]
        return (x - per_sample(level, x)).clamp_min(0)

    return project


def dequantize(x: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Give images (n, ...) a density: the share `amount` of each pixel sum is spread at random over all pixels.

    The sum stays, no pixel is zero, and the mean over the noise is (1 - amount) x + amount * (flat image). The
    spread is even on the simplex of its sum (exponential weights). Raises `InputError` unless 0 < amount < 1.
    """
    if not 0 < amount < 1:
        raise InputError(f"dequantize: amount = {amount}, expected a share between 0 and 1")
    sums = x.flatten(1).sum(dim=1)
    return (1 - amount) * x + amount * per_sample(sums, x) * even(len(x), x.shape[1:], 1.0, generator)


def even(n: int, shape: tuple[int, ...], total: float, generator: torch.Generator) -> Tensor:
    """`n` images (n, *shape) spread evenly over all non-negative ones with pixel sum `total` (exponential weights)."""
    weights = TINY - torch.rand(n, *shape, generator=generator, device=generator.device).clamp_min(TINY).log()
    return weights * per_sample(total / weights.flatten(1).sum(dim=1), weights)


def share_of_zeros(x: Tensor) -> float:
    """Share of pixels that are exactly zero."""
    return float((x == 0).double().mean())
