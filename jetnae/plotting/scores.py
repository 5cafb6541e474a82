"""Distributions of anomaly scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hist
import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]

PROCESSES = {0: "QCD", 1: "top", 2: "semivisible"}
COLORS = ("#3f90da", "#bd1f01", "#ffa90e", "#832db6")
"""Distinguishable with color vision deficiency and in print (arXiv:2107.02270)."""


def score_classes(
    jets: Mapping[str, Any], counts: Any, events: Mapping[str, Any], *, all_jets: bool
) -> dict[str, Values]:
    """Scores of the jets of a score file by class: by `process` where the file has it, else by label, else together.

    Jets of a signal event that belong to no signal particle are left out. Classes without jets do not appear.
    """
    score = np.asarray(jets["score"])
    wanted = np.isfinite(score) & (np.ones(len(score), dtype=bool) if all_jets else jets["in_range"])
    label = jets.get("label")
    if label is not None and "process" in events:
        process = np.repeat(np.asarray(events["process"]), counts)
        masks = {name: (process == number) & (label == (number > 0)) for number, name in PROCESSES.items()}
    elif label is not None:
        masks = {"background": label == 0, "signal": label == 1}
    else:
        masks = {"jets": np.ones(len(score), dtype=bool)}
    return {name: score[mask & wanted] for name, mask in masks.items() if (mask & wanted).any()}


def score_distribution(classes: Mapping[str, Values], *, note: str = "") -> Figure:
    """Normalized distributions of a score, one outline per class with statistical errors.

    classes : name to scores, each (n,). The axis is logarithmic where all scores are positive. Returns the figure.
    """
    edges, logarithmic = _edges(np.concatenate(list(classes.values())))
    with mpl.rc_context({**mplhep.style.CMS, "figure.autolayout": False}):
        figure = Figure(figsize=(8, 7), layout="constrained")
        axes = figure.add_subplot()
        for (name, values), color in zip(classes.items(), COLORS, strict=False):
            histogram = hist.Hist(hist.axis.Variable(edges, name="score"), storage=hist.storage.Weight())
            histogram.fill(score=np.clip(values, edges[0], np.nextafter(edges[-1], edges[0])))
            first = name == next(iter(classes))
            mplhep.histplot(
                histogram,
                ax=axes,
                density=True,
                histtype="fill" if first else "step",
                alpha=0.45 if first else 1.0,
                color=color,
                linewidth=2,
                label=f"{name} ({len(values)} jets)",
            )
        axes.set(xlabel="Anomaly score", ylabel="Density", xlim=(edges[0], edges[-1]))
        if logarithmic:
            axes.set_xscale("log")
        axes.set_ylim(0, 1.35 * axes.get_ylim()[1])
        axes.legend(title=note or None, loc="upper right", fontsize=18, title_fontsize=18)
        mplhep.label.exp_label(exp="jetnae", text="", data=True, rlabel="", ax=axes, fontsize=22)
    return figure


def _edges(values: Values, n_bins: int = 40) -> tuple[Values, bool]:
    low, high = np.quantile(values, (0.001, 0.999))
    if low == high:
        low, high = low - 0.5, high + 0.5
    if low > 0:
        return np.geomspace(low, high, n_bins + 1), True
    return np.linspace(low, high, n_bins + 1), False
