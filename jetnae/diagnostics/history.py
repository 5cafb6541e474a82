"""The course of a training, from the history it left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.diagnostics.result import History
from jetnae.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from jetnae.diagnostics.result import Values

N_POINTS = 300
LARGEST = 1024**3
"""Bytes of the largest history that is read."""


def read_history(path: Path, n_points: int = N_POINTS) -> History | None:
    """The course of a training from its `history.jsonl`, None where there is none.

    A line per step with `energy_data` and `energy_negative` where they are known; `ratio` and `distance` on lines of
    checks. Lines that are not whole, as the last of an interrupted training, are passed over. Raises `InputError` when
    the file cannot be read.
    """
    if not path.exists():
        return None
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: larger than {LARGEST} bytes, expected the history of a training")
    try:
        with path.open(encoding="utf-8") as file:
            entries = [entry for entry in map(_entry, file) if entry]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    steps = [entry for entry in entries if "energy_data" in entry]
    checks = [entry for entry in entries if "ratio" in entry or "distance" in entry]
    if not steps and not checks:
        return None
    groups = np.array_split(np.arange(len(steps)), min(n_points, max(len(steps), 1)))
    merged = [_means(_column(steps, name), groups) for name in ("step", "energy_data", "energy_negative")]
    return History(*merged, *(_column(checks, name) for name in ("step", "ratio", "distance")))


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and "step" in entry else None


def _column(entries: list[dict[str, Any]], name: str) -> Values:
    values = [entry.get(name) for entry in entries]
    return np.array([float(value) if isinstance(value, (int, float)) else np.nan for value in values], dtype=np.float64)


def _means(values: Values, groups: list[Any]) -> Values:
    """Mean of what is known in each group of entries."""
    known = [values[group][np.isfinite(values[group])] for group in groups]
    return np.array([each.mean() if len(each) else np.nan for each in known])
