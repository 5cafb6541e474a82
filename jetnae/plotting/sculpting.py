"""What cuts on a score do to the mass spectrum of the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from jetnae.intervals import garwood
from jetnae.plotting.columns import axis_label
from jetnae.plotting.style import COLORS, COLUMN, LINES, MARKERS, PAGE, Style, annotate, style

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from jetnae.sculpting.result import MassCut, MassDependence, Sculpting

    Values = npt.NDArray[np.floating[Any]]

MERGED = 2
"""Bins of the spectra that are drawn as one."""


def spectra_figure(sculpting: Sculpting, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Shape of the background mass before and after cuts, with Garwood intervals, and the ratio to no cut below."""
    n, smallest = len(sculpting.scores), _smallest(sculpting)
    with style(look):
        width = COLUMN if n == 1 else PAGE
        figure = Figure(figsize=(width, 1.05 * COLUMN), layout="constrained")
        grid = figure.subplots(2, n, sharex="col", sharey="row", height_ratios=(2.2, 1), squeeze=False)
        for (axes, ratio), found in zip(grid.T, sculpting.scores, strict=True):
            _draw_spectra(axes, ratio, found)
            ratio.set_xlabel(axis_label(found.mass, "GeV"))
            ratio.set(yscale="log", ylim=(0.04, 1.5 / smallest), xlim=(found.edges[0], found.edges[-1]))
            axes.legend(loc="upper right", title=f"{_name(found)}: JSD (random jets)", alignment="left")
        grid[0, 0].set_ylim(0, 1.6 * _highest(sculpting))
        grid[0, 0].set_ylabel("Share of jets per bin")
        grid[1, 0].set_ylabel("Ratio to\nno cut")
        annotate(grid[0, 0], grid[0, -1], look=look, title=title, label=label)
        figure.align_ylabels(grid[:, 0])
    return figure


def efficiency_figure(sculpting: Sculpting, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Background efficiency against mass, with Clopper-Pearson intervals; dashed: what a flat one would be."""
    n = len(sculpting.scores)
    with style(look):
        figure = Figure(figsize=(COLUMN if n == 1 else PAGE, 0.8 * COLUMN), layout="constrained")
        grid = figure.subplots(1, n, sharey=True, squeeze=False)[0]
        for axes, found in zip(grid, sculpting.scores, strict=True):
            for j, cut in enumerate(found.cuts):
                _draw_efficiency(axes, found, cut, j)
            axes.set(yscale="log", xlabel=axis_label(found.mass, "GeV"))
            if any((cut.eff <= 0).any() for cut in found.cuts):
                axes.plot([], [], "v", color="0.4", fillstyle="none", markersize=9, label="No jet passes: bound")
            axes.legend(loc="upper left", ncols=2, columnspacing=1.0, title=_name(found), alignment="left")
        grid[0].set_ylabel("Background efficiency $\\epsilon_B$")
        annotate(grid[0], grid[-1], look=look, title=title, label=label)
        smallest = _smallest(sculpting)
        grid[0].set_ylim(smallest / 20, 40)
        decades = range(int(np.floor(np.log10(smallest / 20))) + 1, 1)
        grid[0].set_yticks([10.0**n for n in decades])  # no efficiency is larger than one
    return figure


def divergence_figure(sculpting: Sculpting, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Inverse of the Jensen-Shannon divergence against background rejection; the band is what random jets reach."""
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.85 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        for i, found in enumerate(sculpting.scores):
            known = found.scan_jsd > 0
            rejection = 1 / found.scan_bkg_eff
            inverse, name = 1 / found.scan_jsd[known], _name(found)
            axes.plot(rejection[known], inverse, color=COLORS[i], marker=MARKERS[i], label=name)
        reference = sculpting.scores[-1]
        some = reference.scan_floor > 0
        rejection = 1 / reference.scan_bkg_eff[some]
        axes.plot(rejection, 1 / reference.scan_floor[some], color="0.4", linestyle="--", label="Random jets, median")
        axes.fill_between(
            rejection,
            1 / reference.scan_floor_high[some],
            1 / reference.scan_floor[some],
            color="0.75",
            linewidth=0,
            label="to the 95 % quantile",
        )
        axes.set(xscale="log", yscale="log", xlabel="Background rejection 1/$\\epsilon_B$")
        axes.set_ylabel("1 / JSD (passing, failing)")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.45)
        axes.legend(loc="upper right")
        annotate(axes, look=look, title=title, label=label)
    return figure


