"""Formats for a student: widths are given, and where the points lie follows from background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from jetnae.distillation.config import preset
from jetnae.fixed_point import FixedFormat, covering_format, quantize
from jetnae.models.student import LayerBits, StudentBits

if TYPE_CHECKING:
    from jetnae.distillation.config import Widths
    from jetnae.models import Student

INPUT_WIDTH = 12
"""Bits of inputs that are no integers."""
QUANTILE = 0.9999
"""Share of the activations that their format holds; the rest saturates."""
CLIPPED = 3
"""Powers of two by which the largest weights may be cut off, where that makes the others more exact."""


@torch.no_grad()
def choose_formats(student: Student, x: Tensor, bits: int, given: FixedFormat | None) -> StudentBits:
    """Formats for a student in floating point, from its values for inputs (n, *shape).

    Activations hold all but few of their values, the score all of them twice over; weights have the smallest mean
    squared error. given : the format of the input where it is known, otherwise it holds all that occurs.
    """
    widths = preset(bits)
    lowest, highest = float(x.min()), float(x.max())
    chosen = given or covering_format(lowest, highest, INPUT_WIDTH)
    values, layers = quantize(x, chosen).to(next(student.parameters()).dtype), []
    for i, layer in enumerate(student.sequence):
        last = i + 1 == len(student.sequence)
        sums = student.sums(i, values)
        layers.append(_layer_formats(layer, sums, widths, last=last))
        values = sums if last else sums.relu()
    return StudentBits(chosen, tuple(layers))


def _layer_formats(layer: nn.Conv2d | nn.Linear, sums: Tensor, widths: Widths, *, last: bool) -> LayerBits:
    weight = weight_format(layer.weight, widths.weights)
    biases = layer.bias if layer.bias is not None else torch.zeros(1)
    bias = covering_format(float(biases.min()), float(biases.max()), widths.biases, signed=True)
    if last:
        margin = 2 * float(sums.abs().max())
        return LayerBits(weight, bias, covering_format(-margin, margin, widths.output))
    largest = float(_quantile(sums.relu(), QUANTILE))
    activation = covering_format(0.0, max(largest, 1e-3), widths.activations, signed=False)
    # the same steps as the activation and one bit for the sign: ReLU then rounds nothing a second time
    result = FixedFormat(activation.width + 1, activation.integer + 1)
    return LayerBits(weight, bias, result, activation)


def weight_format(weight: Tensor, width: int) -> FixedFormat:
    """The format of so many bits that leaves the smallest mean squared error of weights."""
    largest = float(weight.abs().max())
    covering = covering_format(-largest, largest, width, signed=True)
    candidates = [FixedFormat(width, covering.integer - i) for i in range(CLIPPED + 1)]
    return min(candidates, key=lambda fmt: float((quantize(weight, fmt) - weight).square().mean()))


def _quantile(values: Tensor, share: float) -> Tensor:
    """A quantile of any number of values, which torch limits."""
    flat = values.flatten()
    return flat.kthvalue(max(1, round(share * len(flat)))).values
