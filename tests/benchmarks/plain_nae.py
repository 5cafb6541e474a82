"""A normalized autoencoder as it is written down first: no care for speed. What the fast one is measured against."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Spectral(nn.Module):
    """A layer whose weight is normalized anew at every call, by one power iteration."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.left = functional.normalize(torch.randn(len(layer.weight)), dim=0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        layer, raw = self.layer, self.layer.weight
        matrix = raw.flatten(1)  # type: ignore[operator]
        with torch.no_grad():
            right = functional.normalize(self.left @ matrix, dim=0)
            self.left = functional.normalize(matrix @ right, dim=0)
        weight = raw / (self.left @ matrix @ right)
        if isinstance(layer, nn.Linear):
            return functional.linear(x, weight, layer.bias)
        convolve = functional.conv_transpose2d if isinstance(layer, nn.ConvTranspose2d) else functional.conv2d
        return convolve(x, weight, layer.bias, padding=1)  # type: ignore[no-any-return,operator]


def conv(n_in: int, n_out: int) -> Spectral:
    return Spectral(nn.Conv2d(n_in, n_out, 3, padding=1))


def transposed(n_in: int, n_out: int) -> Spectral:
    return Spectral(nn.ConvTranspose2d(n_in, n_out, 3, padding=1))


def dense(n_in: int, n_out: int) -> Spectral:
    return Spectral(nn.Linear(n_in, n_out))


class PlainNae(nn.Module):
    """The published network on images (n, 1, 40, 40), its chains and its loss."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.PReLU
        first = (conv(1, 8), act(), conv(8, 8), act(), nn.MaxPool2d(2), act(), conv(8, 8), act(), conv(8, 8), act())
        self.encoder = nn.Sequential(*first, conv(8, 1), act(), nn.Flatten(), dense(400, 100), act(), dense(100, 3))
        start = (dense(3, 100), act(), dense(100, 400), act(), nn.Unflatten(1, (1, 20, 20)))
        middle = (transposed(1, 8), act(), transposed(8, 8), act(), nn.Upsample(scale_factor=2, mode="bilinear"), act())
        self.decoder = nn.Sequential(*start, *middle, transposed(8, 8), act(), transposed(8, 1), nn.Sigmoid())

    def energy(self, x: Tensor) -> Tensor:
        """Mean square over the pixels of what is not reconstructed."""
        z = functional.normalize(self.encoder(x), dim=1)
        return (x - self.decoder(z)).square().flatten(1).mean(dim=1)

    def step(self, x: Tensor, z: Tensor, n_steps: int) -> Tensor:
        """Both chains of `n_steps` steps and the gradient of the loss; the negative samples."""
        for _ in range(n_steps):
            z = z.detach().requires_grad_()
            (drift,) = torch.autograd.grad(self.energy(self.decoder(z)).sum(), z)
            z = functional.normalize(z - 0.1 * drift + 0.05 * torch.randn_like(z), dim=1)
        negative = self.decoder(z).detach()
        for _ in range(n_steps):
            negative = negative.detach().requires_grad_()
            (drift,) = torch.autograd.grad(self.energy(negative).sum(), negative)
            negative = (negative - 10 * drift + 1e-4 * torch.randn_like(negative)).clamp(0, 1)
        negative = negative.detach()
        self.zero_grad(set_to_none=True)
        (self.energy(x).mean() - self.energy(negative).mean()).backward()  # type: ignore[no-untyped-call]
        return negative