def _draw_spectra(axes: Axes, ratio: Axes, found: MassDependence) -> None:
    edges = np.append(found.edges[:-1:MERGED], found.edges[-1])
    before = _merged(found.counts) / found.counts.sum()
    axes.stairs(before, edges, color="0.85", fill=True, label="No cut")
    ratio.axhline(1, color="0.6", linewidth=1.5)
    for i, cut in enumerate(found.cuts):
        if cut.counts.sum() <= 0:
            continue
        color = COLORS[i % len(COLORS)]
        share, low, high = _shape(cut)
        label = f"$\\epsilon_B$ = {100 * cut.bkg_eff:g} %, {cut.jsd.value:.3f} ({cut.jsd.floor:.3f})"
        axes.stairs(share, edges, color=color, linestyle=LINES[i % len(LINES)], linewidth=2, label=label)
        some = (share > 0) & (before > 0)
        centers = (edges[1:] + edges[:-1])[some] / 2 + _shift(i, len(found.cuts)) * np.diff(edges)[some]
        share, low, high = share[some], low[some], high[some]
        axes.errorbar(centers, share, [share - low, high - share], fmt="none", color=color, linewidth=1.5)
        errors = np.array([share - low, high - share]) / before[some]
        marker = MARKERS[i % len(MARKERS)]
        ratio.errorbar(centers, share / before[some], errors, fmt=marker, color=color, markersize=6, linewidth=1.5)


def _shape(cut: MassCut) -> tuple[Values, Values, Values]:
    """Share of the passing jets per bin, with the ends of its Garwood interval, for effective numbers of jets."""
    counts, squares = _merged(cut.counts), _merged(cut.squares)
    total, some = counts.sum(), (counts > 0) & (squares > 0)
    unit = np.where(some, squares / np.where(some, counts, 1.0), squares.sum() / total)
    low, high = garwood(np.where(some, counts, 0.0) / unit)
    return counts / total, low * unit / total, high * unit / total


def _merged(counts: Values) -> Values:
    """Neighboring bins taken together, so that a figure shows shapes rather than fluctuations."""
    return np.add.reduceat(counts, np.arange(0, len(counts), MERGED))


def _shift(i: int, n: int) -> float:
    """How far the points of one of several cuts stand beside the center of a bin, in bins."""
    return 0.16 * (i - (n - 1) / 2)


def _draw_efficiency(axes: Axes, found: MassDependence, cut: MassCut, i: int) -> None:
    """Points with intervals; where no jet passes, the bound as an open triangle."""
    color, widths = COLORS[i % len(COLORS)], np.diff(found.eff_edges)
    widths = np.minimum(widths, 1.5 * np.median(widths))
    centers = (found.eff_edges[1:] + found.eff_edges[:-1]) / 2 + _shift(i, len(found.cuts)) * widths
    axes.axhline(cut.reached, color=color, linestyle="--", linewidth=1.2)
    some = cut.eff > 0
    errors = np.array([np.maximum(cut.eff - cut.eff_low, 0.0), np.maximum(cut.eff_high - cut.eff, 0.0)])[:, some]
    sides = np.array([centers - found.eff_edges[:-1], found.eff_edges[1:] - centers])[:, some]
    label, marker = f"$\\epsilon_B$ = {100 * cut.bkg_eff:g} %", MARKERS[i % len(MARKERS)]
    axes.errorbar(centers[some], cut.eff[some], errors, sides, fmt=marker, color=color, linewidth=1.5, label=label)
    axes.plot(centers[~some], cut.eff_high[~some], "v", color=color, fillstyle="none", markersize=9)


def _name(found: MassDependence) -> str:
    return "Decorrelated score" if found.name.endswith("_decorrelated") else f"Cut on {found.name}"


def _smallest(sculpting: Sculpting) -> float:
    """The smallest background efficiency that is shown."""
    return min((cut.bkg_eff for found in sculpting.scores for cut in found.cuts), default=0.01)


def _highest(sculpting: Sculpting) -> float:
    """Upper end of the highest interval, of what is drawn."""
    tops = [float((_merged(found.counts) / found.counts.sum()).max()) for found in sculpting.scores]
    cuts = [cut for found in sculpting.scores for cut in found.cuts if cut.counts.sum() > 0]
    return max(*tops, *(float(_shape(cut)[2][_merged(cut.counts) > 0].max()) for cut in cuts))
