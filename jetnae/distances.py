"""Distances between two samples, from the samples alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from jetnae.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def sliced_wasserstein(
    a: Tensor, b: Tensor, generator: torch.Generator, *, n_projections: int, order: float = 2
) -> Tensor:
    """Sliced Wasserstein distance between two samples of one size, in the unit of their values, a scalar.

    a, b : (n, ...), flattened. The root of the mean over random directions of W_p^p between the projections, where p
    is `order` (Bonneel et al., J. Math. Imaging Vis. 51 (2015) 22, Eq. 10). Raises `InputError` for other shapes.
    """
    if a.shape != b.shape or not len(a):
        raise InputError(f"samples of shapes {tuple(a.shape)} and {tuple(b.shape)}: expected the same, and not empty")
    a, b = a.flatten(1), b.flatten(1)
    normal = torch.randn(a.shape[1], n_projections, generator=generator, device=a.device, dtype=a.dtype)
    directions = torch.nn.functional.normalize(normal, dim=0)
    gaps = (a @ directions).sort(dim=0).values - (b @ directions).sort(dim=0).values
    return gaps.abs().pow(order).mean().pow(1 / order)
