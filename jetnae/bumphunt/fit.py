"""A smooth function fitted to a spectrum, on all bins or on sidebands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, gammaln

from jetnae.bumphunt.design import Design, make_design, means
from jetnae.bumphunt.families import Family
from jetnae.bumphunt.newton import Fits, fit_many, information
from jetnae.bumphunt.spectrum import Bools, Floats, Spectrum
from jetnae.errors import InputError, NotConvergedError

UNDETERMINED = 1e6
"""Variance of an orthonormal parameter beyond which the events say nothing about it: expectations within e^100."""
ADVICE = "use a family with fewer parameters, or more events"


@dataclass(frozen=True)
class Fit:
    """A family fitted to a spectrum.

    family, parameter_names, parameters, covariance : as in the formula, with ln p0 in events per unit of mass.
    orthonormal, orthonormal_covariance : the same where the basis is orthonormal over the fitted bins.
    expected, expected_error : (n_bins,) counts and their standard error, also outside the fitted bins. expected_axes :
    (n_bins, n_parameters) relative change of the expectation along independent directions, one standard deviation each.
    fitted : (n_bins,) bins in the likelihood. deviance, minus_two_ln_l, chi2 (Pearson's) and ndf are of those; for
    weighted spectra of counts and expectations divided by sum w^2 / sum w.
    """

    family: str
    sqrt_s: float
    edges: Floats
    fitted: Bools
    parameter_names: tuple[str, ...]
    parameters: Floats
    covariance: Floats
    orthonormal: Floats
    orthonormal_covariance: Floats
    expected: Floats
    expected_error: Floats
    expected_axes: Floats
    deviance: float
    minus_two_ln_l: float
    chi2: float
    ndf: int
    converged: bool
    n_iterations: int

    @property
    def parameter_errors(self) -> Floats:
        """Standard errors of `parameters`; they are strongly correlated."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def p_value(self) -> float:
        """Probability of a larger deviance, by the chi-squared distribution: good where bins hold several events."""
        return float(chdtrc(self.ndf, self.deviance)) if self.ndf else float("nan")


def fit(spectrum: Spectrum, family: Family, *, sqrt_s: float, fitted: Bools | None = None) -> Fit:
    """Fit a family to the counts of a spectrum by maximum likelihood.

    The expected counts are the integrals of the function over the bins. `fitted` (n_bins,) chooses the bins in the
    likelihood, all by default; the expectation is given everywhere. `sqrt_s` is in the unit of the edges. Weighted
    spectra are fitted with the scaled Poisson likelihood of Bohm and Zech (arXiv:1309.1287). Raises `InputError`
    for fewer bins than parameters and spectra without events there, `NotConvergedError` with the last state in
    `last` when no minimum is found.
    """
    used = np.ones(len(spectrum.counts), dtype=bool) if fitted is None else np.asarray(fitted, dtype=bool)
    if used.shape != spectrum.counts.shape:
        raise InputError(f"{used.shape} flags of fitted bins for {spectrum.counts.shape} counts: expected one per bin")
    if not spectrum.counts[used].any():
        raise InputError("no events in the bins to fit: nothing can be fitted, check cuts and range")
    design = make_design(family, spectrum.edges, sqrt_s=sqrt_s, fitted=used)
    precision = _precision(spectrum, used)
    found = fit_many(design, spectrum.counts[None], start=starting_point(design, spectrum, used), precision=precision)
    result = _summarize(design, spectrum, precision, (sqrt_s, used, found))
    if not result.converged:
        raise NotConvergedError(f"{_state(result)}: {ADVICE}", result)
    largest = float(np.linalg.eigvalsh(result.orthonormal_covariance)[-1])
    if largest > UNDETERMINED:
        raise NotConvergedError(f"{_state(result)}, where the events do not determine all parameters: {ADVICE}", result)
    return result


def _state(result: Fit) -> str:
    state = ", ".join(f"{n} = {v:.4g}" for n, v in zip(result.parameter_names, result.parameters, strict=True))
    return (
        f"the fit of {result.family} did not converge: after {result.n_iterations} steps it stands at "
        f"-2 ln L = {result.minus_two_ln_l:.3f}, {state}"
    )


def pseudo_data(fitted: Fit, rng: np.random.Generator, *, scale: float = 1.0) -> Spectrum:
    """A spectrum of whole events thrown from a fit, with `scale` times its luminosity."""
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"pseudo-data for {scale:g} times the luminosity: expected a positive number")
    return Spectrum(rng.poisson(scale * fitted.expected).astype(np.float64), fitted.edges)


def _precision(spectrum: Spectrum, fitted: Bools) -> Floats:
    """Sum w / sum w^2 of each fitted bin; empty bins of a weighted spectrum take that of the whole spectrum."""
    if spectrum.variances is None:
        return fitted.astype(np.float64)
    average = 1 / _weight(spectrum, fitted)
    some = (spectrum.counts > 0) & (spectrum.variances > 0)
    inverse = np.where(some, spectrum.counts / np.where(some, spectrum.variances, 1), average)
    return np.where(fitted, inverse, 0.0)


def _weight(spectrum: Spectrum, fitted: Bools) -> float:
    """Sum w^2 / sum w of the fitted bins: what an event weighs."""
    if spectrum.variances is None or not spectrum.variances[fitted].any():
        return 1.0
    return float(spectrum.variances[fitted].sum() / spectrum.counts[fitted].sum())


def starting_point(design: Design, spectrum: Spectrum, fitted: Bools) -> Floats:
    """Orthonormal parameters by least squares in the logarithm of the counts."""
    counts = spectrum.counts + 0.5 * _weight(spectrum, fitted)
    target = np.log(counts / np.diff(spectrum.edges))
    weight = np.where(fitted, np.sqrt(counts), 0.0)
    basis = design.basis.mean(axis=1)
    return np.asarray(np.linalg.lstsq(basis * weight[:, None], target * weight, rcond=None)[0])


def _summarize(design: Design, spectrum: Spectrum, precision: Floats, result: tuple[float, Bools, Fits]) -> Fit:
    sqrt_s, fitted, found = result
    orthonormal, expected = found.parameters[0], found.expected[0]
    covariance = np.linalg.inv(information(design, found.parameters, precision)[0])
    values, directions = np.linalg.eigh(covariance)
    axes = means(design, found.parameters).gradient[0] @ (directions * np.sqrt(np.maximum(values, 0)))
    scaled, mean = (spectrum.counts * precision)[fitted], (expected * precision)[fitted]
    saturated = scaled - scaled * np.log(np.where(scaled > 0, scaled, 1)) + gammaln(scaled + 1)
    return Fit(
        family=design.family.name,
        sqrt_s=float(sqrt_s),
        edges=spectrum.edges,
        fitted=fitted,
        parameter_names=design.family.parameters,
        parameters=design.to_raw @ orthonormal,
        covariance=design.to_raw @ covariance @ design.to_raw.T,
        orthonormal=orthonormal,
        orthonormal_covariance=covariance,
        expected=expected,
        expected_error=expected * np.sqrt(np.sum(axes**2, axis=1)),
        expected_axes=axes,
        deviance=float(found.deviance[0]),
        minus_two_ln_l=float(found.deviance[0] + 2 * saturated.sum()),
        chi2=float(np.sum((scaled - mean) ** 2 / np.maximum(mean, 1e-300))),
        ndf=int(fitted.sum()) - len(orthonormal),
        converged=bool(found.converged[0]),
        n_iterations=int(found.n_iterations[0]),
    )
