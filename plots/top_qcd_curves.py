"""Tops in QCD and QCD in tops: background rejection and significance improvement of models and baselines.

python plots/top_qcd_curves.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jetnae.plotting import COLORS, PAGE, annotate, save_figure, style
from jetnae.plotting.style import LINES

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "top_qcd" / "figures.json"
TITLE = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
CLASSES = {"qcd": "QCD", "top": "top"}
NAMES = {
    "nae": "NAE",
    "ae": "AE",
    "mass": "mass",
    "kde_mass": "density of mass",
    "kde_mass_multiplicity": "density of mass, multiplicity",
    "pca_10": "10 principal components",
}
LEGEND = 0.4
"""Signal efficiency where legends begin."""


def draw(*, improvement: bool) -> Figure:
    """A panel for each direction; lines are means over seeds, bands their range."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))["trained"]
    with style():
        figure = Figure(figsize=(PAGE, 0.5 * PAGE), layout="constrained")
        panels = figure.subplots(1, len(found))
        for axes, (trained, each) in zip(panels, found.items(), strict=True):
            highest = [draw_curve(axes, each["curves"], name, improvement=improvement) for name in NAMES]
            finish(axes, max(highest), improvement=improvement)
            axes.legend(
                loc="upper right",
                title=f"{CLASSES[each['signal']]} jets, trained on {CLASSES[trained]} jets",
                alignment="left",
            )
        annotate(panels[0], panels[-1], title=TITLE)
    return figure


def draw_curve(axes: Axes, curves: dict[str, Any], name: str, *, improvement: bool) -> float:
    """One score, where enough background passes; returns the highest point below the legend."""
    sig_eff, effs = np.array(curves["sig_eff"]), np.array(curves[name]["bkg_eff"])
    number = list(NAMES).index(name)
    told = effs.mean(axis=0) * curves["n_background"] >= (curves["fewest"] if improvement else 4)
    values = (sig_eff / np.sqrt(effs) if improvement else 1 / effs)[:, told]
    text = NAMES[name] + (" (small values)" if curves[name]["reversed"] else "")
    mean = values.mean(axis=0) if improvement else 1 / effs[:, told].mean(axis=0)
    axes.plot(sig_eff[told], mean, color=COLORS[number], linestyle=LINES[number % len(LINES)], label=text)
    if len(values) > 1:
        low, high = values.min(axis=0), values.max(axis=0)
        axes.fill_between(sig_eff[told], low, high, color=COLORS[number], alpha=0.3, linewidth=0)
    return float(values[:, sig_eff[told] > LEGEND].max(initial=1.0))


def finish(axes: Axes, highest: float, *, improvement: bool) -> None:
    """Axes with room for the legend, and what chance gives."""
    x = np.linspace(0.01, 1, 200)
    axes.plot(x, np.sqrt(x) if improvement else 1 / x, color="0.6", linestyle=":", linewidth=1.5, label="chance")
    axes.set(xlim=(0, 1), xlabel="Signal efficiency $\\epsilon_S$")
    if improvement:
        axes.set(ylim=(0, 1.8 * highest), ylabel="Significance improvement $\\epsilon_S$ / √$\\epsilon_B$")
    else:
        axes.set(yscale="log", ylim=(0.8, 2 * highest**1.75), ylabel="Background rejection 1/$\\epsilon_B$")


if __name__ == "__main__":
    for name, improvement in {"roc": False, "sic": True}.items():
        save_figure(draw(improvement=improvement), HERE / f"top_qcd.{name}", force=True)
