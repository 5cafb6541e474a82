"""QCD jets and tops: what cuts on a score do to the mass, and what they are worth in a search for tops in it.

python plots/top_qcd_mass.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from jetnae.bumphunt import Hunt
from jetnae.intervals import garwood
from jetnae.plotting import COLUMN, PAGE, annotate, save_figure, style
from jetnae.plotting.spectra import draw_counts, draw_fit, draw_pulls
from jetnae.plotting.style import COLORS, MARKERS
from jetnae.results import from_json

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "top_qcd" / "mass.json"
TITLE = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
KINDS = {"before": "Score", "after": "Score freed of the mass"}
SHOWN = 0.1
"""Background efficiency of the spectra that are shown."""
MASS = "Jet mass [GeV]"


def first(found: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and sculpting of the model that is shown, of its first seed."""
    model, seeds = next(iter(found["sculpting"].items()))
    return model, next(iter(seeds.values()))


def draw_spectra(found: dict[str, Any]) -> Figure:
    """Masses of QCD jets that pass a cut and of those that fail it, before and after; below, their ratio."""
    model, shown = first(found)
    with style():
        figure = Figure(figsize=(PAGE, 0.5 * PAGE), layout="constrained")
        grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(2.2, 1))
        for (axes, ratio), (kind, text) in zip(grid.T, KINDS.items(), strict=True):
            _spectra_of(axes, ratio, shown["figures"][kind])
            axes.legend(loc="upper right", title=f"{text} ({model.upper()})", alignment="left")
            ratio.set_xlabel(MASS)
        grid[0, 0].set(ylabel="Share of jets / GeV")
        grid[0, 0].set_ylim(0, 1.15 * grid[0, 0].get_ylim()[1])
        grid[1, 0].set(ylabel="Passing /\nfailing", yscale="log", ylim=(0.02, 30))
        annotate(grid[0, 0], grid[0, 1], title=f"QCD, {TITLE}")
        figure.align_ylabels(grid[:, 0])
    return figure


def _spectra_of(axes: Axes, ratio: Axes, measured: dict[str, Any]) -> None:
    edges, total = np.array(measured["edges"]), np.array(measured["counts"])
    cut = next(each for each in measured["cuts"] if each["bkg_eff"] == SHOWN)
    passing = np.array(cut["counts"])
    failing, width, center = total - passing, np.diff(edges), (edges[1:] + edges[:-1]) / 2
    shape = failing / failing.sum() / width
    axes.stairs(shape, edges, color="0.8", fill=True, label="Failing")
    unit, (low, high) = 1 / passing.sum() / width, garwood(passing)
    bars = np.array([passing - low, high - passing])
    divergence = f"JSD {cut['jsd']['value']:.2g}, random jets {cut['jsd']['floor']:.2g}"
    label = f"Passing, $\\epsilon_B$ = {SHOWN:g}\n{divergence}"
    axes.errorbar(center, passing * unit, bars * unit, width / 2, fmt="o", color=COLORS[1], markersize=6, label=label)
    some = (passing > 0) & (failing > 0)
    scale = (unit / np.where(shape > 0, shape, 1))[some]
    points = (passing[some] * scale, bars[:, some] * scale, width[some] / 2)
    ratio.errorbar(center[some], *points, fmt="o", color=COLORS[1], markersize=6)
    ratio.axhline(1, color="0.6", linewidth=1.5)
    ratio.set_xlim(edges[1], edges[-2])  # the outer bins hold all that lies beyond


