"""ROC curves and significance improvements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from jetnae.plotting.style import COLORS, COLUMN, LINES, Style, annotate, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from jetnae.roc.result import Roc, RocCurve, SeedBand

    Values = npt.NDArray[np.floating[Any]]

NAMES = {
    "mass": "Jet mass",
    "pt": "Jet $p_\\mathrm{T}$",
    "n_constituents": "Multiplicity",
    "sum_sq": "Sum of squared pixels",
}
"""What columns are called in figures; others keep their name."""


def roc_figure(roc: Roc, *, look: Style = Style.PLAIN, title: str = "") -> Figure:
    """Background rejection against signal efficiency, and below it the ratio to the first curve.

    Bands are the 68 % Clopper-Pearson intervals of the background efficiency at each cut, for several trainings the
    central 68 % of the trainings around their median.
    """
    with style(look):
        figure = Figure(figsize=(COLUMN, 1.1 * COLUMN), layout="constrained")
        axes, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1), squeeze=True)
        grid = np.linspace(0.01, 1, 397)
        reference = _reference(roc, grid)
        for i, curve in enumerate(_drawn(roc)):
            color, line = COLORS[i % len(COLORS)], LINES[i % len(LINES)]
            if roc.seeds is not None and i == 0:
                _draw_seeds(axes, roc.seeds, color)
            else:
                _draw_curve(axes, curve, color, line)
            found = reference if i == 0 else _rejection(curve.sig_eff, curve.bkg_eff, grid)
            ratio.plot(grid, found / reference, color=color, linestyle=line)
        if roc.seeds is not None:
            _draw_seed_ratio(ratio, roc.seeds, grid, reference)
        axes.plot(grid, 1 / grid, color="0.6", linestyle=":", linewidth=1.5, label="Random")
        axes.set(
            yscale="log", xlim=(0, 1), ylim=(0.8, 3 * _highest(roc)), ylabel="Background rejection 1/$\\epsilon_B$"
        )
        axes.legend(loc="upper right", title=_samples(roc), alignment="left")
        ratio.set(yscale="log", xlabel="Signal efficiency $\\epsilon_S$", ylabel="Ratio to\nfirst")
        annotate(axes, title=title)
        figure.align_ylabels()
    return figure


def sic_figure(roc: Roc, *, look: Style = Style.PLAIN, title: str = "") -> Figure:
    """Significance improvement against signal efficiency, where enough background is left to tell."""
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.85 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        top = 1.0
        for i, curve in enumerate(_drawn(roc, seeds_apart=True)):
            known = np.isfinite(curve.sic)
            label = _label(curve) if curve.max_sic is None else f"{_label(curve)}, at most {curve.max_sic.value:.2f}"
            color, line = COLORS[i % len(COLORS)], LINES[i % len(LINES)]
            axes.plot(curve.sig_eff[known], curve.sic[known], color=color, linestyle=line, label=label)
            low, high = (curve.sig_eff[known] / np.sqrt(eff[known]) for eff in (curve.bkg_eff_high, curve.bkg_eff_low))
            axes.fill_between(curve.sig_eff[known], low, high, color=color, alpha=0.2, linewidth=0)
            top = max(top, float(high.max(initial=1.0)))
        axes.axhline(1, color="0.6", linestyle=":", linewidth=1.5)
        needed = roc.curves[0].min_background if roc.curves else 0.0
        axes.legend(loc="upper right", title=f"{needed:g} background jets or more", alignment="left")
        axes.set(xlim=(0, 1), ylim=(0, 1.7 * top), xlabel="Signal efficiency $\\epsilon_S$")
        axes.set_ylabel("Significance improvement $\\epsilon_S$ / √$\\epsilon_B$")
        annotate(axes, title=title)
    return figure


def _drawn(roc: Roc, *, seeds_apart: bool = False) -> Sequence[RocCurve]:
    """The curves that get a color: with several trainings in a band, only one of them stands for all."""
    if roc.seeds is None or seeds_apart:
        return roc.curves
    return (roc.curves[0], *roc.curves[roc.n_models :])


def _label(curve: RocCurve) -> str:
    return NAMES.get(curve.name, curve.name) + (" (reversed)" if curve.reversed else "")


def _samples(roc: Roc) -> str:
    return f"{roc.signal} against {roc.background}"


def _draw_curve(axes: Axes, curve: RocCurve, color: str, line: Any) -> None:
    some = curve.bkg_eff > 0
    sig_eff = curve.sig_eff[some]
    label = f"{_label(curve)}, AUC {curve.auc.value:.3f}"
    axes.plot(sig_eff, 1 / curve.bkg_eff[some], color=color, linestyle=line, label=label)
    low, high = 1 / curve.bkg_eff_high[some], 1 / curve.bkg_eff_low[some]
    axes.fill_between(sig_eff, low, high, color=color, alpha=0.2, linewidth=0)


def _draw_seeds(axes: Axes, seeds: SeedBand, color: str) -> None:
    some = seeds.bkg_eff_low > 0
    label = f"{seeds.name}, {seeds.n_seeds} trainings, AUC {seeds.auc.median:.3f}"
    axes.plot(seeds.sig_eff[some], 1 / seeds.bkg_eff_median[some], color=color, label=label)
    low, high = 1 / seeds.bkg_eff_high[some], 1 / seeds.bkg_eff_low[some]
    axes.fill_between(seeds.sig_eff[some], low, high, color=color, alpha=0.3, linewidth=0)


def _draw_seed_ratio(axes: Axes, seeds: SeedBand, grid: Values, reference: Values) -> None:
    low, high = (_rejection(seeds.sig_eff, eff, grid) for eff in (seeds.bkg_eff_high, seeds.bkg_eff_low))
    axes.fill_between(grid, low / reference, high / reference, color=COLORS[0], alpha=0.3, linewidth=0)


def _reference(roc: Roc, grid: Values) -> Values:
    if roc.seeds is not None:
        return _rejection(roc.seeds.sig_eff, roc.seeds.bkg_eff_median, grid)
    return _rejection(roc.curves[0].sig_eff, roc.curves[0].bkg_eff, grid)


def _rejection(sig_eff: Values, bkg_eff: Values, grid: Values) -> Values:
    """Rejection at given signal efficiencies; NaN where no background passes, and beyond the last cut."""
    some = bkg_eff > 0
    if not some.any():
        return np.full(len(grid), np.nan)
    rising = np.maximum.accumulate(sig_eff[some])
    return np.exp(-np.interp(grid, rising, np.log(bkg_eff[some]), left=np.nan, right=np.nan))


def _highest(roc: Roc) -> float:
    passing = [curve.bkg_eff[curve.bkg_eff > 0] for curve in roc.curves]
    return max((1 / float(each[0]) for each in passing if len(each)), default=10.0)
