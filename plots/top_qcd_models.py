"""Tops in QCD and QCD in tops: energies of jets and of negative samples, and where latent vectors lie.

python plots/top_qcd_models.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from jetnae.plotting import COLORS, PAGE, annotate, save_figure, style
from jetnae.plotting.style import MARKERS

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "top_qcd" / "figures.json"
TITLE = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
CLASSES = {"qcd": "QCD jets", "top": "top jets", "negative": "negative samples"}
MODELS = {"ae": "AE", "nae": "NAE"}
MOST_LABELS = 50
TRAINED = {"qcd": "QCD", "top": "tops"}


def read() -> Any:
    """What was measured of the first seed of each direction."""
    return json.loads(RESULT.read_text(encoding="utf-8"))["trained"]


def draw_energies() -> Figure:
    """A panel for each model and direction: what both classes cost, and what the model itself makes."""
    with style():
        figure = Figure(figsize=(PAGE, 0.85 * PAGE), layout="constrained")
        grid = figure.subplots(2, len(MODELS))
        for row, (trained, found) in zip(grid, read().items(), strict=True):
            for axes, (model, text) in zip(row, MODELS.items(), strict=True):
                energies = found["models"][model]["energies"]
                edges = np.array(energies["edges"])
                shown = {name: energies[name] for name in CLASSES if name in energies}
                for color, (name, shares) in zip(COLORS, shown.items(), strict=False):
                    line = {"linestyle": "--"} if name == "negative" else {}
                    axes.stairs(shares, edges, color=color, linewidth=2.5, label=CLASSES[name], **line)
                highest = max(max(shares) for shares in shown.values())
                axes.set(xscale="log", xlim=(edges[0], edges[-1]), ylim=(0, 1.55 * highest))
                axes.set(xlabel="Energy $E(x)$", ylabel="Fraction per bin")
                if edges[-1] < MOST_LABELS * edges[0]:  # else powers of ten are enough
                    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.legend(loc="upper right", title=f"{text}, trained on {TRAINED[trained]}", alignment="left")
        annotate(grid[0, 0], grid[0, -1], title=TITLE)
    return figure


def draw_latent() -> Figure:
    """Latent vectors of the NAE along the two directions in which those of the jets it learned from vary most."""
    with style():
        figure = Figure(figsize=(PAGE, 0.53 * PAGE), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, (trained, found) in zip(panels, read().items(), strict=True):
            latent = found["models"]["nae"]["latent"]
            for i, (name, text) in enumerate(CLASSES.items()):
                points = np.array(latent["points"][name])
                axes.plot(*points.T, MARKERS[i], color=COLORS[i], markersize=5, alpha=0.6, label=text)
            everything = np.abs(np.concatenate(list(latent["points"].values()))).max()
            axes.set(xlim=(-1.05 * everything, 1.05 * everything), ylim=(-1.05 * everything, 1.6 * everything))
            axes.set(xlabel="First principal component", ylabel="Second principal component")
            shown = f"{latent['dimensions']} dimensions, shown {100 * latent['share']:.0f} % of the variance"
            axes.legend(loc="upper left", title=f"NAE trained on {TRAINED[trained]}\n{shown}", alignment="left")
        annotate(panels[0], panels[-1], title=TITLE)
    return figure


if __name__ == "__main__":
    save_figure(draw_energies(), HERE / "top_qcd.energies", force=True)
    save_figure(draw_latent(), HERE / "top_qcd.latent", force=True)
