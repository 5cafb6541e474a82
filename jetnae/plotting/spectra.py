"""Counts in bins, the smooth function fitted to them, and their pulls, drawn into axes.

Counts are those of each bin, None where nothing may be shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetnae.bumphunt.tails import pulls
from jetnae.intervals import garwood
from jetnae.plotting.style import COLORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from jetnae.bumphunt import Fit

    Values = npt.NDArray[np.float64]


def draw_counts(axes: Axes, counts: Sequence[float | None], edges: Values) -> None:
    """Counts per unit with Garwood errors; for empty bins the upper end of the interval only."""
    seen, number = _seen(counts)
    width = np.diff(edges)
    low, high = garwood(number)
    some, center = number > 0, (edges[:-1] + edges[1:]) / 2
    bars = np.array([(number - low) / width, (high - number) / width])[:, some]
    points = (number / width)[some]
    axes.errorbar(center[some], points, bars, fmt="ko", markersize=6, linewidth=1.5, label="Data")
    empty = seen & (number == 0)
    axes.vlines(center[empty], 1e-300, (high / width)[empty], color="black", linewidth=1.5)


def draw_fit(axes: Axes, fit: Fit) -> None:
    """The fitted function per unit, with its error."""
    width = np.diff(fit.edges)
    expected, error = fit.expected / width, fit.expected_error / width
    axes.stairs(expected, fit.edges, color=COLORS[0], linewidth=2, label=f"Fit ({fit.family})")
    low, band = expected - error, "Fit ± 1σ"
    axes.stairs(expected + error, fit.edges, baseline=low, fill=True, color=COLORS[0], alpha=0.35, label=band)


def draw_pulls(axes: Axes, counts: Sequence[float | None], fit: Fit) -> None:
    """Signed roots of the deviance of each count from the fit."""
    seen, number = _seen(counts)
    values = np.where(seen, pulls(number, np.maximum(fit.expected, 1e-300)), 0.0)
    axes.stairs(values, fit.edges, fill=True, color="0.5")
    axes.axhline(0, color="black", linewidth=1)
    reach = max(3.5, 1.1 * float(np.abs(values).max()))
    axes.set_ylim(-reach, reach)


def fit_heights(axes: Axes, counts: Sequence[float | None], fit: Fit) -> None:
    """A logarithmic axis that holds all counts, with room for a legend above them."""
    seen, number = _seen(counts)
    heights, expected = number / np.diff(fit.edges), fit.expected / np.diff(fit.edges)
    bottom = 0.3 * min(heights[number > 0].min(initial=np.inf), expected[seen].max())
    tallest = max(float(heights.max()), float(expected.max()))
    axes.set(yscale="log", ylim=(bottom, tallest * (tallest / bottom) ** 0.35))


def _seen(counts: Sequence[float | None]) -> tuple[npt.NDArray[np.bool_], Values]:
    """Which bins may be shown, and the counts with nothing in the others."""
    return np.array([n is not None for n in counts]), np.array([n or 0 for n in counts], dtype=np.float64)
