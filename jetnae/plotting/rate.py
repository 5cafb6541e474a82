"""Trigger rates of thresholds on a score, and what they keep of signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from jetnae.intervals import clopper_pearson
from jetnae.plotting.columns import axis_label, column_name
from jetnae.plotting.style import COLORS, COLUMN, MARKERS, Style, annotate, style

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from jetnae.rate.result import Curve, Rate, Sections, Threshold

    Values = npt.NDArray[np.floating[Any]]
    Rates = tuple[Values, Values, Values]

RATE = "Rate [kHz]"
BUDGET = "0.45"
"""Gray of what is asked for."""
WIDE = 30.0
"""A score whose largest value is so many times its smallest is drawn on a logarithmic axis."""
SHOWN = 0.5
"""Thresholds that more than this share of the crossings passes are not of interest in a trigger."""
MOST_POINTS, PASSING = 40, 5.0
"""Points that luminosity sections are drawn as at most, and crossings that should pass in each."""


def rate_figure(found: Rate, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Rate against threshold with its 68 % band, and the thresholds for the budgets with their intervals."""
    curve = found.curves[0]
    shown = curve.n_passing <= SHOWN * found.n_crossings
    shown = shown if np.count_nonzero(shown) > 1 else np.ones(len(shown), dtype=bool)
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.85 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        x = curve.threshold[shown]
        _draw_rates(axes, curve, shown)
        for i, each in enumerate(each for each in curve.thresholds if each is not None):
            color, name = COLORS[(i + 1) % len(COLORS)], f"{each.budget:g} kHz: {each.value:.4g}"
            axes.plot([x.min(), each.value], [each.budget] * 2, color=color, linestyle=":", linewidth=2)
            axes.plot([each.value] * 2, [1e-12, each.rate.value], color=color, linestyle=":", linewidth=2)
            _draw_threshold(axes, each, MARKERS[i % len(MARKERS)], color, name)
        axes.set(yscale="log", xscale=_scale(x), xlabel=f"Threshold on {curve.name}", ylabel=RATE)
        top = float(curve.rate_high[shown].max())
        axes.set_ylim(0.7 * float(curve.rate[shown].min()), top * 3)
        axes.set_xlim(x.min(), None if _scale(x) == "log" else x.max() + 0.04 * np.ptp(x))
        axes.legend(loc="upper right", title=conditions(found), alignment="left")
        annotate(axes, look=look, title=title, label=label)
    return figure


