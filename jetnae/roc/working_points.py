"""Thresholds at chosen background efficiencies, in bins of the jet's pT, mass, or anything else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError
from jetnae.intervals import clopper_pearson, effective_number
from jetnae.roc.cuts import loosest, make_cuts

Values = npt.NDArray[np.floating[Any]]

FEWEST = 3.0
"""Passing jets a threshold needs: with fewer, its interval has no upper end."""


@dataclass(frozen=True)
class Threshold:
    """Jets above `value` pass; `low` and `high` are the ends of its 68 % interval; bkg_eff : what was reached."""

    value: float
    low: float
    high: float
    bkg_eff: float


@dataclass(frozen=True)
class Bin:
    """Thresholds for the jets in one bin.

    ranges : (low, high) of each column, low included, high not. n_eff : effective number of jets. smallest_bkg_eff :
    the smallest efficiency for which these jets are enough, None for none. thresholds : one per efficiency that was
    asked for, None where there are too few jets for it.
    """

    ranges: tuple[tuple[float, float], ...]
    n_jets: int
    n_eff: float
    smallest_bkg_eff: float | None
    thresholds: tuple[Threshold | None, ...]


@dataclass(frozen=True)
class WorkingPoints:
    """Thresholds on a score at background efficiencies `bkg_effs`, in bins of `columns` with `edges`.

    bins : all of them, the last column changing fastest. n_outside : jets in no bin. provenance : where they come from.
    """

    score: str
    columns: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    bkg_effs: tuple[float, ...]
    bins: tuple[Bin, ...]
    n_outside: int
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def working_points(
    score: Values,
    bkg_effs: Sequence[float],
    columns: Mapping[str, Values],
    edges: Mapping[str, Sequence[float]],
    *,
    weight: Values | None = None,
    name: str = "score",
) -> WorkingPoints:
    """Find the thresholds that keep at most a share of the background.

    score : (n_jets,) of background, NaN for jets that never pass but count. columns : what to bin in, (n_jets,) each;
    edges : of the bins, rising, in the order of `columns`. The interval of a threshold is that of its rank: the
    thresholds at both ends of the Clopper-Pearson interval of the efficiency. Raises `InputError` for efficiencies
    outside of (0, 1), edges that do not rise, and columns of the wrong length.
    """
    _check(score, bkg_effs, columns, edges)
    weights = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=np.float64)
    index, shape = _bin_index(columns, edges)
    ranges = itertools.product(*(itertools.pairwise(map(float, edges[column])) for column in columns))
    bins = [
        _bin(score[index == i], weights[index == i], bkg_effs, each)
        for i, each in zip(range(int(np.prod(shape))), ranges, strict=True)
    ]
    return WorkingPoints(
        score=name,
        columns=tuple(columns),
        edges=tuple(tuple(map(float, edges[column])) for column in columns),
        bkg_effs=tuple(map(float, bkg_effs)),
        bins=tuple(bins),
        n_outside=int(np.count_nonzero(index < 0)),
        notes=_notes(score, weights),
    )


def quantile_edges(values: Values, n_bins: int) -> tuple[float, ...]:
    """Edges of bins with equally many jets each, values (n_jets,); fewer bins where values coincide."""
    edges = np.unique(np.quantile(np.asarray(values, dtype=np.float64), np.linspace(0, 1, n_bins + 1)))
    edges[-1] = np.nextafter(edges[-1], np.inf)  # the last edge is not included
    return tuple(map(float, edges))


def _check(
    score: Values, bkg_effs: Sequence[float], columns: Mapping[str, Values], edges: Mapping[str, Sequence[float]]
) -> None:
    for eff in bkg_effs:
        if not 0 < eff < 1:
            raise InputError(f"background efficiency {eff:g}, expected a number between 0 and 1")
    for name, column in columns.items():
        if len(column) != len(score):
            raise InputError(f"{len(column)} values of {name} for {len(score)} scores, expected one for each")
        if len(edges[name]) < 2 or not (np.diff(edges[name]) > 0).all():
            raise InputError(f"edges of {name} {[float(edge) for edge in edges[name]]}, expected two or more, rising")


def _bin_index(
    columns: Mapping[str, Values], edges: Mapping[str, Sequence[float]]
) -> tuple[npt.NDArray[np.integer[Any]], list[int]]:
    """Number of the bin of each jet, -1 outside, and the number of bins of each column."""
    shape = [len(edges[name]) - 1 for name in columns]
    if not columns:
        raise InputError("no columns to bin in, expected one or more, such as pt")
    index = np.zeros(len(next(iter(columns.values()))), dtype=np.int64)
    outside = np.zeros(len(index), dtype=bool)
    for (name, column), n_bins in zip(columns.items(), shape, strict=True):
        place = np.searchsorted(edges[name], column, side="right") - 1
        outside |= (place < 0) | (place >= n_bins)
        index = index * n_bins + place
    return np.where(outside, -1, index), shape


def _bin(score: Values, weight: Values, bkg_effs: Sequence[float], ranges: tuple[tuple[float, float], ...]) -> Bin:
    n_eff = effective_number(weight)
    usable = weight.sum() > 0 and not np.isnan(score).all()
    thresholds = [_threshold(score, weight, eff) if usable and eff * n_eff >= FEWEST else None for eff in bkg_effs]
    smallest = FEWEST / n_eff if usable and n_eff > FEWEST else None
    return Bin(ranges, len(score), n_eff, smallest, tuple(thresholds))


def _threshold(score: Values, weight: Values, bkg_eff: float) -> Threshold:
    cuts, n_eff = make_cuts(score), effective_number(weight)
    eff = cuts.passing(weight) / weight.sum()
    tight, loose = clopper_pearson(bkg_eff * n_eff, n_eff)
    at = loosest(eff, bkg_eff)
    return Threshold(
        value=float(cuts.threshold[at]),
        low=float(cuts.threshold[loosest(eff, float(loose))]),
        high=float(cuts.threshold[loosest(eff, float(tight))]),
        bkg_eff=float(eff[at]),
    )


def _notes(score: Values, weight: Values) -> tuple[str, ...]:
    notes = []
    n_nan, n_negative = int(np.isnan(score).sum()), int((weight < 0).sum())
    if n_nan:
        notes.append(f"{n_nan} jets have no score (NaN): they pass no cut and count in every efficiency")
    if n_negative:
        notes.append(f"{n_negative} jets have negative weights: intervals of the thresholds are approximate")
    return tuple(notes)
