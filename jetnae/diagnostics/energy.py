"""Energies of data and of negative samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from jetnae.models import Autoencoder, NormalizedAutoencoder


N_CHAINS = 1000


@dataclass(frozen=True)
class Energies:
    """Mean energies of held-out data and of negative samples from fresh chains, with errors of the means.

    `ratio` is negatives over data, with its error: about 1 where chains and data agree. `mean_image` is the energy
    of held-out data under the constant reconstruction by the mean training image: an autoencoder that is not well
    below it has learned nothing.
    """

    data: float
    data_error: float
    negative: float
    negative_error: float
    mean_image: float

    @property
    def ratio(self) -> float:
        """E-/E+ on fresh chains."""
        return self.negative / self.data

    @property
    def ratio_error(self) -> float:
        """Error of `ratio` from the sizes of both samples."""
        relative = (self.negative_error / self.negative) ** 2 + (self.data_error / self.data) ** 2
        return float(self.ratio * relative**0.5)


def measure_energies(
    model: NormalizedAutoencoder, images: Tensor, mean_image: Tensor, generator: torch.Generator
) -> Energies:
    """Compare energies of held-out images (n, side, side) with those of up to `N_CHAINS` chains started at random.

    The chains start neither from data nor from the replay buffer.
    """
    chains = model.chains(min(N_CHAINS, len(images)), generator)
    data, negative = energies(model, images), energies(model, chains.samples)
    return Energies(
        data=float(data.mean()),
        data_error=_error(data),
        negative=float(negative.mean()),
        negative_error=_error(negative),
        mean_image=mean_image_energy(images, mean_image),
    )


@torch.no_grad()
def energies(model: Autoencoder, images: Tensor, batch_size: int = 1024) -> Tensor:
    """Energy of each image, shape (n,), in batches that bound memory."""
    return torch.cat([model.energy(batch) for batch in torch.split(images, batch_size)])


def mean_image_energy(images: Tensor, mean_image: Tensor) -> float:
    """Mean energy of images under a constant reconstruction by `mean_image`."""
    return float((images - mean_image).square().mean())


def _error(values: Tensor) -> float:
    return float(values.std() / len(values) ** 0.5) if len(values) > 1 else float("nan")
