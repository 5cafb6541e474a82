"""Figures of what is done with a search: coverage, injected and spurious signals, a signal with its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from jetnae.intervals import clopper_pearson
from jetnae.plotting.columns import axis_label
from jetnae.plotting.spectra import draw_counts, draw_fit, draw_pulls, fit_heights
from jetnae.plotting.style import COLORS, COLUMN, Style, annotate, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jetnae.bumphunt.signal import SignalFit
    from jetnae.bumphunt.validation import Bias, Coverage, Injection

TOLERATED = 0.5
"""Mean bias in statistical errors that searches tolerate."""


def coverage_figure(found: Coverage, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """How often the global p-value is at most p without a signal, with Clopper-Pearson intervals; dashed: as it says.

    Searches that could not be made count as p-values that are not small.
    """
    n = len(found.p_values)
    p = np.sort(found.p_values[np.isfinite(found.p_values)])
    below = np.arange(1, len(p) + 1)
    low, high = clopper_pearson(below, n)
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.8 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        axes.step(p, below / n, where="post", color=COLORS[0], label=f"{n} searches without signal")
        axes.fill_between(p, low, high, step="post", color=COLORS[0], alpha=0.3, linewidth=0, label="68 % interval")
        first = min(found.sizes[-1] / 5, *p[:1])
        axes.plot([first, 1], [first, 1], color="0.4", linestyle="--", linewidth=2, label="As it says")
        axes.errorbar(
            found.sizes,
            found.sizes,
            found.deviations,
            fmt="none",
            color="0.4",
            capsize=8,
            label="Expected scatter where tested",
        )
        axes.set(xscale="log", yscale="log", xlim=(first, 1), ylim=(first, 3))
        axes.set(xlabel="Global p-value p", ylabel="Share of searches with p or less")
        axes.legend(loc="upper left")
        annotate(axes, look=look, title=title, label=label)
    return figure


def injection_figure(found: Injection, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Mean fitted against injected signal events, with the errors of the means, and the mean pull below."""
    with style(look):
        figure = Figure(figsize=(COLUMN, COLUMN), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        ends = max(float(found.injected.max()), 1.0) * np.array([-0.08, 1.08])
        upper.plot(ends, ends, color="0.6", linestyle="--", linewidth=2, label="As injected")
        means = f"Mean of {found.n_experiments} fits ({found.family})"
        upper.errorbar(found.injected, found.fitted, found.fitted_error, fmt="o", color=COLORS[0], label=means)
        upper.set(ylabel="Fitted signal events", xlim=ends)
        upper.legend(loc="upper left")
        lower.errorbar(found.injected, found.pull, found.pull_error, fmt="o", color=COLORS[0])
        _tolerance(lower, horizontal=True)
        reach = max(1.0, 1.3 * float(np.abs(found.pull).max() + found.pull_error.max()))
        lower.set(xlabel="Injected signal events", ylabel="Mean pull", ylim=(-reach, reach))
        annotate(upper, look=look, title=title, label=label)
        figure.align_ylabels()
    return figure


def bias_figure(found: Bias, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Mean spurious signal over its statistical error for each function that the spectra follow."""
    rows = np.arange(len(found.alternatives))
    with style(look):
        figure = Figure(figsize=(COLUMN, (0.35 + 0.1 * len(rows)) * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        means = f"Mean of {found.n_experiments} fits ({found.family})"
        axes.errorbar(found.ratio, rows, xerr=found.ratio_error, fmt="o", color=COLORS[0], capsize=6, label=means)
        _tolerance(axes, horizontal=False)
        reach = max(1.0, 1.3 * float(np.abs(found.ratio).max() + found.ratio_error.max()))
        axes.set(xlabel="Spurious signal / its statistical error", ylabel="Spectra follow", xlim=(-reach, reach))
        axes.set_yticks(rows, found.alternatives)
        axes.tick_params(axis="y", which="minor", left=False, right=False)
        axes.set_ylim(-0.6, len(rows) + 0.4)
        axes.legend(loc="upper left")
        annotate(axes, look=look, title=title, label=label)
    return figure


def signal_figure(found: SignalFit, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Counts with the background fitted alone and with the signal, and pulls from the background alone below.

    None for a file of the first format, which does not hold the counts.
    """
    if found.counts is None:
        return None
    alone, width = found.background_only, np.diff(found.background_only.edges)
    counts, both = found.counts.tolist(), (found.background + found.n_signal * found.template) / width
    with style(look):
        figure = Figure(figsize=(COLUMN, 1.05 * COLUMN), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        draw_fit(upper, alone)
        upper.stairs(np.maximum(both, 0), alone.edges, color=COLORS[1], linestyle="--", label="With signal")
        draw_counts(upper, counts, alone.edges)
        draw_pulls(lower, counts, alone)
        fit_heights(upper, counts, alone)
        upper.legend(loc="upper right", title=_yield(found), alignment="right")
        upper.set(ylabel=f"Events / {found.unit or 'unit'}", xlim=(alone.edges[0], alone.edges[-1]))
        lower.set(xlabel=axis_label(found.observable, found.unit), ylabel="Pull")
        annotate(upper, look=look, title=title, label=label)
        figure.align_ylabels()
    return figure


def _tolerance(axes: Axes, *, horizontal: bool) -> None:
    """Zero, and the largest bias that is tolerated on either side."""
    line = axes.axhline if horizontal else axes.axvline
    line(0, color="0.6", linewidth=1.5)
    for end in (-TOLERATED, TOLERATED):
        line(end, color="0.6", linestyle="--", linewidth=1.5)


def _yield(found: SignalFit) -> str:
    digits = max(0, 1 - int(np.floor(np.log10(found.n_signal_error))))
    text = f"Signal: {found.n_signal:.{digits}f} ± {found.n_signal_error:.{digits}f} events ({found.significance:.1f}σ)"
    if found.upper_limit is None or found.expected_limits is None:
        return text
    return f"{text}\n95 % CL$_s$: < {found.upper_limit:.3g} (expected {found.expected_limits[2]:.3g})"
