"""ROC curves and significance improvements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from jetnae.plotting.columns import column_name
from jetnae.plotting.style import COLORS, COLUMN, LINES, Style, annotate, style

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from jetnae.roc.result import Roc, RocCurve, SeedBand

    Values = npt.NDArray[np.floating[Any]]

GRID = np.linspace(0.01, 1, 397)
"""Signal efficiencies at which curves are compared."""
LEGEND_LEFT, LEGEND_LINE = 0.2, 0.058
"""Where legends begin, and the height of one of their lines, in units of the axes."""
FEW = 10


def roc_figure(roc: Roc, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Background rejection against signal efficiency, and below it the ratio to the first curve.

    Bands are the 68 % Clopper-Pearson intervals of the background efficiency at each cut, for several trainings the
    central 68 % of the trainings around their median.
    """
    with style(look):
        figure = Figure(figsize=(COLUMN, 1.1 * COLUMN), layout="constrained")
        axes, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1), squeeze=True)
        if roc.seeds is not None:
            _draw_seeds(axes, roc.seeds)
        for i, curve in _numbered(roc):
            _draw_curve(axes, curve, COLORS[i % len(COLORS)], LINES[i % len(LINES)])
        _draw_ratios(ratio, roc)
        axes.plot(GRID, 1 / GRID, color="0.6", linestyle=":", linewidth=1.5, label="Random")
        axes.set(yscale="log", xlim=(0, 1), ylim=(0.8, _top(roc)), ylabel="Background rejection 1/$\\epsilon_B$")
        axes.legend(loc="upper right", title=f"{roc.signal} against {roc.background}", alignment="left")
        ratio.set(xlabel="Signal efficiency $\\epsilon_S$", ylabel="Ratio to\nfirst")
        annotate(axes, look=look, title=title, label=label)
        figure.align_ylabels()
    return figure


