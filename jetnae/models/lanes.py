"""Convolutions for chains on a processor: fixed weights, gradients with respect to the input only.

Sixteen images go through all layers together, as (images / 16, side, side, channels, 16), so that the last axis fills a
vector whatever the channels are, and what a layer leaves is still in the cache when the next one takes it. Only the
signs and the places of maxima are kept for the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jetnae.models import passes
from jetnae.models.tiles import LANES

Values = npt.NDArray[np.float32]
T = TypeVar("T")
Note = npt.NDArray[Any]
"""What the way back needs to know of the way forth."""


class Layer(Protocol):
    """A layer on batches (m, rows, columns, channels, 16); results are written into the given memory."""

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Rows, columns and channels after this layer."""

    def forth(self, x: Values, memory: Values) -> tuple[Values, Note]:
        """Output and what the way back needs."""

    def back(self, gradient: Values, note: Note, memory: Values) -> Values:
        """From the gradient with respect to the output to that with respect to the input."""


class Convolution:
    """A convolution of 3 x 3 pixels with zeros around the image, and a PReLU after it unless the slope is None.

    weight : (n_out, n_in, 3, 3); bias : (n_out,); both in single precision.
    """

    def __init__(self, weight: Tensor, bias: Tensor, slope: float | None) -> None:
        self.n_out, self.n_in = weight.shape[:2]
        self.active, self.slope = int(slope is not None), np.float32(1 if slope is None else slope)
        self.weights, self.bias = _packed(weight), bias.detach().numpy().copy()
        self.back_weights = _packed(weight.transpose(0, 1).flip(2, 3))
        self.no_bias = np.zeros(self.n_in, np.float32)
        self.nothing = np.zeros(0, np.int16)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """As many pixels, `n_out` channels."""
        return (*shape[:2], self.n_out)

    def forth(self, x: Values, memory: Values) -> tuple[Values, Note]:
        """The convolved images, and one bit per value: whether it is positive."""
        y = _view(memory, (*x.shape[:3], self.n_out))
        positive = np.empty(y.shape[:4] if self.active else 0, np.int16)
        arrays = (_flat(x), self.nothing, self.bias, _flat(y), positive.reshape(-1))
        _convolve(arrays, self.weights, self.slope, ((*x.shape[:4], self.n_out), (0, self.active)))
        return y, positive

    def back(self, gradient: Values, note: Note, memory: Values) -> Values:
        """The gradient passes the derivative of the PReLU, then the mirrored weights."""
        result = _view(memory, (*gradient.shape[:3], self.n_in))
        arrays = (_flat(gradient), note.reshape(-1), self.no_bias, _flat(result), self.nothing)
        task = ((*gradient.shape[:4], self.n_in), (self.active, 0))
        _convolve(arrays, self.back_weights, self.slope, task)
        return result


