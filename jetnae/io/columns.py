"""Columns of a file by name, and parts of them: `branch`, `branch@field.field`, `dataset@0:2100:3`."""

from __future__ import annotations

from typing import Any

import numpy as np


def split(name: str) -> tuple[str, str]:
    """The branch or dataset of a column, and the part of it that is meant ("" for all of it)."""
    branch, _, part = name.partition("@")
    return branch, part


def pick(column: Any, part: str) -> Any:
    """The part of a column; raises `IndexError` or `ValueError` where it has none such."""
    if not part:
        return column
    if part.lstrip("-")[:1].isdigit() or ":" in part:
        numbers = [int(each) if each else None for each in part.split(":")]
        return column[..., numbers[0] if len(numbers) == 1 else slice(*numbers)]
    for name in part.split("."):
        column = column[name]
    return column


def fits_width(width: int, part: str) -> bool:
    """Whether a numeric part lies within a last axis of that many entries."""
    ends = [int(each) for each in part.split(":")[:2] if each]
    last = max(ends) if ":" in part else max(ends) + 1
    return last <= width and -min(ends) <= width


def plain(column: Any) -> Any:
    """A column with one number per row as NumPy array, any other as it is."""
    return column if column.ndim > 1 or isinstance(column, np.ndarray) else column.to_numpy()