def rate_against_figure(found: Rate, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Rate of the thresholds against a column, as pile-up, one panel for each; None without."""
    if not found.against:
        return None
    with style(look):
        n = len(found.against)
        figure = Figure(figsize=(COLUMN, 0.75 * COLUMN * n), layout="constrained")
        grid = figure.subplots(n, 1, squeeze=False)[:, 0]
        for axes, each in zip(grid, found.against, strict=True):
            low, high = each.center - each.edges[:-1], each.edges[1:] - each.center
            rates = (each.rate, each.rate_low, each.rate_high)
            for i, budget in enumerate(found.budgets):
                _points(axes, each.center, tuple(rate[i] for rate in rates), i, budget, (low, high))
            axes.set_xlabel(axis_label(each.column, each.unit or None))
            _finish_points(axes, rates)
        annotate(grid[0], look=look, title=title, label=label)
        figure.align_ylabels()
    return figure


def rate_sections_figure(found: Rate, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Rate of the thresholds in luminosity sections, in order; None without.

    Neighbors are taken together until some crossings pass the tightest threshold in each point, on average.
    """
    if found.sections is None:
        return None
    each, merged, rates = found.sections, *_merged(found, found.sections)
    one_run = len(np.unique(each.run)) == 1
    place = each.section if one_run else np.arange(len(each.section))
    starts = np.arange(0, len(place), merged)
    x = np.add.reduceat(place, starts) / np.diff(np.append(starts, len(place)))
    step = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.75 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        for i, budget in enumerate(found.budgets):
            aside = 0.2 * step * (i - (len(found.budgets) - 1) / 2)  # so that intervals do not hide each other
            _points(axes, x + aside, tuple(rate[i] for rate in rates), i, budget)
        together = "" if merged == 1 else f", {merged} in each point"
        axes.set_xlabel(f"Luminosity section of run {each.run[0]}{together}" if one_run else f"Section{together}")
        _finish_points(axes, rates)
        annotate(axes, look=look, title=title, label=label)
    return figure


def _merged(found: Rate, sections: Sections) -> tuple[int, Rates]:
    """How many neighboring sections make a point, and the rates of these with their intervals."""
    n, fewest = len(sections.section), max(int(sections.n_passing.sum(axis=1).min()), 1)
    merged = int(np.ceil(n / min(MOST_POINTS, n, max(fewest / PASSING, 2))))
    starts = np.arange(0, n, merged)
    n_crossings = np.add.reduceat(sections.n_crossings, starts)
    n_passing = np.add.reduceat(sections.n_passing, starts, axis=1)
    low, high = clopper_pearson(n_passing, n_crossings)
    khz = found.conditions.khz
    return merged, (khz(n_passing / n_crossings), khz(low), khz(high))


def _draw_rates(axes: Axes, curve: Curve, shown: npt.NDArray[np.bool_]) -> None:
    x = curve.threshold[shown]
    axes.plot(x, curve.rate[shown], color=COLORS[0], drawstyle="steps-post", label=column_name(curve.name))
    axes.fill_between(
        x,
        curve.rate_low[shown],
        curve.rate_high[shown],
        step="post",
        color=COLORS[0],
        alpha=0.25,
        linewidth=0,
        label="68 % interval",
    )
    if curve.pure_rate is not None:
        some = shown & (curve.pure_rate > 0)
        axes.plot(
            curve.threshold[some],
            curve.pure_rate[some],
            color="0.3",
            linestyle="--",
            drawstyle="steps-post",
            label="No existing trigger",
        )


def _draw_threshold(axes: Axes, found: Threshold, marker: str, color: str, name: str) -> None:
    """A point with the interval of the threshold along, and that of the rate across."""
    ends = (found.value if found.low is None else found.low, found.value if found.high is None else found.high)
    axes.errorbar(
        [found.value],
        [found.rate.value],
        [[found.rate.value - found.rate.low], [found.rate.high - found.rate.value]],
        [[found.value - ends[0]], [ends[1] - found.value]],
        fmt=marker,
        color=color,
        label=name,
        elinewidth=2,
        zorder=4,
    )


def _points(axes: Axes, x: Any, rate: Any, i: int, budget: float, width: tuple[Values, Values] | None = None) -> None:
    """Rates of the threshold for a budget with their intervals; bounds, as open triangles, where nothing passes."""
    value, low, high = rate
    some, none = value > 0, value == 0
    color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
    across = None if width is None else [each[some] for each in width]
    ends = [(value - low)[some], (high - value)[some]]
    axes.errorbar(x[some], value[some], ends, across, fmt=marker, color=color, elinewidth=2)
    axes.plot(x[none], high[none], "v", color=color, fillstyle="none")
    axes.axhline(budget, color=color, linestyle=":", linewidth=1.5, zorder=0)
    axes.plot([], [], marker, color=color, label=f"{budget:g} kHz")


def _finish_points(axes: Axes, rates: Rates) -> None:
    """Axis limits that leave room for the legend."""
    value, low, high = rates
    if (value == 0).any():
        axes.plot([], [], "v", color="0.4", fillstyle="none", label="Nothing passes: bound")
    ends = np.concatenate([low[value > 0], high[np.isfinite(high)]])
    bottom, top = float(ends.min()) / 1.5, float(ends.max())
    axes.set(yscale="log", ylabel=RATE, ylim=(bottom, top * (top / bottom) ** 0.4))
    axes.legend(loc="upper left", ncols=3, columnspacing=1.0, title="Thresholds for average rates of", alignment="left")


def _scale(values: Values) -> str:
    return "log" if values.min() > 0 and values.max() > WIDE * values.min() else "linear"


def conditions(found: Rate) -> str:
    bunches = "" if found.conditions.n_bunches is None else f", {found.conditions.n_bunches} bunches"
    prescale = "" if found.conditions.prescale == 1 else f", prescale {found.conditions.prescale:g}"
    return f"{found.conditions.input_rate / 1e6:.3g} MHz{bunches}{prescale}"
