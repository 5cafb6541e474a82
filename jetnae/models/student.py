"""The student: a small network that stands for a large model where only small ones fit, as in firmware."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from jetnae.errors import InputError
from jetnae.fixed_point import FixedFormat, fake_quantize, product_format, sum_format
from jetnae.models.model import Scorer
from jetnae.models.settings import check_settings

MAX_STORED = 24
"""Bits of a number that a checkpoint and a score file hold without error."""
Layer = nn.Conv2d | nn.Linear
PATCH = 2
"""Side of the squares that the convolution looks at, which do not overlap."""


@dataclass(frozen=True)
class LayerBits:
    """Formats of a layer: weight and bias, the result of the sum, and what is left of it after ReLU.

    activation : None for the last layer, which has no ReLU.
    """

    weight: FixedFormat
    bias: FixedFormat
    result: FixedFormat
    activation: FixedFormat | None = None


@dataclass(frozen=True)
class StudentBits:
    """Formats of the input, and of each layer in order; the result of the last one is the score."""

    input: FixedFormat
    layers: tuple[LayerBits, ...]


@dataclass(frozen=True)
class StudentConfig:
    """Sizes, the scale of the output, and the formats where the student computes in fixed point.

    hidden : numbers of each dense layer before the last; with none the score is linear in what goes in.
    channels : of a convolution over squares of 2 x 2 values before them; 0 for none, and for anything but images.
    offset, slope : the score stands for slope * (log s - offset), s the score of the teacher.
    bits : None computes in floating point.
    """

    hidden: tuple[int, ...] = (32, 16)
    channels: int = 0
    offset: float = 0.0
    slope: float = 1.0
    bits: StudentBits | None = None

    def __post_init__(self) -> None:
        check_settings(hidden_layers=(len(self.hidden), 0, 4), channels=(self.channels, 0, 64))
        for size in self.hidden:
            check_settings(hidden=(size, 1, 1024))
        if not (math.isfinite(self.offset) and 0 < self.slope < math.inf):
            raise InputError(
                f"model: offset = {self.offset}, slope = {self.slope}, expected finite ones, slope above 0"
            )


class Student(Scorer):
    """A small network whose layers all have a counterpart in firmware, and which learned the log-score of a teacher.

    [Conv2d(1, channels, 2, stride 2), ReLU,] (Linear, ReLU,) ... Linear(1): the score is the last output, on the
    affine scale of the configuration, which is that of the log-score of the teacher (arXiv:1503.02531).

    With formats set, it is what firmware computes bit by bit: the input is rounded to its format; in each layer the
    products and their sum with the bias are exact, then rounded once, to `result`; then ReLU, rounded to `activation`.
    Double precision holds all of it without error: raises `InputError` for formats where it would not.
    """

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: StudentConfig) -> None:
        super().__init__(shape, pixel_sum)
        self.config = config
        self.layers = nn.ModuleList(_layers(self.shape, config))
        if config.bits is not None:
            self._check(config.bits)

    @property
    def sequence(self) -> tuple[Layer, ...]:
        """The layers with weights, in the order in which they are applied."""
        return tuple(layer for layer in self.layers if isinstance(layer, Layer))

    def forward(self, x: Tensor) -> Tensor:
        """The output (n,) for inputs (n, *shape): gradients pass through, also with formats."""
        bits = self.config.bits
        values = x.to(self.sequence[0].weight.dtype) if bits is None else fake_quantize(x, bits.input)
        for i in range(len(self.layers)):
            values = self.sums(i, values)
            if i + 1 < len(self.layers):
                values = functional.relu(values)
                activation = None if bits is None else bits.layers[i].activation
                values = values if activation is None else fake_quantize(values, activation)
        return values[:, 0]

    def score(self, x: Tensor) -> Tensor:
        """Anomaly score (n,) of inputs (n, *shape): slope * (log s - offset) of the teacher's s, as well as learned."""
        with torch.no_grad():
            return self.forward(x).float()

    def sums(self, i: int, values: Tensor) -> Tensor:
        """What layer `i` makes of its values (n, ...), flat, before ReLU."""
        return _sums(self.sequence[i], values, None if self.config.bits is None else self.config.bits.layers[i])

    def accumulators(self) -> tuple[FixedFormat, ...]:
        """For each layer the format that holds all its sums without error; raises `InputError` without formats."""
        if self.config.bits is None:
            raise InputError("the student computes in floating point: distill one with --bits")
        return tuple(self._accumulators(self.config.bits))

    def multiplications(self) -> tuple[int, ...]:
        """For each layer how many products one input takes."""
        squares = self.n_values // PATCH**2
        return tuple(layer.weight.numel() * (squares if isinstance(layer, nn.Conv2d) else 1) for layer in self.sequence)

    def _accumulators(self, bits: StudentBits) -> Iterator[FixedFormat]:
        values = bits.input
        for layer, formats in zip(self.sequence, bits.layers, strict=True):
            yield sum_format(product_format(values, formats.weight), layer.weight[0].numel(), formats.bias)
            values = formats.activation or formats.result

    def _check(self, bits: StudentBits) -> None:
        if len(bits.layers) != len(self.layers):
            raise InputError(f"model: formats of {len(bits.layers)} layers, expected {len(self.layers)}")
        stored = [each for layer in bits.layers for each in (layer.weight, layer.bias)] + [bits.layers[-1].result]
        if any(each.width > MAX_STORED for each in stored):
            raise InputError(f"model: weights, biases and the score may have {MAX_STORED} bits at most")
        if [layer.activation is None for layer in bits.layers] != [False] * (len(bits.layers) - 1) + [True]:
            raise InputError("model: expected the format of an activation for each layer but the last")
        list(self._accumulators(bits))


def _layers(shape: tuple[int, ...], config: StudentConfig) -> Iterator[Layer]:
    n_values = math.prod(shape)
    if config.channels:
        if len(shape) != 2 or shape[0] % PATCH or shape[1] % PATCH:
            raise InputError(f"model: channels = {config.channels}, but inputs of shape {shape}: expected even sides")
        yield nn.Conv2d(1, config.channels, PATCH, stride=PATCH)
        n_values = config.channels * n_values // PATCH**2
    for size in (*config.hidden, 1):
        yield nn.Linear(n_values, size)
        n_values = size


def _sums(layer: Layer, values: Tensor, formats: LayerBits | None) -> Tensor:
    """What a layer makes of values (n, ...), flat, in the order of channels, rows, columns."""
    weight: Tensor = layer.weight
    bias: Tensor | None = layer.bias
    if formats is not None and bias is not None:
        weight, bias = fake_quantize(weight, formats.weight), fake_quantize(bias, formats.bias)
    if isinstance(layer, nn.Conv2d):
        # as a product of matrices: exact in double precision on every device, which fast convolutions are not
        found = functional.linear(_squares(values), weight.flatten(1), bias).transpose(1, 2).flatten(1)
    else:
        found = functional.linear(values.flatten(1), weight, bias)
    return found if formats is None else fake_quantize(found, formats.result)


def _squares(images: Tensor) -> Tensor:
    """Squares of PATCH x PATCH neighbors (n, n_squares, PATCH^2) of images (n, rows, columns)."""
    n, rows, columns = images.shape
    split = images.reshape(n, rows // PATCH, PATCH, columns // PATCH, PATCH)
    return split.permute(0, 1, 3, 2, 4).reshape(n, -1, PATCH**2)
