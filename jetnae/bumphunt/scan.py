"""The BumpHunter: the most significant excess among all windows, and how often chance makes a larger one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, ndtri_exp

from jetnae.bumphunt.spectrum import Bools, Floats, Ints
from jetnae.bumphunt.tails import calm, divergence, local_p, minus_log_p
from jetnae.bumphunt.windows import Windows, make_windows
from jetnae.errors import InputError
from jetnae.intervals import clopper_pearson

CELLS = 200_000
"""Windows times pseudo-experiments that are looked at together, so that they stay in the cache."""
TINY = 1e-300
"""What is expected at least where a fit expects nothing within rounding, so that logarithms exist."""


@dataclass(frozen=True)
class Scan:
    """The most significant window of a spectrum.

    first_bin, width : of the window, in bins; counts, expected : what it holds; local_p : probability of as many or
    more there; t = -ln local_p. window_first, window_width, window_p, window_allowed : (n_windows,) all windows, and
    whether the criterion on sidebands lets them compete (None without it). toy_t : (n_toys,) t of the
    pseudo-experiments, n_above of them as large as t or larger. global_p = (n_above + 1) / (n_toys + 1) is never zero
    (Phipson and Smyth, arXiv:1603.05766); global_p_interval is the central 68.3 % Clopper-Pearson interval on
    n_above / n_toys. None where no pseudo-experiments were made.
    """

    first_bin: int
    width: int
    counts: float
    expected: float
    local_p: float
    t: float
    window_first: Ints
    window_width: Ints
    window_p: Floats
    window_allowed: tuple[bool, ...] | None
    n_toys: int
    n_above: int | None
    global_p: float | None
    global_p_interval: tuple[float, float] | None
    toy_t: Floats | None

    @property
    def n_windows(self) -> int:
        """How many windows were looked at."""
        return len(self.window_first)

    @property
    def window(self) -> tuple[int, int]:
        """Indices of the edges of the window: it holds bins window[0] to window[1] - 1."""
        return self.first_bin, self.first_bin + self.width

    @property
    def excess(self) -> float:
        """Counts above the expectation in the window."""
        return self.counts - self.expected

    @property
    def local_significance(self) -> float:
        """`local_p` in standard deviations of a normal distribution, one-sided; minus infinity without an excess."""
        return float(-ndtri_exp(-self.t))

    @property
    def global_significance(self) -> float | None:
        """`global_p` in standard deviations of a normal distribution, one-sided; never beyond what the toys reach."""
        return None if self.global_p is None else float(-ndtri(self.global_p))


def scan(
    counts: Floats,
    background: Floats,
    *,
    min_width: int = 2,
    max_width: int | None = None,
    n_toys: int = 10_000,
    rng: np.random.Generator | None = None,
    sideband_criterion: bool = False,
) -> Scan:
    """Search for the most significant excess over a background that is known exactly (arXiv:1101.0390, section 2).

    counts, background : (n_bins,). Windows of min_width to max_width bins (default: half of the bins) are moved bin
    by bin; those in which nothing is expected are left out. Pseudo-experiments are Poisson counts of the
    background: for a background that was fitted to the data use `jetnae.bumphunt.hunt`, which fits each of them.
    sideband_criterion : a window competes only where neither of its sidebands, max(1, width // 2) bins each, has an
    excess or a deficit with a p-value of 1e-3 or less. Sidebands are cut at the ends of the spectrum, and a side
    without bins is no obstacle. Raises `InputError` for what is no spectrum of counts.
    """
    if n_toys < 0:
        raise InputError(f"{n_toys} pseudo-experiments: expected 0 or more")
    observed, expected = np.asarray(counts, dtype=np.float64), np.asarray(background, dtype=np.float64)
    _check(observed, expected)
    windows = make_windows(np.ones(len(expected), dtype=bool), min_width=min_width, max_width=max_width)
    windows = windows.keep(windows.sums(expected) > 0)
    found = scan_windows(observed, expected, windows, sideband_criterion=sideband_criterion)
    generator = rng or np.random.default_rng()
    size = max(1, CELLS // len(windows))
    toy_t = [
        largest_t(
            generator.poisson(expected, (min(size, n_toys - i), len(expected))), expected, windows, sideband_criterion
        )
        for i in range(0, n_toys, size)
    ]
    return with_toys(found, np.concatenate(toy_t)) if n_toys else found


def scan_windows(counts: Floats, expected: Floats, windows: Windows, *, sideband_criterion: bool = False) -> Scan:
    """The best window of a spectrum, without pseudo-experiments."""
    d, b = windows.sums(counts), windows.sums(expected)
    p, t = local_p(d, b), minus_log_p(d, b)
    allowed = _allowed(counts, expected, windows) if sideband_criterion else np.ones(len(windows), dtype=bool)
    best = int(np.argmax(np.where(allowed, t, -1.0)))
    return Scan(
        first_bin=int(windows.first[best]),
        width=int(windows.width[best]),
        counts=float(d[best]),
        expected=float(b[best]),
        local_p=float(p[best]) if allowed[best] else 1.0,
        t=float(t[best]) if allowed[best] else 0.0,
        window_first=windows.first,
        window_width=windows.width,
        window_p=p,
        window_allowed=tuple(allowed.tolist()) if sideband_criterion else None,
        n_toys=0,
        n_above=None,
        global_p=None,
        global_p_interval=None,
        toy_t=None,
    )


def with_toys(found: Scan, toy_t: Floats) -> Scan:
    """The scan with the global p-value that the t of pseudo-experiments give it."""
    n, k = len(toy_t), int(np.sum(toy_t >= found.t))
    low, high = clopper_pearson(k, n)
    interval = float(low), float(high)
    return replace(
        found, n_toys=n, n_above=k, global_p=(k + 1) / (n + 1), global_p_interval=interval, toy_t=np.asarray(toy_t)
    )


def largest_t(counts: Floats | Ints, expected: Floats, windows: Windows, sideband_criterion: bool = False) -> Floats:
    """t = -ln of the smallest local p-value of each of many spectra (n, n_bins).

    expected : (n_bins,) or (n, n_bins), positive. The p-value of an excess lies between the tails of a normal
    distribution at the signed roots of the deviances of d and of d - 1 counts (Short, ISRN Probability and Statistics
    2013, 412958). Only windows that these bounds leave in the race need the gamma function: a few of hundreds.
    """
    size = max(1, CELLS // len(windows))
    pieces = [
        _largest_t(
            counts[i : i + size],
            expected if expected.ndim == 1 else expected[i : i + size],
            windows,
            sideband_criterion,
        )
        for i in range(0, len(counts), size)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0)


def _largest_t(counts: Floats | Ints, expected: Floats, windows: Windows, sideband_criterion: bool) -> Floats:
    d, b = windows.sums(counts), np.maximum(windows.sums(expected), TINY)
    b = np.broadcast_to(b, d.shape)
    upper = divergence(d, b)
    upper[d <= b] = -1.0
    if sideband_criterion:
        upper[~_allowed(counts, expected, windows)] = -1.0
    rows = np.arange(len(counts))
    best = np.argmax(upper, axis=1)
    d_best, b_best = d[rows, best] - 1, b[rows, best]
    lower = np.where(d_best > b_best, divergence(np.maximum(d_best, 0), b_best), 0.0)
    row, column = np.nonzero((upper >= (lower - 1e-6 * (1 + lower))[:, None]) & (upper >= 0))
    t = np.zeros(len(counts))
    np.maximum.at(t, row, minus_log_p(d[row, column], b[row, column]))
    return t


def _allowed(counts: Floats | Ints, expected: Floats, windows: Windows) -> Bools:
    sides = zip(windows.sideband_sums(counts), windows.sideband_sums(expected), strict=True)
    left, right = (calm(d, np.broadcast_to(b, d.shape)) for d, b in sides)
    return np.asarray(left & right)


def _check(counts: Floats, background: Floats) -> None:
    if counts.ndim != 1 or counts.shape != background.shape:
        raise InputError(f"{counts.shape} counts and {background.shape} of background: expected one of each per bin")
    for name, values in (("counts", counts), ("background", background)):
        if not (np.isfinite(values) & (values >= 0)).all():
            bad = int(np.argmin(np.isfinite(values) & (values >= 0)))
            raise InputError(f"{name}: {values[bad]:g} in bin {bad}, expected finite and not negative: correct it")
    if not np.array_equal(counts, np.rint(counts)):
        raise InputError("the counts are no whole numbers: throw pseudo-data from a smooth fit to a weighted spectrum")
