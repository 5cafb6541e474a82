"""What tops among the jets to train on do: AUC of tops against QCD, from pure QCD to pure tops.

python plots/top_qcd_contamination.py
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jetnae.plotting import COLORS, COLUMN, annotate, save_figure, style
from jetnae.plotting.style import LINES, MARKERS

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "top_qcd" / "contamination.json"
TITLE = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
NAMES = {
    "nae": "NAE",
    "ae": "AE",
    "kde_mass": "density of mass",
    "kde_mass_multiplicity": "density of mass, multiplicity",
    "pca_10": "10 principal components",
}


def draw() -> Figure:
    """AUC against the share of tops, at equal distances, since most of it happens at both ends."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    shares = list(found["shares"])
    with style():
        figure = Figure(figsize=(COLUMN, COLUMN), layout="constrained")
        axes = figure.subplots()
        for i, (name, text) in enumerate(NAMES.items()):
            each = [found["shares"][share]["rows"][name]["auc"] for share in shares]
            values, errors = ([one[key] for one in each] for key in ("value", "error"))
            x = np.arange(len(shares)) + 0.06 * (i - (len(NAMES) - 1) / 2)
            line = LINES[i % len(LINES)]
            axes.errorbar(x, values, errors, fmt=MARKERS[i], color=COLORS[i], linestyle=line, label=text)
        axes.axhline(0.5, color="0.6", linewidth=1.5, zorder=0)
        axes.set_xticks(range(len(shares)), shares, fontsize=18)
        axes.minorticks_off()
        axes.set(ylim=(0, 1.42), xlabel="Share of top jets in training, S/(S+B)", ylabel="AUC, tops against QCD")
        axes.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
        axes.legend(loc="upper right", title=f"{found['n_jets']} jets to train on", alignment="left")
        annotate(axes, title=TITLE)
    return figure


if __name__ == "__main__":
    save_figure(draw(), HERE / "top_qcd.contamination", force=True)
