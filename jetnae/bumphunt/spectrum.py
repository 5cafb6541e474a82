"""A spectrum of counts in bins, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Spectrum:
    """Events per bin of a mass (or of anything else that is smooth without a resonance).

    counts : (n_bins,) events, or sums of weights. edges : (n_bins + 1,) rising, in the unit of the observable (GeV).
    variances : (n_bins,) sums of squared weights; None for plain counts. Raises `InputError` for counts that are
    negative or not finite, edges that do not rise, and lengths that do not fit.
    """

    counts: Floats
    edges: Floats
    variances: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("counts", "edges", "variances"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        counts, edges = self.counts, self.edges
        if counts.ndim != 1 or len(counts) == 0 or edges.shape != (len(counts) + 1,):
            raise InputError(f"{counts.shape} counts and {edges.shape} edges: expected n counts and n + 1 edges")
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise InputError("the edges of the bins are not finite and rising: give them in order, each once")
        _check("counts", counts, edges)
        if self.variances is not None:
            if self.variances.shape != counts.shape:
                raise InputError(f"{self.variances.shape} variances for {counts.shape} counts: expected one per bin")
            _check("variances", self.variances, edges)

    @property
    def weighted(self) -> bool:
        """Whether the bins hold something else than numbers of events."""
        whole = bool((self.counts == np.rint(self.counts)).all())
        return not whole or (self.variances is not None and not np.array_equal(self.variances, self.counts))

    def overlap(self, low: float, high: float) -> Bools:
        """The bins, (n_bins,), that share more than an edge with the range; raises `InputError` when none does."""
        found = (self.edges[:-1] < high) & (self.edges[1:] > low)
        if not low < high or not found.any():
            span = f"[{self.edges[0]:g}, {self.edges[-1]:g}]"
            raise InputError(f"the range [{low:g}, {high:g}] holds no bin of the spectrum on {span}: give one inside")
        return np.asarray(found)


def require_counts(spectrum: Spectrum) -> None:
    """Raise `InputError` unless the bins hold plain numbers of events, which is what Poisson statistics is about."""
    if spectrum.weighted:
        raise InputError(
            "the spectrum is weighted (its counts are no whole numbers or differ from their variances), expected plain "
            "counts: throw pseudo-data from a smooth fit to it instead"
        )


def from_hist(histogram: Any) -> Spectrum:
    """The spectrum in a one-dimensional histogram that follows the UHI protocol (hist, boost-histogram, uproot).

    Under- and overflow are left out. Raises `InputError` for other dimensions, gaps between bins and bad contents.
    """
    axes = histogram.axes
    if len(axes) != 1:
        raise InputError(f"a histogram with {len(axes)} axes, expected one: project it first")
    counts, variances = np.asarray(histogram.values()), histogram.variances()
    same = variances is None or np.array_equal(variances, counts)
    return Spectrum(counts, _edges(axes[0]), None if same else np.asarray(variances))


def _edges(axis: Any) -> Any:
    edges = getattr(axis, "edges", None)
    if edges is not None:
        return edges() if callable(edges) else edges
    bins = [axis[i] for i in range(len(axis))]
    if any(left[1] != right[0] for left, right in pairwise(bins)):
        raise InputError("a histogram with gaps between its bins, expected bins that touch each other")
    return [bins[0][0], *(high for _, high in bins)]


def _check(name: str, values: Floats, edges: Floats) -> None:
    """Name the first bin whose content is no content."""
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"{name}: {values[i]:g} in bin {i} [{edges[i]:g}, {edges[i + 1]:g}], expected finite and not negative: "
            "correct the spectrum or leave the bin out"
        )
