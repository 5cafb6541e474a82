"""Rate against pile-up or another column of the crossings, and in luminosity sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError
from jetnae.intervals import clopper_pearson
from jetnae.rate.result import Dependence, Sections

if TYPE_CHECKING:
    from jetnae.rate.conditions import Conditions

Values = npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]

N_BINS = 8


@dataclass(frozen=True)
class Against:
    """A column of the crossings, values (n_crossings,), and the edges of bins in it, rising, the low ones included."""

    values: Values
    edges: Values
    unit: str = ""


@dataclass(frozen=True)
class Where:
    """Run and luminosity section of each crossing, (n_crossings,)."""

    run: Counts
    section: Counts


def bin_edges(values: Values, wanted: int | tuple[float, ...], name: str) -> Values:
    """Edges of bins: of about equally many crossings for a number of bins, or those that are given.

    Raises `InputError` for values that are not finite, and edges that do not rise or hold no crossing.
    """
    if not len(values) or not np.isfinite(values).all():
        n_odd = int(np.count_nonzero(~np.isfinite(values)))
        raise InputError(f"{n_odd} of {len(values)} crossings have a {name} that is not finite, expected one for each")
    if not isinstance(wanted, int):
        edges = np.asarray(wanted, dtype=np.float64)
        if len(edges) < 2 or not (np.diff(edges) > 0).all() or not np.histogram(values, edges)[0].any():
            raise InputError(f"edges of {name} {edges.tolist()}, expected two or more, rising, with crossings between")
        return edges
    # whole numbers, as of vertices: edges between them, so that a bin is what it says
    whole, low = bool((values == np.round(values)).all()), np.linspace(0, 1, wanted, endpoint=False)
    edges = np.unique(np.quantile(values, low, method="higher" if whole else "linear"))
    last = values.max() + 0.5 if whole else np.nextafter(values.max(), np.inf)
    return np.append(edges - 0.5 if whole else edges, last)


def dependence(name: str, column: Against, passing: Mask, conditions: Conditions) -> Dependence:
    """Rate in bins of a column; passing : (n_thresholds, n_crossings). Crossings in no bin are left out."""
    n_bins = len(column.edges) - 1
    index = np.searchsorted(column.edges, column.values, side="right") - 1
    inside = (index >= 0) & (index < n_bins)
    sums = np.bincount(index[inside], column.values[inside], minlength=n_bins)
    n_crossings, n_passing, rates = _rates(index[inside], passing[:, inside], n_bins, conditions)
    middle = (column.edges[1:] + column.edges[:-1]) / 2
    center = np.where(n_crossings > 0, sums / np.maximum(n_crossings, 1), middle)
    return Dependence(name, column.unit, column.edges, center, n_crossings, n_passing, *rates)


def sections(where: Where, passing: Mask, conditions: Conditions) -> Sections:
    """Rate in each luminosity section, in order; passing : (n_thresholds, n_crossings)."""
    both, index = np.unique(np.stack([where.run, where.section]), axis=1, return_inverse=True)
    n_crossings, n_passing, rates = _rates(index.reshape(-1), passing, both.shape[1], conditions)
    return Sections(both[0], both[1], n_crossings, n_passing, *rates)


def _rates(
    index: Counts, passing: Mask, n_bins: int, conditions: Conditions
) -> tuple[Counts, Counts, tuple[Values, Values, Values]]:
    """Crossings, passing ones, and rates with their intervals in each bin; NaN where it is empty."""
    n_crossings = np.bincount(index, minlength=n_bins)
    n_passing = np.array([np.bincount(index[each], minlength=n_bins) for each in passing])
    some = n_crossings > 0
    all_of_them = np.where(some, n_crossings, 1)
    low, high = clopper_pearson(n_passing, all_of_them)
    rates = (np.where(some, conditions.khz(share), np.nan) for share in (n_passing / all_of_them, low, high))
    rate, rate_low, rate_high = rates
    return n_crossings, n_passing, (rate, rate_low, rate_high)
