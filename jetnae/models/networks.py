"""Encoders and decoders for square jet images and for rows of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from jetnae.errors import InputError

Output = Literal["softmax", "softplus", "sigmoid", "linear"]
Latent = Literal["sphere", "flat"]
LEAK = 0.1
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softplus": functional.softplus,
    "sigmoid": torch.sigmoid,
    "linear": nn.Identity(),
}


@dataclass(frozen=True)
class NetworkConfig:
    """Size of an encoder and its mirrored decoder.

    channels : of the three convolution layers; the second and third halve the image. Not used for features.
    hidden : width of the dense layer between the convolutions and the latent space, of two such layers for features.
    depth : residual blocks between layers of features, in place of the second one; densities need about 2.
    latent_dim : dimension of the latent space, on the sphere at least 2.
    output : softmax gives images that are non-negative and sum to the pixel sum of the data by construction;
        softplus non-negative ones; sigmoid pixels in [0, 1]; linear any. Features are always linear.
    latent : sphere keeps the latent vectors on the unit sphere of the latent space; flat leaves them free.

    Raises `InputError` for sizes that make no network, or an absurd one.
    """

    channels: tuple[int, int, int] = (8, 16, 16)
    hidden: int = 128
    depth: int = 0
    latent_dim: int = 3
    output: Output = "softmax"
    latent: Latent = "sphere"

    def __post_init__(self) -> None:
        sizes = {"channels": (*self.channels,), "hidden": (self.hidden,), "latent_dim": (self.latent_dim,)}
        for name, values in sizes.items():
            low = 2 if name == "latent_dim" and self.latent == "sphere" else 1
            if not all(low <= value <= 4096 for value in values):
                raise InputError(f"model: {name} = {getattr(self, name)}, expected {low} to 4096")
        if not 0 <= self.depth <= 64:
            raise InputError(f"model: depth = {self.depth}, expected 0 to 64")


class Encoder(nn.Module):
    """Image (n, side, side) to a latent vector (n, latent_dim)."""

    def __init__(self, side: int, config: NetworkConfig) -> None:
        super().__init__()
        self.flat = config.latent == "flat"
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
        z: Tensor = self.dense(features.flatten(1))
        return z if self.flat else to_sphere(z)


class Decoder(nn.Module):
    """Latent vector (n, latent_dim) to an image (n, side, side)."""

    def __init__(self, side: int, pixel_sum: float | None, config: NetworkConfig) -> None:
        super().__init__()
        if pixel_sum is None and config.output == "softmax":
            raise InputError(
                "images without a fixed pixel sum (image.pixel_sum is not set): output 'softmax' needs one, expected "
                "model.network.output = 'sigmoid', 'softplus' or 'linear'"
            )
        first, second, third = config.channels
        self.pixel_sum = pixel_sum or 1.0
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
        return ACTIVATIONS[self.output](image)


class DenseEncoder(nn.Module):
    """Features (n, n_features) to a latent vector (n, latent_dim)."""

    def __init__(self, n_features: int, config: NetworkConfig) -> None:
        super().__init__()
        self.flat = config.latent == "flat"
        self.dense = _dense(n_features, config.latent_dim, config)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.dense(x)
        return z if self.flat else to_sphere(z)


class DenseDecoder(nn.Module):
    """Latent vector (n, latent_dim) to features (n, n_features)."""

    def __init__(self, n_features: int, config: NetworkConfig) -> None:
        super().__init__()
        self.dense = _dense(config.latent_dim, n_features, config)

    def forward(self, z: Tensor) -> Tensor:
        features: Tensor = self.dense(z)
        return features


class Residual(nn.Module):
    """Values (n, width) plus what two layers make of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layers(x)
        return x + change


def _dense(n_in: int, n_out: int, config: NetworkConfig) -> nn.Sequential:
    hidden = config.hidden
    if config.depth:
        blocks = [Residual(hidden) for _ in range(config.depth)]
        return nn.Sequential(nn.Linear(n_in, hidden), *blocks, nn.ReLU(), nn.Linear(hidden, n_out))
    return nn.Sequential(
        nn.Linear(n_in, hidden),
        nn.LeakyReLU(LEAK),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(LEAK),
        nn.Linear(hidden, n_out),
    )


def make_networks(
    shape: tuple[int, ...], pixel_sum: float | None, config: NetworkConfig
) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder for inputs of a shape: (side, side), perhaps with a fixed pixel sum, or (n_features,).

    Raises `InputError` for images that the convolutions cannot halve twice, or whose pixel sum a softmax would need.
    """
    if len(shape) == 1:
        return DenseEncoder(shape[0], config), DenseDecoder(shape[0], config)
    side = shape[0]
    if side < 4 or side % 4:
        raise InputError(f"images of {side} x {side} pixels: this network expects a multiple of 4")
    return Encoder(side, config), Decoder(side, pixel_sum, config)


def to_sphere(z: Tensor) -> Tensor:
    """Scale vectors (n, d) to unit length."""
    return functional.normalize(z, dim=1)
