"""Background made like signal in what is simple, to see what a score knows beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses.top_qcd.samples import Sample, Values
from analyses.top_qcd.settings import Settings
from jetnae.intervals import effective_number

KINDS = ("none", "mass_pt", "squares")
"""Reweightings: of nothing, of mass and pt, of the sum of squared pixels."""


@dataclass(frozen=True)
class Reweighted:
    """Weights that make histograms of signal and background the same.

    signal : (n,) 1 for jets that take part, else 0. background : (m,) ratios of the histograms. bins, bins_left : how
    many bins hold any jets, and how many of those enough of both.
    """

    signal: Values
    background: Values
    bins: int
    bins_left: int

    def as_json(self) -> dict[str, Any]:
        """How much is left: bins, shares of the jets, effective numbers."""
        return {
            "bins": self.bins,
            "bins_left": self.bins_left,
            "share_signal": float((self.signal > 0).mean()),
            "share_background": float((self.background > 0).mean()),
            "n_eff_signal": effective_number(self.signal),
            "n_eff_background": effective_number(self.background),
        }


def axes_of(kind: str, settings: Settings) -> dict[str, Values]:
    """Edges of the bins by observable."""
    binning, image = settings.reweighting, settings.image
    if kind == "mass_pt":
        spans = {"mass": binning.mass, "pt": binning.pt}
        return {name: np.linspace(low, high, n + 1) for name, (low, high, n) in spans.items()}
    most = (image.pixel_sum or 1.0) ** 2  # that of an image with all in one pixel; the least is that of an even one
    return {"squares": np.geomspace(most / np.prod(image.shape), most, binning.squares + 1)}


def reweighted(kind: str, signal: Sample, background: Sample, settings: Settings) -> Reweighted:
    """Weights that make background like signal; ones where nothing is asked for."""
    if kind == "none":
        return Reweighted(np.ones(len(signal)), np.ones(len(background)), 1, 1)
    axes = axes_of(kind, settings)
    values = [{name: getattr(each, name) for name in axes} for each in (signal, background)]
    return reweight(values[0], values[1], axes, settings.reweighting.fewest)


def reweight(
    signal: Mapping[str, Values], background: Mapping[str, Values], axes: Mapping[str, Values], fewest: int
) -> Reweighted:
    """Ratios of histograms of signal (n,) and background (m,) over common axes.

    Jets beyond the edges, and in bins with fewer than `fewest` of either, get weight 0 in both samples. The ratios are
    taken as they are: errors from a bootstrap of jets do not know that they fluctuate, too.
    """
    places = [_places(each, axes) for each in (signal, background)]
    n_bins = int(np.prod([len(edges) - 1 for edges in axes.values()]))
    counts = [np.bincount(each[each >= 0], minlength=n_bins) for each in places]
    enough = np.minimum(*counts) >= max(fewest, 1)
    ratio = np.where(enough, counts[0] / np.maximum(counts[1], 1), 0.0)
    weights = [
        np.where(each >= 0, of_bin[each], 0.0) for each, of_bin in zip(places, (enough * 1.0, ratio), strict=True)
    ]
    return Reweighted(weights[0], weights[1], int(((counts[0] + counts[1]) > 0).sum()), int(enough.sum()))


def _places(values: Mapping[str, Values], axes: Mapping[str, Values]) -> Any:
    """Number of the bin (n,) of each jet, -1 for those beyond an edge."""
    found: Any = 0
    outside: Any = False
    for name, edges in axes.items():
        place = np.searchsorted(edges, values[name], side="right") - 1
        outside = outside | (place < 0) | (place >= len(edges) - 1)
        found = found * (len(edges) - 1) + place
    return np.where(outside, -1, found)
