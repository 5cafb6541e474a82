"""Spectra from files: a histogram in a ROOT file, a table of bins in a CSV file."""

from __future__ import annotations

import csv
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

from jetnae.bumphunt.spectrum import Spectrum, from_hist
from jetnae.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BINS = 100_000


def read_root_spectrum(path: Path, name: str) -> Spectrum:
    """The histogram `name` (TH1) of a ROOT file; raises `InputError` when it is not there or not one."""
    try:
        with uproot.open(path) as file:
            known = [key.partition(";")[0] for key, kind in file.classnames().items() if kind.startswith("TH1")]
            histogram: Any = file[name] if name.partition(";")[0] in known else None
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected a ROOT file with the histogram '{name}'") from error
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a ROOT file ({error})") from error
    if histogram is None:
        there = f"it has {', '.join(sorted(set(known))[:10])}" if known else "it has none"
        raise InputError(f"{path}: no one-dimensional histogram '{name}', {there}")
    return from_hist(histogram)


def read_csv_spectrum(path: Path) -> Spectrum:
    """The spectrum in a CSV file with the columns `low`, `high` and `count`, in any order among others.

    A unit may follow the name, as in `low_gev` or `low [GeV]`; a column `variance` makes the counts weighted. Lines
    that start with # are left out. Raises `InputError` for missing columns, texts, and gaps between bins.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = (line for line in file if line.strip() and not line.startswith("#"))
            rows = list(islice(csv.DictReader(lines), MAX_BINS + 1))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV file ({error})") from error
    if not 1 <= len(rows) <= MAX_BINS:
        raise InputError(f"{path}: {len(rows)} bins, expected 1 to {MAX_BINS}")
    low, high, count = (_column(path, rows, name) for name in ("low", "high", "count"))
    if not np.array_equal(low[1:], high[:-1]):
        gap = int(np.argmin(low[1:] == high[:-1])) + 1
        raise InputError(f"{path}: bin {gap} starts at {low[gap]:g}, expected {high[gap - 1]:g} where the last ends")
    some = any(_matches(name, "variance") for name in rows[0])
    variances = _column(path, rows, "variance") if some else None
    return Spectrum(count, np.array([*low, high[-1]]), variances)


def crop(spectrum: Spectrum, low: float, high: float) -> Spectrum:
    """The bins of a spectrum that lie in a range as a whole; raises `InputError` when none does."""
    inside = (spectrum.edges[:-1] >= low) & (spectrum.edges[1:] <= high)
    if not inside.any():
        raise InputError(f"no bin of the spectrum lies in [{low:g}, {high:g}]: give a wider range")
    first, stop = int(np.argmax(inside)), int(len(inside) - np.argmax(inside[::-1]))
    variances = None if spectrum.variances is None else spectrum.variances[first:stop]
    return Spectrum(spectrum.counts[first:stop], spectrum.edges[first : stop + 1], variances)


def _column(path: Path, rows: list[dict[str, str]], name: str) -> Any:
    found = [column for column in rows[0] if _matches(column, name)]
    if len(found) != 1:
        columns = ", ".join(str(column) for column in rows[0])
        raise InputError(f"{path}: {len(found)} columns '{name}' among {columns}: expected low, high and count")
    try:
        return np.array([float(row[found[0]]) for row in rows])
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: column {found[0]} holds something else than numbers ({error})") from error


def _matches(column: str | None, name: str) -> bool:
    return column is not None and re.fullmatch(rf"{name}s?([_ \[(].*)?", column.strip().lower()) is not None
