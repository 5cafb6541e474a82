"""How many parameters a spectrum needs: the F-test among nested families."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from jetnae.bumphunt.design import Design, make_design
from jetnae.bumphunt.families import Family
from jetnae.bumphunt.fit import Fit, fit, starting_point
from jetnae.bumphunt.newton import Fits, fit_many
from jetnae.bumphunt.spectrum import Bools, Floats, Ints, Spectrum
from jetnae.errors import InputError, NotConvergedError

SIZE = 0.05
"""A further parameter stays when the F-test gives it a p-value below this: the custom of dijet searches."""


@dataclass(frozen=True)
class Order:
    """The choice among nested families.

    families : those that were fitted, fewest parameters first. deviances, ndf : of each. p_values : of the F-test of
    each step to the next family. chosen : index of the family that no further step improves significantly.
    """

    families: tuple[str, ...]
    deviances: Floats
    ndf: Ints
    p_values: Floats
    chosen: int


@dataclass(frozen=True)
class Ladder:
    """Designs of nested families on the same bins, with the parameters from which fits of toys start."""

    designs: tuple[Design, ...]
    starts: tuple[Floats, ...]
    fitted: Bools


def f_test(deviance: Floats | float, deviance_next: Floats | float, ndf: int, ndf_next: int) -> Floats:
    """p-value for the improvement from one family to the next being chance.

    F = ((D1 - D2) / (ndf1 - ndf2)) / max(D2 / ndf2, 1), with Poisson deviances D in place of chi-squared sums: the
    fits minimize them, so that F is never negative. Counts do not scatter less than Poisson counts, but where bins
    hold few events D2 / ndf2 falls far below one; without the bound the test would ask for ever more parameters.
    """
    gain = np.maximum(np.asarray(deviance) - deviance_next, 0) / (ndf - ndf_next)
    return np.asarray(fdtrc(ndf - ndf_next, ndf_next, gain / np.maximum(np.asarray(deviance_next) / ndf_next, 1)))


def choose_order(
    spectrum: Spectrum, families: tuple[Family, ...], *, sqrt_s: float, fitted: Bools | None = None
) -> tuple[Fit, Order]:
    """Fit nested families, fewest parameters first, until a further parameter is not significant.

    Families with as many parameters as fitted bins or more are left out. Raises as `fit`, except where a parameter
    that is not significant is not determined either, and `InputError` when no family is left.
    """
    n_fitted = len(spectrum.counts) if fitted is None else int(np.sum(fitted))
    usable = [family for family in families if len(family.basis) < n_fitted]
    if not usable:
        few = len(families[0].basis)
        raise InputError(f"{n_fitted} bins to fit with {few} parameters or more: use finer bins or a wider range")
    fits = [fit(spectrum, usable[0], sqrt_s=sqrt_s, fitted=fitted)]
    p_values: list[float] = []
    for family in usable[1:]:
        following, error = _attempt(spectrum, family, sqrt_s, fitted)
        p_values.append(float(f_test(fits[-1].deviance, following.deviance, fits[-1].ndf, following.ndf)))
        fits.append(following)
        if p_values[-1] >= SIZE:
            break
        if error:
            raise error
    chosen = sum(p < SIZE for p in p_values)
    order = Order(
        families=tuple(each.family for each in fits),
        deviances=np.array([each.deviance for each in fits]),
        ndf=np.array([each.ndf for each in fits]),
        p_values=np.array(p_values),
        chosen=chosen,
    )
    return fits[chosen], order


def _attempt(
    spectrum: Spectrum, family: Family, sqrt_s: float, fitted: Bools | None
) -> tuple[Fit, NotConvergedError | None]:
    """A fit, with the error where the deviance is at its minimum but the events do not determine all parameters."""
    try:
        return fit(spectrum, family, sqrt_s=sqrt_s, fitted=fitted), None
    except NotConvergedError as error:
        if not (isinstance(error.last, Fit) and error.last.converged):
            raise
        return error.last, error


def make_ladder(nominal: Fit, families: tuple[Family, ...]) -> Ladder:
    """What pseudo-experiments thrown from a fit need so that the choice of the order can be repeated in each."""
    usable = [family for family in families if len(family.basis) < nominal.fitted.sum() or len(families) == 1]
    designs = [make_design(family, nominal.edges, sqrt_s=nominal.sqrt_s, fitted=nominal.fitted) for family in usable]
    smooth = Spectrum(nominal.expected, nominal.edges)
    guesses = [starting_point(design, smooth, nominal.fitted) for design in designs]
    precision = nominal.fitted.astype(np.float64)
    starts = [
        fit_many(design, nominal.expected[None], start=guess, precision=precision).parameters[0]
        for design, guess in zip(designs, guesses, strict=True)
    ]
    return Ladder(tuple(designs), tuple(starts), nominal.fitted)


def fit_ladder(ladder: Ladder, counts: Floats) -> tuple[Fits, Ints]:
    """Fit each of many spectra (n, n_bins), choosing the family of each by the F-test as `choose_order` does.

    Returns the fits, with parameters of the last family padded by zeros, and the index of the family of each.
    """
    precision = ladder.fitted.astype(np.float64)
    order = np.zeros(len(counts), dtype=np.int64)
    best = fit_many(ladder.designs[0], counts, start=ladder.starts[0], precision=precision)
    open_ones = np.arange(len(counts))
    for index in range(1, len(ladder.designs)):
        design = ladder.designs[index]
        found = fit_many(design, counts[open_ones], start=ladder.starts[index], precision=precision)
        ndf = int(ladder.fitted.sum()) - design.basis.shape[2]
        step = design.basis.shape[2] - ladder.designs[index - 1].basis.shape[2]
        better = f_test(best.deviance[open_ones], found.deviance, ndf + step, ndf) < SIZE
        best = _replace(best, found, open_ones, better)
        open_ones = open_ones[better]
        order[open_ones] = index
        if not len(open_ones):
            break
    return best, order


def _replace(best: Fits, found: Fits, rows: Ints, better: Bools) -> Fits:
    """The fits of `best`, with those of `found` where they are better."""
    missing = found.parameters.shape[1] - best.parameters.shape[1]
    columns = {
        "parameters": np.pad(best.parameters, ((0, 0), (0, missing))),
        **{name: getattr(best, name).copy() for name in ("expected", "deviance", "converged", "n_iterations")},
    }
    for name, values in columns.items():
        values[rows[better]] = getattr(found, name)[better]
    return Fits(**columns)
