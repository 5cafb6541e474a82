"""Encoders and decoders for images and for rows of features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from jetnae.errors import InputError
from jetnae.models.published import Apply, PublishedDecoder, PublishedEncoder

Output = Literal["softmax", "softplus", "sigmoid", "linear"]
Latent = Literal["sphere", "flat"]
Architecture = Literal["mirrored", "published", "dense"]
Sides = tuple[int, int]
LEAK = 0.1
MEAN_PIXEL = 0.1


@dataclass(frozen=True)
class NetworkConfig:
    """Size of an encoder and its mirrored decoder.

    architecture : of networks for images. mirrored: three convolutions and a dense layer, each way. published: the
        network of arXiv:2206.14225 with channels[0] channels; with channels[0] = 8, hidden = 100, spectral_norm,
        output = "sigmoid", images of 40 x 40 pixels and a pixel sum of 1 exactly that one. dense: two dense layers.
    channels : of the three convolution layers; the second and third halve the image, odd sides rounded up. Not used for
        features.
    hidden : width of the dense layer between the convolutions and the latent space, of two such layers for features.
    second : width of the second of these two, the one next to the latent space; by default as wide as the first.
    depth : residual blocks between layers of features, in place of the second one; densities need about 2.
    latent_dim : dimension of the latent space, on the sphere at least 2.
    output : softmax gives images that are non-negative and sum to the pixel sum of the data by construction;
        softplus non-negative ones; sigmoid pixels from 0 to the pixel sum, to 1 where it is free; linear any. Features
        are always linear.
    latent : sphere keeps the latent vectors on the unit sphere of the latent space; flat leaves them free.
    spectral_norm : divide each weight of the published network by its largest singular value.

    Raises `InputError` for sizes that make no network, or an absurd one.
    """

    channels: tuple[int, int, int] = (8, 16, 16)
    hidden: int = 128
    depth: int = 0
    latent_dim: int = 3
    output: Output = "softmax"
    latent: Latent = "sphere"
    architecture: Architecture = "mirrored"
    spectral_norm: bool = False
    second: int | None = None

    def __post_init__(self) -> None:
        sizes = {"channels": (*self.channels,), "hidden": (self.hidden,), "latent_dim": (self.latent_dim,)}
        if self.second is not None:
            sizes["second"] = (self.second,)
        for name, values in sizes.items():
            low = 2 if name == "latent_dim" and self.latent == "sphere" else 1
            if not all(low <= value <= 4096 for value in values):
                raise InputError(f"model: {name} = {getattr(self, name)}, expected {low} to 4096")
        if not 0 <= self.depth <= 64:
            raise InputError(f"model: depth = {self.depth}, expected 0 to 64")
        for name, known in {"output": get_args(Output), "architecture": get_args(Architecture)}.items():
            if getattr(self, name) not in known:
                raise InputError(f"model: {name} = {getattr(self, name)!r}, expected one of {', '.join(known)}")
        if self.second is not None and self.depth:
            raise InputError("model: both second and depth, expected one of them")
        if self.spectral_norm and self.architecture != "published":
            raise InputError("model: spectral_norm needs architecture = 'published'")
        if self.latent == "flat" and self.architecture == "published":
            raise InputError("model: latent = 'flat' needs architecture = 'mirrored' or 'dense'")


class Encoder(nn.Module):
    """Image (n, rows, columns) to a latent vector (n, latent_dim)."""

    def __init__(self, shape: Sides, config: NetworkConfig) -> None:
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
            nn.Linear(third * math.prod(_halved(_halved(shape))), config.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(config.hidden, config.latent_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.convolutions(x.unsqueeze(1))
        z: Tensor = self.dense(features.flatten(1))
        return z if self.flat else to_sphere(z)


class Decoder(nn.Module):
    """Latent vector (n, latent_dim) to an image (n, rows, columns)."""

    def __init__(self, shape: Sides, finish: Apply, config: NetworkConfig) -> None:
        super().__init__()
        first, second, third = config.channels
        self.finish = finish
        half = _halved(shape)
        self.seed_shape = (third, *_halved(half))
        self.dense = nn.Sequential(
            nn.Linear(config.latent_dim, config.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(config.hidden, math.prod(self.seed_shape)),
            nn.LeakyReLU(LEAK),
        )
        self.convolutions = nn.Sequential(
            _doubled(half),
            nn.Conv2d(third, second, 3, padding=1),
            nn.LeakyReLU(LEAK),
            _doubled(shape),
            nn.Conv2d(second, first, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(first, 1, 3, padding=1),
        )

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = self.convolutions(self.dense(z).unflatten(1, self.seed_shape)).squeeze(1)
        return self.finish(image)


class DenseEncoder(nn.Module):
    """Features (n, n_features) to a latent vector (n, latent_dim)."""

    def __init__(self, n_features: int, config: NetworkConfig) -> None:
        super().__init__()
        self.flat = config.latent == "flat"
        self.dense = _dense((n_features, *_widths(config), config.latent_dim), config.depth)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.dense(x)
        return z if self.flat else to_sphere(z)


class DenseDecoder(nn.Module):
    """Latent vector (n, latent_dim) to features (n, n_features)."""

    def __init__(self, n_features: int, config: NetworkConfig) -> None:
        super().__init__()
        self.dense = _dense((config.latent_dim, *_widths(config)[::-1], n_features), config.depth)

    def forward(self, z: Tensor) -> Tensor:
        features: Tensor = self.dense(z)
        return features


class DenseImageEncoder(DenseEncoder):
    """Image (n, rows, columns) to a point on the unit sphere (n, latent_dim), by dense layers.

    With a fixed pixel sum its layers see pixels of the mean `MEAN_PIXEL`, so that they learn at the same pace whatever
    that sum is.
    """

    def __init__(self, n_pixels: int, pixel_sum: float | None, config: NetworkConfig) -> None:
        super().__init__(n_pixels, config)
        self.factor = 1.0 if pixel_sum is None else MEAN_PIXEL * n_pixels / pixel_sum

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.factor * x.flatten(1))


class DenseImageDecoder(DenseDecoder):
    """Point on the unit sphere (n, latent_dim) to an image (n, rows, columns), by dense layers."""

    def __init__(self, shape: Sides, finish: Apply, config: NetworkConfig) -> None:
        super().__init__(math.prod(shape), config)
        self.shape = shape
        self.finish = finish

    def forward(self, z: Tensor) -> Tensor:
        return self.finish(super().forward(z).view(-1, *self.shape))


class Residual(nn.Module):
    """Values (n, width) plus what two layers make of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layers(x)
        return x + change


