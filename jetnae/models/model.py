"""What a scoring asks of everything that scores, and a training of every model."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Logs = dict[str, float]


class Scorer(nn.Module, ABC):
    """What gives inputs an anomaly score, built as `Kind(shape, pixel_sum, config)`; a checkpoint holds one.

    Parameters
    ----------
    shape : of one input, (rows, columns) in pixels or (n_features,).
    pixel_sum : what the pixels of every image sum to; None for features, and for images with a free sum.

    All it needs for scoring is in its parameters and buffers, whose shapes follow from the configuration.
    """

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.n_values = math.prod(shape)
        self.pixel_sum = pixel_sum

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """Anomaly score (n,) of inputs (n, *shape), larger is more anomalous."""


class Model(Scorer):
    """A model that learns background inputs by itself, by reconstructing them.

    A kind of model says how it reconstructs, and where it differs from the rest: which loss, which score, what it fits
    before the first and after the last step. Every random number comes from the generator that is passed, on the
    model's device.
    """

    @abstractmethod
    def reconstruct(self, x: Tensor) -> Tensor:
        """What the model makes of inputs (n, *shape), in the same shape."""

    def energy(self, x: Tensor) -> Tensor:
        """Reconstruction error per value of inputs (n, *shape), shape (n,)."""
        return squared_error(x, self.reconstruct(x))

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """What a batch costs, a scalar, and what to log: here the mean energy, in the unit of its own size."""
        return self.pretrain_loss(x, generator)

    def pretrain_loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """The loss of the steps before `begin`: here always the reconstruction error."""
        del generator  # nothing random here
        energy = self.energy(x).mean()
        return energy, {"energy_data": float(energy.detach())}

    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """Called once after pretraining, with up to 50,000 training inputs (n, *shape); nothing to prepare here."""

    def finish(self, x: Tensor) -> None:
        """Called once after the last step, with up to 50,000 training inputs (n, *shape); nothing to fit here."""

    def training_state(self) -> dict[str, Tensor]:
        """Tensors beside the weights that a training needs to go on."""
        return {}

    def load_training_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `training_state` gave."""

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Anomaly score (n,) of inputs (n, *shape), larger is more anomalous."""
        return self.energy(x)


@torch.no_grad()
def energies(energy: Callable[[Tensor], Tensor], x: Tensor, batch_size: int = 1000) -> Tensor:
    """Energies (n,) of inputs (n, *shape), in batches that bound memory."""
    return torch.cat([energy(batch) for batch in torch.split(x, batch_size)])


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference per value of inputs (n, *shape), shape (n,)."""
    return (x - y).square().flatten(1).mean(dim=1)
