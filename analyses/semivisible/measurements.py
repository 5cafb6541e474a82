"""Everything that is measured once all trainings are there: cut flows, single features, events, search."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyses.semivisible.events import (
    COMBINATION,
    WORKING_POINT,
    efficiency_in_rt,
    event_models,
    measure_events,
    sculpting,
    spectra,
)
from analyses.semivisible.jet_level import match_pt
from analyses.semivisible.samples import Sample, prepare, versions
from analyses.semivisible.search import Effort, measure_search
from analyses.semivisible.settings import LABEL, Settings
from analyses.semivisible.tasks import Places
from jetnae.roc import make_samples
from jetnae.roc.curve import auc_of

SHOWN = "nae_features"
"""The model whose spectra and sculpting are shown."""


def measure_study(settings: Settings, places: Places, effort: Effort) -> dict[str, dict[str, Any]]:
    """Contents of the results `cut_flow`, `events` and `search`, by name."""
    prepared = {name: prepare(name, settings, places.prepared) for name in (settings.background, *settings.signals)}
    samples = {name: sample for name, (sample, _) in prepared.items()}
    inputs = {name: about["checksum"] for name, (_, about) in prepared.items()}
    about = {"format_version": 1, "label": LABEL, "inputs": inputs, "versions": dict(versions())}
    flows = {name: {"cuts": each["flow"], "simulated": each["simulated"]} for name, (_, each) in prepared.items()}
    names = event_models(settings)
    return {
        "cut_flow": {**about, "kind": "semivisible_cut_flow", "samples": flows},
        "events": {
            **about,
            "kind": "semivisible_events",
            "seeds": list(settings.seeds),
            "combination": COMBINATION,
            "background_efficiency": WORKING_POINT,
            "single_features": single_features(settings, samples),
            "efficiencies": measure_events(settings, samples, places),
            "sculpting": {SHOWN: sculpting(settings, samples, places, SHOWN)},
            "efficiency_in_rt": {name: efficiency_in_rt(settings, samples, places, name) for name in names[:-1]},
            "spectra": {SHOWN: spectra(settings, samples, places, SHOWN)},
        },
        "search": {
            **about,
            "kind": "semivisible_search",
            "seeds": list(settings.seeds),
            **measure_search(settings, samples, places, names, effort),
        },
    }


def single_features(settings: Settings, samples: dict[str, Sample]) -> dict[str, dict[str, float]]:
    """AUC of every feature alone at equal pt, large values counting as signal: what no model is needed for."""
    background = samples[settings.background]
    background = background.events(~background.trains)
    found = {}
    for point in settings.signals:
        signal = samples[point].events(~samples[point].trains)
        matched = match_pt(signal, background)
        weight = np.concatenate([matched.signal_weight.ravel(), matched.background_weight.ravel()])
        label = np.repeat([1, 0], [matched.signal_weight.size, matched.background_weight.size])
        used = weight > 0
        compared = make_samples(label[used], weight[used])
        found[point] = {
            name: auc_of(
                np.concatenate([each.features[..., i].ravel() for each in (signal, background)])[used], compared
            )
            for i, name in enumerate(settings.features.names)
        }
    return found
