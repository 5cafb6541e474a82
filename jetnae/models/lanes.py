"""Layers for chains on a processor: fixed weights, gradients with respect to the input only, 16 images to a vector.

Batches stand as (n / 16, side, side, channels, 16), so that the last axis fills a vector whatever the channels are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jetnae.compiled import compiled
from jetnae.models.tiles import LANES, make_tile

BLOCK = 8
"""Output channels of one tile; layers with another number take them one by one."""
_wide, _wide_last = make_tile(BLOCK, 2), make_tile(BLOCK, 1)
_narrow, _narrow_last = make_tile(1, 4), make_tile(1, 1)


@dataclass(frozen=True)
class Convolution:
    """A convolution of 3 x 3 pixels with zeros around the image, and a PReLU after it unless the slope is None.

    weight (n_out, n_in, 3, 3) and bias (n_out,), detached, float32, in the memory of the processor.
    """

    weight: Tensor
    bias: Tensor
    slope: float | None

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = _Convolve.apply(x, self.weight, self.bias, self.slope)  # type: ignore[no-untyped-call]
        return y


@dataclass(frozen=True)
class MaxPool:
    """The largest of every 2 x 2 pixels, the first of equal ones, and a PReLU after it."""

    slope: float

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = _Pool.apply(x, self.slope)  # type: ignore[no-untyped-call]
        return y


@dataclass(frozen=True)
class Upsample:
    """Twice as many pixels each way, by bilinear interpolation, and a PReLU after it."""

    slope: float

    def __call__(self, x: Tensor) -> Tensor:
        images = x.flatten(3).permute(0, 3, 1, 2)
        large = functional.interpolate(images, scale_factor=2, mode="bilinear")
        return functional.leaky_relu(large, self.slope).permute(0, 2, 3, 1).unflatten(3, (x.shape[3], LANES))


def to_lanes(x: Tensor) -> Tensor:
    """Images of one channel (n, side, side) as (ceil(n / 16), side, side, 1, 16), filled up with empty ones."""
    missing = -len(x) % LANES
    if missing:
        x = torch.cat([x, x.new_zeros(missing, *x.shape[1:])])
    return x.unflatten(0, (-1, LANES)).permute(0, 2, 3, 1).unsqueeze(3).contiguous()


def from_lanes(x: Tensor, n: int) -> Tensor:
    """The first `n` images (n, side, side) of the only channel."""
    return x.squeeze(3).permute(0, 3, 1, 2).flatten(0, 1)[:n].contiguous()


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, slope: float | None) -> Tensor:
        y, positive = _convolve(x, weight, bias, slope=slope)
        ctx.weight, ctx.slope, ctx.positive = weight, slope, positive
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight = ctx.weight.transpose(0, 1).flip(2, 3)
        zero = weight.new_zeros(len(weight))
        gate = None if ctx.slope is None else (ctx.positive, ctx.slope)
        return _convolve(gradients[0].contiguous(), weight, zero, gate=gate)[0], None, None, None


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        n, rows, columns = x.shape[:3]
        y = x.new_empty(n, rows // 2, columns // 2, *x.shape[3:])
        chosen = torch.empty(y.shape, dtype=torch.int8)
        _pool(_flat(x), _flat(y), _flat(chosen), np.float32(slope), torch.get_num_threads())
        ctx.chosen, ctx.slope, ctx.shape = chosen, slope, x.shape
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous()
        result = gradient.new_empty(ctx.shape)
        _unpool(_flat(gradient), _flat(result), _flat(ctx.chosen), np.float32(ctx.slope), torch.get_num_threads())
        return result, None


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor, *, slope: float | None = None, gate: tuple[Tensor, float] | None = None
) -> tuple[Tensor, Tensor]:
    """Convolve, with a PReLU after it or the derivative of one before it; the signs of the outputs where asked for."""
    n, rows, columns, n_in, _ = x.shape
    n_out = len(weight)
    y = x.new_empty(n, rows, columns, n_out, LANES)
    positive = torch.empty((n, rows, columns, n_out) if slope is not None else (0,), dtype=torch.int16)
    block = BLOCK if n_out % BLOCK == 0 else 1
    packed = weight.reshape(n_out // block, block, n_in, 9).permute(0, 2, 3, 1).reshape(n_out // block, -1)
    gates, factor = gate if gate is not None else (positive, 1.0 if slope is None else slope)
    arrays = [value.detach().reshape(-1).numpy() for value in (x, gates, bias, y, positive)]
    shape = (n, rows, columns, n_in, n_out)
    flags = (int(gate is not None), int(slope is not None))
    run = _convolve_blocks if block == BLOCK else _convolve_singly
    run(*arrays, packed.contiguous().numpy(), np.float32(factor), (shape, flags), torch.get_num_threads())
    return y, positive


def _flat(x: Tensor) -> Any:
    """The values of every pixel in one row: (n, rows, columns, values)."""
    return x.detach().flatten(3).numpy()


@compiled(parallel=True, nogil=True, boundscheck=False)
def _convolve_blocks(x, gate, bias, y, positive, weights, slope, task, threads):  # type: ignore[no-untyped-def]  # pragma: no cover  # noqa: ANN001, PLR0913, PLR0917
    (n, rows, columns, n_in, n_out), (gated, activated) = task
    for thread in numba.prange(threads):
        for line in range(thread * n * rows // threads, (thread + 1) * n * rows // threads):
            row = line % rows
            first, last = int(row == 0), 3 - int(row == rows - 1)
            for block in range(n_out // 8):
                w, b, shift = weights[block], bias[8 * block :], 8 * block
                for column in range(0, columns - 1, 2):
                    at = line * columns + column
                    place = (at * n_in, at * n_out + shift, column, columns, n_in, n_out, first, last, gated, activated)
                    _wide(x, gate, w, b, y, positive, slope, place)
                if columns % 2:
                    column, at = columns - 1, line * columns + columns - 1
                    place = (at * n_in, at * n_out + shift, column, columns, n_in, n_out, first, last, gated, activated)
                    _wide_last(x, gate, w, b, y, positive, slope, place)


@compiled(parallel=True, nogil=True, boundscheck=False)
def _convolve_singly(x, gate, bias, y, positive, weights, slope, task, threads):  # type: ignore[no-untyped-def]  # pragma: no cover  # noqa: ANN001, PLR0913, PLR0917
    (n, rows, columns, n_in, n_out), (gated, activated) = task
    for thread in numba.prange(threads):
        for line in range(thread * n * rows // threads, (thread + 1) * n * rows // threads):
            row = line % rows
            first, last = int(row == 0), 3 - int(row == rows - 1)
            for block in range(n_out):
                w, b = weights[block], bias[block:]
                for column in range(0, columns - 3, 4):
                    at = line * columns + column
                    place = (at * n_in, at * n_out + block, column, columns, n_in, n_out, first, last, gated, activated)
                    _narrow(x, gate, w, b, y, positive, slope, place)
                for column in range(columns // 4 * 4, columns):
                    at = line * columns + column
                    place = (at * n_in, at * n_out + block, column, columns, n_in, n_out, first, last, gated, activated)
                    _narrow_last(x, gate, w, b, y, positive, slope, place)


@compiled(parallel=True, nogil=True)
def _pool(x, y, chosen, slope, threads):  # type: ignore[no-untyped-def]  # pragma: no cover  # noqa: ANN001
    n, rows, columns, values = y.shape
    for thread in numba.prange(threads):
        for line in range(thread * n * rows // threads, (thread + 1) * n * rows // threads):
            image, row = line // rows, line % rows
            for column in range(columns):
                a, b = x[image, 2 * row, 2 * column], x[image, 2 * row, 2 * column + 1]
                c, d = x[image, 2 * row + 1, 2 * column], x[image, 2 * row + 1, 2 * column + 1]
                out, where = y[image, row, column], chosen[image, row, column]
                for i in range(values):
                    upper, lower = max(a[i], b[i]), max(c[i], d[i])
                    best = max(upper, lower)
                    place = (0 if a[i] >= b[i] else 1) if upper >= lower else (2 if c[i] >= d[i] else 3)
                    out[i] = best if best > 0 else best * slope
                    where[i] = place if best > 0 else place + 4


@compiled(parallel=True, nogil=True)
def _unpool(gradient, result, chosen, slope, threads):  # type: ignore[no-untyped-def]  # pragma: no cover  # noqa: ANN001
    n, rows, columns, values = gradient.shape
    zero = np.float32(0)
    for thread in numba.prange(threads):
        for line in range(thread * n * rows // threads, (thread + 1) * n * rows // threads):
            image, row = line // rows, line % rows
            for column in range(columns):
                given, where = gradient[image, row, column], chosen[image, row, column]
                for place in range(4):
                    out = result[image, 2 * row + place // 2, 2 * column + place % 2]
                    for i in range(values):
                        value = given[i] if where[i] < 4 else given[i] * slope
                        out[i] = value if where[i] % 4 == place else zero
