"""MNIST with one digit left out: AUC for it, ours beside published ones.

python plots/mnist_holdout.py
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jetnae.plotting import PAGE, annotate, save_figure, style
from jetnae.plotting.style import COLORS, MARKERS

HERE = Path(__file__).parent
RESULTS = HERE.parent / "analyses" / "results" / "mnist"
NAMES = {
    "nae": "NAE",
    "ae": "AE",
    "vae": "VAE",
    "vae_bound": "VAE, bound",
    "dae": "DAE",
    "wae": "WAE",
    "mpdr_r": "MPDR-R",
}
PUBLISHED = {
    "nae": dict(enumerate((0.989, 0.919, 0.992, 0.949, 0.949, 0.978, 0.938, 0.975, 0.929, 0.934))),
    "ae": dict(enumerate((0.819, 0.131, 0.843, 0.734, 0.661, 0.755, 0.844, 0.542, 0.902, 0.537))),
    "mpdr_r": {9: 0.971},
}
"""By digit: means over ten trainings, from the talk slides to arXiv:2105.05735; MPDR-R from a later paper."""


def areas(name: str) -> dict[int, list[float]]:
    """AUC of a model by digit, for every seed."""
    found: dict[int, list[float]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result["model"] == name:
            found.setdefault(result["digit"], []).append(result["auc"]["digit"]["value"])
    return dict(sorted(found.items()))


def draw() -> Figure:
    """AUC against the digit that was left out; bars are the scatter of seeds."""
    with style():
        figure = Figure(figsize=(PAGE, 0.45 * PAGE), layout="constrained")
        axes = figure.subplots()
        for i, (name, text) in enumerate(NAMES.items()):
            found = areas(name)
            if not found:
                continue
            x = np.array(list(found)) + 0.09 * (i - (len(NAMES) - 1) / 2)
            means = [np.mean(values) for values in found.values()]
            scatter = [np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in found.values()]
            axes.errorbar(x, means, scatter, fmt=MARKERS[i], color=COLORS[i], label=text)
        for name, values in PUBLISHED.items():
            color = COLORS[list(NAMES).index(name)]
            for digit, value in values.items():
                label = f"{NAMES[name]}, published" if digit == next(iter(values)) else None
                axes.hlines(value, digit - 0.42, digit + 0.42, color=color, linestyle="--", label=label)
        axes.axhline(0.5, color="0.6", linewidth=1.5, zorder=0)
        axes.set(xlabel="Digit left out", ylabel="AUC", ylim=(0, 1.02), xlim=(-0.6, 9.6), xticks=range(10))
        axes.tick_params(axis="x", which="minor", bottom=False, top=False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
        annotate(axes, title="MNIST, 14 x 14 pixels")
    return figure


if __name__ == "__main__":
    save_figure(draw(), HERE / "mnist_holdout", force=True)
