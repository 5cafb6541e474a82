"""Semivisible jets in QCD multijets: what autoencoders find jet by jet, in the spectrum of M_T, and in a search.

python plots/semivisible.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from jetnae.plotting import COLUMN, PAGE, annotate, save_figure, style
from jetnae.plotting.style import COLORS, MARKERS

HERE = Path(__file__).parent
RESULTS = HERE.parent / "analyses" / "results" / "semivisible"
TITLE = "QCD only, Pythia 8 (13 TeV), parametrised detector, no pile-up"
SHORT = "QCD only, Pythia 8 (13 TeV)"
NAMES = {
    "ceiling": "classifier (ceiling)",
    "nae_features": "NAE, features",
    "wnae_features": "WNAE, features",
    "ae_features": "AE, features",
    "nae_images": "NAE, images",
    "ae_images": "AE, images",
}
DIFFERENCES = {
    "nae_features - ae_features": "NAE $-$ AE, features",
    "wnae_features - ae_features": "WNAE $-$ AE, features",
    "nae_images - ae_images": "NAE $-$ AE, images",
}
INVISIBLE = "Invisible fraction $r_\\mathrm{inv}$"


def read(name: str) -> Any:
    """One of the committed results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def mediators(grid: dict[str, Any]) -> dict[int, dict[float, Any]]:
    """The grid by mediator mass in GeV and invisible fraction."""
    found: dict[int, dict[float, Any]] = {}
    for point, each in grid.items():
        _, mass, _, fraction = point.split("_")
        found.setdefault(int(mass), {})[float(f"{fraction[0]}.{fraction[1:]}")] = each
    return found


def draw_grid(quantity: str, names: dict[str, str], label: str) -> Figure:
    """A quantity of all models against the invisible fraction, a panel for each mediator mass."""
    grid = mediators(read("summary")["grid"])
    with style():
        figure = Figure(figsize=(PAGE, 0.42 * PAGE), layout="constrained")
        panels = figure.subplots(1, len(grid), sharey=True)
        for axes, (mass, points) in zip(panels, grid.items(), strict=True):
            for i, (name, text) in enumerate(names.items()):
                found = [each[quantity][name] for each in points.values()]
                x = np.array(list(points)) + 0.012 * (i - (len(names) - 1) / 2)
                values, errors = ([each[key] for each in found] for key in ("value", "error"))
                axes.errorbar(x, values, errors, fmt=MARKERS[i], color=COLORS[i], label=text)
            axes.axhline(0.5 if quantity == "models" else 0.0, color="0.6", linewidth=1.5, zorder=0)
            axes.set(xlim=(0.0, 0.8), xlabel=INVISIBLE)
            height = 0.94 if quantity == "models" else 0.13
            axes.text(0.95, height, f"{mass / 1000:g} TeV", transform=axes.transAxes, ha="right", va="top")
        panels[0].set_ylabel(label)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names))
        annotate(panels[0], panels[-1], title=TITLE)
    return figure


def draw_spectra() -> Figure:
    """M_T of background and of three signals, all events and those after the cut on the score."""
    events = read("events")
    found, eff = events["spectra"]["nae_features"], events["background_efficiency"]
    edges = np.array(found["edges"])
    centers, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    with style():
        figure = Figure(figsize=(COLUMN, COLUMN), layout="constrained")
        axes, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for color, (kind, text) in zip(
            COLORS, {"all": "QCD", "passing": f"QCD, NAE score, $\\epsilon_B = {eff:g}$"}.items(), strict=False
        ):
            values, errors = (np.array(found["background"][kind][key]) for key in ("sum", "error"))
            axes.errorbar(centers, values / width, errors / width, width / 2, fmt="o", color=color, label=text)
        whole, passing = (np.array(found["background"][kind]["sum"]) for kind in ("all", "passing"))
        errors = np.array(found["background"]["passing"]["error"])
        some = whole > 0
        ratio.errorbar(
            centers[some],
            (passing / np.maximum(whole, 1e-300))[some],
            (errors / np.maximum(whole, 1e-300))[some],
            width[some] / 2,
            fmt="o",
            color=COLORS[1],
        )
        for color, mass in zip(COLORS[2:], (2000, 3000, 4000), strict=False):
            signal = found["signals"][f"semivisible_{mass}_20_03"]
            for kind, line in {"all": "-", "passing": "--"}.items():
                label = f"{mass / 1000:g} TeV, $r_\\mathrm{{inv}} = 0.3$, 1 pb" if kind == "all" else None
                axes.stairs(np.array(signal[kind]["sum"]) / width, edges, color=color, linestyle=line, label=label)
        axes.text(0.03, 0.03, "dashed: after the same cut", transform=axes.transAxes, fontsize=20)
        axes.set(yscale="log", ylabel="d$\\sigma$/d$M_T$ [pb/GeV]")
        axes.set_ylim(1e-8, 300 * axes.get_ylim()[1])
        axes.legend(loc="upper right")
        ratio.axhline(eff, color="0.6", linewidth=1.5)
        ratio.set(xlabel="$M_T$ [GeV]", ylabel="$\\epsilon_B$", ylim=(0, 3 * eff), xlim=(edges[0], edges[-1]))
        annotate(axes, title=SHORT)
    return figure


