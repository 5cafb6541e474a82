"""Mass and multiplicity of QCD and top jets, which tell them apart without any model.

python plots/top_qcd_samples.py
"""

import json
from pathlib import Path

from matplotlib.figure import Figure

from jetnae.plotting import COLORS, PAGE, annotate, save_figure, style

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "top_qcd" / "figures.json"
TITLE = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
CLASSES = {"qcd": "QCD jets", "top": "top jets"}
LABELS = {"mass": "Jet mass [GeV]", "multiplicity": "Number of constituents"}


def draw() -> Figure:
    """A panel for each observable."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))["observables"]
    with style():
        figure = Figure(figsize=(PAGE, 0.42 * PAGE), layout="constrained")
        panels = figure.subplots(1, len(LABELS))
        for axes, (name, text) in zip(panels, LABELS.items(), strict=True):
            each = found[name]
            for i, (kind, label) in enumerate(CLASSES.items()):
                fill = {"fill": True, "alpha": 0.45} if i == 0 else {"linewidth": 2.5}
                axes.stairs(each[kind], each["edges"], color=COLORS[i], label=label, **fill)
            highest = max(max(each[kind]) for kind in CLASSES)
            axes.set(xlabel=text, ylabel="Fraction per bin", ylim=(0, 1.25 * highest))
            axes.set_xlim(each["edges"][0], each["edges"][-1])
            axes.legend(loc="upper right", title="550 < $p_T$ < 650 GeV", alignment="left")
        annotate(panels[0], panels[-1], title=TITLE)
    return figure


if __name__ == "__main__":
    save_figure(draw(), HERE / "top_qcd.samples", force=True)