class MaxPool:
    """The largest of every 2 x 2 pixels, the first of equal ones, and a PReLU after it."""

    def __init__(self, slope: float) -> None:
        self.slope = np.float32(slope)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Half as many pixels each way."""
        return shape[0] // 2, shape[1] // 2, shape[2]

    def forth(self, x: Values, memory: Values) -> tuple[Values, Note]:
        """The largest values, and which of the four they are, plus 4 where they are not positive."""
        y = _view(memory, (len(x), *self.shape(x.shape[1:4])))
        chosen = np.empty(y.shape, np.int8)
        passes.pool(_pixels(x), _pixels(y), _pixels(chosen), self.slope)
        return y, chosen

    def back(self, gradient: Values, note: Note, memory: Values) -> Values:
        """The gradient goes where the largest value came from."""
        m, rows, columns, channels, _ = gradient.shape
        result = _view(memory, (m, 2 * rows, 2 * columns, channels))
        passes.unpool(_pixels(gradient), _pixels(result), _pixels(note), self.slope)
        return result


class Upsample:
    """Twice as many pixels each way, by bilinear interpolation, and a PReLU after it."""

    def __init__(self, slope: float) -> None:
        self.slope = np.float32(slope)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Twice as many pixels each way."""
        return 2 * shape[0], 2 * shape[1], shape[2]

    def forth(self, x: Values, memory: Values) -> tuple[Values, Note]:
        """The interpolated images, and which values are positive."""
        y = _view(memory, (len(x), *self.shape(x.shape[1:4])))
        positive = np.empty(y.shape, np.int8)
        passes.upsample(_pixels(x), _pixels(y), _pixels(positive), self.slope)
        return y, positive

    def back(self, gradient: Values, note: Note, memory: Values) -> Values:
        """Each pixel collects from the up to 16 that it went into."""
        m, rows, columns, channels, _ = gradient.shape
        result = _view(memory, (m, rows // 2, columns // 2, channels))
        passes.collect(_pixels(gradient), _pixels(result), _pixels(note), self.slope)
        return result


class Stack:
    """Layers one after the other, from images of one channel (n, side, side) to images of one channel.

    Its memory is taken once and serves every call: one stack must not run in two threads at a time.
    """

    def __init__(self, layers: Sequence[Layer], side: int) -> None:
        self.layers = tuple(layers)
        shapes: list[tuple[int, ...]] = [(side, side, 1)]
        for layer in self.layers:
            shapes.append(layer.shape(shapes[-1]))
        self.side_in, self.side = side, shapes[-1][0]
        self.threads = torch.get_num_threads()
        size = LANES * max(int(np.prod(shape)) for shape in shapes)
        self.memory = np.empty((self.threads, 2, size), np.float32)

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = _Run.apply(x, self)  # type: ignore[no-untyped-call]
        return y

    def forth(self, x: Values) -> tuple[Values, list[list[Note]]]:
        """Images after all layers, and for each group of 16 images what the way back needs."""
        result = np.empty((len(x), self.side, self.side), np.float32)

        def run(memory: Values, first: int) -> list[Note]:
            values, notes = _to_lanes(x[first : first + LANES]), []
            for turn, layer in enumerate(self.layers):
                values, note = layer.forth(values, memory[turn % 2])
                notes.append(note)
            result[first : first + LANES] = _from_lanes(values, len(x) - first)
            return notes

        notes = self._groups(run, len(x))
        return result, notes

    def back(self, gradient: Values, notes: list[list[Note]]) -> Values:
        """Gradient with respect to the input."""
        result = np.empty((len(gradient), self.side_in, self.side_in), np.float32)

        def run(memory: Values, first: int) -> None:
            values = _to_lanes(gradient[first : first + LANES])
            for turn, (layer, note) in enumerate(zip(self.layers[::-1], notes[first // LANES][::-1], strict=True)):
                values = layer.back(values, note, memory[turn % 2])
            result[first : first + LANES] = _from_lanes(values, len(gradient) - first)

        self._groups(run, len(gradient))
        return result

    def _groups(self, run: Callable[[Values, int], T], n: int) -> list[T]:
        """Call `run` with memory of its own and the first image of every group, on as many threads as torch has."""
        starts, threads = range(0, n, LANES), max(min(self.threads, -(-n // LANES)), 1)
        if threads == 1:
            return [run(self.memory[0], first) for first in starts]
        # no thread waits for another before all layers are done: on a busy machine waiting costs more than work
        with ThreadPoolExecutor(threads) as pool:
            turns = [pool.submit(_in_turn, run, self.memory[i], starts[i::threads]) for i in range(threads)]
            found = [turn.result() for turn in turns]
        return [found[i % threads][i // threads] for i in range(len(starts))]


def _in_turn(run: Callable[[Values, int], T], memory: Values, starts: Sequence[int]) -> list[T]:
    return [run(memory, first) for first in starts]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stack: Stack) -> Tensor:
        ctx.stack = stack
        y, ctx.notes = stack.forth(x.detach().numpy())
        return torch.from_numpy(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return torch.from_numpy(ctx.stack.back(gradients[0].numpy(), ctx.notes)), None


def _convolve(arrays: tuple[Note, ...], weights: Values, slope: np.float32, task: Any) -> None:
    run = passes.convolve_singly if weights.shape[1] == task[0][3] * 9 else passes.convolve_blocks
    run(*arrays, weights, slope, task)


def _packed(weight: Tensor) -> Values:
    """Weights (n_out, n_in, 3, 3) in the order a tile takes them: (n_out / block, n_in * 9 * block)."""
    n_out, n_in = weight.shape[:2]
    block = passes.BLOCK if n_out % passes.BLOCK == 0 else 1
    ordered = weight.detach().reshape(n_out // block, block, n_in, 9).permute(0, 2, 3, 1)
    return np.ascontiguousarray(ordered.reshape(n_out // block, -1).numpy())


def _to_lanes(x: Values) -> Values:
    """Images (n, rows, columns) as (ceil(n / 16), rows, columns, 1, 16), filled up with empty ones."""
    filled = np.zeros((-(-len(x) // LANES) * LANES, *x.shape[1:]), np.float32)
    filled[: len(x)] = x
    return np.ascontiguousarray(filled.reshape(-1, LANES, *x.shape[1:]).transpose(0, 2, 3, 1))[:, :, :, None]


def _from_lanes(x: Values, n: int) -> Values:
    """The first `n` images (n, rows, columns) of the only channel."""
    return x[:, :, :, 0].transpose(0, 3, 1, 2).reshape(-1, *x.shape[1:3])[:n]


def _view(memory: Values, shape: tuple[int, ...]) -> Values:
    size = int(np.prod(shape)) * LANES
    return memory[:size].reshape(*shape, LANES)


def _flat(x: Note) -> Note:
    return x.reshape(-1)


def _pixels(x: Note) -> Note:
    """All values of a pixel in one row: (m, rows, columns, values)."""
    return x.reshape(*x.shape[:3], -1)