def draw_sculpting() -> Figure:
    """Background efficiency against M_T, of the score as it is and of the score freed of M_T."""
    found = read("events")["sculpting"]["nae_features"]
    with style():
        figure = Figure(figsize=(COLUMN, COLUMN), layout="constrained")
        axes = figure.subplots()
        for color, (kind, text) in zip(COLORS, {"raw": "NAE score", "freed": "freed of $M_T$"}.items(), strict=False):
            edges = np.array(found[kind]["eff_edges"])
            middle = np.sqrt(edges[1:] * edges[:-1])
            for marker, cut in zip(MARKERS, found[kind]["cuts"][:3], strict=False):
                value, low, high = (np.array(cut[key]) for key in ("eff", "eff_low", "eff_high"))
                spread = np.maximum([value - low, high - value], 0)
                label = f"{text}, $\\epsilon_B = {cut['bkg_eff']:g}$"
                axes.errorbar(
                    middle,
                    value,
                    spread,
                    [middle - edges[:-1], edges[1:] - middle],
                    fmt=marker,
                    color=color,
                    label=label,
                )
                axes.axhline(cut["bkg_eff"], color="0.6", linewidth=1.5, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel="$M_T$ [GeV]", ylabel="Background efficiency")
        axes.set_ylim(0.01, 8)
        axes.set_xticks([1000, 2000, 4000], ["1000", "2000", "4000"])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="upper right", ncols=2, fontsize=17)
        annotate(axes, title=SHORT)
    return figure


def draw_search() -> Figure:
    """Expected significance of every signal without and with the cut on each score."""
    result = read("search")
    grid = mediators(result["grid"])
    names = {"without": "no cut on a score", **{name: NAMES[name] for name in NAMES if name.endswith("_features")}}
    names["ceiling"] = NAMES["ceiling"]
    with style():
        figure = Figure(figsize=(PAGE, 0.42 * PAGE), layout="constrained")
        panels = figure.subplots(1, len(grid), sharey=True)
        for axes, (mass, points) in zip(panels, grid.items(), strict=True):
            for i, (name, text) in enumerate(names.items()):
                known = {x: each[name] for x, each in points.items() if each[name]["significance"] is not None}
                x = np.array(list(known)) + 0.012 * (i - (len(names) - 1) / 2)
                values, errors = (
                    [each[key] for each in known.values()] for key in ("significance", "significance_error")
                )
                axes.errorbar(x, values, errors, fmt=MARKERS[i], color=COLORS[i], label=text)
            axes.set(xlim=(0.0, 0.8), xlabel=INVISIBLE)
            axes.text(0.95, 0.94, f"{mass / 1000:g} TeV", transform=axes.transAxes, ha="right", va="top")
        panels[0].set_ylim(0, 1.15 * panels[0].get_ylim()[1])
        panels[0].set_ylabel("Expected significance")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names))
        annotate(panels[0], panels[-1], title=f"{TITLE}, {result['luminosity']:g} fb$^{{-1}}$")
    return figure


if __name__ == "__main__":
    figures = {
        "auc": draw_grid("models", NAMES, "AUC of single jets at equal $p_T$"),
        "difference": draw_grid("differences", DIFFERENCES, "Difference of AUC"),
        "spectra": draw_spectra(),
        "sculpting": draw_sculpting(),
        "search": draw_search(),
    }
    for name, figure in figures.items():
        save_figure(figure, HERE / f"semivisible.{name}", force=True)
