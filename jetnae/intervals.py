"""Confidence intervals of counts and efficiencies, with weights. They never come out infinite or undefined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaincinv

Values = npt.NDArray[np.floating[Any]]

LEVEL = 0.6827
"""Confidence level of all intervals: that of one standard deviation, central, both sides."""


@dataclass(frozen=True)
class Efficiency:
    """The share of jets that passes, with its central interval at `LEVEL`."""

    value: float
    low: float
    high: float


def clopper_pearson(n_passing: Any, n_all: Any, level: float = LEVEL) -> tuple[Values, Values]:
    """Lower and upper end of the interval of an efficiency that covers at least as often as it says.

    n_passing, n_all : counts, any shape; effective counts of weighted jets need not be whole numbers. With nothing
    passing the lower end is 0 and the upper end is a bound above 0. C. Clopper and E. Pearson, Biometrika 26 (1934)
    404.
    """
    passing, failing = np.asarray(n_passing, dtype=float), np.asarray(n_all, dtype=float) - n_passing
    passing, failing = np.maximum(passing, 0.0), np.maximum(failing, 0.0)
    tail = (1 - level) / 2
    low = np.where(passing > 0, betaincinv(np.where(passing > 0, passing, 1), failing + 1, tail), 0.0)
    high = np.where(failing > 0, betaincinv(passing + 1, np.where(failing > 0, failing, 1), 1 - tail), 1.0)
    return low, high


def garwood(counts: Any, level: float = LEVEL) -> tuple[Values, Values]:
    """Lower and upper end of the interval of the mean of a Poisson count, any shape; F. Garwood, Biometrika 28 (1936)
    437."""
    n, tail = np.asarray(counts, dtype=float), (1 - level) / 2
    low = np.where(n > 0, gammaincinv(np.where(n > 0, n, 1), tail), 0.0)
    return low, np.asarray(gammaincinv(n + 1, 1 - tail))


def effective_number(weight: Values) -> float:
    """The number of unweighted jets with the same relative error of their sum, (sum w)^2 / sum w^2; 0 for none."""
    squares = float(np.sum(np.square(weight)))
    return float(np.sum(weight)) ** 2 / squares if squares > 0 else 0.0


def efficiency_interval(
    passing: Values, passing_squares: Values, total: float, total_squares: float
) -> tuple[Values, Values, Values]:
    """Efficiency with the ends of its Clopper-Pearson interval, from sums of weights.

    passing, passing_squares : sums of the weights and of their squares over the jets that pass, any shape; total,
    total_squares : over all jets. The interval is that of the number of unweighted jets with the same variance of the
    efficiency. That is (sum w)^2 / sum w^2 where the weights of passing jets are like those of all, and where nothing
    or everything passes. Sums of negative weights may push the value outside of [0, 1]; the interval stays inside.
    """
    value = np.asarray(passing / total, dtype=float)
    inside = np.clip(value, 0.0, 1.0)
    variance = np.maximum(passing_squares * (1 - 2 * inside) + inside**2 * total_squares, 0.0) / total**2
    binomial = inside * (1 - inside)
    known = (binomial > 0) & (variance > 0)
    n_eff = np.where(known, binomial / np.where(known, variance, 1.0), total**2 / total_squares)
    low, high = clopper_pearson(inside * n_eff, n_eff)
    return value, low, high


def widened(eff: Efficiency, shifted: Values) -> Efficiency:
    """An efficiency whose interval also holds, in quadrature, how far it moves with its threshold.

    shifted : what it is at the ends of the interval of the threshold.
    """
    down, up = max(eff.value - float(shifted.min()), 0.0), max(float(shifted.max()) - eff.value, 0.0)
    low = eff.value - np.hypot(eff.value - eff.low, down)
    high = eff.value + np.hypot(eff.high - eff.value, up)
    return Efficiency(eff.value, float(np.clip(low, 0.0, 1.0)), float(np.clip(high, 0.0, 1.0)))
