"""Where a cut holds: three answers for each entry, true, false and, for values that are NaN, neither."""

from __future__ import annotations

import operator
from difflib import get_close_matches
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import awkward as ak
import numpy as np

from jetnae.errors import InputError
from jetnae.selection.syntax import And, Column, Comparison, Flag, Not, Or, names, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    import numpy.typing as npt

    from jetnae.selection.syntax import Expression, Operand

    BoolArray = npt.NDArray[np.bool_]
    Values = npt.NDArray[Any]

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class _Verdict(NamedTuple):
    """Where a condition is true and where it is false; nowhere both, neither where it is undefined."""

    true: BoolArray
    false: BoolArray


def evaluate(expression: Expression, columns: Mapping[str, Any]) -> BoolArray:
    """Where a cut is met, shape (n,), from columns of shape (n,) by name.

    A comparison with NaN (or with a missing value) is undefined, `!=` too; `not` of undefined is undefined, `and` and
    `or` with it are undefined unless the other side settles them (Kleene, Introduction to Metamathematics, 1952). Where
    a cut is undefined it is not met, so `not pt > 400` means what `pt <= 400` means. Floating-point columns are
    compared in double precision. Raises `InputError` for unknown columns, for columns without one number per entry, and
    for a name used as a condition whose column holds anything but 0 and 1.
    """
    used = names(expression)
    require_columns(used, columns)
    values = {name: numbers(name, columns[name]) for name in used}
    if len({len(column) for column in values.values()}) > 1:
        lengths = ", ".join(f"{len(values[name])} of `{name}`" for name in sorted(used))
        raise InputError(f"selection '{to_text(expression)}': columns of different length, {lengths}")
    return _verdict(expression, values).true


def require_columns(wanted: Iterable[str], known: Collection[str]) -> None:
    """Raise `InputError` for the first wanted column that is not known, with the known ones of a similar name."""
    for name in sorted(set(wanted)):
        if name not in known:
            spelled = {each.lower(): each for each in known}
            near = [spelled[each] for each in get_close_matches(name.lower(), spelled, n=4)]
            similar = f", similar names are {', '.join(near)}" if near else ""
            raise InputError(
                f"selection: no column '{name[:80]}'{similar}; `jetnae inspect FILE` shows what a file offers"
            )


def numbers(name: str, column: Any) -> Values:
    """A column as a NumPy array of one number per entry, missing ones as NaN; raises `InputError` otherwise."""
    if getattr(column, "ndim", 1) != 1:
        raise InputError(
            f"`{name}` holds several numbers per entry, expected one for each jet or event: choose another column"
        )
    try:
        values = ak.to_numpy(column, allow_missing=True) if isinstance(column, ak.Array) else np.ma.asanyarray(column)
    except (ValueError, TypeError) as error:
        raise InputError(f"`{name}` holds no plain numbers, expected one per entry: choose another column") from error
    if values.dtype.kind not in "biuf":
        raise InputError(f"`{name}` holds {values.dtype}, expected one number per entry: choose another column")
    mask = np.ma.getmaskarray(values)
    if mask.any():
        return np.where(mask, np.nan, np.ma.getdata(values).astype(np.float64))
    kind = {"b": np.uint8, "f": np.float64}.get(values.dtype.kind, values.dtype)
    return np.ma.getdata(values).astype(kind, copy=False)


def _verdict(expression: Expression, values: Mapping[str, Values]) -> _Verdict:
    match expression:
        case Flag(name):
            return _flag(name, values[name])
        case Comparison(operands, signs):
            pairs = zip(signs, operands, operands[1:], strict=False)
            return _all(_compare(sign, _value(a, values), _value(b, values)) for sign, a, b in pairs)
        case Not(part):
            return _negated(_verdict(part, values))
        case And(parts):
            return _all(_verdict(part, values) for part in parts)
        case Or(parts):
            return _negated(_all(_negated(_verdict(part, values)) for part in parts))


def _negated(verdict: _Verdict) -> _Verdict:
    return _Verdict(verdict.false, verdict.true)


def _all(verdicts: Iterable[_Verdict]) -> _Verdict:
    return reduce(lambda a, b: _Verdict(a.true & b.true, a.false | b.false), verdicts)


def _flag(name: str, values: Values) -> _Verdict:
    true, false = values == 1, values == 0
    odd = ~(true | false | _undefined(values))
    if odd.any():
        found = values[np.argmax(odd)]
        raise InputError(
            f"selection: `{name}` has values such as {found:g}, not only 0 and 1: compare it with a number"
        )
    return _Verdict(true, false)


def _value(operand: Operand, values: Mapping[str, Values]) -> Any:
    if not isinstance(operand, Column):
        return operand.value
    return _absolute(values[operand.name]) if operand.absolute else values[operand.name]


def _absolute(values: Values) -> Values:
    """|x|; of signed integers as unsigned ones, since the smallest has no positive counterpart of its own kind."""
    return np.abs(values.astype(np.int64)).astype(np.uint64) if values.dtype.kind == "i" else np.abs(values)


def _compare(sign: str, left: Any, right: Any) -> _Verdict:
    with np.errstate(invalid="ignore"):
        holds = np.asarray(_SIGNS[sign](left, right))
    undefined = _undefined(left) | _undefined(right)
    return _Verdict(holds & ~undefined, ~holds & ~undefined)


def _undefined(values: Any) -> Any:
    return np.isnan(values) if getattr(values, "dtype", np.dtype(int)).kind == "f" else np.bool_(False)
