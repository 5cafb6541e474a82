"""Distributions of anomaly scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hist
import mplhep
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from jetnae.jets import WEIGHT
from jetnae.plotting.style import COLORS, COLUMN, Style, annotate, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    Values = npt.NDArray[np.floating[Any]]

FEW_DECADES = 50.0
"""Ratio of the ends of a logarithmic axis below which it is labeled at 1, 2 and 5."""
PROCESSES = {0: "QCD", 1: "top", 2: "semivisible"}


@dataclass(frozen=True)
class ScoreClass:
    """The scores of one class of jets, (n,), with their weights, (n,)."""

    name: str
    score: Values
    weight: Values


def score_classes(
    jets: Mapping[str, Any], counts: Any, events: Mapping[str, Any], *, all_jets: bool
) -> list[ScoreClass]:
    """Scores of the jets of a score file by class: by `process` where the file has it, else by label, else together.

    Jets of a signal event that belong to no signal particle are left out. Classes without jets do not appear.
    """
    score = np.asarray(jets["score"])
    weight = np.repeat(np.asarray(events.get(WEIGHT, np.ones(len(counts)))), counts)
    wanted = np.isfinite(score) & (np.ones(len(score), dtype=bool) if all_jets else jets["in_range"])
    label = jets.get("label")
    process = np.repeat(np.asarray(events.get("process", np.full(len(counts), -1))), counts)
    if label is not None and np.isin(process, list(PROCESSES)).all():
        masks = {name: (process == number) & (label == (number > 0)) for number, name in PROCESSES.items()}
    elif label is not None:
        masks = {"background": label == 0, "signal": label == 1}
    else:
        masks = {"jets": np.ones(len(score), dtype=bool)}
    chosen = {name: mask & wanted for name, mask in masks.items()}
    return [ScoreClass(name, score[mask], weight[mask]) for name, mask in chosen.items() if mask.any()]


def score_distribution(
    classes: Sequence[ScoreClass],
    *,
    title: str = "",
    note: str = "",
    model: str = "",
    look: Style = Style.PLAIN,
    label: str = "",
) -> Figure:
    """Share of the jets of each class per bin of the score, with statistical errors.

    classes : the first is filled. The axis is logarithmic where all scores are positive.
    title, label : see `annotate`; model, note : which model and which jets, over the legend.
    """
    edges, logarithmic = _edges(np.concatenate([each.score for each in classes]))
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.8 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        for each, color in zip(classes, COLORS, strict=False):
            _draw_class(axes, each, edges, color=color)
        axes.set(xlabel="Anomaly score", ylabel="Fraction of jets per bin", xlim=(edges[0], edges[-1]))
        if logarithmic:
            axes.set_xscale("log")
            if edges[-1] < FEW_DECADES * edges[0]:  # powers of ten would be too few labels, all the others too many
                axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.5 * axes.get_ylim()[1])
        axes.legend(title=", ".join(filter(None, (model, note))), loc="upper left", alignment="left")
        annotate(axes, look=look, title=title, label=label)
    return figure


def _draw_class(axes: Axes, jets: ScoreClass, edges: Values, *, color: str) -> None:
    """One outline over all scores, the largest in the last bin. Empty bins carry no error bar."""
    histogram = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Weight())
    histogram.fill(np.clip(jets.score, edges[0], np.nextafter(edges[-1], edges[0])), weight=jets.weight)
    shares = histogram.values() / jets.weight.sum()
    errors = np.sqrt(histogram.variances()) / abs(jets.weight.sum())
    filled = not axes.patches
    mplhep.histplot(
        shares,
        bins=edges,
        ax=axes,
        yerr=False,
        histtype="fill" if filled else "step",
        alpha=0.45 if filled else 1.0,
        color=color,
        linewidth=2,
        label=f"{jets.name} ({len(jets.score)} jets)",
    )
    some = errors > 0
    centers = np.sqrt(edges[1:] * edges[:-1]) if edges[0] > 0 else (edges[1:] + edges[:-1]) / 2
    axes.errorbar(centers[some], shares[some], errors[some], fmt="none", color=color, linewidth=1.5)


def _edges(values: Values, n_bins: int = 20) -> tuple[Values, bool]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    if low > 0:
        return np.geomspace(low, high, n_bins + 1), True
    return np.linspace(low, high, n_bins + 1), False
