"""Distance correlation: zero only for independence, whatever the form of the dependence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]
    Indices = npt.NDArray[np.integer[Any]]


def distance_correlation(x: Values, y: Values, weight: Values | None = None) -> float:
    """Distance correlation of two columns (n,), in [0, 1]: the square root of dCov^2 / sqrt(dVar_x^2 dVar_y^2).

    G. Szekely, M. Rizzo and N. Bakirov, Annals of Statistics 35 (2007) 2769, their V-statistic, with the weights as
    probabilities; of independent columns it is not zero but of the order of 1 / sqrt(n). The sums over pairs take
    O(n log n), as in X. Huo and G. Szekely, Technometrics 58 (2016) 435. 0 where a column is constant. Raises
    `InputError` for fewer than two values, or values that are not finite.
    """
    x, y = (np.asarray(column, dtype=np.float64) for column in (x, y))
    weights = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not 2 <= len(x) == len(y) == len(weights) or not all(np.isfinite(part).all() for part in (x, y, weights)):
        raise InputError(
            f"distance correlation of {len(x)} and {len(y)} values, expected two or more pairs, all finite"
        )
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    share = weights / weights.sum()
    x, y = ((column - share @ column) / np.ptp(column) for column in (x, y))  # for precision alone
    variances = [_covariance(column, column, share, 2 * float(share @ column**2)) for column in (x, y)]
    if min(variances) <= 0:
        return 0.0
    covariance = _covariance(x, y, share, _mean_product(x, y, share))
    return float(np.sqrt(max(covariance, 0.0) / np.sqrt(variances[0] * variances[1])))


def _covariance(x: Values, y: Values, share: Values, mean_product: float) -> float:
    """Squared distance covariance: E[ab] + E[a] E[b] - 2 E[a_i b_i], a and b the distances of pairs in x and in y."""
    a, b = _mean_distances(x, share), _mean_distances(y, share)
    return mean_product + float((share @ a) * (share @ b) - 2 * share @ (a * b))


def _mean_distances(x: Values, share: Values) -> Values:
    """Mean distance of each value to all others, (n,)."""
    order = np.argsort(x, kind="stable")
    values, shares = x[order], share[order]
    below, weighted = np.cumsum(shares), np.cumsum(shares * values)
    distances = np.empty_like(x)
    distances[order] = values * (2 * below - below[-1]) + weighted[-1] - 2 * weighted
    return distances


def _mean_product(x: Values, y: Values, share: Values) -> float:
    """Mean over all pairs of |x_i - x_j| |y_i - y_j|.

    With j before i in the order of x, the product is (x_i - x_j)(y_i - y_j), with a minus where y_j > y_i: sums over
    all earlier j, and over those that also lie lower in y.
    """
    order = np.argsort(x, kind="stable")
    x, y, share = x[order], y[order], share[order]
    terms = np.stack([share, share * x, share * y, share * x * y])
    earlier = np.cumsum(terms, axis=1) - terms
    lower = _sums_over_lower(terms, y)
    one, of_x, of_y, of_xy = 2 * lower - earlier
    return float(2 * share @ (x * y * one - y * of_x - x * of_y + of_xy))


def _sums_over_lower(terms: Values, y: Values) -> Values:
    """For each i the sums of `terms` (k, n) over the j before i with y_j < y_i (in any order among equals).

    Goes through the bits of the ranks of y, the highest first. Two ranks differ first at one bit: there both still lie
    in one group, and the lower one has a 0 where the other has a 1. Groups keep the order of the input.
    """
    n = y.size
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(y, kind="stable")] = np.arange(n)
    place = np.arange(n)  # which entry stands at each position
    sums = np.zeros_like(terms)
    for bit in reversed(range(int(n - 1).bit_length())):
        group, one = rank[place] >> (bit + 1), (rank[place] >> bit & 1).astype(bool)
        start = np.searchsorted(group, group)  # groups are in order, so this is where each begins
        zeros = np.cumsum(np.where(one, 0.0, terms[:, place]), axis=1)
        before = np.concatenate([np.zeros((len(terms), 1)), zeros], axis=1)[:, start]
        sums[:, place[one]] += (zeros - before)[:, one]
        place = place[_partition(one, start)]
    return sums


def _partition(one: npt.NDArray[np.bool_], start: Indices) -> Indices:
    """Positions that move the zeros of each group before its ones, keeping their order."""
    n = len(one)
    n_zero = np.concatenate([[0], np.cumsum(~one)])
    end = np.append(start[1:], -1)
    last = np.flatnonzero(start != end)  # last position of each group
    size_zero = n_zero[last + 1] - n_zero[start[last]]
    zeros_of_group = np.repeat(size_zero, np.diff(np.append(start[last], n)))
    position = np.arange(n)
    zeros_before = n_zero[:-1] - n_zero[start]
    target = np.where(one, start + zeros_of_group + (position - start - zeros_before), start + zeros_before)
    moved = np.empty(n, dtype=np.int64)
    moved[target] = position
    return moved
