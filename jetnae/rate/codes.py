"""The values that a score takes, how many crossings reach each, and the threshold for a share of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]
    Counts = npt.NDArray[np.integer[Any]]

ROUNDING = 1e-12
"""Relative error of a share that is computed from a rate."""


@dataclass(frozen=True)
class Codes:
    """The different values of a score, falling, (n,), and the number of crossings that reach each, rising, (n,).

    Crossings with the same score pass together; those with -inf reach none and count among all `n_crossings`.
    """

    value: Values
    n_passing: Counts
    n_crossings: int

    def loosest(self, share: float) -> int | None:
        """The last value that at most a share of the crossings reach; None where even the largest is too frequent."""
        most = share * self.n_crossings * (1 + ROUNDING)
        found = int(np.searchsorted(self.n_passing, most, side="right")) - 1
        return found if found >= 0 else None

    def enough(self, share: float, fewest: int) -> bool:
        """Whether a share of the crossings is `fewest` of them or more."""
        return share * self.n_crossings * (1 + ROUNDING) >= fewest

    def n_tied(self, at: int) -> int:
        """Crossings whose score is the value number `at`."""
        return int(self.n_passing[at] - (self.n_passing[at - 1] if at else 0))

    def along(self, n_points: int) -> Counts:
        """Numbers of up to about `n_points` values, spread evenly in the logarithm of the rate, both ends included."""
        if not len(self.value):
            return np.zeros(0, dtype=np.int64)
        wanted = np.geomspace(self.n_passing[0], self.n_passing[-1], n_points)
        found = np.searchsorted(self.n_passing, wanted * (1 - ROUNDING))
        return np.unique(np.minimum(found, len(self.value) - 1))


def make_codes(score: Values) -> Codes:
    """The values of scores (n_crossings,), -inf for those that never pass."""
    value, count = np.unique(score[score > -np.inf], return_counts=True)
    return Codes(value[::-1].astype(np.float64), np.cumsum(count[::-1]), len(score))


def sums_above(score: Values, weight: Values, threshold: Values) -> Values:
    """Sum of the weights (n,) of the scores (n,) that are at each threshold (m,) or above, shape (m,)."""
    order = np.argsort(score)
    running = np.concatenate([[0.0], np.cumsum(weight[order])])
    return np.asarray(running[-1] - running[np.searchsorted(score[order], threshold, side="left")])
