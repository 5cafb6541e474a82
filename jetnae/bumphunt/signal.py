"""A signal of known shape on the smooth background: its yield, significance and upper limit, with iminuit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtr

from jetnae.bumphunt.design import Design, make_design, means
from jetnae.bumphunt.families import FAMILIES
from jetnae.bumphunt.fit import Fit, fit
from jetnae.bumphunt.limits import expected_limits, upper_limit
from jetnae.bumphunt.spectrum import Floats, Spectrum, require_counts
from jetnae.errors import InputError, MissingExtraError, NotConvergedError


@dataclass(frozen=True)
class SignalFit:
    """Signal and background fitted together.

    n_signal : fitted number of signal events, which may be negative; n_signal_error : from the curvature (HESSE);
    n_signal_interval : where -2 ln L has risen by one (MINOS), None when not computed or not found. significance :
    sqrt(q0) of arXiv:1007.1727. upper_limit : 95 % CLs, asymptotic; expected_limits : its median without
    signal and the bands of -2, -1, 0, 1, 2 standard deviations. template : (n_bins,) shape of the signal.
    background : (n_bins,) the fitted background. background_only : the fit without signal. counts : (n_bins,) what was
    fitted, None in files of the first format. observable, unit : of the edges.
    """

    FORMAT_VERSION: ClassVar[int] = 2
    ADDED: ClassVar[Mapping[int, Mapping[str, Any]]] = {2: {"counts": None, "observable": "m", "unit": "GeV"}}

    n_signal: float
    n_signal_error: float
    n_signal_interval: tuple[float, float] | None
    significance: float
    upper_limit: float | None
    expected_limits: tuple[float, ...] | None
    template: Floats
    background: Floats
    background_only: Fit
    counts: Floats | None
    observable: str = "m"
    unit: str = "GeV"


def gaussian(edges: Floats, *, mean: float, width: float) -> Floats:
    """Share of a Gaussian resonance of standard deviation `width` in each bin, (n_bins,)."""
    if not (np.isfinite([mean, width]).all() and width > 0):
        raise InputError(f"a Gaussian at {mean:g} with standard deviation {width:g}: expected a positive one")
    return np.asarray(np.diff(ndtr((np.asarray(edges) - mean) / width)))


def fit_signal(
    spectrum: Spectrum, template: Floats, family: str, *, sqrt_s: float, minos: bool = True, limit: bool = True
) -> SignalFit:
    """Fit the yield of a signal together with the parameters of a background family.

    template : (n_bins,) expected share of the signal events in each bin. The background moves along the principal
    axes of its own fit, so that the minimizer meets no narrow valley. Raises `InputError` for weighted spectra and
    templates without signal, `MissingExtraError` without iminuit, `NotConvergedError` when no minimum is found.
    """
    require_counts(spectrum)
    shape = np.asarray(template, dtype=np.float64)
    if shape.shape != spectrum.counts.shape or not (np.isfinite(shape).all() and (shape >= 0).all() and shape.any()):
        raise InputError("the template of the signal is no distribution over the bins: expected shares, one per bin")
    if family not in FAMILIES:
        raise InputError(f"no family '{family}', expected one of {', '.join(FAMILIES)}")
    alone = fit(spectrum, FAMILIES[family], sqrt_s=sqrt_s)
    likelihood = _make_likelihood(alone, spectrum.counts, shape)
    best = _minimize(likelihood)
    n_signal, error = best.values[0] * likelihood.scale, best.errors[0] * likelihood.scale
    q0 = max(alone.deviance - best.fval, 0.0) if n_signal > 0 else 0.0
    limits = _limits(likelihood, alone, float(best.fval), float(best.values[0])) if limit else (None, None)
    return SignalFit(
        n_signal=float(n_signal),
        n_signal_error=float(error),
        n_signal_interval=_interval(best, likelihood.scale) if minos else None,
        significance=float(np.sqrt(q0)),
        upper_limit=limits[0],
        expected_limits=limits[1],
        template=shape,
        background=likelihood.background(np.array(best.values[1:])),
        background_only=alone,
        counts=spectrum.counts,
    )


@dataclass(frozen=True)
class _Likelihood:
    """Deviance of signal and background; parameters are the signal in `scale` events, then background axes."""

    design: Design
    counts: Floats
    template: Floats
    origin: Floats
    axes: Floats
    scale: float

    def background(self, position: Floats) -> Floats:
        log_means, _ = means(self.design, (self.origin + self.axes @ position)[None])
        return np.asarray(np.exp(log_means[0]))

    def deviance(self, point: Floats) -> float:
        expected, _ = self._expected(point)
        logs = np.log(np.where(self.counts > 0, self.counts, 1) / expected)
        return float(2 * np.sum(expected - self.counts + self.counts * logs))

    def gradient(self, point: Floats) -> Floats:
        expected, slopes = self._expected(point)
        return np.asarray(2 * (1 - self.counts / expected) @ slopes)

    def _expected(self, point: Floats) -> tuple[Floats, Floats]:
        parameters = self.origin + self.axes @ np.asarray(point[1:])
        log_means, gradient = means(self.design, parameters[None])
        background = np.exp(log_means[0])
        total = background + point[0] * self.scale * self.template
        slopes = np.column_stack([self.scale * self.template, background[:, None] * (gradient[0] @ self.axes)])
        floor = 1e-6 * background  # a negative signal cannot take more than there is
        return np.maximum(total, floor), np.where((total > floor)[:, None], slopes, 0.0)


def _make_likelihood(alone: Fit, counts: Floats, template: Floats) -> _Likelihood:
    design = make_design(FAMILIES[alone.family], alone.edges, sqrt_s=alone.sqrt_s, fitted=alone.fitted)
    axes = np.asarray(np.linalg.cholesky(alone.orthonormal_covariance), dtype=np.float64)
    scale = float(np.sum(template**2 / alone.expected) ** -0.5)
    return _Likelihood(design, counts, template, alone.orthonormal, axes, scale)


def _minimize(likelihood: _Likelihood, strength: float | None = None) -> Any:
    """The minimum over all parameters, or with the signal kept at `strength` in units of the scale."""
    try:
        from iminuit import Minuit
    except ImportError as error:
        raise MissingExtraError("a signal is fitted with iminuit: install it with pip install 'jetnae[fit]'") from error
    start = np.zeros(1 + len(likelihood.origin))
    start[0] = strength or 0.0
    minimizer = Minuit(likelihood.deviance, start, grad=likelihood.gradient)
    minimizer.errordef, minimizer.tol = Minuit.LEAST_SQUARES, 1e-3
    minimizer.errors = 1.0
    minimizer.fixed[0] = strength is not None
    minimizer.migrad()
    if not minimizer.valid:
        minimizer.simplex().migrad()
    if not minimizer.valid:
        last = np.array(minimizer.values)
        raise NotConvergedError(f"the fit of signal and background did not converge, it stands at {last}", last)
    if strength is None:
        minimizer.hesse()
    return minimizer


def _interval(best: Any, scale: float) -> tuple[float, float] | None:
    best.minos(0)
    found = best.merrors[0]
    if not found.is_valid:
        return None
    return float(best.values[0] + found.lower) * scale, float(best.values[0] + found.upper) * scale


def _limits(likelihood: _Likelihood, alone: Fit, lowest: float, best: float) -> tuple[float, tuple[float, ...]]:
    """Observed and expected upper limits on the number of signal events."""
    asimov = _make_likelihood(alone, alone.expected, likelihood.template)
    reference = lowest if best > 0 else alone.deviance  # q tilde: negative signals count as none

    def q(strength: float) -> float:
        return float(_minimize(likelihood, strength).fval) - reference

    def q_asimov(strength: float) -> float:
        return float(_minimize(asimov, strength).fval)

    observed = upper_limit(q, q_asimov, start=max(best, 0.0), scale=1.0)
    expected = expected_limits(q_asimov, scale=1.0)
    return observed * likelihood.scale, tuple(each * likelihood.scale for each in expected)
