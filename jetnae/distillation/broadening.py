"""Inputs beyond the background, made of background alone, so that a student learns how a teacher's score goes on there.

Nothing here is meant to be physical, and nothing knows a signal: a network that has seen only what is usual is free
to answer anything elsewhere (outlier exposure, arXiv:1812.04606, with the teacher's score in place of a label).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Broaden = Callable[[Array, np.random.Generator], Array]
LARGEST_FACTOR = 4.0
MAX_DEPOSITS = 6
MAX_TRANSPLANTS, REACH = 4, 2
"""Of surroundings that are put into another input, and how far they reach."""


def factors(n: int, rng: np.random.Generator) -> Array:
    """Factors (n,) from 1 to `LARGEST_FACTOR`, evenly in their logarithm."""
    return np.exp(rng.uniform(0, np.log(LARGEST_FACTOR), n))


def spread_out(values: Array, like: int) -> Array:
    """Values (n,) with axes of length one behind, as many as (n, ...) of `like` dimensions needs."""
    return values.reshape(-1, *[1] * (like - 1))


def grid_sums(x: Array, rng: np.random.Generator) -> Array:
    """Two of them on top of each other."""
    return np.asarray(x + x[rng.permutation(len(x))])


def grid_scaled(x: Array, rng: np.random.Generator) -> Array:
    """All values times a factor."""
    return np.asarray(x * spread_out(factors(len(x), rng), x.ndim))


def grid_subsets(x: Array, rng: np.random.Generator) -> Array:
    """Some values removed, and the others times a factor."""
    kept = rng.random(x.shape) > spread_out(rng.uniform(0, 0.7, len(x)), x.ndim)
    return np.asarray(grid_scaled(x, rng) * kept)


def grid_deposits(x: Array, rng: np.random.Generator) -> Array:
    """One to six local deposits more, each in one cell and one of its neighbors, as large as the largest ones here."""
    n, n_rows, n_columns = x.shape
    largest = x.reshape(n, -1).max(axis=1)
    low, high = np.maximum(np.quantile(largest, [0.01, 0.999]), 1e-6) * (0.5, 2.0)
    result = x.astype(np.float64)
    n_deposits = rng.integers(1, MAX_DEPOSITS + 1, n)
    for i in range(MAX_DEPOSITS):
        size = np.exp(rng.uniform(np.log(low), np.log(high), n)) * (i < n_deposits)
        share = rng.uniform(0.3, 1.0, n)
        row, column = rng.integers(0, n_rows, n), rng.integers(0, n_columns, n)
        beside = np.clip(column + rng.integers(-1, 2, n), 0, n_columns - 1)
        below = (row + rng.integers(-1, 2, n)) % n_rows  # rows are phi where columns are eta
        np.add.at(result, (np.arange(n), row, column), size * share)
        np.add.at(result, (np.arange(n), below, beside), size * (1 - share))
    return result


def grid_transplants(x: Array, rng: np.random.Generator) -> Array:
    """The surroundings of the largest values of one to four others, times a factor each, somewhere on top."""
    n, n_rows, n_columns = x.shape
    result, every = x.astype(np.float64), np.arange(n)
    n_added = rng.integers(1, MAX_TRANSPLANTS + 1, n)
    for i in range(MAX_TRANSPLANTS):
        other = x[rng.permutation(n)].astype(np.float64)
        above = np.maximum(other - np.median(other, axis=(1, 2), keepdims=True), 0)
        row, column = np.unravel_index(other.reshape(n, -1).argmax(axis=1), (n_rows, n_columns))
        to_row, to_column = rng.integers(0, n_rows, n), rng.integers(0, n_columns, n)
        factor = factors(n, rng) * (i < n_added)
        for a, b in ((a, b) for a in range(-REACH, REACH + 1) for b in range(-REACH, REACH + 1)):
            here, there = column + b, to_column + b
            inside = (here >= 0) & (here < n_columns) & (there >= 0) & (there < n_columns)
            value = above[every, (row + a) % n_rows, here.clip(0, n_columns - 1)]
            result[every, (to_row + a) % n_rows, there.clip(0, n_columns - 1)] += factor * value * inside
    return result


def grid_mixtures(x: Array, rng: np.random.Generator) -> Array:
    """Deposits on a sum of two that are each less than whole."""
    shares = [spread_out(rng.uniform(0.3, 1, len(x)), x.ndim) for _ in range(2)]
    return grid_deposits(shares[0] * x + shares[1] * x[rng.permutation(len(x))], rng)


def grid_turned(x: Array, rng: np.random.Generator) -> Array:
    """Turned in phi, the rows, by whole steps, and half of them reflected in eta: crossings as likely as they were."""
    n_rows = x.shape[1]
    rows = (np.arange(n_rows) + rng.integers(0, n_rows, len(x))[:, None]) % n_rows
    turned = np.take_along_axis(x, rows[:, :, None], axis=1)
    return np.where(rng.random(len(x))[:, None, None] < 0.5, turned[:, :, ::-1], turned)


def row_spread(x: Array, rng: np.random.Generator) -> Array:
    """All deviations from the mean times a factor."""
    mean = x.mean(axis=0)
    return np.asarray(mean + spread_out(factors(len(x), rng), x.ndim) * (x - mean))


def row_shuffled(x: Array, rng: np.random.Generator) -> Array:
    """Some values from other rows, which breaks the correlations."""
    other = np.stack([column[rng.permutation(len(x))] for column in x.T], axis=1)
    return np.where(rng.random(x.shape) < spread_out(rng.uniform(0, 1, len(x)), x.ndim), other, x)


def row_blended(x: Array, rng: np.random.Generator) -> Array:
    """On the straight line through two of them, up to one length beyond either end."""
    share = spread_out(rng.uniform(-1, 2, len(x)), x.ndim)
    return np.asarray(share * x + (1 - share) * x[rng.permutation(len(x))])


GRID: dict[str, Broaden] = {
    "sums": grid_sums,
    "scaled": grid_scaled,
    "subsets": grid_subsets,
    "deposits": grid_deposits,
    "transplants": grid_transplants,
    "mixtures": grid_mixtures,
}
"""Ways to broaden grids (n, rows, columns) of energies."""

ROWS: dict[str, Broaden] = {"spread": row_spread, "shuffled": row_shuffled, "blended": row_blended}
"""Ways to broaden rows (n, n_features) of any numbers."""
