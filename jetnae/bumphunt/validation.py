"""Whether a search says what it should: coverage, injected signals, spurious signals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jetnae.bumphunt.fit import Fit
from jetnae.bumphunt.hunt import HuntOptions, hunt
from jetnae.bumphunt.signal import fit_signal
from jetnae.bumphunt.spectrum import Floats, Spectrum
from jetnae.errors import InputError, NotConvergedError

Progress = Callable[[int, int], None]
SIZES = (0.05, 0.01)


@dataclass(frozen=True)
class Coverage:
    """Global p-values of searches in spectra without signal, which should be uniform.

    p_values : (n,), NaN where the spectrum could not be fitted, n_not_converged of them. sizes, fractions : how often
    p is below each size, and the standard deviations of these fractions if the p-values are right.
    """

    options: HuntOptions
    p_values: Floats
    n_not_converged: int
    sizes: tuple[float, ...]
    fractions: tuple[float, ...]
    deviations: tuple[float, ...]

    def passed(self, n_sigma: float = 3.0) -> bool:
        """Whether every fraction is within `n_sigma` standard deviations of its size."""
        rows = zip(self.sizes, self.fractions, self.deviations, strict=True)
        return all(abs(fraction - size) <= n_sigma * deviation for size, fraction, deviation in rows)


@dataclass(frozen=True)
class Injection:
    """Fits to spectra with an injected signal, (n_yields,) each.

    injected : expected signal events. fitted, fitted_error : mean fitted yield and the error of the mean. pull,
    pull_error, pull_width : mean of (fitted - injected) / error, its error, and its standard deviation.
    significance : mean sqrt(q0). n_not_converged : fits that are missing in these, of n_experiments per yield.
    """

    family: str
    n_experiments: int
    injected: Floats
    fitted: Floats
    fitted_error: Floats
    pull: Floats
    pull_error: Floats
    pull_width: Floats
    significance: Floats
    n_not_converged: tuple[int, ...]

    def passed(self, largest: float = 0.5) -> bool:
        """Whether no mean pull is beyond `largest` by more than three times its error, either way."""
        return bool(np.all(np.abs(self.pull) - 3 * self.pull_error < largest))


@dataclass(frozen=True)
class Bias:
    """Spurious signals in spectra without signal that follow other functions than the one that is fitted.

    alternatives : the functions they follow. spurious, spurious_error : mean fitted yield and the error of the mean.
    ratio, ratio_error : mean of the yield over its error in each fit, and the error of that mean.
    """

    family: str
    n_experiments: int
    alternatives: tuple[str, ...]
    spurious: Floats
    spurious_error: Floats
    ratio: Floats
    ratio_error: Floats
    n_not_converged: tuple[int, ...]

    def passed(self, largest: float = 0.5) -> bool:
        """Whether no mean spurious signal exceeds `largest` statistical errors, the custom of CMS searches."""
        return bool(np.all(np.abs(self.ratio) < largest))


def coverage(
    truth: Fit, options: HuntOptions, *, n_experiments: int, rng: np.random.Generator, progress: Progress | None = None
) -> Coverage:
    """Search many spectra thrown from `truth`, each with its own fit and pseudo-experiments.

    Spectra that cannot be fitted count as experiments with a p-value that is not small.
    """
    _require(n_experiments)
    p_values = np.full(n_experiments, np.nan)
    for i in range(n_experiments):
        spectrum = _throw(truth.expected, truth.edges, rng)
        try:
            p = hunt(spectrum, options, rng).scan.global_p
        except NotConvergedError:
            continue
        if p is None:
            raise InputError("coverage needs pseudo-experiments: ask for more than none")
        p_values[i] = p
        if progress:
            progress(i + 1, n_experiments)
    return Coverage(
        options=options,
        p_values=p_values,
        n_not_converged=int(np.isnan(p_values).sum()),
        sizes=SIZES,
        fractions=tuple(float(np.mean(p_values < size)) for size in SIZES),
        deviations=tuple(float(np.sqrt(size * (1 - size) / n_experiments)) for size in SIZES),
    )


def injection(
    truth: Fit, template: Floats, *, yields: Floats, n_experiments: int, rng: np.random.Generator
) -> Injection:
    """Add signals of several expected yields to spectra thrown from `truth` and fit them with its family.

    template : (n_bins,) share of the signal in each bin. yields : (n_yields,) events, not negative.
    """
    _require(n_experiments)
    injected = np.asarray(yields, dtype=np.float64)
    if injected.ndim != 1 or not len(injected) or not (np.isfinite(injected) & (injected >= 0)).all():
        raise InputError("the yields to inject are no list of numbers of events: expected finite, not negative")
    rows = [_fits(truth.expected + n * template, truth, truth.family, template, n_experiments, rng) for n in injected]
    pulls = [(row.fitted - n) / row.error for row, n in zip(rows, injected, strict=True)]
    return Injection(
        family=truth.family,
        n_experiments=n_experiments,
        injected=injected,
        fitted=np.array([row.fitted.mean() for row in rows]),
        fitted_error=np.array([_mean_error(row.fitted) for row in rows]),
        pull=np.array([pull.mean() for pull in pulls]),
        pull_error=np.array([_mean_error(pull) for pull in pulls]),
        pull_width=np.array([pull.std(ddof=1) for pull in pulls]),
        significance=np.array([row.significance.mean() for row in rows]),
        n_not_converged=tuple(n_experiments - len(row.fitted) for row in rows),
    )


def bias(
    alternatives: tuple[Fit, ...], template: Floats, family: str, *, n_experiments: int, rng: np.random.Generator
) -> Bias:
    """Fit signal and background of `family` to signal-free spectra thrown from fits of other functions."""
    _require(n_experiments)
    rows = [_fits(truth.expected, truth, family, template, n_experiments, rng) for truth in alternatives]
    ratios = [row.fitted / row.error for row in rows]
    return Bias(
        family=family,
        n_experiments=n_experiments,
        alternatives=tuple(truth.family for truth in alternatives),
        spurious=np.array([row.fitted.mean() for row in rows]),
        spurious_error=np.array([_mean_error(row.fitted) for row in rows]),
        ratio=np.array([ratio.mean() for ratio in ratios]),
        ratio_error=np.array([_mean_error(ratio) for ratio in ratios]),
        n_not_converged=tuple(n_experiments - len(row.fitted) for row in rows),
    )


@dataclass(frozen=True)
class _Row:
    fitted: Floats
    error: Floats
    significance: Floats


def _fits(
    expected: Floats, truth: Fit, family: str, template: Floats, n_experiments: int, rng: np.random.Generator
) -> _Row:
    """Yield, error and significance in each pseudo-experiment whose fit converged."""
    found = []
    for _ in range(n_experiments):
        spectrum = _throw(expected, truth.edges, rng)
        try:
            result = fit_signal(spectrum, template, family, sqrt_s=truth.sqrt_s, minos=False, limit=False)
        except NotConvergedError:
            continue
        found.append((result.n_signal, result.n_signal_error, result.significance))
    if len(found) < 2:
        raise NotConvergedError(f"{len(found)} of {n_experiments} fits of {family} with a signal converged", found)
    return _Row(*np.array(found).T)


def _throw(expected: Floats, edges: Floats, rng: np.random.Generator) -> Spectrum:
    return Spectrum(rng.poisson(expected).astype(np.float64), edges)


def _mean_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _require(n_experiments: int) -> None:
    if n_experiments < 2:
        raise InputError(f"{n_experiments} pseudo-experiments: expected at least two")
