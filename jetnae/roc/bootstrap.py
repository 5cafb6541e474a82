"""Errors from resampled data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.roc.cuts import running_sum

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.roc.cuts import Cuts
    from jetnae.roc.samples import Samples

    Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Bootstrap:
    """Standard errors of the area and of the largest significance improvement (0 where there is none)."""

    auc_error: float
    max_sic_error: float


def bootstrap(
    cuts: Cuts, samples: Samples, countable: npt.NDArray[np.bool_], n_bootstrap: int, rng: np.random.Generator
) -> Bootstrap:
    """Resample signal and background apart from each other (stratified).

    Without weights, as many jets are drawn with replacement as there are; with weights, each weight is multiplied by a
    Poisson number of mean 1, so that the sums of weights fluctuate as they do in nature. countable : (n_cuts,) the
    cuts with enough background for a significance improvement.
    """
    n_cuts = len(cuts.threshold)
    classes = [(cuts.first[mask], samples.weight[mask]) for mask in (samples.is_signal, ~samples.is_signal)]
    areas, largest = np.zeros(n_bootstrap), np.zeros(n_bootstrap)
    for i in range(n_bootstrap):
        sig_eff, bkg_eff = (_resampled(first, w, n_cuts, samples.weighted, rng) for first, w in classes)
        areas[i] = np.trapezoid(np.append(sig_eff, 1.0), np.append(bkg_eff, 1.0))
        if countable.any():
            chosen = countable & (bkg_eff > 0)
            largest[i] = np.max(sig_eff[chosen] / np.sqrt(bkg_eff[chosen]), initial=0.0)
    return Bootstrap(float(np.std(areas, ddof=1)), float(np.std(largest, ddof=1)))


def _resampled(
    first: npt.NDArray[np.integer[Any]], weight: Values, n_cuts: int, weighted: bool, rng: np.random.Generator
) -> Values:
    if not weighted:
        drawn = rng.integers(len(first), size=len(first))
        return running_sum(first[drawn], None, n_cuts) / len(first)
    drawn_weight = weight * rng.poisson(1.0, len(weight))
    total = drawn_weight.sum()
    # a handful of jets can all be drawn zero times: such a data set is not one that could be analyzed
    if total <= 0:
        drawn_weight, total = weight, weight.sum()
    return np.asarray(running_sum(first, drawn_weight, n_cuts) / total)