def sic_figure(roc: Roc, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Significance improvement against signal efficiency, where enough background is left to tell."""
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.85 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        tops = [1.0]
        if roc.seeds is not None:
            tops.append(_draw_seed_sic(axes, roc.seeds))
        tops += [_draw_sic(axes, curve, COLORS[i % len(COLORS)], LINES[i % len(LINES)]) for i, curve in _numbered(roc)]
        axes.axhline(1, color="0.6", linestyle=":", linewidth=1.5)
        needed = roc.curves[0].min_background if roc.curves else 0.0
        axes.legend(loc="upper right", title=f"Where {needed:g} background jets or more pass", alignment="left")
        free = 1 - LEGEND_LINE * (len(axes.get_legend_handles_labels()[1]) + 1.5)
        axes.set(xlim=(0, 1), ylim=(0, max(tops) / max(free, 0.3)), xlabel="Signal efficiency $\\epsilon_S$")
        axes.set_ylabel("Significance improvement $\\epsilon_S$ / √$\\epsilon_B$")
        annotate(axes, look=look, title=title, label=label)
    return figure


def _numbered(roc: Roc) -> list[tuple[int, RocCurve]]:
    """The curves with the numbers of their colors; those of trainings that are drawn as a band are left out."""
    curves = roc.curves if roc.seeds is None else roc.curves[roc.n_models :]
    return list(enumerate(curves, start=0 if roc.seeds is None else 1))


def _label(curve: RocCurve) -> str:
    return column_name(curve.name) + (" (reversed)" if curve.reversed else "")


def _draw_curve(axes: Axes, curve: RocCurve, color: str, line: Any) -> None:
    some = curve.bkg_eff > 0
    sig_eff = curve.sig_eff[some]
    label = f"{_label(curve)}, AUC {curve.auc.value:.3f}"
    axes.plot(sig_eff, 1 / curve.bkg_eff[some], color=color, linestyle=line, label=label)
    low, high = 1 / curve.bkg_eff_high[some], 1 / curve.bkg_eff_low[some]
    axes.fill_between(sig_eff, low, high, color=color, alpha=0.2, linewidth=0)


def _draw_seeds(axes: Axes, seeds: SeedBand) -> None:
    some = seeds.bkg_eff_low > 0
    label = f"{seeds.name}, {seeds.n_seeds} trainings, AUC {seeds.auc.median:.3f}"
    axes.plot(seeds.sig_eff[some], 1 / seeds.bkg_eff_median[some], color=COLORS[0], label=label)
    low, high = 1 / seeds.bkg_eff_high[some], 1 / seeds.bkg_eff_low[some]
    axes.fill_between(seeds.sig_eff[some], low, high, color=COLORS[0], alpha=0.3, linewidth=0)


def _draw_ratios(axes: Axes, roc: Roc) -> None:
    reference = _reference(roc)
    ratios = [_rejection(curve.sig_eff, curve.bkg_eff) / reference for _, curve in _numbered(roc)]
    for (i, _), ratio in zip(_numbered(roc), ratios, strict=True):
        axes.plot(GRID, ratio, color=COLORS[i % len(COLORS)], linestyle=LINES[i % len(LINES)])
    if roc.seeds is not None:
        low, high = (_rejection(roc.seeds.sig_eff, eff) for eff in (roc.seeds.bkg_eff_high, roc.seeds.bkg_eff_low))
        axes.axhline(1, color=COLORS[0])
        axes.fill_between(GRID, low / reference, high / reference, color=COLORS[0], alpha=0.3, linewidth=0)
    found = np.concatenate([ratio[np.isfinite(ratio)] for ratio in ratios]) if ratios else np.ones(1)
    # at least two powers of ten, so that two of them carry a label
    axes.set(yscale="log", ylim=(min(0.07, found.min(initial=1) / 1.3), max(1.6, 1.3 * found.max(initial=1))))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_sic(axes: Axes, curve: RocCurve, color: str, line: Any) -> float:
    """Returns the upper end of the band."""
    known = np.isfinite(curve.sic)
    label = _label(curve) if curve.max_sic is None else f"{_label(curve)}, max. {curve.max_sic.value:.2f}"
    marker = "o" if known.sum() < FEW else None  # a line of one point cannot be seen
    axes.plot(curve.sig_eff[known], curve.sic[known], color=color, linestyle=line, marker=marker, label=label)
    low, high = (curve.sig_eff[known] / np.sqrt(eff[known]) for eff in (curve.bkg_eff_high, curve.bkg_eff_low))
    axes.fill_between(curve.sig_eff[known], low, high, color=color, alpha=0.2, linewidth=0)
    return float(high.max(initial=1.0))


def _draw_seed_sic(axes: Axes, seeds: SeedBand) -> float:
    known = np.isfinite(seeds.sic_median)
    most = "" if seeds.max_sic is None else f", max. {seeds.max_sic.median:.2f}"
    label = f"{seeds.name}, {seeds.n_seeds} trainings{most}"
    axes.plot(seeds.sig_eff[known], seeds.sic_median[known], color=COLORS[0], label=label)
    low, high = seeds.sic_low[known], seeds.sic_high[known]
    axes.fill_between(seeds.sig_eff[known], low, high, color=COLORS[0], alpha=0.3, linewidth=0)
    return float(high.max(initial=1.0))


def _reference(roc: Roc) -> Values:
    if roc.seeds is not None:
        return _rejection(roc.seeds.sig_eff, roc.seeds.bkg_eff_median)
    return _rejection(roc.curves[0].sig_eff, roc.curves[0].bkg_eff)


def _rejection(sig_eff: Values, bkg_eff: Values) -> Values:
    """Rejection on `GRID`; NaN where no background passes, and beyond the last cut."""
    some = bkg_eff > 0
    if not some.any():
        return np.full(len(GRID), np.nan)
    rising = np.maximum.accumulate(sig_eff[some])
    return np.exp(-np.interp(GRID, rising, np.log(bkg_eff[some]), left=np.nan, right=np.nan))


def _top(roc: Roc) -> float:
    """Upper end of the axis: above all curves, and far enough above what lies under the legend."""
    curves = [curve for curve in roc.curves if (curve.bkg_eff > 0).any()]
    highest = max((1 / float(curve.bkg_eff[curve.bkg_eff > 0].min()) for curve in curves), default=10.0)
    beside = [_rejection(curve.sig_eff, curve.bkg_eff)[GRID > LEGEND_LEFT] for curve in curves]
    under = max((float(each[np.isfinite(each)].max(initial=1.0)) for each in beside), default=1.0)
    free = max(1 - LEGEND_LINE * (len(_numbered(roc)) + 2.5 + (roc.seeds is not None)), 0.3)
    return float(max(3 * highest, 0.8 * (1.3 * under / 0.8) ** (1 / free)))
