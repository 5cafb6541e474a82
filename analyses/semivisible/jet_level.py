"""How well scores of single jets tell signal from background at equal pt."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analyses.semivisible.samples import Sample, Values
from jetnae.errors import InputError
from jetnae.intervals import effective_number
from jetnae.roc import RocOptions, make_samples, roc_curve
from jetnae.roc.curve import auc_of

BIN = 0.05
"""Width in ln pt of the bins in which spectra are made the same: with a dozen wide bins, pt alone told signal from
background with an AUC of up to 0.7 inside of them."""
FEWEST = 20
"""Jets of the signal that are needed to compare anything."""
OPTIONS = RocOptions(sig_effs=(0.3, 0.5), bkg_effs=(1e-1, 1e-2), n_bootstrap=2)
"""Efficiencies that are quoted; the errors of the AUC come from replicas of events instead."""


@dataclass(frozen=True)
class Matched:
    """Signal and background jets at equal pt: the signal's weights follow the background's spectrum.

    signal, background : (n, 2) which jets of which events take part. signal_weight, background_weight : the same shape,
    0 for others. shared : share of the background's weight in the range of pt that both have.
    """

    signal_weight: Values
    background_weight: Values
    shared: float

    @property
    def n_eff(self) -> tuple[float, float]:
        """Effective numbers of signal and background jets."""
        return effective_number(self.signal_weight.ravel()), effective_number(self.background_weight.ravel())


def match_pt(signal: Sample, background: Sample, which: tuple[Any, Any] | None = None) -> Matched:
    """Weights of the jets of both samples that make the spectra of pt the same, in bins of `BIN`.

    Jets of signal events that belong to no dark quark are left out. Background where there is no signal is left out,
    too. `which` (n,) restricts events of signal and background. Raises `InputError` where no jets are left.
    """
    some = which or (np.ones(len(signal), dtype=bool), np.ones(len(background), dtype=bool))
    chosen = (signal.label == 1) & some[0][:, None]
    weight = np.repeat(np.where(some[1], background.weight, 0.0)[:, None], 2, axis=1)
    if chosen.sum() < FEWEST or not weight.any():
        raise InputError("too few jets to compare at equal pt: simulate more events, or loosen the preselection")
    places = [np.floor(np.log(each.pt) / BIN).astype(np.int64) for each in (signal, background)]
    lowest = min(int(each.min()) for each in places)
    n_bins = max(int(each.max()) for each in places) - lowest + 1
    places = [each - lowest for each in places]
    found = np.bincount(places[0].ravel(), chosen.ravel(), minlength=n_bins)
    kept = np.where(found[places[1]] > 0, weight, 0.0)
    wanted = np.bincount(places[1].ravel(), kept.ravel(), minlength=n_bins)
    share = np.where(found > 0, wanted / np.maximum(found, 1), 0.0)
    return Matched(np.where(chosen, share[places[0]], 0.0), kept, float(kept.sum() / weight.sum()))


def evaluate(
    scores: tuple[Values, Values], matched: Matched, pts: tuple[Values, Values], n_replicas: int
) -> dict[str, Any]:
    """AUC with error and replicas, and rejections with intervals, of scores (n, 2) of signal and background.

    pts : of the same jets, (n, 2), to show that they tell nothing.

    The replicas draw events, so that two jets of one event stay together, and are the same events for every score:
    differences of two scores take differences of replicas.
    """
    weights = matched.signal_weight, matched.background_weight
    replicas = auc_replicas(scores, weights, n_replicas)
    flat = [np.concatenate([each.ravel() for each in pair]) for pair in (scores, weights)]
    label = np.repeat([1, 0], [each.size for each in scores])
    used = flat[1] > 0
    samples = make_samples(label[used], flat[1][used])
    auc_of_pt = auc_of(np.concatenate([each.ravel() for each in pts])[used], samples)
    curve = roc_curve(flat[0][used], samples, np.random.default_rng(0), options=OPTIONS)
    n_eff = matched.n_eff
    return {
        "auc": {"value": curve.auc.value, "error": float(np.std(replicas, ddof=1))},
        "replicas": [round(float(each), 5) for each in replicas],
        "points": [asdict(point) for point in curve.points],
        "n_eff": {"signal": n_eff[0], "background": n_eff[1]},
        "shared_pt": matched.shared,
        "auc_of_pt": auc_of_pt,
    }


def auc_replicas(scores: tuple[Values, Values], weights: tuple[Values, Values], n_replicas: int) -> Values:
    """AUC (n_replicas,) where each event counts a Poisson number of times; scores that are equal are in no order."""
    order = np.argsort(np.concatenate([each.ravel() for each in scores]), kind="stable")
    rngs = [np.random.default_rng(seed) for seed in (11, 12)]
    found = np.empty(n_replicas)
    for i in range(n_replicas):
        drawn = [
            (weight * rng.poisson(1.0, len(weight))[:, None]).ravel() for weight, rng in zip(weights, rngs, strict=True)
        ]
        signal = np.concatenate([drawn[0], np.zeros(drawn[1].size)])[order]
        background = np.concatenate([np.zeros(drawn[0].size), drawn[1]])[order]
        found[i] = signal @ np.cumsum(background) / (signal.sum() * background.sum())
    return found
