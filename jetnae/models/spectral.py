"""Spectral norm: a weight divided by its largest singular value, followed by power iteration."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

N_START = 15
"""Iterations on the first weights, so that the first updates are normalized too."""


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value, so that the layer lengthens no vector (arXiv:1802.05957, eq. 8).

    The singular vectors `left` and `right` follow the weight by one power iteration per update: in training mode,
    each call with gradients counts as an update. Everything else, chains, validation and scoring, changes nothing
    and uses the vectors as they are; they are stored with the weights, so that scores can be repeated.

    Parameters
    ----------
    weight : the first value of the weight (n, ...), seen as a matrix of n rows.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("left", functional.normalize(torch.randn(len(matrix), device=matrix.device), dim=0))
        self.register_buffer("right", functional.normalize(matrix.T @ self.left, dim=0))
        for _ in range(N_START):
            self.follow(weight)

    @torch.no_grad()
    def follow(self, weight: Tensor) -> None:
        """One power iteration."""
        matrix = weight.detach().flatten(1)
        self.right = functional.normalize(matrix.T @ self.left, dim=0)
        self.left = functional.normalize(matrix @ self.right, dim=0)

    def norm(self, weight: Tensor) -> Tensor:
        """The largest singular value, as well as it is known; its gradient reaches the weight."""
        return self.left @ weight.flatten(1) @ self.right

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with a largest singular value of 1."""
        if self.training and torch.is_grad_enabled():
            self.follow(weight)
        return weight / self.norm(weight)