def _widths(config: NetworkConfig) -> tuple[int, int]:
    """Of the two dense layers, from the outside to the latent space."""
    return config.hidden, config.hidden if config.second is None else config.second


def _dense(widths: tuple[int, int, int, int], depth: int) -> nn.Sequential:
    n_in, first, second, n_out = widths
    if depth:
        blocks = [Residual(first) for _ in range(depth)]
        return nn.Sequential(nn.Linear(n_in, first), *blocks, nn.ReLU(), nn.Linear(first, n_out))
    return nn.Sequential(
        nn.Linear(n_in, first),
        nn.LeakyReLU(LEAK),
        nn.Linear(first, second),
        nn.LeakyReLU(LEAK),
        nn.Linear(second, n_out),
    )


def make_networks(
    shape: tuple[int, ...], pixel_sum: float | None, config: NetworkConfig
) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder for inputs of a shape: (rows, columns), perhaps with a fixed pixel sum, or (n_features,).

    Raises `InputError` for images that the architecture cannot take, or whose pixel sum a softmax would need.
    """
    if len(shape) == 1:
        return DenseEncoder(shape[0], config), DenseDecoder(shape[0], config)
    rows, columns = shape
    if min(rows, columns) < 4:
        raise InputError(f"images of {rows} x {columns} pixels: networks expect at least 4 each way")
    finish = _output(config.output, pixel_sum)
    if config.architecture == "published":
        if rows != columns or rows % 2:
            raise InputError(
                f"images of {rows} x {columns} pixels: the published network expects a square with a side that is a "
                "multiple of 2, take architecture = 'mirrored' or 'dense'"
            )
        side, sizes = rows, (config.channels[0], config.hidden, config.latent_dim)
        encoder = PublishedEncoder(side, sizes, spectral=config.spectral_norm)
        return encoder, PublishedDecoder(side, sizes, finish, spectral=config.spectral_norm)
    if config.architecture == "dense":
        return DenseImageEncoder(rows * columns, pixel_sum, config), DenseImageDecoder((rows, columns), finish, config)
    return Encoder((rows, columns), config), Decoder((rows, columns), finish, config)


def _halved(shape: Sides) -> Sides:
    """The sides of an image after a convolution of stride 2."""
    return (shape[0] + 1) // 2, (shape[1] + 1) // 2


def _doubled(shape: Sides) -> nn.Upsample:
    """From half the sides, rounded up, to an image of these sides."""
    even = shape[0] % 2 == 0 and shape[1] % 2 == 0
    return nn.Upsample(scale_factor=2) if even else nn.Upsample(size=shape)


def _output(output: Output, pixel_sum: float | None) -> Apply:
    """From what a decoder's last layer says to images (n, rows, columns)."""
    if pixel_sum is None and output == "softmax":
        raise InputError(
            "images without a fixed pixel sum (image.pixel_sum is not set): output 'softmax' needs one, expected "
            "model.network.output = 'sigmoid', 'softplus' or 'linear'"
        )
    largest = 1.0 if pixel_sum is None else pixel_sum
    functions: dict[Output, Apply] = {
        "softmax": lambda x: largest * functional.softmax(x.flatten(1), dim=1).view_as(x),
        "softplus": functional.softplus,
        "sigmoid": lambda x: largest * functional.sigmoid(x),
        "linear": lambda x: x,
    }
    return functions[output]


def frozen(network: nn.Module) -> Apply:
    """A network with its weights as they are now, whose gradients reach the input only: for chains.

    Networks that know a faster way have it in a method `fixed`, which is used on a processor, in single precision.
    """
    weights = {name: value.detach() for name, value in (*network.named_parameters(), *network.named_buffers())}
    quick = getattr(network, "fixed", None)
    if quick is not None and all(
        value.device.type == "cpu" and value.dtype == torch.float32 for value in weights.values()
    ):
        return quick()  # type: ignore[no-any-return]
    return lambda x: torch.func.functional_call(network, weights, (x,))


def to_sphere(z: Tensor) -> Tensor:
    """Scale vectors (n, d) to unit length."""
    return functional.normalize(z, dim=1)
