"""From jets to events: the score of an event, freed of M_T, what it keeps, and what it does to the spectrum of M_T.

Two jets combine by the sum of their scores: scores are energies, and the density of a pair of independent jets is the
product of theirs. The largest and the smallest of the two are measured beside it; nothing is chosen among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from analyses.semivisible.samples import Sample, Values
from analyses.semivisible.settings import Settings
from analyses.semivisible.tasks import CEILING, Places, load_scores
from jetnae.decorrelation import QuantileMap
from jetnae.decorrelation import apply as freed
from jetnae.decorrelation import fit as fit_map
from jetnae.errors import InputError
from jetnae.intervals import effective_number, efficiency_interval
from jetnae.results import to_json
from jetnae.roc import RocOptions, make_samples, roc_curve
from jetnae.sculpting import SculptOptions, mass_dependence

COMBINATIONS = {"sum": np.sum, "max": np.max, "min": np.min}
COMBINATION = "sum"
BKG_EFFS = (0.1, 0.05, 0.01)
WORKING_POINT = 0.1
"""Background efficiency of the cut that the search is made with, stated before anything was measured."""
RT_BINS = (0.0, 0.02, 0.05, 0.15, 1.0)


@dataclass(frozen=True)
class EventScores:
    """Scores (n,) of the events of signal and background; freed ones are shares of background of the same M_T below."""

    signal: Values
    background: Values
    signal_freed: Values
    background_freed: Values


def event_scores(
    task: tuple[str, int], point: str, samples: tuple[Sample, Sample], places: Places, combination: str = COMBINATION
) -> EventScores:
    """The scores of the events of a grid point; freed of M_T on the training half of the background."""
    jets = load_scores(places.scores(*task, point))
    combine: Any = COMBINATIONS[combination]
    signal, background = (combine(each, axis=1) for each in jets)
    if not np.isfinite(background).all():
        raise InputError(f"{task[0]}: not all events have scores, expected a model of features")
    learned = mt_map(background, samples[1])
    return EventScores(
        signal,
        background,
        *(
            freed(learned, score, {"mt": sample.mt})
            for score, sample in zip((signal, background), samples, strict=True)
        ),
    )


def mt_map(background_score: Values, background: Sample) -> QuantileMap:
    """How a score of background events depends on M_T, from the half that models learned from."""
    half = background.trains
    return fit_map(background_score[half], {"mt": background.mt[half]}, weight=background.weight[half])


def event_models(settings: Settings) -> list[str]:
    """Models that score all events: those of features."""
    return [*(name for name, each in settings.models.items() if each.input == "features"), CEILING]


def measure_events(settings: Settings, samples: dict[str, Sample], places: Places) -> dict[str, Any]:
    """Signal efficiencies at given background efficiencies, freed of M_T, over grid, models and combinations."""
    background = samples[settings.background]
    found: dict[str, Any] = {}
    for name in event_models(settings):
        for point in settings.signals:
            pair = samples[point], background
            for combination in COMBINATIONS:
                seeds = [
                    one_curve(event_scores((name, seed), point, pair, places, combination), pair)
                    for seed in settings.seeds
                ]
                found.setdefault(name, {}).setdefault(point, {})[combination] = over_seeds(seeds)
    return found


def one_curve(scores: EventScores, samples: tuple[Sample, Sample]) -> dict[str, Any]:
    """Freed scores of the halves that nothing was learned from: AUC, and efficiencies with intervals."""
    halves = [~sample.trains for sample in samples]
    values = [each[half] for each, half in zip((scores.signal_freed, scores.background_freed), halves, strict=True)]
    weight = np.concatenate([np.ones(len(values[0])), samples[1].weight[halves[1]]])
    label = np.repeat([1, 0], [len(each) for each in values])
    curve = roc_curve(
        np.concatenate(values),
        make_samples(label, weight),
        np.random.default_rng(5),
        options=RocOptions(sig_effs=(), bkg_effs=BKG_EFFS, n_bootstrap=30),
    )
    points = {
        f"{point.target:g}": (point.sig_eff.value, (point.sig_eff.high - point.sig_eff.low) / 2)
        for point in curve.points
    }
    return {"auc": (curve.auc.value, curve.auc.error), **points}


def over_seeds(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds; the error has the scatter of the seeds and the mean error of the events in quadrature."""
    found = {}
    for name in seeds[0]:
        values, errors = np.array([each[name] for each in seeds]).T
        scatter = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        error = float(np.hypot(scatter / np.sqrt(len(values)), errors.mean()))
        found[name] = {"value": float(values.mean()), "error": error}
    return found


