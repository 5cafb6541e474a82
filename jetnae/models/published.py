"""The network that normalized autoencoders for jets were published with (arXiv:2206.14225)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from jetnae.models import lanes
from jetnae.models.spectral import SpectralNorm

Apply = Callable[[Tensor], Tensor]
"""A network with fixed weights."""
SLOPE = 0.25
"""Where every PReLU starts."""


class Layer(nn.Module):
    """A dense layer, or a convolution of 3 x 3 pixels with zeros around the image, and a PReLU unless it is the last.

    shape : of the weight, (n_out, n_in) or (n_out, n_in, 3, 3); (n_in, n_out, 3, 3) where `transposed`, the
    orientation that the spectral norm of a decoder's convolution is taken in.
    """

    def __init__(
        self, shape: tuple[int, ...], *, spectral: bool, active: bool = True, transposed: bool = False
    ) -> None:
        super().__init__()
        weight = torch.empty(shape)
        nn.init.kaiming_uniform_(weight, a=5**0.5)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(shape[1] if transposed else shape[0]))
        self.slope = nn.Parameter(torch.full((1,), SLOPE)) if active else None
        self.norm = SpectralNorm(self.weight) if spectral else None
        self.transposed = transposed

    def kernel(self) -> Tensor:
        """The weight as it is applied, (n_out, n_in, ...)."""
        weight = self.weight if self.norm is None else self.norm(self.weight)
        return weight.transpose(0, 1).flip(2, 3) if self.transposed else weight

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel()
        if kernel.dim() == 2:
            x = functional.linear(x, kernel, self.bias)
        else:
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            x = functional.conv2d(x, kernel, self.bias, padding=1)
        return x if self.slope is None else functional.prelu(x, self.slope)

    @torch.no_grad()
    def in_lanes(self) -> lanes.Layer:
        """This convolution with its weights as they are now, for chains."""
        return lanes.Convolution(self.kernel(), self.bias, None if self.slope is None else float(self.slope))

    @torch.no_grad()
    def fixed(self) -> Apply:
        """This dense layer with its weights as they are now, for chains."""
        kernel, bias = self.kernel().clone(), self.bias.clone()
        slope = None if self.slope is None else float(self.slope)
        if slope is None:
            return lambda x: functional.linear(x, kernel, bias)
        return lambda x: functional.leaky_relu(functional.linear(x, kernel, bias), slope)


class Pool(nn.Sequential):
    """The largest of every 2 x 2 pixels, then a PReLU."""

    def __init__(self) -> None:
        super().__init__(nn.MaxPool2d(2), nn.PReLU(init=SLOPE))

    def in_lanes(self) -> lanes.Layer:
        """With its slope as it is now, for chains."""
        return lanes.MaxPool(_slope(self))


class Upsample(nn.Sequential):
    """Twice as many pixels each way by bilinear interpolation, then a PReLU."""

    def __init__(self) -> None:
        super().__init__(nn.Upsample(scale_factor=2, mode="bilinear"), nn.PReLU(init=SLOPE))

    def in_lanes(self) -> lanes.Layer:
        """With its slope as it is now, for chains."""
        return lanes.Upsample(_slope(self))


class PublishedEncoder(nn.Module):
    """Image (n, side, side), its side even, to a point on the unit sphere (n, latent_dim).

    Five convolutions, halved after two, down to one channel, then two dense layers. `sizes` : channels of the
    convolutions, width of the dense layer, dimension of the latent space.
    """

    def __init__(self, side: int, sizes: tuple[int, int, int], *, spectral: bool) -> None:
        super().__init__()
        width, hidden, latent_dim = sizes
        self.side = side
        pairs = [(width, 1), (width, width), (width, width), (width, width), (1, width)]
        layers: list[nn.Module] = [Layer((*pair, 3, 3), spectral=spectral) for pair in pairs]
        self.convolutions = nn.Sequential(*layers[:2], Pool(), *layers[2:])
        self.dense = nn.Sequential(
            Layer((hidden, (side // 2) ** 2), spectral=spectral),
            Layer((latent_dim, hidden), spectral=spectral, active=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        images = x.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        return functional.normalize(self.dense(self.convolutions(images).flatten(1)), dim=1)

    def fixed(self) -> Apply:
        """This network with its weights as they are now, for chains: gradients reach the input only."""
        convolutions = _stack(self.convolutions, self.side)
        first, last = (_dense(layer) for layer in self.dense)
        return lambda x: functional.normalize(last(first(convolutions(x).flatten(1))), dim=1)


class PublishedDecoder(nn.Module):
    """Point on the unit sphere (n, latent_dim) to an image (n, side, side)."""

    def __init__(self, side: int, sizes: tuple[int, int, int], finish: Apply, *, spectral: bool) -> None:
        super().__init__()
        width, hidden, latent_dim = sizes
        self.finish = finish
        self.start = side // 2
        self.dense = nn.Sequential(
            Layer((hidden, latent_dim), spectral=spectral), Layer((self.start**2, hidden), spectral=spectral)
        )
        pairs = [(1, width), (width, width), (width, width)]
        layers: list[nn.Module] = [Layer((*pair, 3, 3), spectral=spectral, transposed=True) for pair in pairs]
        last = Layer((width, 1, 3, 3), spectral=spectral, transposed=True, active=False)
        self.convolutions = nn.Sequential(*layers[:2], Upsample(), layers[2], last)

    def forward(self, z: Tensor) -> Tensor:
        image = self.dense(z).unflatten(1, (1, self.start, self.start)).contiguous(memory_format=torch.channels_last)
        return self.finish(self.convolutions(image).squeeze(1).contiguous())

    def fixed(self) -> Apply:
        """This network with its weights as they are now, for chains: gradients reach the input only."""
        convolutions = _stack(self.convolutions, self.start)
        first, last = (_dense(layer) for layer in self.dense)
        return lambda z: self.finish(convolutions(last(first(z)).view(-1, self.start, self.start)))


def _stack(layers: nn.Sequential, side: int) -> lanes.Stack:
    found = [layer.in_lanes() for layer in layers if isinstance(layer, Layer | Pool | Upsample)]
    return lanes.Stack(found, side)


def _dense(layer: nn.Module) -> Apply:
    return layer.fixed() if isinstance(layer, Layer) else layer


def _slope(layers: nn.Sequential) -> float:
    """The slope of the PReLU that ends a sequence."""
    slope: Tensor = layers[-1].weight  # type: ignore[assignment]
    return float(slope.detach())
