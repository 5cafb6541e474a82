"""How large a student is, counted where no vendor tool is at hand."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from jetnae.fixed_point import codes
from jetnae.models import Student

FLOATING = 32
"""Bits of a number in floating point, of which 24 are multiplied."""


@dataclass(frozen=True)
class Size:
    """What a student takes: weights that are not zero, the bits of all, and the work for one input.

    multiplications : by weights that are not zero. bit_operations : of them, each as many as the bits of the weight
    times those of the other factor, which is about what a multiplier of logic cells costs.
    """

    n_weights: int
    n_zero: int
    weight_bits: int
    multiplications: int
    bit_operations: int


@torch.no_grad()
def size_of(student: Student) -> Size:
    """The size of a student, with or without formats."""
    bits, n_weights, n_zero, work, operations = 0, 0, 0, 0, 0
    formats = student.config.bits
    width_in = FLOATING if formats is None else formats.input.width
    for i, (layer, n_products) in enumerate(zip(student.sequence, student.multiplications(), strict=True)):
        n = layer.weight.numel()
        weights = layer.weight if formats is None else codes(layer.weight, formats.layers[i].weight)
        width = FLOATING if formats is None else formats.layers[i].weight.width
        zero = int((weights == 0).sum())
        used = n_products // n * (n - zero)
        n_weights, n_zero, bits = n_weights + n, n_zero + zero, bits + n * width
        work, operations = work + used, operations + used * width * width_in
        activation = None if formats is None else formats.layers[i].activation
        width_in = width_in if activation is None else activation.width
    return Size(n_weights, n_zero, bits, work, operations)
