"""A search in M_T: pseudo-data from a smooth fit at a stated luminosity, with and without the cut on the score.

Weighted events are never used as counts. The background is a smooth function fitted to the weighted events that pass
the cuts on R_T and the angle; whole events are thrown from it. After the cut on the score, which is free of M_T, it is
that function times the background efficiency of the cut. Few weighted events pass the cut on R_T, so that efficiency is
measured at R_T > 0.05, where there are ten times as many: scores of jets are not quite blind to missing momentum. It
has an error of its own, which stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses.semivisible.events import WORKING_POINT, EventScores, event_scores
from analyses.semivisible.samples import EVENT_COLUMNS, Sample, Values
from analyses.semivisible.settings import Settings
from analyses.semivisible.tasks import Places
from jetnae.bumphunt import FAMILIES, Fit, HuntOptions, Spectrum, fit, hunt
from jetnae.bumphunt.signal import fit_signal
from jetnae.bumphunt.validation import coverage
from jetnae.errors import NotConvergedError
from jetnae.intervals import effective_number, efficiency_interval
from jetnae.selection import evaluate, names, parse

SQRT_S = 13_000.0
EDGES = np.arange(1500.0, 5001.0, 100.0)
SHAPE_EDGES = np.arange(1000.0, 5001.0, 200.0)
"""Wider and from lower down: where the few weighted events are that the shape is fitted to."""
SHAPE, FITTED = "dijet2", "dijet3"
"""Families that pseudo-data are thrown from, and that they are fitted with."""
LARGE_RT = 0.05
FEWEST = 20
"""Simulated signal events that a shape needs."""
STRENGTH = 2.0
"""Expected significance that the signal is scaled to, without the cut on the score."""


@dataclass(frozen=True)
class Effort:
    """Pseudo-experiments: fits and searches with a signal, toys of each search, and searches in background alone."""

    n_fits: int = 60
    n_hunts: int = 20
    n_toys: int = 500
    n_background: int = 1000


def background_fit(background: Sample, settings: Settings) -> tuple[Fit, dict[str, float]]:
    """The shape after all cuts of the search but that on M_T, in pb, and how many events are behind it."""
    columns = {name: getattr(background, name) for name in EVENT_COLUMNS}
    cuts = [parse(cut) for cut in settings.selection.search]
    chosen = np.all([evaluate(cut, columns) for cut in cuts if names(cut) != {"mt"}], axis=0)
    mt, weight = background.mt[chosen], background.weight[chosen]
    spectrum = Spectrum(
        np.histogram(mt, SHAPE_EDGES, weights=weight)[0],
        SHAPE_EDGES,
        np.histogram(mt, SHAPE_EDGES, weights=weight**2)[0],
    )
    found = fit(spectrum, FAMILIES[SHAPE], sqrt_s=SQRT_S)
    return found, {"events": int(chosen.sum()), "n_eff": effective_number(weight), "p_value": found.p_value}


def expected_counts(shape: Fit, luminosity: float) -> Values:
    """Expected background in the bins of the search at a luminosity in 1/fb."""
    design = FAMILIES[shape.family]
    fine = np.linspace(EDGES[:-1], EDGES[1:], 21, axis=-1)
    values = np.exp(design.log_basis(fine / SQRT_S) @ shape.parameters)
    return np.asarray(1e3 * luminosity * np.trapezoid(values, fine, axis=-1))


def measure_search(
    settings: Settings, samples: dict[str, Sample], places: Places, models: list[str], effort: Effort
) -> dict[str, Any]:
    """Expected significances over the grid, without a cut on the score and with one, for each model."""
    background = samples[settings.background]
    shape, behind = background_fit(background, settings)
    expected = expected_counts(shape, settings.luminosity)
    error = float(np.sum(shape.expected_error) / np.sum(shape.expected))
    grid = {
        point: search_point(settings, (samples[point], background), places, (point, models), expected, effort)
        for point in settings.signals
    }
    return {
        "luminosity": settings.luminosity,
        "edges": EDGES.tolist(),
        "shape": {"family": SHAPE, "parameters": shape.parameters.tolist(), **behind, "relative_error": error},
        "expected": expected.tolist(),
        "background_efficiency": WORKING_POINT,
        "strength": STRENGTH,
        "background_only": {
            name: background_only(share * expected, effort)
            for name, share in (("without", 1.0), ("with", WORKING_POINT))
        },
        "grid": grid,
    }


def background_only(expected: Values, effort: Effort) -> dict[str, Any]:
    """How often a search in background alone has a global p-value below 0.05 and 0.01, and how far chance may be off.

    deviations : standard deviations of these shares, were the p-values right.
    """
    truth = fit(Spectrum(expected, EDGES), FAMILIES[SHAPE], sqrt_s=SQRT_S)
    options = hunt_options(effort)
    found = coverage(truth, options, n_experiments=effort.n_background, rng=np.random.default_rng(24))
    return {
        "n": effort.n_background,
        "n_not_converged": found.n_not_converged,
        "sizes": list(found.sizes),
        "fractions": list(found.fractions),
        "deviations": list(found.deviations),
    }


def search_point(
    settings: Settings,
    pair: tuple[Sample, Sample],
    places: Places,
    task: tuple[str, list[str]],
    expected: Values,
    effort: Effort,
) -> dict[str, Any]:
    """One grid point: how much signal has the wanted significance, and what is left or gained with each score."""
    point, models = task
    half = ~pair[0].trains
    chosen = half & pair[0].searched
    template = _template(pair[0], chosen)
    n_signal = scaled_yield(expected, template, effort, seed=21)
    found: dict[str, Any] = {
        "n_signal": n_signal,
        "cross_section_fb": n_signal / settings.luminosity / (2 * pair[0].weight[chosen].sum()),
        "without": pseudo_experiments(expected, n_signal * template, template, effort),
    }
    for name in models:
        seeds = [
            after_cut(event_scores((name, seed), point, pair, places), pair, (n_signal, expected), effort)
            for seed in settings.seeds
        ]
        found[name] = {**mean_over(seeds), "seeds": seeds}
    return found


def after_cut(
    scores: EventScores, pair: tuple[Sample, Sample], task: tuple[float, Values], effort: Effort
) -> dict[str, Any]:
    """Pseudo-experiments after the cut on the score; no significance where too few signal events make its shape."""
    n_signal, expected = task
    chosen = ~pair[0].trains & pair[0].searched
    passing = chosen & (scores.signal_freed > 1 - WORKING_POINT)
    kept = float(passing.sum() / chosen.sum())
    passed = background_efficiency(scores.background_freed, pair[1])
    about = {"signal_efficiency": kept, "background_efficiency": passed}
    if passing.sum() < FEWEST or not passed["value"]:
        return {**about, "significance": None}
    template = _template(pair[0], passing)
    return {**about, **pseudo_experiments(passed["value"] * expected, kept * n_signal * template, template, effort)}


def mean_over(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean significance over the seeds that have one; its error has their scatter, and that of the pseudo-experiments.

    The error of the background efficiency is not in it: it stands with each seed.
    """
    found = [each for each in seeds if each["significance"] is not None]
    if not found:
        return {"significance": None, "significance_error": None}
    values = [each["significance"] for each in found]
    scatter = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    of_fits = float(np.sqrt(np.sum([each["significance_error"] ** 2 for each in found]))) / len(found)
    return {
        "significance": float(np.mean(values)),
        "significance_error": float(np.hypot(scatter / np.sqrt(len(values)), of_fits)),
        "signal_efficiency": float(np.mean([each["signal_efficiency"] for each in found])),
        "background_efficiency": float(np.mean([each["background_efficiency"]["value"] for each in found])),
    }


