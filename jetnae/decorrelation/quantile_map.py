"""Decorrelation after the fact: a score becomes the share of background jets of the same mass that score lower."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from jetnae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Values = npt.NDArray[np.floating[Any]]

CHUNK = 50_000
"""Jets mapped at once: bounds memory, does not change a result."""
TAIL = 5
"""Levels from which the slope beyond the last one is taken."""
FEWEST = 100


@dataclass(frozen=True)
class FitOptions:
    """How finely a map follows its columns; pairs are for one column and for two.

    n_nodes : points per column at which the distribution of the score is known. location, shape : share of the jets
    around a node that its mean and width, and the shape of its distribution, are taken from: larger shares fluctuate
    less and follow less. reach : for location and for shape, how far these jets may be in normal scores of the columns,
    where `fewest` are nearer; at the ends of a range a share reaches far into it, so that large samples, which can do
    with a smaller one there, need this. None: any distance.
    """

    n_nodes: tuple[int, int] = (41, 25)
    n_levels: int = 80
    location: tuple[float, float] = (0.08, 0.04)
    shape: tuple[float, float] = (0.15, 0.08)
    reach: tuple[float, float] | None = None
    fewest: tuple[int, int] = (500, 3000)


@dataclass(frozen=True)
class NormalScale:
    """A monotone table that makes a column Gaussian: `normal` (n,) are the normal scores of `values` (n,), rising."""

    values: Values
    normal: Values

    def __call__(self, column: Values) -> Values:
        """Normal scores of a column (n_jets,), held at the ends."""
        return np.interp(column, self.values, self.normal)

    def extended(self, column: Values) -> Values:
        """Normal scores of a column (n_jets,), going on straight beyond both ends."""
        low, high = (_slope(self.values[part], self.normal[part]) for part in (slice(None, TAIL), slice(-TAIL, None)))
        beyond = np.maximum(column - self.values[-1], 0.0) * high + np.minimum(column - self.values[0], 0.0) * low
        return np.asarray(self(column) + beyond)


@dataclass(frozen=True)
class QuantileMap:
    """The distribution of a score in background as a function of one or two columns.

    columns : their names. scales : what makes each of them Gaussian. score_scale : the same for the score. nodes : per
    column, (n_nodes,) normal scores at which the following is known and between which it is interpolated. location,
    width : (n_nodes, ...) of the normal score of the score. shape : (n_nodes, ..., n_levels) quantiles at `levels` of
    what is left when both are divided out. levels : (n_levels,) normal scores, evenly spaced, so that the probabilities
    are dense in both tails, the upper up to 1 - 1 / n of the jets that made the shape.
    """

    columns: tuple[str, ...]
    scales: tuple[NormalScale, ...]
    score_scale: NormalScale
    nodes: tuple[Values, ...]
    location: Values
    width: Values
    shape: Values
    levels: Values


def fit(
    score: Values,
    columns: Mapping[str, Values],
    *,
    weight: Values | None = None,
    options: FitOptions | None = None,
) -> QuantileMap:
    """Learn from background jets how a score depends on one or two columns.

    score, columns, weight : (n_jets,). Jets where anything is not finite are left out. Around every node a straight
    line (a plane) through the nearest jets gives mean and width of the score; what is left after both are divided out
    changes slowly, so that its quantiles are taken from more jets, and small background efficiencies stay resolved.
    Raises `InputError` for no or more than two columns, a constant one, or fewer than `FEWEST` jets.
    """
    options = options or FitOptions()
    names = tuple(columns)
    data, weights = _finite(score, columns, weight)
    scales = tuple(_normal_scale(column, weights, name) for name, column in zip((*names, "score"), data, strict=True))
    points = np.stack([scale(column) for scale, column in zip(scales[:-1], data[:-1], strict=True)], axis=1)
    values = scales[-1](data[-1])
    which = len(names) - 1
    nodes = tuple(np.linspace(column.min(), column.max(), options.n_nodes[which]) for column in points.T)
    places = np.array(list(itertools.product(*nodes)))
    size = tuple(map(len, nodes))
    line, around = (_neighborhood(options, i, which, len(values)) for i in (0, 1))
    levels = np.linspace(ndtri(0.003), ndtri(1 - 1 / around.most), options.n_levels)
    found = np.array([_line(place, points, values, weights, line) for place in places])
    location, width = found[:, 0].reshape(size), found[:, 1].reshape(size)
    left = (values - _between(location, nodes, points)) / _between(width, nodes, points)
    shape = np.array([_quantiles(left, _kernel(place, points, around) * weights, ndtr(levels)) for place in places])
    return QuantileMap(names, scales[:-1], scales[-1], nodes, location, width, shape.reshape(*size, -1), levels)


def apply(quantile_map: QuantileMap, score: Values, columns: Mapping[str, Values]) -> Values:
    """Share of the background with these columns that scores lower, (n_jets,) in [0, 1], uniform for background.

    score, columns : (n_jets,). It rises with the score at fixed columns, also beyond the scores of the fit; columns are
    held at the ends of the range of the fit. NaN where the score or a column is. Raises `InputError` when a column of
    the map is missing.
    """
    missing = [name for name in quantile_map.columns if name not in columns]
    if missing:
        raise InputError(f"the decorrelation needs the column {missing[0]}, found {', '.join(columns) or 'none'}")
    chosen = [np.asarray(columns[name], dtype=np.float64) for name in quantile_map.columns]
    values = np.asarray(score, dtype=np.float64)
    mapped = np.full(len(values), np.nan)
    good = np.flatnonzero(~np.isnan(np.sum([values, *chosen], axis=0)))
    for part in (good[start : start + CHUNK] for start in range(0, len(good), CHUNK)):
        mapped[part] = _apply(quantile_map, values[part], [column[part] for column in chosen])
    return mapped


def _apply(quantile_map: QuantileMap, score: Values, columns: list[Values]) -> Values:
    points = np.stack([scale(column) for scale, column in zip(quantile_map.scales, columns, strict=True)], axis=1)
    nodes = quantile_map.nodes
    values = quantile_map.score_scale.extended(score) - _between(quantile_map.location, nodes, points)
    values /= _between(quantile_map.width, nodes, points)
    return np.asarray(ndtr(_level(values, _between(quantile_map.shape, nodes, points), quantile_map.levels)))


def _finite(score: Values, columns: Mapping[str, Values], weight: Values | None) -> tuple[list[Values], Values]:
    """The columns, then the score, and the weights, of jets where all are finite."""
    if not 1 <= len(columns) <= 2:
        raise InputError(f"decorrelation from {len(columns)} columns, expected one or two, such as mass and pt")
    data = [np.asarray(column, dtype=np.float64) for column in (*columns.values(), score)]
    weights = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=np.float64)
    if any(len(column) != len(weights) for column in data):
        raise InputError(f"columns of {[len(column) for column in data]} values, expected one per jet in each")
    good = np.isfinite([*data, weights]).all(axis=0)
    if good.sum() < FEWEST:
        raise InputError(f"decorrelation from {good.sum()} jets with finite values, expected {FEWEST} or more")
    return [column[good] for column in data], weights[good]


def _normal_scale(column: Values, weight: Values, name: str) -> NormalScale:
    end = ndtri(1 - 0.5 / len(column))
    normal = np.linspace(-end, end, 401)
    values, run = np.unique(_quantiles(column, weight, ndtr(normal)), return_inverse=True)
    if len(values) < 2:
        raise InputError(f"{name} is the same for all jets, expected a column that varies")
    return NormalScale(values, np.bincount(run, normal) / np.bincount(run))


@dataclass(frozen=True)
class _Neighborhood:
    """Which jets tell of a place: the `most` nearest, those beyond `reach` only where `fewest` are not nearer."""

    most: int
    reach: float
    fewest: int


def _neighborhood(options: FitOptions, kind: int, which: int, n_jets: int) -> _Neighborhood:
    """For location (kind 0) or shape (1), in one (which 0) or two columns."""
    most = max(int((options.location, options.shape)[kind][which] * n_jets), FEWEST)
    reach = np.inf if options.reach is None else options.reach[kind]
    return _Neighborhood(most, reach, min(options.fewest[kind], most))


def _kernel(place: Values, points: Values, near: _Neighborhood) -> Values:
    """Weights (n_jets,) that fall to zero beyond the nearest jets."""
    distance = np.abs(points - place).max(axis=1)
    reach = _distance_of(near.most, distance)
    if near.reach < reach:
        reach = max(near.reach, _distance_of(near.fewest, distance))
    # a little further than the last of them: many may stand at the same distance
    share = distance / (1.01 * reach + 1e-9)
    kernel, inside = np.zeros(len(distance)), share < 1
    kernel[inside] = (1 - share[inside] ** 3) ** 3
    return kernel


def _distance_of(n_nearest: int, distance: Values) -> float:
    """How far the last of the nearest jets is."""
    last = min(n_nearest, len(distance)) - 1
    return float(np.partition(distance, last)[last])


def _line(place: Values, points: Values, values: Values, weight: Values, near: _Neighborhood) -> tuple[float, float]:
    """Mean and width of the values at a place, from a straight line through the nearest jets."""
    kernel = _kernel(place, points, near) * weight
    some = kernel != 0
    if kernel.sum() <= 0:
        raise InputError("the weights of jets of similar mass sum to 0 or less, expected more: leave negative ones out")
    kernel = kernel[some] / kernel[some].sum()
    design = np.column_stack([np.ones(len(kernel)), points[some] - place])
    weighted = design * kernel[:, None]
    ridge = np.diag([0.0, *[1e-6] * points.shape[1]])  # for columns that are constant nearby
    line = np.linalg.solve(design.T @ weighted + ridge, weighted.T @ values[some])
    variance = kernel @ (values[some] - design @ line) ** 2
    return float(line[0]), float(np.sqrt(max(variance, 1e-12)))


def _quantiles(values: Values, weight: Values, probabilities: Values) -> Values:
    """Quantiles of weighted values, rising also where negative weights make the running sum fall."""
    some = np.flatnonzero(weight)
    order = some[np.argsort(values[some], kind="stable")]
    running = np.cumsum(weight[order])
    share = np.maximum.accumulate(running - weight[order] / 2) / running[-1]
    return np.interp(probabilities, share, values[order])


def _between(table: Values, nodes: tuple[Values, ...], points: Values) -> Values:
    """A table (n_nodes, ..., *rest) between its nodes, at points (n_jets, n_columns): shape (n_jets, *rest)."""
    corners: list[tuple[npt.NDArray[np.integer[Any]], Values]] = []
    for axis, at in enumerate(nodes):
        place = np.clip((points[:, axis] - at[0]) / (at[1] - at[0]), 0, len(at) - 1)
        lower = np.minimum(place.astype(np.int64), len(at) - 2)
        corners.append((lower, place - lower))
    rest = (1,) * (table.ndim - len(nodes))
    total: Any = 0.0
    for upper in itertools.product((0, 1), repeat=len(nodes)):
        index = tuple(lower + step for (lower, _), step in zip(corners, upper, strict=True))
        factor = np.prod(
            [share if step else 1 - share for (_, share), step in zip(corners, upper, strict=True)], axis=0
        )
        total = total + table[index] * factor.reshape(-1, *rest)
    return np.asarray(total)


def _level(values: Values, quantiles: Values, levels: Values) -> Values:
    """The level (n,) at which each value (n,) stands among its quantiles (n, n_levels), straight beyond the ends."""
    rows = np.arange(len(values))
    upper = np.clip(np.count_nonzero(quantiles < values[:, None], axis=1), 1, len(levels) - 1)
    low, high = quantiles[rows, upper - 1], quantiles[rows, upper]
    share = np.clip((values - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    level = levels[upper - 1] + share * (levels[upper] - levels[upper - 1])
    rise = levels[TAIL - 1] - levels[0]
    above = np.maximum(values - quantiles[:, -1], 0.0) * rise / np.maximum(quantiles[:, -1] - quantiles[:, -TAIL], 1e-3)
    below = (
        np.minimum(values - quantiles[:, 0], 0.0) * rise / np.maximum(quantiles[:, TAIL - 1] - quantiles[:, 0], 1e-3)
    )
    return np.asarray(level + above + below)


def _slope(values: Values, normal: Values) -> float:
    return float((normal[-1] - normal[0]) / (values[-1] - values[0]))
