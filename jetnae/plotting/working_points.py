"""Thresholds on a score in bins."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from jetnae.plotting.columns import IN_GEV, axis_label
from jetnae.plotting.style import COLORS, COLUMN, MARKERS, PAGE, Style, annotate, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jetnae.roc.working_points import Bin, WorkingPoints

MOST_PANELS = 4


def thresholds_figure(points: WorkingPoints, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Threshold against the first column for each background efficiency, with its 68 % interval.

    With further columns, one panel for each of their bins, the first `MOST_PANELS` of them.
    """
    groups = [(rest, list(bins)) for rest, bins in itertools.groupby(sorted(points.bins, key=_rest), key=_rest)]
    shown = groups[:MOST_PANELS]
    with style(look):
        width = COLUMN if len(shown) == 1 else PAGE
        figure = Figure(figsize=(width, 0.8 * COLUMN), layout="constrained")
        grid = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, (rest, bins) in zip(grid, shown, strict=True):
            for i, eff in enumerate(points.bkg_effs):
                _draw(axes, bins, i, f"$\\epsilon_B$ = {100 * eff:g} %")
            axes.set(xlabel=axis_label(points.columns[0]), yscale=_scale(points))
            handles = axes.get_legend_handles_labels()[0] if axes is grid[0] else []
            columns = len(points.bkg_effs) if len(shown) == 1 else 1
            axes.legend(
                handles=handles,
                loc="upper left",
                ncols=columns,
                title=_panel_name(points.columns[1:], rest),
                alignment="left",
            )
        grid[0].set_ylabel(f"Threshold on {points.score}")
        low, high = grid[0].get_ylim()
        grid[0].set_ylim(low, high * (high / low) ** 0.3 if _scale(points) == "log" else high + 0.3 * (high - low))
        annotate(grid[0], grid[-1], look=look, title=title, label=label)
    return figure


def _panel_name(columns: tuple[str, ...], ranges: tuple[tuple[float, float], ...]) -> str:
    return ", ".join(
        f"{low:.4g} < {name} < {high:.4g}{' GeV' if name in IN_GEV else ''}"
        for name, (low, high) in zip(columns, ranges, strict=True)
    )


def _rest(each: Bin) -> tuple[tuple[float, float], ...]:
    return each.ranges[1:]


def _scale(points: WorkingPoints) -> str:
    values = [each.low for found in points.bins for each in found.thresholds if each is not None]
    return "log" if values and min(values) > 0 else "linear"


def _draw(axes: Axes, bins: list[Bin], i: int, label: str) -> None:
    """Bins without a threshold are left empty."""
    found = [(each.ranges[0], each.thresholds[i]) for each in bins]
    known = [(low, high, threshold) for (low, high), threshold in found if threshold is not None]
    axes.errorbar(
        [(low + high) / 2 for low, high, _ in known],
        [threshold.value for _, _, threshold in known],
        [
            [threshold.value - threshold.low for _, _, threshold in known],
            [threshold.high - threshold.value for _, _, threshold in known],
        ],
        [(high - low) / 2 for low, high, _ in known],
        fmt=MARKERS[i % len(MARKERS)],
        color=COLORS[i % len(COLORS)],
        label=label,
    )
