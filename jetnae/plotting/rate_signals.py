"""Signal efficiency against trigger rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jetnae.plotting.columns import column_name
from jetnae.plotting.rate import BUDGET, RATE, conditions
from jetnae.plotting.style import COLORS, COLUMN, LINES, PAGE, Style, annotate, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jetnae.rate.result import Curve, Rate

RELEVANT = 10.0
"""Efficiencies are drawn for rates up to this factor away from the budgets, as far as there are crossings."""
MOST_LINES = 6
"""More lines than these do not fit into one panel."""


def rate_sig_eff_figure(found: Rate, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Signal efficiency against rate for the score and what it is compared with; None without signals.

    In one panel colors are signals, and line styles what is cut on; where these are many lines, each signal has its
    panel, and colors are what is cut on. Points are at the budgets, with their 68 % intervals.
    """
    if not found.signals:
        return None
    crowded = len(found.signals) > 1 and len(found.signals) * len(found.curves) > MOST_LINES
    with style(look):
        if crowded:
            return _panels(found, look=look, title=title, label=label)
        figure = Figure(figsize=(COLUMN, 0.9 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        for j, curve in enumerate(found.curves):
            for i, name in enumerate(found.signals):
                _draw_eff(axes, curve, name, COLORS[i % len(COLORS)], _line(j))
        for budget in found.budgets:
            axes.axvline(budget, color=BUDGET, linestyle=":", linewidth=1.5, zorder=0)
        left, right = _rates(found)
        bottom = 0.5 * min(_smallest_eff(found), 0.2)
        axes.set(xscale="log", yscale="log", xlim=(left, right), xlabel=RATE, ylabel="Signal efficiency")
        keys = [*_keys(found), Line2D([], [], color=BUDGET, linestyle=":", linewidth=1.5, label="Rate budgets")]
        free = 1 - 0.058 * (np.ceil(len(keys) / 2) + 1.7)
        axes.set_ylim(bottom, bottom * (1 / bottom) ** (1 / max(free, 0.4)))
        axes.set_yticks([10.0**n for n in range(int(np.ceil(np.log10(bottom))), 1)])  # none is larger than one
        axes.legend(handles=keys, loc="upper left", ncols=2, title=conditions(found), alignment="left")
        annotate(axes, look=look, title=title, label=label)
    return figure


def _draw_eff(axes: Axes, curve: Curve, signal: str, color: str, line: Any) -> None:
    eff = curve.sig_eff[signal]
    some = eff > 0
    axes.plot(curve.rate[some], eff[some], color=color, linestyle=line)
    found = [each for each in curve.thresholds if each is not None and each.sig_eff[signal].value > 0]
    values = [each.sig_eff[signal] for each in found]
    axes.errorbar(
        [each.rate.value for each in found],
        [each.value for each in values],
        [[each.value - each.low for each in values], [each.high - each.value for each in values]],
        fmt="o",
        color=color,
        capsize=4,
        elinewidth=2,
    )


def _keys(found: Rate) -> list[Line2D]:
    """Signals by color, scores by line style."""
    signals = [
        Line2D([], [], color=COLORS[i % len(COLORS)], marker="o", label=name) for i, name in enumerate(found.signals)
    ]
    scores = [
        Line2D([], [], color="0.2", linestyle=_line(j), label=column_name(curve.name))
        for j, curve in enumerate(found.curves)
    ]
    return signals + (scores if len(scores) > 1 else [])


def _line(j: int) -> Any:
    return LINES[j % len(LINES)]


def _smallest_eff(found: Rate) -> float:
    """The smallest efficiency at a budget that is above 0."""
    chosen = [each for curve in found.curves for each in curve.thresholds if each is not None]
    return min((eff.value for each in chosen for eff in each.sig_eff.values() if eff.value > 0), default=0.1)


def _panels(found: Rate, *, look: Style, title: str, label: str) -> Figure:
    """One panel for each signal, two in a row."""
    n_rows = (len(found.signals) + 1) // 2
    figure = Figure(figsize=(PAGE, 0.42 * PAGE * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, 2, squeeze=False, sharex=True).ravel()
    left, right = _rates(found)
    for axes, name in zip(grid, found.signals, strict=False):
        for j, curve in enumerate(found.curves):
            _draw_eff(axes, curve, name, COLORS[j % len(COLORS)], _line(j))
        for budget in found.budgets:
            axes.axvline(budget, color=BUDGET, linestyle=":", linewidth=1.5, zorder=0)
        axes.set(xscale="log", xlim=(left, right), ylim=(0, 1.15), ylabel="Signal efficiency")
        axes.text(0.04, 0.95, name, transform=axes.transAxes, va="top", fontsize=24)
    for axes in grid[len(found.signals) :]:
        axes.set_visible(False)
    for axes in grid[-2:]:
        axes.set_xlabel(RATE)
    keys = [
        Line2D([], [], color=COLORS[j % len(COLORS)], linestyle=_line(j), label=column_name(curve.name))
        for j, curve in enumerate(found.curves)
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=min(len(keys), 4), title=conditions(found))
    annotate(grid[0], grid[1], look=look, title=title, label=label)
    return figure


def _rates(found: Rate) -> tuple[float, float]:
    """Rates to draw, in kHz."""
    least = float(found.conditions.khz(1 / found.n_crossings))
    return max(min(found.budgets) / RELEVANT, least), max(found.budgets) * RELEVANT
