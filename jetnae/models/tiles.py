"""The innermost step of a convolution as vector instructions: 16 images side by side, a tile of outputs in registers.

Library convolutions put channels side by side in a vector, and with 8 channels fill half of one. Here the same pixel
of 16 images fills it whatever the channels are, and a tile of 8 channels times 2 pixels stays in registers while all
inputs pass by once. LLVM splits the vectors on processors whose registers are shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

cgutils: Any = untyped
LANES = 16
"""Images in one vector."""
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_FLAGS = ir.VectorType(ir.IntType(1), LANES)
_BITS = ir.IntType(LANES)
_INT = ir.IntType(64)
_ZERO = ir.Constant(_FLOATS, [0.0] * LANES)


def make_tile(channels: int, pixels: int) -> Any:
    """A compiled function for `channels` output channels at `pixels` neighboring pixels of one row.

    Its arguments are flat arrays and a place:
    `x` inputs, (rows, width, n_in) vectors; `gate` one word of bits per vector of `x`; `weights` in the order
    (n_in, 3, 3, channels); `bias` (channels,); `y` outputs, (rows, width, n_out) vectors; `positive` one word per
    vector of `y`; `slope`; `place` = (vector of `x` at the first pixel, the same of `y`, column, width, n_in, n_out,
    first and last + 1 of the three rows that lie inside, gated, activated).
    Where gated, inputs whose bit is not set are multiplied by the slope (the derivative of a PReLU); where activated,
    outputs pass a PReLU and their signs are noted in `positive`.
    """

    def tile(  # noqa: PLR0913, PLR0917  as the compiled code calls it
        typing: Any, x: Any, gate: Any, weights: Any, bias: Any, y: Any, positive: Any, slope: Any, place: Any
    ) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            pairs = zip(signature.args[:6], arguments[:6], strict=True)
            pointers = [context.make_array(kind)(context, builder, value).data for kind, value in pairs]
            place = _Place(*cgutils.unpack_tuple(builder, arguments[7]))
            _Tile(builder, channels, pixels, pointers, place, arguments[6]).generate()
            return context.get_dummy_value()

        return types.void(x, gate, weights, bias, y, positive, slope, place), generate

    return intrinsic(tile)


@dataclass(frozen=True)
class _Place:
    """Where a tile lies and what to do there; values of the generated code."""

    x: ir.Value
    y: ir.Value
    column: ir.Value
    width: ir.Value
    n_in: ir.Value
    n_out: ir.Value
    first: ir.Value
    last: ir.Value
    gated: ir.Value
    activated: ir.Value


class _Tile:
    """Writes the code of one tile."""

    def __init__(
        self,
        builder: ir.IRBuilder,
        channels: int,
        pixels: int,
        pointers: list[ir.Value],
        place: _Place,
        slope: ir.Value,
    ) -> None:
        self.builder, self.place, self.pixels, self.channels = builder, place, pixels, channels
        self.x, self.gate, self.weights, self.bias, self.y, self.positive = pointers
        self.slope = self._spread(slope)
        self.sums = [[cgutils.alloca_once(builder, _FLOATS) for _ in range(pixels)] for _ in range(channels)]
        one = _constant(1)
        self.before = builder.icmp_signed(">=", place.column, one)
        self.after = builder.icmp_signed("<", builder.add(place.column, _constant(pixels)), place.width)

    def generate(self) -> None:
        """Bias, sums over all inputs, then what is stored."""
        builder = self.builder
        for channel, sums in enumerate(self.sums):
            bias = self._spread(builder.load(builder.gep(self.bias, [_constant(channel)])))
            for pointer in sums:
                builder.store(bias, pointer)
        for flag, do in ((self.place.gated, self._sum), (self.place.activated, self._store)):
            with builder.if_else(builder.icmp_signed("!=", flag, _constant(0))) as (yes, no):
                with yes:
                    do(True)
                with no:
                    do(False)

    def _sum(self, gated: bool) -> None:
        builder, place = self.builder, self.place
        rows = builder.mul(place.width, place.n_in)
        channels = cgutils.for_range_slice(builder, _constant(0), place.n_in, _constant(1))
        inside = cgutils.for_range_slice(builder, place.first, place.last, _constant(1))
        with channels as (channel, _), inside as (row, _):
            start = builder.add(place.x, builder.mul(builder.sub(row, _constant(1)), rows))
            start = builder.add(start, channel)
            inputs = [self._input(start, offset, gated) for offset in range(-1, self.pixels + 1)]
            taps = builder.add(builder.mul(channel, _constant(3)), row)
            self._multiply(inputs, builder.mul(taps, _constant(3 * self.channels)))

    def _multiply(self, inputs: list[ir.Value], weights: ir.Value) -> None:
        """Add one row of one input channel to all sums."""
        builder = self.builder
        add = self._function("llvm.fma", _FLOATS, [_FLOATS] * 3)
        for tap in range(3):
            for channel, sums in enumerate(self.sums):
                index = builder.add(weights, _constant(tap * self.channels + channel))
                weight = self._spread(builder.load(builder.gep(self.weights, [index])))
                for value, pointer in zip(inputs[tap:], sums, strict=False):
                    builder.store(builder.call(add, [weight, value, builder.load(pointer)]), pointer)

    def _input(self, start: ir.Value, offset: int, gated: bool) -> ir.Value:
        """The vector `offset` pixels from the first one, zero outside the image, where memory is never touched."""
        builder = self.builder
        index = builder.add(start, builder.mul(_constant(offset), self.place.n_in))
        inside = {-1: self.before, self.pixels: self.after}.get(offset)
        if inside is None:
            value = self._load(self.x, index)
        else:
            pointer, kind = self._at(self.x, index), ir.IntType(32)
            bits = builder.select(inside, ir.Constant(_BITS, -1), ir.Constant(_BITS, 0))
            load = self._function("llvm.masked.load", _FLOATS, [_FLOATS.as_pointer(), kind, _FLAGS, _FLOATS], ".p0")
            value = builder.call(load, [pointer, ir.Constant(kind, 4), builder.bitcast(bits, _FLAGS), _ZERO])
            index = builder.select(inside, index, _constant(0))
        if not gated:
            return value
        bits = builder.load(builder.gep(self.gate, [index]))
        return builder.select(builder.bitcast(bits, _FLAGS), value, builder.fmul(value, self.slope))

    def _store(self, activated: bool) -> None:
        builder = self.builder
        for channel, sums in enumerate(self.sums):
            for pixel, pointer in enumerate(sums):
                step = builder.add(_constant(channel), builder.mul(_constant(pixel), self.place.n_out))
                index, value = builder.add(self.place.y, step), builder.load(pointer)
                if activated:
                    positive = builder.fcmp_ordered(">", value, _ZERO)
                    value = builder.select(positive, value, builder.fmul(value, self.slope))
                    builder.store(builder.bitcast(positive, _BITS), builder.gep(self.positive, [index]))
                builder.store(value, self._at(self.y, index)).align = 4

    def _load(self, base: ir.Value, index: ir.Value) -> ir.Value:
        value = self.builder.load(self._at(base, index))
        value.align = 4
        return value

    def _at(self, base: ir.Value, index: ir.Value) -> ir.Value:
        return self.builder.gep(self.builder.bitcast(base, _FLOATS.as_pointer()), [index])

    def _spread(self, scalar: ir.Value) -> ir.Value:
        """One number in all lanes."""
        nothing, first = ir.Constant(_FLOATS, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(self.builder.insert_element(nothing, scalar, first), nothing, lanes)

    def _function(self, name: str, result: ir.Type, arguments: list[ir.Type], suffix: str = "") -> ir.Value:
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, f"{name}.v{LANES}f32{suffix}")


def _constant(value: int) -> ir.Constant:
    return ir.Constant(_INT, value)
