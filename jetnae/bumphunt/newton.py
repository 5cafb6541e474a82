"""Poisson fits of many spectra at once, by Fisher scoring with step halving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jetnae.bumphunt.design import Design, means
from jetnae.bumphunt.spectrum import Bools, Floats, Ints

MAX_ITERATIONS = 100
MAX_HALVINGS = 30
TOLERANCE = 1e-9
"""Of the expected gain in deviance: far below what matters in a p-value, above rounding with 1e8 events."""
CELLS = 100_000
"""Bins times spectra that are fitted together, so that what is computed stays in the cache."""


@dataclass(frozen=True)
class Fits:
    """Fits of one family to n spectra; those that did not converge stand at their last step.

    parameters : (n, n_parameters) orthonormal. expected : (n, n_bins). deviance, converged, n_iterations : (n,).
    """

    parameters: Floats
    expected: Floats
    deviance: Floats
    converged: Bools
    n_iterations: Ints


class _State(NamedTuple):
    log_means: Floats
    deviance: Floats
    score: Floats
    information: Floats


def fit_many(design: Design, counts: Floats, *, start: Floats, precision: Floats) -> Fits:
    """Maximize the Poisson likelihood of each of many spectra.

    counts : (n, n_bins). start : orthonormal parameters, (n_parameters,) or one row per spectrum. precision :
    (n_bins,) weight of each bin in the likelihood: 1, 0 for a bin that is not fitted, and sum w / sum w^2 for
    weighted counts (Bohm and Zech, arXiv:1309.1287).
    """
    starts = np.broadcast_to(start, (len(counts), design.basis.shape[2]))
    size = max(1, CELLS // counts.shape[1])
    pieces = [
        _fit_piece(design, counts[i : i + size], starts[i : i + size], precision)
        for i in range(0, max(len(counts), 1), size)
    ]
    names = ("parameters", "expected", "deviance", "converged", "n_iterations")
    return Fits(**{name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names})


def information(design: Design, parameters: Floats, precision: Floats) -> Floats:
    """Expected Fisher information of the orthonormal parameters (n, n_parameters), one square matrix each."""
    log_means, gradient = means(design, parameters)
    return _information(np.exp(log_means), gradient, precision)


def _fit_piece(design: Design, counts: Floats, start: Floats, precision: Floats) -> Fits:
    parameters = np.array(start, dtype=np.float64)
    state = _evaluate(design, counts, parameters, precision)
    n_iterations, active = np.zeros(len(counts), dtype=np.int64), np.arange(len(counts))
    for _ in range(MAX_ITERATIONS):
        step = np.linalg.solve(state.information[active], state.score[active][:, :, None])[:, :, 0]
        gaining = ~(np.sum(step * state.score[active], axis=1) < TOLERANCE)
        active, step = active[gaining], step[gaining]
        if not len(active):
            break
        n_iterations[active] += 1
        parameters[active], moved = _move(
            design, counts[active], parameters[active], step, (state.deviance[active], precision)
        )
        for values, new in zip(state, moved, strict=True):
            values[active] = new
    converged = np.ones(len(counts), dtype=bool)
    converged[active] = False
    return Fits(parameters, np.exp(state.log_means), state.deviance, converged, n_iterations)


def _move(
    design: Design, counts: Floats, origin: Floats, step: Floats, context: tuple[Floats, Floats]
) -> tuple[Floats, _State]:
    """Go a step from `origin`, halved for each spectrum until its deviance does not rise beyond rounding."""
    deviance, precision = context
    highest = deviance + 1e-9 + 1e-13 * counts.sum(axis=1)
    reached = origin + step
    state = _evaluate(design, counts, reached, precision)
    for halving in range(1, MAX_HALVINGS):
        worse = ~(state.deviance <= highest)
        if not worse.any():
            break
        reached[worse] = origin[worse] + step[worse] / 2**halving
        for values, new in zip(state, _evaluate(design, counts[worse], reached[worse], precision), strict=True):
            values[worse] = new
    return reached, state


def _evaluate(design: Design, counts: Floats, parameters: Floats, precision: Floats) -> _State:
    log_means, gradient = means(design, parameters)
    with np.errstate(over="ignore", invalid="ignore"):  # a step too far, which is halved
        expected = np.exp(log_means)
        log_counts = np.log(np.where(counts > 0, counts, 1))
        deviance = 2 * (expected - counts + counts * (log_counts - log_means)) @ precision
        score = np.matmul(((counts - expected) * precision)[:, None], gradient)[:, 0]
        return _State(log_means, deviance, score, _information(expected, gradient, precision))


def _information(expected: Floats, gradient: Floats, precision: Floats) -> Floats:
    weighted = gradient * (expected * precision)[:, :, None]
    found = np.matmul(weighted.transpose(0, 2, 1), gradient)
    # a trace of the unit matrix, so that a spectrum that says nothing about a direction stays there
    size = found.shape[-1]
    floor = 1e-13 * np.trace(found, axis1=1, axis2=2) + 1e-300
    return np.asarray(found + floor[:, None, None] * np.eye(size))
