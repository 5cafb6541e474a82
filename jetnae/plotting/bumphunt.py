"""Figures of a bump hunt: the spectrum and its background, all windows, the pseudo-experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr

from jetnae.plotting.columns import axis_label
from jetnae.plotting.spectra import draw_counts, draw_fit, draw_pulls, fit_heights
from jetnae.plotting.style import COLORS, COLUMN, Style, annotate, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jetnae.bumphunt import Hunt, Scan

SMALLEST = 1e-300
SIGMAS = range(1, 9)
"""Significances that are marked beside p-values."""


def hunt_figure(found: Hunt, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Counts per unit of mass with Garwood errors over the fitted background and its error, and their pulls below.

    The best window is shaded; blinded bins are hatched and have no data. Pulls are signed roots of the deviance.
    """
    with style(look):
        figure = Figure(figsize=(COLUMN, 1.05 * COLUMN), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        draw_fit(upper, found.fit)
        draw_counts(upper, found.counts, found.edges)
        draw_pulls(lower, found.counts, found.fit)
        for axes in (upper, lower):
            _mark(axes, found, label=axes is upper)
        upper.legend(loc="upper right", title=_verdict(found.scan), alignment="right")
        fit_heights(upper, found.counts, found.fit)
        upper.set(ylabel=f"Events / {found.unit or 'unit'}", xlim=(found.edges[0], found.edges[-1]))
        lower.set(xlabel=axis_label(found.observable, found.unit), ylabel="Pull")
        annotate(upper, look=look, title=title, label=label)
        figure.align_ylabels()
    return figure


def windows_figure(found: Hunt, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Local p-value of every window with an excess, over its range of masses; the best one in color."""
    scan, edges = found.scan, found.edges
    low, high = edges[scan.window_first], edges[scan.window_first + scan.window_width]
    smallest = max(scan.local_p, SMALLEST)
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.8 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        excess = scan.window_p < 1
        p = np.maximum(scan.window_p, SMALLEST)
        axes.hlines(p[excess], low[excess], high[excess], color="0.55", linewidth=1, label="Windows with an excess")
        best = edges[list(scan.window)]
        axes.hlines(smallest, *best, color=COLORS[1], linewidth=5, label=f"Best window, {_p(scan.local_p)}")
        axes.set(yscale="log", ylabel="Local p-value", xlim=(edges[0], edges[-1]))
        axes.set(xlabel=axis_label(found.observable, found.unit), ylim=(smallest / 10, (10 / smallest) ** 0.35))
        axes.legend(loc="upper right")
        _mark_significances(axes, smallest / 10)
        annotate(axes, look=look, title=title, label=label)
    return figure


def toys_figure(found: Hunt, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Distribution of t = -ln p of the best window in the pseudo-experiments, and t of the data; None without any."""
    scan = found.scan
    if scan.toy_t is None:
        return None
    top = 1.05 * max(float(scan.toy_t.max()), scan.t, 1e-3)
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.8 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        shown = f"{scan.n_toys} pseudo-experiments"
        axes.hist(scan.toy_t, bins=np.linspace(0, top, 51).tolist(), color=COLORS[0], alpha=0.45, label=shown)
        highest = axes.get_ylim()[1]
        axes.vlines(scan.t, 0.5, highest, color=COLORS[1], linewidth=3, label=f"Data, t = {scan.t:.2f}")
        axes.set(yscale="log", xlabel="t = -ln(smallest local p-value)", ylabel="Pseudo-experiments per bin")
        axes.set(xlim=(0, top), ylim=(0.5, 0.5 * (highest / 0.5) ** 1.45))
        axes.legend(loc="upper right", title=_global(scan), alignment="right")
        annotate(axes, look=look, title=title, label=label)
    return figure


def _mark(axes: Axes, found: Hunt, *, label: bool) -> None:
    low, high = (float(found.edges[i]) for i in found.scan.window)
    axes.axvspan(low, high, color=COLORS[2], alpha=0.3, linewidth=0, zorder=0, label="Best window" if label else None)
    if found.options.blind is not None:
        hidden = np.array([n is None for n in found.counts])
        left, right = found.edges[:-1][hidden].min(), found.edges[1:][hidden].max()
        axes.axvspan(left, right, fill=False, hatch="//", color="0.6", linewidth=0, label="Blinded" if label else None)


def _mark_significances(axes: Axes, lowest: float) -> None:
    """Lines at whole standard deviations, as far as the axis reaches, named beside it."""
    for n in SIGMAS:
        p = float(ndtr(-n))
        if p > lowest:
            axes.axhline(p, color="0.8", linestyle=":", linewidth=1.5, zorder=0)
            axes.text(1.01, p, f"{n}σ", color="0.4", transform=axes.get_yaxis_transform(), va="center", fontsize=20)


def _verdict(found: Scan) -> str:
    parts = (f"Local {_p(found.local_p)}", _global(found).lower())
    return "\n".join(part for part in parts if part)


def _global(found: Scan) -> str:
    if found.global_p is None or found.global_significance is None:
        return ""
    limit, sign = ("≤", "≥ ") if found.n_above == 0 else ("=", "")
    above = f" ({sign}{found.global_significance:.1f}σ)" if found.global_significance > 0 else ""
    return f"Global {_p(found.global_p, limit)}{above}"


def _p(value: float, relation: str = "=") -> str:
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    number = f"{value:.3f}" if value >= 0.01 else rf"{mantissa} $\times$ 10$^{{{int(exponent)}}}$"
    return f"p {relation} {number}"
