"""Fixed-point numbers as firmware computes with them: formats, exact rounding, and rounding one can train through."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jetnae.errors import InputError

ROUNDING = ("RND", "TRN")
OVERFLOW = ("SAT", "WRAP")
MAX_WIDTH = 53
"""Bits of a number; a double holds all of them, so that double precision computes without error."""
MAX_INTEGER = 64


@dataclass(frozen=True)
class FixedFormat:
    """A format of fixed-point numbers: the multiples of `step` from `low` to `high`, as `ap_fixed` in C++ defines them.

    width : bits in all, the sign included. integer : bits before the point, the sign included; below 0 or above `width`
    the point lies outside the bits. signed : two's complement, otherwise no number is negative.
    rounding : to the next number, half of a step towards plus infinity (RND), or down to minus infinity (TRN).
    overflow : to the nearest end of the range (SAT), or the upper bits are lost (WRAP).
    """

    width: int
    integer: int
    signed: bool = True
    rounding: str = "RND"
    overflow: str = "SAT"

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_WIDTH or abs(self.integer) > MAX_INTEGER:
            raise InputError(
                f"fixed point: {self.width} bits, {self.integer} of them before the point,"
                f" expected 1 to {MAX_WIDTH} and -{MAX_INTEGER} to {MAX_INTEGER}"
            )
        if self.rounding not in ROUNDING or self.overflow not in OVERFLOW:
            raise InputError(f"fixed point: {self.rounding}, {self.overflow}, expected {ROUNDING} and {OVERFLOW}")

    @property
    def fraction(self) -> int:
        """Bits after the point."""
        return self.width - self.integer

    @property
    def step(self) -> float:
        """Distance of neighboring numbers, a power of two."""
        return 2.0**-self.fraction

    @property
    def lowest_code(self) -> int:
        """The lowest number in steps."""
        return -(1 << self.width - 1) if self.signed else 0

    @property
    def highest_code(self) -> int:
        """The highest number in steps."""
        return (1 << self.width - self.signed) - 1

    @property
    def low(self) -> float:
        """The lowest number."""
        return self.lowest_code * self.step

    @property
    def high(self) -> float:
        """The highest number."""
        return self.highest_code * self.step

    def __str__(self) -> str:
        kind = "ap_fixed" if self.signed else "ap_ufixed"
        return f"{kind}<{self.width},{self.integer},AP_{self.rounding},AP_{self.overflow}>"


def codes(x: Tensor, fmt: FixedFormat) -> Tensor:
    """Numbers in steps of a format, int64: what firmware holds; raises `InputError` where one is not finite."""
    return _codes(_finite(x), fmt).long()


def quantize(x: Tensor, fmt: FixedFormat) -> Tensor:
    """The numbers that a format makes of any others, float64, without error; raises `InputError` for non-finite ones.

    Integers must lie below 2^53.
    """
    return _codes(_finite(x), fmt) * fmt.step


def fake_quantize(x: Tensor, fmt: FixedFormat) -> Tensor:
    """As `quantize`, in float64, for training: the gradient passes as if nothing was rounded.

    It is zero where a number saturates (straight-through estimator, arXiv:1308.3432).
    """
    if not torch.is_grad_enabled():
        return _codes(x.double(), fmt) * fmt.step
    found: Tensor = _StraightThrough.apply(x, fmt)  # type: ignore[no-untyped-call]
    return found


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, fmt: FixedFormat) -> Tensor:
        x = x.double()
        ctx.save_for_backward((x >= fmt.low) & (x <= fmt.high) if fmt.overflow == "SAT" else torch.ones_like(x))
        return _codes(x, fmt) * fmt.step

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (passes,) = ctx.saved_tensors
        return gradients[0] * passes, None


def _finite(x: Tensor) -> Tensor:
    if x.is_floating_point() and not bool(torch.isfinite(x).all()):
        raise InputError("fixed point: a number is not finite, expected finite ones")
    return x.double()


def _codes(x: Tensor, fmt: FixedFormat) -> Tensor:
    steps = x * 2.0**fmt.fraction
    down = steps.floor()
    # not floor(x + 0.5): the sum is rounded itself, and the largest number below one half would go up
    whole = down + (steps - down >= 0.5) if fmt.rounding == "RND" else down
    if fmt.overflow == "SAT":
        return whole.clamp(fmt.lowest_code, fmt.highest_code)
    return (whole - fmt.lowest_code).remainder(2.0**fmt.width) + fmt.lowest_code


def product_format(a: FixedFormat, b: FixedFormat) -> FixedFormat:
    """The format that holds every product of two numbers without error."""
    return FixedFormat(a.width + b.width, a.integer + b.integer, a.signed or b.signed)


def sum_format(fmt: FixedFormat, n: int, *others: FixedFormat) -> FixedFormat:
    """The format that holds every sum of `n` numbers of a format, and one of each other, without error."""
    parts = [FixedFormat(fmt.width, fmt.integer, fmt.signed)] * n + list(others)
    fraction = max(part.fraction for part in parts)
    low = sum(part.lowest_code << fraction - part.fraction for part in parts)
    high = sum(part.highest_code << fraction - part.fraction for part in parts)
    return _covering_codes(low, high, fraction)


def _covering_codes(low: int, high: int, fraction: int) -> FixedFormat:
    signed = low < 0
    width = max(1, max(high, -low - 1).bit_length() + signed)
    return FixedFormat(width, width - fraction, signed)


def covering_format(low: float, high: float, width: int, *, signed: bool | None = None) -> FixedFormat:
    """The finest format of so many bits with a range that holds `low` to `high`; unsigned where nothing is below 0."""
    signed = low < 0 if signed is None else signed
    if not math.isfinite(low) or not math.isfinite(high) or low > high or (low < 0 and not signed):
        raise InputError(f"fixed point: a range from {low} to {high}, expected finite numbers in order")
    for integer in range(-MAX_INTEGER, MAX_INTEGER + 1):
        found = FixedFormat(width, integer, signed)
        # the last number of a format lies one step below a power of two: what rounds to it still fits
        if found.low - found.step / 2 <= low and high < found.high + found.step / 2:
            return found
    raise InputError(f"fixed point: a range from {low} to {high} is too large")
