"""How well a score separates two samples. Numbers in, frozen result out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from jetnae.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve with its standard error from the sizes of both samples."""

    value: float
    error: float


def auc(signal: Values, background: Values) -> Auc:
    """Probability that a signal jet has the larger score than a background jet, ties counting half.

    signal, background : scores (n,), (m,). The error is that of DeLong, DeLong and Clarke-Pearson, Biometrics 44
    (1988) 837, in the rank form. Raises `InputError` for samples of fewer than two jets or scores that are NaN.
    """
    return _auc(*_placements(signal, background))


def auc_difference(first: tuple[Values, Values], second: tuple[Values, Values]) -> Auc:
    """By how much the AUC of a second score is above that of a first one on the same jets, with its error.

    first, second : scores of the signal (n,) and of the background (m,), in the same order in both. The error is that
    of the difference, as in `auc`: much of what each AUC fluctuates by is common to both. Raises `InputError` as `auc`.
    """
    placements = zip(_placements(*first), _placements(*second), strict=True)
    return _auc(*(after - before for before, after in placements))


def _placements(signal: Values, background: Values) -> tuple[Values, Values]:
    """For each signal jet the share of the background below it, for each background jet of the signal above it."""
    n, m = len(signal), len(background)
    if min(n, m) < 2 or np.isnan(signal).any() or np.isnan(background).any():
        raise InputError(
            f"AUC of {n} signal and {m} background scores: expected at least two of each, none of them NaN"
        )
    joint = rankdata(np.concatenate([signal, background]))
    return (joint[:n] - rankdata(signal)) / m, 1 - (joint[n:] - rankdata(background)) / n


def _auc(above: Values, below: Values) -> Auc:
    variance = np.var(above, ddof=1) / len(above) + np.var(below, ddof=1) / len(below)
    return Auc(float(above.mean()), float(np.sqrt(variance)))
