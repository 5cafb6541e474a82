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
    n, m = len(signal), len(background)
    if min(n, m) < 2 or np.isnan(signal).any() or np.isnan(background).any():
        raise InputError(
            f"AUC of {n} signal and {m} background scores: expected at least two of each, none of them NaN"
        )
    joint = rankdata(np.concatenate([signal, background]))
    above = (joint[:n] - rankdata(signal)) / m  # share of the background below each signal jet
    below = 1 - (joint[n:] - rankdata(background)) / n  # share of the signal above each background jet
    variance = np.var(above, ddof=1) / n + np.var(below, ddof=1) / m
    return Auc(float(above.mean()), float(np.sqrt(variance)))
