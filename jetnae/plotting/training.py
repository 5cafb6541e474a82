"""Figures of a diagnosis: the course of a training, and energies of data and of samples of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from jetnae.diagnostics.verdict import RATIO, judge
from jetnae.plotting.style import COLORS, COLUMN, LINES, Style, annotate, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jetnae.diagnostics.result import Diagnosis, History

SAMPLES = {
    "data": "Held-out data",
    "latent_starts": "Latent starts",
    "latent_ends": "Latent ends",
    "negative": "Negative samples",
    "negative_long": "Negative samples, {} × steps",
}


def energies_figure(found: Diagnosis, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Energies of held-out data, filled, and of where chains start, where their latent part ends, and where they end.

    Shares per bin; the outer bins also hold what lies beyond. The legend gives means, and the verdict over them.
    """
    with style(look):
        figure = Figure(figsize=(COLUMN, 0.9 * COLUMN), layout="constrained")
        axes = figure.add_subplot()
        for i, (name, text) in enumerate(SAMPLES.items()):
            sample = found.energies.samples[name]
            axes.stairs(
                sample.shares,
                found.energies.edges,
                fill=name == "data",
                color=COLORS[i],
                alpha=0.45 if name == "data" else 1.0,
                linewidth=2.5,
                linestyle=LINES[max(i - 1, 0)],
                label=f"{text.format(found.energies.length)}, mean {sample.mean.value:.3g}",
            )
        axes.set(xlabel="Energy E", ylabel="Fraction per bin", xlim=(found.energies.edges[0], found.energies.edges[-1]))
        axes.set_xscale("log" if found.energies.edges[0] > 0 else "linear")
        shown = [float(found.energies.samples[name].shares.max()) for name in ("data", "negative", "negative_long")]
        axes.set_ylim(0, 1.8 * max(*shown, 1e-6))
        ratio = f"$E_-/E_+$ = {found.energies.ratio.value:.3f} ± {found.energies.ratio.error:.3f}"
        axes.legend(loc="upper left", title=f"{found.model}: {judge(found).kind}, {ratio}", alignment="left")
        annotate(axes, look=look, title=title, label=label)
    return figure


def history_figure(found: Diagnosis, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Energies while training, their ratio with the range in which a training can be interpreted, and the distance.

    Lines are from steps, with chains from the replay buffer; points are from checks with fresh chains. None without a
    history; the distance is left out where it was not followed.
    """
    history = found.history
    if history is None:
        return None
    followed = bool(np.isfinite(history.distance).any())
    with style(look):
        figure = Figure(figsize=(COLUMN, (1.3 if followed else 1.0) * COLUMN), layout="constrained")
        rows = figure.subplots(2 + followed, 1, sharex=True, height_ratios=[2, *[1] * (1 + followed)])
        _draw_energies(rows[0], history)
        _draw_ratio(rows[1], history)
        if followed:
            known = np.isfinite(history.distance)
            rows[2].plot(history.check_steps[known], history.distance[known], "o-", color=COLORS[3])
            rows[2].set(ylabel="Distance")
            rows[2].set_ylim(bottom=0)
        rows[-1].set_xlabel("Training step")
        annotate(rows[0], look=look, title=title, label=label)
    return figure


def _draw_energies(axes: Axes, history: History) -> None:
    axes.plot(history.step, history.energy_data, color=COLORS[0], label="Data, $E_+$")
    if np.isfinite(history.energy_negative).any():
        axes.plot(history.step, history.energy_negative, "--", color=COLORS[1], label="Negative samples, $E_-$")
    known = np.concatenate([history.energy_data, history.energy_negative])
    positive = known[np.isfinite(known) & (known > 0)]
    axes.set(ylabel="Energy E", yscale="log" if len(positive) else "linear")
    if len(positive):
        # a single step of a training that runs away would hide all others
        axes.set_ylim(0.7 * positive.min(), 2 * min(float(positive.max()), 1e3 * float(np.median(positive))))
    axes.legend(loc="upper right")


def _draw_ratio(axes: Axes, history: History) -> None:
    axes.axhspan(*RATIO, color="0.85", linewidth=0)
    axes.plot(history.step, history.energy_negative / history.energy_data, color=COLORS[0], linewidth=2)
    known = np.isfinite(history.ratio)
    axes.plot(history.check_steps[known], history.ratio[known], "o", color=COLORS[1], label="Fresh chains")
    axes.set(ylabel="$E_-/E_+$", ylim=(0, 2))
    if known.any():
        axes.legend(loc="upper left")
