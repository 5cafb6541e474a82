"""The whole search: fit, scan, and pseudo-experiments that repeat both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from jetnae.bumphunt.families import FAMILIES, families_of
from jetnae.bumphunt.fit import Fit, fit
from jetnae.bumphunt.newton import CELLS
from jetnae.bumphunt.order import Ladder, Order, choose_order, fit_ladder, make_ladder
from jetnae.bumphunt.scan import Scan, largest_t, scan_windows, with_toys
from jetnae.bumphunt.spectrum import Bools, Floats, Ints, Spectrum, require_counts
from jetnae.bumphunt.windows import Windows, make_windows
from jetnae.errors import InputError


@dataclass(frozen=True)
class HuntOptions:
    """How to search.

    family : one of FAMILIES, or a sequence of NESTED families among which the F-test chooses, again in each
    pseudo-experiment. sqrt_s : in the unit of the edges. min_width, max_width : of windows in bins; None: half of the
    bins. sideband_criterion : see `scan`. refit : fit each pseudo-experiment, too; without it the p-value is too
    large, because a fit follows part of each fluctuation. blind : range whose counts are neither used nor shown.
    """

    family: str = "dijet"
    sqrt_s: float = 13_000.0
    min_width: int = 2
    max_width: int | None = None
    n_toys: int = 10_000
    sideband_criterion: bool = False
    refit: bool = True
    blind: tuple[float, float] | None = None


@dataclass(frozen=True)
class Hunt:
    """What a search found.

    counts : of each bin, None where blinded. fit : the background. order : the choice among nested families, None
    for a single family. scan : the best window; with blinded bins, among windows without any of them. toy_orders :
    how many pseudo-experiments chose each family. n_toys_not_converged : of the fits to pseudo-experiments; these
    take part with the last state of the fit. source : what the spectrum is, in words. observable, unit : of its edges.
    """

    FORMAT_VERSION: ClassVar[int] = 2
    ADDED: ClassVar[Mapping[int, Mapping[str, Any]]] = {2: {"observable": "m", "unit": "GeV"}}

    options: HuntOptions
    edges: Floats
    counts: tuple[int | None, ...]
    fit: Fit
    order: Order | None
    scan: Scan
    toy_orders: dict[str, int] | None
    n_toys_not_converged: int | None
    source: str = ""
    observable: str = "m"
    unit: str = "GeV"

    def __post_init__(self) -> None:
        n_bins, last = len(self.counts), self.scan.first_bin + self.scan.width
        same = len(self.edges) - 1 == n_bins == len(self.fit.expected) == len(self.fit.fitted) >= last
        if not (same and np.array_equal(self.edges, self.fit.edges) and self.fit.family in FAMILIES):
            raise InputError("the result of a search does not fit together: write it again")

    @property
    def visible(self) -> Spectrum:
        """The spectrum as far as it was seen, with nothing in the blinded bins (those that `fit` did not use)."""
        return Spectrum(np.array([n or 0 for n in self.counts], dtype=np.float64), self.edges)


def hunt(spectrum: Spectrum, options: HuntOptions, rng: np.random.Generator | None = None) -> Hunt:
    """Search a spectrum for a bump over a smooth background that is fitted to it (arXiv:1101.0390).

    Pseudo-experiments are thrown from the fit and treated as the data are: fitted, the order chosen again, scanned.
    Under the background hypothesis the global p-value is then uniform in its tail, which `coverage` measures. Raises
    `InputError` for weighted spectra and options that do not fit, `NotConvergedError` when the data cannot be fitted.
    """
    require_counts(spectrum)
    if options.n_toys < 0:
        raise InputError(f"{options.n_toys} pseudo-experiments: expected a number that is not negative")
    seen = visible_bins(spectrum, options.blind)
    # from here on nothing knows the counts in the blinded bins
    visible = replace(spectrum, counts=np.where(seen, spectrum.counts, 0.0), variances=None)
    nominal, order = fit_background(visible, options, fitted=seen)
    windows = make_windows(seen, min_width=options.min_width, max_width=options.max_width)
    found = scan_windows(
        visible.counts, _where(seen, nominal.expected), windows, sideband_criterion=options.sideband_criterion
    )
    result = Hunt(
        options=options,
        edges=spectrum.edges,
        counts=tuple(int(n) if show else None for n, show in zip(visible.counts, seen, strict=True)),
        fit=nominal,
        order=order,
        scan=found,
        toy_orders=None,
        n_toys_not_converged=None,
    )
    return _with_toys(result, windows, rng or np.random.default_rng()) if options.n_toys else result


def visible_bins(spectrum: Spectrum, blind: tuple[float, float] | None) -> Bools:
    """The bins, (n_bins,), that have no part in the blinded range."""
    return np.ones(len(spectrum.counts), dtype=bool) if blind is None else ~spectrum.overlap(*blind)


def fit_background(
    spectrum: Spectrum, options: HuntOptions, *, fitted: Bools | None = None
) -> tuple[Fit, Order | None]:
    """Fit the family of the options, or choose it by the F-test; raises as `fit` and `choose_order`."""
    families = families_of(options.family)
    if len(families) == 1:
        return fit(spectrum, families[0], sqrt_s=options.sqrt_s, fitted=fitted), None
    return choose_order(spectrum, families, sqrt_s=options.sqrt_s, fitted=fitted)


def _with_toys(result: Hunt, windows: Windows, rng: np.random.Generator) -> Hunt:
    """Repeat the search in pseudo-experiments."""
    options, seen = result.options, result.fit.fitted
    ladder = make_ladder(result.fit, families_of(options.family)) if options.refit else None
    expected = _where(seen, result.fit.expected)
    orders = np.zeros(len(families_of(options.family)), dtype=np.int64)
    toy_t, failed = [], 0
    size = max(1, CELLS // len(expected))
    for start in range(0, options.n_toys, size):
        toys = rng.poisson(expected, (min(size, options.n_toys - start), len(expected)))
        background, order, n_failed = _background(ladder, toys, expected)
        toy_t.append(largest_t(toys, background, windows, options.sideband_criterion))
        failed += n_failed
        orders += np.bincount(order, minlength=len(orders))
    names = [] if ladder is None else [design.family.name for design in ladder.designs]
    return replace(
        result,
        scan=with_toys(result.scan, np.concatenate(toy_t)),
        toy_orders=dict(zip(names, orders.tolist(), strict=False)) if len(names) > 1 else None,
        n_toys_not_converged=failed if ladder is not None else None,
    )


def _background(ladder: Ladder | None, toys: Ints, expected: Floats) -> tuple[Floats, Ints, int]:
    """The background of each pseudo-experiment, the index of its family, and how many fits did not converge."""
    if ladder is None:
        return expected, np.zeros(0, dtype=np.int64), 0
    fits, order = fit_ladder(ladder, toys.astype(np.float64))
    return _where(ladder.fitted, fits.expected), order, int(np.sum(~fits.converged))


def _where(seen: Bools, expected: Floats) -> Floats:
    return np.where(seen, expected, 0.0)
