"""Encoders and decoders for square jet images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from jetnae.errors import InputError

Output = Literal["softmax", "softplus", "linear"]
LEAK = 0.1


@dataclass(frozen=True)
class NetworkConfig:
    """Size of a convolutional encoder and its mirrored decoder.

    channels : of the three convolution layers; the second and third halve the image.
    hidden : width of the dense layer between the convolutions and the latent space.
    latent_dim : dimension of the space whose unit sphere holds the latent vectors, at least 2.
    output : softmax gives images that are non-negative and sum to the pixel sum of the data by construction;
        softplus non-negative ones; linear any.

    Raises `InputError` for sizes that make no network, or an absurd one.
    """

    channels: tuple[int, int, int] = (8, 16, 16)
    hidden: int = 128
    latent_dim: int = 3
    output: Output = "softmax"

    def __post_init__(self) -> None:
        sizes = {"channels": (*self.channels,), "hidden": (self.hidden,), "latent_dim": (self.latent_dim,)}
        for name, values in sizes.items():
            low = 2 if name == "latent_dim" else 1
            if not all(low <= value <= 4096 for value in values):
                raise InputError(f"model: {name} = {getattr(self, name)}, expected {low} to 4096")


class Encoder(nn.Module):
    """Image (n, side, side) to a point on the unit sphere (n, latent_dim)."""

    def __init__(self, side: int, config: NetworkConfig) -> None:
        super().__init__()
        first, second, third = config.channels
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
        )
        self.dense = nn.Sequential(
            nn.Linear(third * (side // 4) ** 2, config.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(config.hidden, config.latent_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.convolutions(x.unsqueeze(1))
        return to_sphere(self.dense(features.flatten(1)))


class Decoder(nn.Module):
    """Point on the unit sphere (n, latent_dim) to an image (n, side, side)."""

    def __init__(self, side: int, pixel_sum: float, config: NetworkConfig) -> None:
        super().__init__()
        first, second, third = config.channels
        self.pixel_sum = pixel_sum
        self.output = config.output
        self.seed_shape = (third, side // 4, side // 4)
        self.dense = nn.Sequential(
            nn.Linear(config.latent_dim, config.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(config.hidden, third * (side // 4) ** 2),
            nn.LeakyReLU(LEAK),
        )
        self.convolutions = nn.Sequential(
            nn.Upsample(scale_factor=2),
            nn.Conv2d(third, second, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(second, first, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(first, 1, 3, padding=1),
        )

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = self.convolutions(self.dense(z).unflatten(1, self.seed_shape)).squeeze(1)
        if self.output == "softmax":
            return self.pixel_sum * functional.softmax(image.flatten(1), dim=1).view_as(image)
        return functional.softplus(image) if self.output == "softplus" else image


def to_sphere(z: Tensor) -> Tensor:
    """Scale vectors (n, d) to unit length."""
    return functional.normalize(z, dim=1)


def sphere_points(n: int, dim: int, generator: torch.Generator) -> Tensor:
    """`n` points spread evenly over the unit sphere in `dim` dimensions, on the generator's device."""
    return to_sphere(torch.randn(n, dim, generator=generator, device=generator.device))
