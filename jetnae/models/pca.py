"""Principal components: the best linear reconstruction, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jetnae.errors import InputError
from jetnae.models.model import Model
from jetnae.models.settings import check_settings

BATCH_SIZE = 4096
"""Inputs turned to double precision at once, which bounds the memory of the fit."""


@dataclass(frozen=True)
class PcaConfig:
    """How many directions a reconstruction may use; with none the score is the distance to the mean input.

    n_components : by default 10, half of the values where these are fewer than 20.
    """

    n_components: int | None = None

    def __post_init__(self) -> None:
        check_settings(n_components=(self.n_components or 0, 0, 4096))


class PrincipalComponents(Model):
    """Linear autoencoder with orthogonal directions; its energy is the part of an input outside their span.

    Nothing has to be learned in steps: after the last one, or without any, mean and directions take the values that
    minimize the energy of the training inputs. Steps before that lower the same energy.
    """

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: PcaConfig) -> None:
        super().__init__(shape, pixel_sum)
        n_components = min(10, self.n_values // 2) if config.n_components is None else config.n_components
        if n_components > self.n_values:
            raise InputError(f"model: n_components = {n_components}, expected at most {self.n_values}")
        self.config = config
        self.mean = nn.Parameter(torch.zeros(shape))
        self.components = nn.Parameter(torch.randn(n_components, self.n_values) / self.n_values**0.5)

    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean, and what the directions hold of the deviation from it."""
        deviation = (x - self.mean).flatten(1)
        return self.mean + (deviation @ self.components.T @ self.components).view_as(x)

    @torch.no_grad()
    def finish(self, x: Tensor) -> None:
        """Set mean and directions to those of inputs (n, *shape), in double precision."""
        values = x.flatten(1).cpu()
        mean = values.mean(dim=0, dtype=torch.float64)
        covariance = torch.zeros(self.n_values, self.n_values, dtype=torch.float64)
        for batch in torch.split(values, BATCH_SIZE):
            deviation = batch.double() - mean
            covariance += deviation.T @ deviation / len(values)
        _, vectors = torch.linalg.eigh(covariance)
        self.mean.copy_(mean.view_as(self.mean))
        self.components.copy_(vectors.T.flip(0)[: len(self.components)])