def sculpting(settings: Settings, samples: dict[str, Sample], places: Places, name: str) -> dict[str, Any]:
    """What cuts on the score do to M_T of the background, before and after M_T is taken out of it; first seed."""
    background = samples[settings.background]
    point = settings.signals[0]
    scores = event_scores((name, settings.seeds[0]), point, (samples[point], background), places)
    half = ~background.trains
    options = SculptOptions(
        n_eff_bins=8, n_bins=30, n_permutations=100, n_distance_permutations=10, max_distance_jets=5000
    )
    return {
        kind: to_json(
            mass_dependence(
                score[half],
                background.mt[half],
                np.random.default_rng(7),
                weight=background.weight[half],
                names=(f"{name}, {kind}", "mt"),
                options=options,
            )
        )
        for kind, score in {"raw": scores.background, "freed": scores.background_freed}.items()
    }


def efficiency_in_rt(settings: Settings, samples: dict[str, Sample], places: Places, name: str) -> list[dict[str, Any]]:
    """Background efficiency of the working point in bins of R_T: is the score of jets blind to missing momentum?"""
    background = samples[settings.background]
    background = background.events(~background.trains)
    point = settings.signals[0]
    whole = samples[settings.background]
    passes = event_scores((name, settings.seeds[0]), point, (samples[point], whole), places).background_freed
    kept = passes[~whole.trains] > 1 - WORKING_POINT
    rows = []
    for low, high in pairwise(RT_BINS):
        inside = (background.rt >= low) & (background.rt < high)
        weight, passing = background.weight[inside], background.weight[inside & kept]
        sums: Any = passing.sum(), np.sum(passing**2), float(weight.sum()), float(np.sum(weight**2))
        value, down, up = efficiency_interval(*sums)
        rows.append(
            {
                "rt": [low, high],
                "n_eff": effective_number(weight),
                "value": float(value),
                "low": float(down),
                "high": float(up),
            }
        )
    return rows


def spectra(settings: Settings, samples: dict[str, Sample], places: Places, name: str) -> dict[str, Any]:
    """M_T of background and signals before and after the working point, without R_T; background in pb, with errors."""
    edges = np.arange(1000.0, 5001.0, 200.0)
    background = samples[settings.background]
    found: dict[str, Any] = {"edges": edges.tolist(), "signals": {}}
    for point in settings.signals:
        pair = samples[point], background
        scores = event_scores((name, settings.seeds[0]), point, pair, places)
        for sample, mapped in zip(pair, (scores.signal_freed, scores.background_freed), strict=True):
            half = ~sample.trains
            kept = half & (mapped > 1 - WORKING_POINT)
            each = {"all": _histogram(sample, half, edges), "passing": _histogram(sample, kept, edges)}
            if sample is background:
                found["background"] = each
            else:
                found["signals"][point] = each
    return found


def _histogram(sample: Sample, which: Any, edges: Values) -> dict[str, Any]:
    """Sums of weights and their errors; twice the weights, since half of the events is looked at."""
    weight = 2 * sample.weight[which]
    sums = np.histogram(sample.mt[which], edges, weights=weight)[0]
    squares = np.histogram(sample.mt[which], edges, weights=weight**2)[0]
    return {"sum": sums.tolist(), "error": np.sqrt(squares).tolist()}
