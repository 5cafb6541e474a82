"""A search for tops in the mass of jets: pseudo-data at a stated number of jets, with and without a cut on the score.

The background is what the simulated QCD jets say: a smooth function, with as many parameters as the F-test asks for on
all of them, fitted to their masses, and again to those of the jets that pass a cut on a score that is free of the mass.
Whole jets are thrown from it. What they are fitted with is chosen on the background without a cut alone, and is the
same after all cuts: the fewest parameters for which the signal that is seen where there is none is small beside its
error.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analyses.top_qcd.sculpting import MAP_OPTIONS, Freed, MassJets, Values, free_of_mass, measure_sculpting
from jetnae.bumphunt import FAMILIES, NESTED, Fit, HuntOptions, Spectrum, choose_order, families_of, fit, hunt
from jetnae.bumphunt.signal import SignalFit, fit_signal
from jetnae.bumphunt.validation import coverage
from jetnae.decorrelation import FitOptions
from jetnae.errors import InputError, NotConvergedError
from jetnae.intervals import efficiency_interval
from jetnae.results import to_json

EDGES = np.arange(100.0, 241.0, 5.0)
SCALE = 650.0
"""What masses are divided by, in GeV, the largest pt of the jets: the functions take values between 0 and 1."""
N_JETS = 20_000
SHARE = 0.01
"""Jets of the pseudo-data before any cut, and the share of tops among them."""
BKG_EFFS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
WORKING_POINT = 0.1
"""Background efficiency of the cut that one pseudo-experiment is shown with."""
SMALL = 0.1
"""What a signal that is not there may be at most, in units of the error of its fitted number."""
MANY = 1000
"""Times the statistics of the pseudo-data that such a signal is looked for with."""
MAX_WIDTH = 8
FEWEST = 20
"""Simulated signal jets that a shape needs."""


@dataclass(frozen=True)
class Effort:
    """How much is repeated: permutations for the floor of a divergence; fits of the known signal for each cut; and
    searches in background alone, with toys of their own, for each cut of the first seed; toys of the one search that is
    shown."""

    n_permutations: int = 200
    n_fits: int = 200
    n_searches: int = 2000
    n_toys: int = 300
    n_shown: int = 5000


@dataclass(frozen=True)
class Search:
    """What is searched: background and signal expected in the bins, (n_bins,), and the function that is fitted.

    simulated : the smooth function behind the background. spurious : fitted signal where there is none, in units of its
    error.
    """

    simulated: Fit
    background: Values
    signal: Values
    family: str
    spurious: float

    @property
    def template(self) -> Values:
        """Share of the signal in each bin."""
        return np.asarray(self.signal / self.signal.sum())

    def throw(self, rng: np.random.Generator) -> Spectrum:
        """Whole jets of background and signal."""
        return Spectrum(rng.poisson(self.background + self.signal).astype(np.float64), EDGES)


def measure_mass(
    background: MassJets, signal: MassJets, effort: Effort | None = None, *, options: FitOptions = MAP_OPTIONS
) -> dict[str, Any]:
    """All about the mass: sculpting of every model and seed, and the search with and without each score.

    background, signal : QCD and top jets that entered no training, with the scores of models trained on QCD. The first
    model and its first seed are those that figures show.
    """
    effort, rng = effort or Effort(), np.random.default_rng(41)
    without = make_search((background.mass, len(background.mass)), (signal.mass, len(signal.mass)))
    alone = {"background_efficiency": 1.0, **results_of(without, effort, rng, check=True)}
    found: dict[str, Any] = {"sculpting": {}, "search": {"without": alone, "mean": {}, "seeds": {}}, "shown": {}}
    for model, seeds in background.scores.items():
        sculpted, searched = found["sculpting"].setdefault(model, {}), {}
        for i, seed in enumerate(seeds):
            freed = free_of_mass(background, signal, (model, seed), options)
            sculpted[str(seed)] = measure_sculpting(freed, effort.n_permutations, full=i == 0)
            searched[str(seed)] = after_cuts(freed, without, effort, rng=rng, check=i == 0)
            found["shown"] = found["shown"] or pseudo_experiment(without, freed, effort)
        found["search"]["seeds"][model] = searched
        found["search"]["mean"][model] = mean_over(list(searched.values()))
    return {
        "format_version": 1,
        "kind": "top_qcd_mass",
        "n_background": len(background.mass),
        "n_signal": len(signal.mass),
        "map": to_json(options),
        "effort": asdict(effort),
        "n_jets": N_JETS,
        "share": SHARE,
        "edges": EDGES.tolist(),
        **found,
    }


def make_search(background: tuple[Values, int], signal: tuple[Values, int], *, like: Search | None = None) -> Search:
    """The search in masses (n,) of background and signal that are left of numbers of simulated jets.

    like : a search before the cut, whose functions are taken. Raises `InputError` for too few signal jets,
    `NotConvergedError` where the background does not determine the function.
    """
    counts, shape = (np.histogram(each[0], EDGES)[0].astype(np.float64) for each in (background, signal))
    if shape.sum() < FEWEST:
        raise InputError(f"{shape.sum():.0f} signal jets in the range of the search, expected {FEWEST}: simulate more")
    families = families_of("dijet") if like is None else families_of(like.simulated.family)
    simulated = choose_order(Spectrum(counts, EDGES), families, sqrt_s=SCALE)[0]
    expected = simulated.expected * (1 - SHARE) * N_JETS / background[1]
    tops = shape * SHARE * N_JETS / signal[1]
    family, spurious = choose_family(expected, tops / tops.sum(), NESTED["dijet"] if like is None else (like.family,))
    return Search(simulated, expected, tops, family, spurious)


def choose_family(expected: Values, template: Values, names: tuple[str, ...] = NESTED["dijet"]) -> tuple[str, float]:
    """The first function that sees hardly any signal in an expected background, or else the least, and how much."""
    many = Spectrum(np.rint(MANY * expected), EDGES)
    found: list[tuple[str, float]] = []
    for name in names:
        result = fit_known(many, template, name)
        if result is None:
            continue
        found.append((name, float(result.n_signal / result.n_signal_error / np.sqrt(MANY))))
        if abs(found[-1][1]) < SMALL:
            return found[-1]
    if not found:
        raise InputError("no function describes the background in the range of the search: simulate more jets")
    return min(found, key=lambda each: abs(each[1]))


def fit_known(spectrum: Spectrum, template: Values, family: str) -> SignalFit | None:
    """Signal and background fitted together; None where that does not converge."""
    try:
        return fit_signal(spectrum, template, family, sqrt_s=SCALE, minos=False, limit=False)
    except NotConvergedError:
        return None


def search_of(found: Freed, bkg_eff: float, without: Search) -> tuple[Search, dict[str, Any]]:
    """The search after a cut on the score that is free of the mass, and what the cut keeps of all masses."""
    passing = [score > 1 - bkg_eff for score in found.freed]
    kept = []
    for each in passing:
        n_passing, n_all = float(each.sum()), float(len(each))
        eff, low, high = efficiency_interval(np.array(n_passing), np.array(n_passing), n_all, n_all)
        kept.append({"value": float(eff), "low": float(low), "high": float(high)})
    (background, signal), (n_background, n_signal) = found.mass, map(len, found.mass)
    search = make_search((background[passing[0]], n_background), (signal[passing[1]], n_signal), like=without)
    return search, {"background_efficiency": kept[0], "signal_efficiency": kept[1]}


def after_cuts(
    found: Freed, without: Search, effort: Effort, *, rng: np.random.Generator, check: bool
) -> dict[str, dict[str, Any]]:
    """Pseudo-experiments after each cut; no significance where too few simulated jets are left."""
    rows: dict[str, dict[str, Any]] = {}
    for bkg_eff in BKG_EFFS:
        try:
            search, kept = search_of(found, bkg_eff, without)
        except (InputError, NotConvergedError):
            rows[f"{bkg_eff:g}"] = {"significance": None}
            continue
        rows[f"{bkg_eff:g}"] = {**kept, **results_of(search, effort, rng, check=check)}
    return rows


def results_of(search: Search, effort: Effort, rng: np.random.Generator, *, check: bool) -> dict[str, Any]:
    """The expected significance of the known signal, its pull, and with `check` how often background alone looks so."""
    return {
        "expected_background": float(search.background.sum()),
        "expected_signal": float(search.signal.sum()),
        "simulated": round(float(search.simulated.expected.sum())),
        "simulated_family": search.simulated.family,
        "simulated_p_value": search.simulated.p_value,
        "family": search.family,
        "spurious": search.spurious,
        **known_signal(search, effort.n_fits, rng),
        **({"background_only": background_only(search, effort, rng)} if check else {}),
    }


def known_signal(search: Search, n_fits: int, rng: np.random.Generator) -> dict[str, Any]:
    """Median significance of the signal over a background that is fitted too, and the mean pull of its number."""
    fits = [fit_known(search.throw(rng), search.template, search.family) for _ in range(n_fits)]
    found = [each for each in fits if each is not None]
    if len(found) < 2:
        return {"significance": None, "n_fits": len(found), "n_failed": n_fits - len(found)}
    significance = np.array([each.significance for each in found])
    pulls = np.array([(each.n_signal - search.signal.sum()) / each.n_signal_error for each in found])
    return {
        "significance": float(np.median(significance)),
        "significance_error": float(1.2533 * np.std(significance, ddof=1) / np.sqrt(len(found))),
        "pull": float(pulls.mean()),
        "pull_error": float(pulls.std(ddof=1) / np.sqrt(len(pulls))),
        "pull_width": float(pulls.std(ddof=1)),
        "n_fits": len(found),
        "n_failed": n_fits - len(found),
    }


def background_only(search: Search, effort: Effort, rng: np.random.Generator) -> dict[str, Any]:
    """How often a search in background alone has a global p-value below 0.05 and 0.01."""
    truth = fit(Spectrum(search.background, EDGES), FAMILIES[search.simulated.family], sqrt_s=SCALE)
    found = coverage(truth, options_of(search, effort.n_toys), n_experiments=effort.n_searches, rng=rng)
    return {
        "n_searches": effort.n_searches,
        "n_toys": effort.n_toys,
        "n_not_converged": found.n_not_converged,
        "sizes": list(found.sizes),
        "fractions": list(found.fractions),
        "deviations": list(found.deviations),
        "within_two": found.passed(2.0),
    }


def options_of(search: Search, n_toys: int) -> HuntOptions:
    """A search that does not know the signal."""
    return HuntOptions(family=search.family, sqrt_s=SCALE, n_toys=n_toys, max_width=MAX_WIDTH)


def mean_over(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """For each cut the mean over seeds; errors have the scatter of the seeds and that of the pseudo-experiments."""
    means: dict[str, Any] = {}
    for cut in seeds[0]:
        found = [each[cut] for each in seeds if each[cut]["significance"] is not None]
        if found:
            values, pulls = (np.array([each[name] for each in found]) for name in ("significance", "pull"))
            of_fits = np.sqrt(np.sum(np.square([each["significance_error"] for each in found]))) / len(found)
            scatter = np.std(values, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else 0.0
            means[cut] = {
                "significance": float(values.mean()),
                "significance_error": float(np.hypot(scatter, of_fits)),
                "pull": float(pulls.mean()),
                "pull_error": float(np.sqrt(np.sum(np.square([each["pull_error"] for each in found]))) / len(found)),
                "background_efficiency": float(np.mean([each["background_efficiency"]["value"] for each in found])),
                "signal_efficiency": float(np.mean([each["signal_efficiency"]["value"] for each in found])),
                "n_seeds": len(found),
            }
    return means


def pseudo_experiment(without: Search, found: Freed, effort: Effort) -> dict[str, Any]:
    """One spectrum with tops in it before and after the cut of the working point, searched without knowing them."""
    search, _ = search_of(found, WORKING_POINT, without)
    rng = np.random.default_rng(43)
    passing = search.throw(rng)
    failing = np.maximum(without.background + without.signal - search.background - search.signal, 0.0)
    everything = Spectrum(passing.counts + rng.poisson(failing), EDGES)
    return {
        "bkg_eff": WORKING_POINT,
        "without": shown_hunt(everything, without, rng, effort),
        "with": shown_hunt(passing, search, rng, effort),
    }


def shown_hunt(spectrum: Spectrum, search: Search, rng: np.random.Generator, effort: Effort) -> dict[str, Any]:
    """A search as a figure needs it: the largest excess, and background and signal fitted with the known shape."""
    result = to_json(hunt(spectrum, options_of(search, effort.n_shown), rng))
    result["scan"]["toy_t"] = None
    known = fit_known(spectrum, search.template, search.family)
    fitted = None if known is None else to_json(known)
    return {"hunt": result, "known": fitted, "expected_signal": search.signal.tolist()}