def draw_efficiency(found: dict[str, Any]) -> Figure:
    """Background efficiency against mass over its mean, before and after, in equally full bins."""
    model, shown = first(found)
    with style():
        figure = Figure(figsize=(COLUMN, 1.2 * COLUMN), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, (kind, text) in zip(panels, KINDS.items(), strict=True):
            for i, cut in enumerate(shown[kind]):
                _efficiency_of(axes, cut, i, len(shown[kind]))
            axes.axhline(1, color="0.6", linewidth=1.5, zorder=0)
            axes.axhspan(0.8, 1.2, color="0.9", linewidth=0, zorder=-1, label="Within 20 %")
            axes.text(0.03, 0.94, f"{text} ({model.upper()})", transform=axes.transAxes, va="top")
            axes.set_ylabel("$\\epsilon_B(m)$ / mean")
        panels[0].set(yscale="log", ylim=(0.003, 100))
        panels[1].set(ylim=(0.5, 1.75), xscale="log", xlabel=MASS)
        panels[1].set_xticks([20, 50, 100, 200, 300], ["20", "50", "100", "200", "300"])
        panels[1].xaxis.set_minor_formatter(NullFormatter())
        panels[1].legend(loc="upper left", ncols=2, bbox_to_anchor=(0, 0.88))
        annotate(panels[0], title=f"QCD, {TITLE}")
        figure.align_ylabels()
    return figure


def _efficiency_of(axes: Axes, cut: dict[str, Any], i: int, n: int) -> None:
    edges = np.array(cut["edges"])
    edges[0] = max(edges[0], 0.5 * edges[1])  # the first bin begins at 0, which a logarithm does not show
    ratio, error = np.array(cut["ratio"]), np.array(cut["ratio_error"])
    center = np.exp(0.5 * np.log(edges[1:] * edges[:-1]) + 0.15 * (i - (n - 1) / 2) * np.diff(np.log(edges)))
    some = ratio > 0
    sides = np.array([center - edges[:-1], edges[1:] - center])[:, some]
    label = f"$\\epsilon_B$ = {cut['bkg_eff']:g}"
    axes.errorbar(
        center[some], ratio[some], error[some], sides, fmt=MARKERS[i], color=COLORS[i], label=label, linewidth=1.5
    )


def draw_significance(found: dict[str, Any]) -> Figure:
    """Expected significance of tops against the background efficiency of the cut, and without a cut."""
    search = found["search"]
    without = search["without"]
    with style():
        figure = Figure(figsize=(COLUMN, 0.8 * COLUMN), layout="constrained")
        axes = figure.subplots()
        middle, error = without["significance"], without["significance_error"]
        axes.axhspan(middle - error, middle + error, color="0.8", linewidth=0, label="No cut on a score")
        for i, (model, cuts) in enumerate(search["mean"].items()):
            x = np.array([each["background_efficiency"] for each in cuts.values()]) * 1.03**i
            values, errors = ([each[key] for each in cuts.values()] for key in ("significance", "significance_error"))
            axes.errorbar(x, values, errors, fmt=f"{MARKERS[i]}-", color=COLORS[i], linewidth=1.5, label=model.upper())
        axes.set(xscale="log", xlabel="Background efficiency of the cut", ylabel="Expected significance")
        ticks = [float(each) for each in next(iter(search["mean"].values()))]
        axes.set_xticks(ticks, [f"{each:g}" for each in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.45 * axes.get_ylim()[1])
        content = f"{found['n_jets']:,} jets, {100 * found['share']:g} % tops"
        axes.legend(loc="upper right", ncols=2, title=f"{content}, scores freed of the mass", alignment="right")
        annotate(axes, title=TITLE)
    return figure


def draw_experiment(found: dict[str, Any]) -> Figure:
    """One pseudo-experiment without and with the cut: counts, the fitted background, and the tops fitted on top."""
    shown = found["shown"]
    names = {"without": "No cut", "with": f"Score freed of the mass, $\\epsilon_B$ = {shown['bkg_eff']:g}"}
    with style():
        figure = Figure(figsize=(PAGE, 0.5 * PAGE), layout="constrained")
        grid = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1))
        for (axes, lower), (kind, text) in zip(grid.T, names.items(), strict=True):
            _experiment_of(axes, lower, shown[kind], text)
            lower.set_xlabel(MASS)
        grid[0, 0].set_ylabel("Jets / GeV")
        grid[1, 0].set_ylabel("Pull")
        content = f"{found['n_jets']:,} pseudo-data jets, {100 * found['share']:g} % tops"
        annotate(grid[0, 0], grid[0, 1], title=f"{content}, {TITLE}")
        figure.align_ylabels(grid[:, 0])
    return figure


def _experiment_of(axes: Axes, lower: Axes, shown: dict[str, Any], text: str) -> None:
    found = from_json(Hunt, shown["hunt"])
    width = np.diff(found.edges)
    draw_fit(axes, found.fit)
    if shown["known"] is not None:
        known = shown["known"]
        total = np.array(known["background"]) + known["n_signal"] * np.array(known["template"])
        label = f"Fit with tops: {known['n_signal']:.0f} ± {known['n_signal_error']:.0f}"
        axes.stairs(total / width, found.edges, color=COLORS[1], linewidth=2, label=label)
    truth = np.array(shown["expected_signal"])
    axes.stairs(truth / width, found.edges, color=COLORS[2], fill=True, label=f"Tops: {truth.sum():.0f} expected")
    draw_counts(axes, found.counts, found.edges)
    axes.set_ylim(0, 1.5 * axes.get_ylim()[1])
    lines = [text]
    if shown["known"] is not None:
        lines.append(f"Tops: {shown['known']['significance']:.1f}σ")
    relation = "=" if found.scan.n_above else "<"
    lines.append(f"Largest excess anywhere: global p {relation} {found.scan.global_p:.2g}")
    handles, labels = axes.get_legend_handles_labels()
    labels = ["Pseudo-data" if label == "Data" else label for label in labels]
    axes.legend(handles, labels, loc="upper right", title="\n".join(lines), alignment="right", ncols=2)
    draw_pulls(lower, found.counts, found.fit)
    lower.set_xlim(found.edges[0], found.edges[-1])


if __name__ == "__main__":
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    figures = {
        "spectra": draw_spectra(content),
        "efficiency": draw_efficiency(content),
        "significance": draw_significance(content),
        "experiment": draw_experiment(content),
    }
    for name, figure in figures.items():
        save_figure(figure, HERE / f"top_qcd_mass.{name}", force=True)