def background_efficiency(freed: Values, background: Sample) -> dict[str, float]:
    """What the cut keeps of the half that nothing was learned from, where R_T begins to be large."""
    half = ~background.trains & (background.rt > LARGE_RT)
    weight, passing = background.weight[half], background.weight[half & (freed > 1 - WORKING_POINT)]
    sums: Any = passing.sum(), np.sum(passing**2), float(weight.sum()), float(np.sum(weight**2))
    value, low, high = efficiency_interval(*sums)
    return {"value": float(value), "low": float(low), "high": float(high)}


def _template(signal: Sample, chosen: Any) -> Values:
    """Shares of the signal in the bins; M_T above the last edge counts in none."""
    counts = np.histogram(signal.mt[chosen], EDGES)[0]
    return np.asarray(counts / max(int(chosen.sum()), 1))


def scaled_yield(expected: Values, template: Values, effort: Effort, *, seed: int) -> float:
    """Signal events that are `STRENGTH` times the error of their fitted number in background alone."""
    rng = np.random.default_rng(seed)
    errors = [
        found.n_signal_error
        for found in (_fit_one(rng.poisson(expected), template) for _ in range(max(effort.n_fits // 4, 3)))
        if found is not None
    ]
    return STRENGTH * float(np.median(errors))


def pseudo_experiments(expected: Values, signal: Values, template: Values, effort: Effort) -> dict[str, Any]:
    """Median significance of a known signal over background that is fitted too, and of the largest bump anywhere."""
    rng = np.random.default_rng(22)
    fits = [_fit_one(rng.poisson(expected + signal), template) for _ in range(effort.n_fits)]
    found = [each for each in fits if each is not None]
    significance = np.array([each.significance for each in found])
    pulls = np.array([(each.n_signal - signal.sum()) / each.n_signal_error for each in found])
    return {
        "background": float(expected.sum()),
        "signal": float(signal.sum()),
        "significance": float(np.median(significance)),
        "significance_error": float(1.2533 * np.std(significance, ddof=1) / np.sqrt(len(found))),
        "mean_pull": float(pulls.mean()),
        "mean_pull_error": float(pulls.std(ddof=1) / np.sqrt(len(pulls))),
        "n_fits": len(found),
        "n_failed": len(fits) - len(found),
        "global_p": _hunts(expected, signal, effort),
    }


def _fit_one(counts: Any, template: Any) -> Any:
    spectrum = Spectrum(counts.astype(np.float64), EDGES)
    try:
        return fit_signal(spectrum, template, FITTED, sqrt_s=SQRT_S, minos=False, limit=False)
    except NotConvergedError:
        return None


def hunt_options(effort: Effort) -> HuntOptions:
    """A search that does not know the signal."""
    return HuntOptions(family=FITTED, sqrt_s=SQRT_S, n_toys=effort.n_toys, max_width=8)


def _hunts(expected: Values, signal: Values, effort: Effort) -> dict[str, float]:
    """Quartiles of the global p-value of searches that do not know the signal."""
    rng = np.random.default_rng(23)
    options = hunt_options(effort)
    values = []
    for _ in range(effort.n_hunts):
        spectrum = Spectrum(rng.poisson(expected + signal).astype(np.float64), EDGES)
        values.append(hunt(spectrum, options, rng).scan.global_p)
    low, middle, high = np.quantile(np.array(values, dtype=np.float64), (0.25, 0.5, 0.75))
    return {"low": float(low), "median": float(middle), "high": float(high), "n": effort.n_hunts}
