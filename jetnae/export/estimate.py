"""How large and how fast firmware would be: rules of thumb, where the tools of the vendor are not at hand."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from jetnae.fixed_point import codes
from jetnae.models.student import PATCH

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.export.hls import HlsSettings
    from jetnae.fixed_point import FixedFormat
    from jetnae.models import Student
    from jetnae.models.student import StudentBits

    Codes = npt.NDArray[np.int64]

CROSSING = 25.0
"""Time between bunch crossings in ns."""
ADDER = 1.0
"""Time of one addition in ns, with its wires, in the chips of today's triggers."""
USABLE = 0.73
"""Share of a clock period that logic may take; the rest is the margin hls4ml leaves, its clock uncertainty of 27 %."""
DSP_WIDTH = 10
"""Bits from which on a shared multiplier goes into a DSP slice, where both factors have as many."""
VENDOR_TOOLS = ("vitis-run", "vitis_hls", "vivado_hls")

FORMULA = (
    "An estimate by rules of thumb, not the result of a synthesis, which shares and trims what these rules count "
    "apart. Products: weights that are not zero, times positions for convolutions. With reuse factor 1 each weight is "
    "a constant, its product a sum of shifted inputs: a weight with d non-zero digits (signed digits, canonical) takes "
    "d - 1 adders of (input + weight bits) LUTs. With reuse factor R there are products / R multipliers: a DSP slice "
    f"each where both factors have {DSP_WIDTH} bits or more, otherwise (input bits x weight bits) LUTs. Sums: one "
    "adder for each product, of (input + weight + 2) LUTs, the mean width in a tree whose sums grow by a bit a level; "
    "and one LUT per bit of the result to round, saturate and cut at zero. Flip-flops: one per bit of products, sums "
    "and results that cross a clock edge. Latency: for each layer one period to multiply, its adder tree of "
    f"ceil(log2(terms + 1)) levels of {ADDER:g} ns each in periods of {USABLE:.0%} of the clock, one period for the "
    "result, and R - 1; one period each for input and output."
)


@dataclass(frozen=True)
class LayerEstimate:
    """One layer: products that remain, and what they take."""

    name: str
    products: int
    multipliers: int
    dsp: int
    lut: int
    flip_flops: int
    cycles: int


@dataclass(frozen=True)
class Estimate:
    """Resources and latency. It is one, whatever `vendor_tool` says: the tool that is installed here was not run.

    latency : ns from an input to its score; interval : ns from one input to the next. every_crossing : whether it takes
    an input every 25 ns. formula : how it was made.
    """

    layers: tuple[LayerEstimate, ...]
    products: int
    dsp: int
    lut: int
    flip_flops: int
    cycles: int
    latency: float
    interval: float
    every_crossing: bool
    vendor_tool: str | None
    is_estimate: bool
    formula: str


def estimate(student: Student, bits: StudentBits, settings: HlsSettings) -> Estimate:
    """What the firmware of a student would take, by the rules of thumb in `FORMULA`."""
    values, layers = bits.input, []
    for i, (layer, formats, sums) in enumerate(zip(student.sequence, bits.layers, student.accumulators(), strict=True)):
        positions = student.n_values // PATCH**2 if isinstance(layer, nn.Conv2d) else 1
        weights = codes(layer.weight.detach().flatten(1), formats.weight).numpy()
        widths = (values, formats.weight, sums, formats.activation or formats.result)
        layers.append(_layer(f"layer{i}", weights, positions, widths, settings))
        values = formats.activation or formats.result
    cycles = sum(each.cycles for each in layers) + 2
    interval = settings.reuse_factor * settings.clock
    tool = next((name for name in VENDOR_TOOLS if shutil.which(name)), None)
    return Estimate(
        layers=tuple(layers),
        products=sum(each.products for each in layers),
        dsp=sum(each.dsp for each in layers),
        lut=sum(each.lut for each in layers),
        flip_flops=sum(each.flip_flops for each in layers),
        cycles=cycles,
        latency=cycles * settings.clock,
        interval=interval,
        every_crossing=interval <= CROSSING,
        vendor_tool=tool,
        is_estimate=True,
        formula=FORMULA,
    )


def _layer(
    name: str,
    weights: Codes,
    positions: int,
    widths: tuple[FixedFormat, FixedFormat, FixedFormat, FixedFormat],
    settings: HlsSettings,
) -> LayerEstimate:
    values, weight, sums, result = widths
    n_outputs, reuse = len(weights) * positions, settings.reuse_factor
    products = int(np.count_nonzero(weights)) * positions
    multipliers = math.ceil(products / reuse)
    dsp, lut = 0, 0
    if reuse == 1:
        adders = int(np.maximum(signed_digits(weights) - 1, 0).sum()) * positions
        lut = adders * (values.width + weight.width)
    elif min(values.width, weight.width) >= DSP_WIDTH:
        dsp = multipliers
    else:
        lut = multipliers * values.width * weight.width
    terms = int(np.count_nonzero(weights, axis=1).max(initial=0)) + 1
    levels = math.ceil(math.log2(terms)) if terms > 1 else 0
    tree = math.ceil(levels * ADDER / (USABLE * settings.clock))
    return LayerEstimate(
        name=name,
        products=products,
        multipliers=multipliers,
        dsp=dsp,
        lut=lut + products * (values.width + weight.width + 2) + n_outputs * result.width,
        flip_flops=n_outputs * (result.width + tree * sums.width) + multipliers * (values.width + weight.width),
        cycles=1 + tree + 1 + reuse - 1,
    )


def signed_digits(weights: Codes) -> Codes:
    """Non-zero digits of integers, any shape, in the canonical form with digits -1, 0 and 1, which has the fewest."""
    magnitude = np.abs(weights.astype(np.int64))
    # the canonical form is that of 3n minus n, digit by digit: it has one where the bits of these differ
    return np.bitwise_count((3 * magnitude) ^ magnitude).astype(np.int64)
