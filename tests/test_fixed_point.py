"""Laws of fixed-point numbers, against integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import pytest
import torch

from jetnae.errors import InputError
from jetnae.fixed_point import (
    OVERFLOW,
    ROUNDING,
    FixedFormat,
    codes,
    covering_format,
    fake_quantize,
    product_format,
    quantize,
    sum_format,
)

SMALL = [
    FixedFormat(width, integer, signed, rounding, overflow)
    for width in (1, 2, 3, 5)
    for integer in (-2, 0, 1, 3, 7)
    for signed in (False, True)
    for rounding in ROUNDING
    for overflow in OVERFLOW
]


def expected_code(value: Fraction, fmt: FixedFormat) -> int:
    """As the standard of the type says it, in exact arithmetic."""
    steps = value / Fraction(fmt.step)
    code = math.floor(steps + Fraction(1, 2)) if fmt.rounding == "RND" else math.floor(steps)
    if fmt.overflow == "SAT":
        return min(max(code, fmt.lowest_code), fmt.highest_code)
    code %= 2**fmt.width
    return code - 2**fmt.width if fmt.signed and code >= 2 ** (fmt.width - 1) else code


@pytest.mark.parametrize("fmt", SMALL, ids=str)
def test_every_number_around_the_range_becomes_the_one_the_standard_says(fmt: FixedFormat) -> None:
    eighths = range(-3 * 8 * 2**fmt.width, 3 * 8 * 2**fmt.width + 1)
    values = [Fraction(n, 8) * Fraction(fmt.step) for n in eighths]
    expected = [expected_code(value, fmt) for value in values]
    x = torch.tensor([float(value) for value in values], dtype=torch.float64)
    assert codes(x, fmt).tolist() == expected
    assert quantize(x, fmt).tolist() == [code * fmt.step for code in expected]
    assert fake_quantize(x, fmt).tolist() == quantize(x, fmt).tolist()


@pytest.mark.parametrize("fmt", SMALL, ids=str)
def test_the_numbers_of_a_format_stay(fmt: FixedFormat) -> None:
    numbers = torch.arange(fmt.lowest_code, fmt.highest_code + 1) * fmt.step
    assert len(numbers) == 2**fmt.width
    assert numbers.min() == fmt.low
    assert numbers.max() == fmt.high
    assert torch.equal(quantize(numbers, fmt), numbers.double())


def test_halves_go_up_and_the_numbers_next_to_them_do_not() -> None:
    fmt = FixedFormat(8, 8)
    halves = torch.tensor([-1.5, -0.5, 0.5, 1.5], dtype=torch.float64)
    below, above = (torch.nextafter(halves, torch.tensor(end, dtype=torch.float64)) for end in (-99.0, 99.0))
    assert codes(halves, fmt).tolist() == [-1, 0, 1, 2]
    assert codes(below, fmt).tolist() == [-2, -1, 0, 1]
    assert codes(above, fmt).tolist() == [-1, 0, 1, 2]
    assert codes(below, FixedFormat(8, 8, rounding="TRN")).tolist() == [-2, -1, 0, 1]


def test_wide_formats_are_exact_too() -> None:
    fmt = FixedFormat(53, 20)
    numbers = torch.tensor([fmt.lowest_code, fmt.lowest_code + 1, -1, 0, 1, fmt.highest_code])
    assert codes(numbers.double() * fmt.step, fmt).tolist() == numbers.tolist()
    assert codes(torch.tensor([1023]), FixedFormat(10, 10, signed=False)).tolist() == [1023]


def test_the_gradient_passes_inside_the_range_only() -> None:
    fmt = FixedFormat(4, 2)
    x = torch.tensor([-2.1, -2.0, -0.3, 0.0, 1.1, 1.75, 1.8], dtype=torch.float64, requires_grad=True)
    fake_quantize(x, fmt).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]
    wraps = x.detach().requires_grad_()
    (3 * fake_quantize(wraps, FixedFormat(4, 2, overflow="WRAP"))).sum().backward()
    assert wraps.grad is not None
    assert wraps.grad.tolist() == [3.0] * 7


def test_the_gradient_comes_back_in_the_type_of_the_weights() -> None:
    x = torch.tensor([0.3], requires_grad=True)
    assert fake_quantize(x, FixedFormat(4, 2)).dtype == torch.float64
    fake_quantize(x, FixedFormat(4, 2)).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float32


@pytest.mark.parametrize(("signed_a", "signed_b"), [*product((False, True), repeat=2)])
def test_products_and_sums_fit_the_formats_made_for_them(signed_a: bool, signed_b: bool) -> None:
    a, b = FixedFormat(3, 1, signed_a), FixedFormat(2, 3, signed_b)
    numbers = [x * y for x, y in product((a.low, a.low + a.step, a.high), (b.low, b.high))]
    fmt, bias = product_format(a, b), FixedFormat(4, 0)
    total = sum_format(fmt, 5, bias)
    for ends in (min, max):
        extreme = [ends(numbers), 5 * ends(numbers) + ends(bias.low, bias.high)]
        assert float(quantize(torch.tensor(extreme[0]), fmt)) == extreme[0]
        assert float(quantize(torch.tensor(extreme[1]), total)) == extreme[1]
    assert total.fraction == max(fmt.fraction, bias.fraction)


@pytest.mark.parametrize(
    ("low", "high", "width", "expected"),
    [
        (0.0, 1023.0, 10, FixedFormat(10, 10, signed=False)),
        (0.0, 1.0, 4, FixedFormat(4, 1, signed=False)),
        (-1.0, 0.99, 8, FixedFormat(8, 1)),
        (-1.0, 1.0, 8, FixedFormat(8, 2)),
        (-0.1, 0.01, 4, FixedFormat(4, -2)),
    ],
)
def test_a_range_gets_the_finest_format_that_holds_it(
    low: float, high: float, width: int, expected: FixedFormat
) -> None:
    assert covering_format(low, high, width) == expected


@pytest.mark.parametrize(("width", "integer"), [(0, 0), (54, 4), (8, 65), (8, -65)])
def test_formats_that_a_double_cannot_hold_are_refused(width: int, integer: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 53"):
        FixedFormat(width, integer)


def test_what_is_no_number_or_no_format_is_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        quantize(torch.tensor([math.nan]), FixedFormat(8, 4))
    with pytest.raises(InputError, match="RND"):
        FixedFormat(8, 4, rounding="EVEN")
    with pytest.raises(InputError, match="in order"):
        covering_format(1.0, 0.0, 8)


def test_a_format_is_written_as_in_the_firmware() -> None:
    assert str(FixedFormat(16, 6)) == "ap_fixed<16,6,AP_RND,AP_SAT>"
    assert str(FixedFormat(10, 10, False, "TRN", "WRAP")) == "ap_ufixed<10,10,AP_TRN,AP_WRAP>"
