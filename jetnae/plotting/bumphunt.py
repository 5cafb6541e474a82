"""Figures of a bump hunt: the spectrum and its background, all windows, the pseudo-experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from jetnae.bumphunt.tails import garwood, pulls
from jetnae.plotting import COLORS, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jetnae.bumphunt import Hunt, Scan

SMALL = 18


def spectrum(found: Hunt, *, observable: str = "m [GeV]", title: str = "") -> Figure:
    """Counts per unit of mass with Garwood errors over the fitted background and its error, and their pulls below.

    The best window is shaded; blinded bins are hatched and have no data. Pulls are signed roots of the deviance.
    """
    with style():
        figure = Figure(figsize=(9, 9), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        _draw_counts(upper, found)
        _draw_pulls(lower, found)
        for axes in (upper, lower):
            _mark(axes, found, label=axes is upper)
        upper.legend(loc="upper right", fontsize=SMALL, title=_verdict(found.scan), title_fontsize=SMALL)
        upper.get_legend().set(alignment="right")
        upper.set_title(title, loc="left", fontsize=SMALL)
        upper.set(ylabel=f"Events / {_unit(observable)}", xlim=(found.edges[0], found.edges[-1]))
        lower.set(xlabel=observable, ylabel="Pull")
        figure.align_ylabels()
    return figure


def tomography(found: Scan, edges: Any, *, observable: str = "m [GeV]") -> Figure:
    """Local p-value of every window, over its range of masses; the best one in color."""
    low, high = np.asarray(edges)[found.window_first], np.asarray(edges)[found.window_first + found.window_width]
    with style():
        figure = Figure(figsize=(9, 7), layout="constrained")
        axes = figure.add_subplot()
        excess = found.window_p < 1
        p = np.maximum(found.window_p, 1e-300)
        axes.hlines(p[excess], low[excess], high[excess], color="0.55", linewidth=1, label="Windows with an excess")
        best = np.asarray(edges)[list(found.window)]
        axes.hlines(max(found.local_p, 1e-300), *best, color=COLORS[1], linewidth=4, label=f"Best: {_p(found.local_p)}")
        axes.set(yscale="log", xlabel=observable, ylabel="Local p-value", xlim=(edges[0], edges[-1]))
        axes.set_ylim(max(found.local_p, 1e-300) / 10, 5)
        axes.legend(loc="upper right", fontsize=SMALL, ncols=2)
    return figure


def toys(found: Scan) -> Figure:
    """Distribution of t = -ln p of the best window in the pseudo-experiments, and t of the data."""
    if found.toy_t is None:
        raise ValueError("a scan without pseudo-experiments has no distribution of t")
    top = 1.05 * max(float(found.toy_t.max()), found.t, 1e-3)
    with style():
        figure = Figure(figsize=(9, 7), layout="constrained")
        axes = figure.add_subplot()
        label = f"{found.n_toys} pseudo-experiments"
        axes.hist(found.toy_t, bins=np.linspace(0, top, 51).tolist(), color=COLORS[0], alpha=0.45, label=label)
        axes.axvline(found.t, color=COLORS[1], linewidth=3, label=f"Data, t = {found.t:.2f}")
        axes.set(yscale="log", xlabel="t = -ln(smallest local p-value)", ylabel="Pseudo-experiments per bin")
        axes.set(xlim=(0, top), ylim=(0.5, 10 * axes.get_ylim()[1]))
        legend = axes.legend(loc="upper right", fontsize=SMALL, title=_global(found), title_fontsize=SMALL)
        legend.set(alignment="right", frame_on=True)
        legend.get_frame().set(linewidth=0, alpha=1)
    return figure


def _draw_counts(axes: Axes, found: Hunt) -> None:
    edges, width = found.edges, np.diff(found.edges)
    expected, error = found.fit.expected / width, found.fit.expected_error / width
    seen = np.array([n is not None for n in found.counts])
    counts = np.array([n or 0 for n in found.counts], dtype=np.float64)
    low, high = garwood(counts)
    some = seen & (counts > 0)
    bars = np.array([(counts - low) / width, (high - counts) / width])
    bottom = 0.3 * min((counts / width)[some].min(), expected[seen].max())
    axes.stairs(expected, edges, color=COLORS[0], linewidth=2, label=f"Fit ({found.fit.family})")
    axes.stairs(
        expected + error,
        edges,
        baseline=expected - error,
        fill=True,
        color=COLORS[0],
        alpha=0.35,
        label="Fit ± 1σ",
    )
    center = (edges[:-1] + edges[1:]) / 2
    axes.errorbar(
        center[some], (counts / width)[some], bars[:, some], fmt="ko", markersize=5, linewidth=1.5, label="Data"
    )
    empty = seen & (counts == 0)
    axes.vlines(center[empty], bottom, (high / width)[empty], color="black", linewidth=1.5)
    axes.set_yscale("log")
    tallest = max(float((counts / width)[some].max()), float(expected.max()))
    axes.set_ylim(bottom, tallest * (tallest / bottom) ** 0.5)


def _draw_pulls(axes: Axes, found: Hunt) -> None:
    seen = np.array([n is not None for n in found.counts])
    counts = np.array([n or 0 for n in found.counts], dtype=np.float64)
    values = np.where(seen, pulls(counts, np.maximum(found.fit.expected, 1e-300)), 0.0)
    axes.stairs(values, found.edges, fill=True, color="0.5")
    axes.axhline(0, color="black", linewidth=1)
    reach = max(3.0, 1.1 * float(np.abs(values).max()))
    axes.set_ylim(-reach, reach)


def _mark(axes: Axes, found: Hunt, *, label: bool) -> None:
    low, high = (float(found.edges[i]) for i in found.scan.window)
    axes.axvspan(low, high, color=COLORS[2], alpha=0.3, linewidth=0, zorder=0, label="Best window" if label else None)
    if found.options.blind is not None:
        hidden = np.array([n is None for n in found.counts])
        left, right = found.edges[:-1][hidden].min(), found.edges[1:][hidden].max()
        axes.axvspan(left, right, fill=False, hatch="//", color="0.6", linewidth=0, label="Blinded" if label else None)


def _verdict(found: Scan) -> str:
    parts = (f"Local {_p(found.local_p)}", _global(found).lower())
    return ", ".join(part for part in parts if part)


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


def _unit(observable: str) -> str:
    return observable.partition("[")[2].rstrip("] ") or "unit"
