"""Columns of a file by name, and parts of them: `branch`, `branch@field.field`, `dataset@0:2100:3`."""

from __future__ import annotations

import re
from typing import Any

import awkward as ak
import numpy as np

from jetnae.errors import InputError

NUMBERS = "biuf"
PART = re.compile(r"-?\d+|-?\d*:-?\d*(:[1-9]\d*)?|[A-Za-z_]\w*(\.\w+)*")


def split(name: str) -> tuple[str, str]:
    """The branch or dataset of a column, and the part of it that is meant ("" for all of it)."""
    branch, _, part = name.partition("@")
    return branch, part


def check(name: str) -> None:
    """Raises `InputError` for the name of a column that cannot be understood."""
    branch, part = split(name)
    if not branch or (("@" in name) and not PART.fullmatch(part)):
        raise InputError(f"column '{name}': expected NAME, NAME@FIELD, NAME@POSITION or NAME@START:STOP:STEP")


def is_numeric_part(part: str) -> bool:
    """Whether a part is a position or a slice, not a field."""
    return part.lstrip("-")[:1].isdigit() or ":" in part


def pick(column: Any, part: str) -> Any:
    """The part of a column, in the byte order of the machine; of lists that are too short, NaN.

    Raises `IndexError`, `KeyError` or `ValueError` where it has none such.
    """
    if part and is_numeric_part(part):
        numbers = [int(each) if each else None for each in part.split(":")]
        column = _at(column, numbers[0]) if len(numbers) == 1 else column[..., slice(*numbers)]
    elif part:
        for name in part.split("."):
            column = column[name]
    if isinstance(column, np.ndarray) and not column.dtype.isnative:
        return column.astype(column.dtype.newbyteorder("="))
    return column


def _at(column: Any, position: Any) -> Any:
    """One entry of each list: an event may have none of what others have one of."""
    if isinstance(column, np.ndarray) or position < 0 or ak.all(ak.num(column, axis=-1) > position, axis=None):
        return column[..., position]
    return ak.fill_none(ak.pad_none(column, position + 1, axis=-1)[..., position], np.nan)


def has_part(shape: tuple[int, ...], dtype: Any, part: str) -> bool:
    """Whether rows of such a shape and type hold numbers there: all of them, a field, a position or a slice."""
    if part and not is_numeric_part(part):
        return part in (dtype.names or ()) and dtype[part].base.kind in NUMBERS
    if dtype.base.kind not in NUMBERS:
        return False
    return not part or (bool(shape) and _fits_width(shape[-1], part))


def _fits_width(width: int, part: str) -> bool:
    ends = [int(each) for each in part.split(":")[:2] if each]
    last = max(ends, default=0) if ":" in part else max(ends) + 1
    return last <= width and -min(ends, default=0) <= width


def plain(column: Any) -> Any:
    """A column with one number per row as NumPy array, any other as it is."""
    return column if column.ndim > 1 or isinstance(column, np.ndarray) else column.to_numpy()
