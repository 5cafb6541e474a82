"""Distances between two mass spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import kolmogorov

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]


def jensen_shannon(first: Values, second: Values) -> Values:
    """Jensen-Shannon divergence in bits of spectra (..., n_bins): 0 for equal shapes, 1 for spectra without overlap.

    The divergence itself, not its square root; J. Lin, IEEE Trans. Inf. Theory 37 (1991) 145. Bins below zero, from
    negative weights, count as empty; an empty spectrum is like any other, 0.
    """
    p, q = _shape(first), _shape(second)
    middle = (p + q) / 2
    return np.asarray(np.clip((_relative(p, middle) + _relative(q, middle)) / 2, 0.0, 1.0))


def _shape(spectrum: Values) -> Values:
    positive = np.maximum(np.asarray(spectrum, dtype=np.float64), 0.0)
    return np.asarray(positive / np.maximum(positive.sum(axis=-1, keepdims=True), np.finfo(float).tiny))


def _relative(p: Values, middle: Values) -> Values:
    some = p > 0
    return np.asarray(np.sum(np.where(some, p * np.log2(np.where(some, p, 1.0) / np.where(some, middle, 1.0)), 0), -1))


def kolmogorov_smirnov(mass: Values, weight: Values, passes: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Largest distance between the mass distributions of passing and failing jets, and its asymptotic p-value.

    mass, weight, passes : (n_jets,). With weights, the numbers of jets are the effective ones. (0, 1) where all or none
    pass.
    """
    order = np.argsort(mass, kind="stable")
    parts = [np.where(chosen, weight, 0.0)[order] for chosen in (passes, ~passes)]
    if min(part.sum() for part in parts) <= 0:
        return 0.0, 1.0
    distance = np.abs(np.subtract(*(np.cumsum(part) / part.sum() for part in parts)))
    last = np.append(np.diff(mass[order]) > 0, True)  # equal masses step together
    largest = float(distance[last].max())
    n_pass, n_fail = (part.sum() ** 2 / np.sum(part**2) for part in parts)
    return largest, float(kolmogorov(largest * np.sqrt(n_pass * n_fail / (n_pass + n_fail))))
