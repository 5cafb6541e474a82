"""Pulls of the CMS dijet spectrum from each family of smooth functions.

python plots/dijet_families.py
"""

import json
from pathlib import Path

from matplotlib.figure import Figure

from jetnae.bumphunt import Fit
from jetnae.plotting import COLUMN, annotate, save_figure, style
from jetnae.plotting.spectra import draw_pulls
from jetnae.results import from_json

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "dijet_spectrum_families.json"


def draw(counts: list[int], fits: list[Fit]) -> Figure:
    """One panel for each family, each with its own scale."""
    with style():
        figure = Figure(figsize=(COLUMN, 0.22 * COLUMN * len(fits)), layout="constrained")
        panels = figure.subplots(len(fits), 1, sharex=True)
        for axes, fit in zip(panels, fits, strict=True):
            draw_pulls(axes, counts, fit)
            axes.set_ylim(top=1.9 * axes.get_ylim()[1])
            quality = f"{fit.family}: $\\chi^2$/ndf = {fit.chi2:.1f}/{fit.ndf}"
            axes.text(0.98, 0.9, quality, transform=axes.transAxes, ha="right", va="top", fontsize=20)
        panels[0].set_ylabel("Pull")
        panels[-1].set(xlabel="Dijet mass [GeV]", xlim=(fits[0].edges[0], fits[0].edges[-1]))
        annotate(panels[0], title="CMS data, HEPData ins1764471, 137 fb$^{-1}$ (13 TeV)")
    return figure


if __name__ == "__main__":
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    figure = draw(content["counts"], [from_json(Fit, each) for each in content["fits"]])
    save_figure(figure, HERE / "dijet_families", force=True)
