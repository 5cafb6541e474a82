"""Scored jets: what scoring gives per jet and per event, and what it came to over a file."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.io.scores import PREFIX
from jetnae.jets import WEIGHT
from jetnae.selection import CutFlow, WeightCounts, count_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from jetnae.io import Match
    from jetnae.jets import Jets

QUANTILES = (0.05, 0.5, 0.95, 0.99)

SCORED, NO_CONSTITUENTS, OUTSIDE_WINDOW, NOT_SELECTED, NO_FEATURES = range(5)
"""Status of a jet: scored; no constituents, score NaN; all constituents outside the image, score of an empty one; cut
away, score NaN; a feature that is not a number, score NaN."""


@dataclass(frozen=True)
class ScoredJets:
    """Jets with their anomaly scores.

    score : (n_jets,) float32, larger is more anomalous, NaN for jets that could not be scored or were cut away.
    status : (n_jets,) 0 scored, 1 no constituents, 2 nothing inside the image window, 3 cut away, 4 a feature is NaN.
    sum_sq : (n_jets,) sum of the squared pixels, a baseline any image model has to beat; None for features.
    in_range : (n_jets,) whether the jet lies in the range the model was trained on.
    fold : (n_jets,) of several models the one that was used, which has not seen the event; None for a single model.
    """

    jets: Jets
    score: npt.NDArray[np.float32]
    status: npt.NDArray[np.int32]
    sum_sq: npt.NDArray[np.float32] | None
    in_range: npt.NDArray[np.bool_]
    fold: npt.NDArray[np.int32] | None = None

    def columns(self) -> dict[str, Any]:
        """Per-jet columns as they are written, without the `jetnae_` prefix."""
        jets = self.jets
        columns: dict[str, Any] = {
            name: getattr(jets, name).astype(np.float32) for name in ("pt", "eta", "phi", "mass")
        }
        if jets.constituents is not None:
            columns |= {"n_constituents": jets.n_constituents.astype(np.int32)}
        columns |= {name: getattr(self, name) for name in ("score", "status", "in_range")}
        columns |= {name: getattr(self, name) for name in ("sum_sq", "fold") if getattr(self, name) is not None}
        return columns if jets.label is None else columns | {"label": jets.label}

    def event_columns(self) -> dict[str, Any]:
        """Per-event columns: what passes through, and the two largest scores (NaN where there are not so many)."""
        per_event = ak.unflatten(np.nan_to_num(self.score, nan=-np.inf), self.jets.jets_per_event)
        ordered = ak.to_numpy(ak.fill_none(ak.pad_none(ak.sort(per_event, ascending=False), 2, clip=True), np.nan))
        ordered = np.where(np.isneginf(ordered), np.nan, ordered).astype(np.float32)
        return {**self.jets.events, f"{PREFIX}_max_score": ordered[:, 0], f"{PREFIX}_second_score": ordered[:, 1]}


@dataclass(frozen=True)
class ScoreSummary:
    """What scoring one file came to; `quantiles` maps `QUANTILES` to scores, empty where nothing was scored."""

    output: Path
    layout: str
    collection: str
    n_events: int
    n_jets: int
    n_out_of_range: int
    n_without_constituents: int
    n_dropped: int
    quantiles: dict[float, float]
    seconds: float
    flow: CutFlow
    weights: WeightCounts


class Tally:
    """Running counts over the chunks of one file, and a sample of its scores whose size stays bounded."""

    most = 1_000_000

    def __init__(self) -> None:
        self.n_events = self.n_jets = self.n_out_of_range = self.n_without_constituents = self.n_dropped = 0
        self._sample: list[npt.NDArray[np.float32]] = []
        self._stride = 1
        self._n_finite = 0
        self._flow: CutFlow | None = None
        self._weights = WeightCounts(0, 0)

    def add(self, scored: ScoredJets, flow: CutFlow) -> None:
        self._flow = flow if self._flow is None else self._flow + flow
        self._weights += count_weights(np.asarray(scored.jets.events.get(WEIGHT, ())))
        self.n_events += scored.jets.n_events
        self.n_jets += len(scored.jets)
        self.n_out_of_range += int(np.count_nonzero(~scored.in_range & (scored.status != NOT_SELECTED)))
        self.n_without_constituents += int(np.count_nonzero(scored.status == NO_CONSTITUENTS))
        self.n_dropped += scored.jets.n_dropped
        finite = scored.score[np.isfinite(scored.score)]
        self._sample.append(finite[-self._n_finite % self._stride :: self._stride])
        self._n_finite += len(finite)
        if self._n_finite > self.most * self._stride:
            self._sample, self._stride = [np.concatenate(self._sample)[::2]], 2 * self._stride

    def summary(self, output: Path, found: Match, seconds: float) -> ScoreSummary:
        sample = np.concatenate(self._sample) if self._sample else np.zeros(0, dtype=np.float32)
        return ScoreSummary(
            output=output,
            layout=found.layout.name,
            collection=found.collection.name,
            n_events=self.n_events,
            n_jets=self.n_jets,
            n_out_of_range=self.n_out_of_range,
            n_without_constituents=self.n_without_constituents,
            n_dropped=self.n_dropped,
            quantiles={q: float(np.quantile(sample, q)) for q in QUANTILES} if len(sample) else {},
            seconds=seconds,
            flow=self._flow or CutFlow(()),
            weights=self._weights,
        )


@cache
def _malloc_trim() -> Callable[[int], int]:
    """The C library's `malloc_trim`, or nothing to call where it has none."""
    found = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return found or (lambda pad: pad)


def release_memory() -> None:
    """Give memory that is free back: arrays of ever different sizes fragment it, and it would grow with the file."""
    _malloc_trim()(0)
