"""What a cut on a score does to the mass of QCD jets, before and after it is freed of the mass, and what that costs.

The mass is taken out by two quantile maps, each learned from one half of the background jets and applied to the other,
so that every jet is measured with a map that has not seen it. Of the signal the maps know nothing. Where one half has
too many jets by chance, the map that it makes leaves too few in the other: in both together this cancels, so that
halves are measured on their own as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.decorrelation import FitOptions, apply, fit
from jetnae.errors import InputError
from jetnae.intervals import efficiency_interval
from jetnae.results import to_json
from jetnae.roc import RocCurve, RocOptions, make_samples, roc_curve
from jetnae.sculpting import MassDependence, SculptOptions, mass_dependence

Values = npt.NDArray[np.floating[Any]]

BKG_EFFS = (0.5, 0.1, 0.01)
SIG_EFFS = (0.3, 0.5)
FLAT = 0.2
"""How far the background efficiency may be from its mean in any bin of mass."""
N_BINS = 12
"""Equally full bins of mass in which efficiencies are given."""
WIDE_EDGES = np.arange(100.0, 241.0, 20.0)
"""Bins over the range of the search, in GeV, where few jets are and equally full ones are wide."""
MAP_OPTIONS = FitOptions(n_nodes=(81, 25), location=(0.5, 0.04), shape=(0.5, 0.08), reach=(0.25, 0.5))
"""Finer than by default: found on toys of a million jets whose scores depend on the mass as real ones do."""


@dataclass(frozen=True)
class MassJets:
    """Jets of one class that entered no training. mass, pt : (n,) in GeV. scores : by model and seed, (n,) each.

    Raises `InputError` where lengths differ.
    """

    mass: Values
    pt: Values
    scores: Mapping[str, Mapping[int, Values]]

    def __post_init__(self) -> None:
        sizes = {len(self.mass), len(self.pt), *(len(each) for of in self.scores.values() for each in of.values())}
        if len(sizes) != 1 or not self.scores:
            raise InputError(f"columns of {sorted(sizes)} jets, expected the same everywhere and scores of a model")


@dataclass(frozen=True)
class Freed:
    """A score, and the same free of the mass: the share of background jets of equal mass that score lower.

    raw, freed : (background, signal) with (n,) each; mass, pt : the same way. half : (n,) 0 or 1 of the background.
    """

    raw: tuple[Values, Values]
    freed: tuple[Values, Values]
    mass: tuple[Values, Values]
    pt: tuple[Values, Values]
    half: npt.NDArray[np.integer[Any]]

    def background(self, half: int) -> tuple[Values, Values]:
        """Freed score and mass (n,) of the background jets of one half."""
        chosen = self.half == half
        return self.freed[0][chosen], self.mass[0][chosen]


def free_of_mass(
    background: MassJets, signal: MassJets, task: tuple[str, int], options: FitOptions = MAP_OPTIONS
) -> Freed:
    """Take the mass out of the score of a model and seed: in each half of the background with the map learned from the
    other one, in the signal with the mean of both."""
    of_background, of_signal = (each.scores[task[0]][task[1]] for each in (background, signal))
    half = np.random.default_rng(30).permutation(len(background.mass)) % 2
    freed, of_maps = np.empty(len(half)), np.zeros(len(signal.mass))
    for i in (0, 1):
        seen = half != i
        learned = fit(of_background[seen], {"mass": background.mass[seen]}, options=options)
        freed[~seen] = apply(learned, of_background[~seen], {"mass": background.mass[~seen]})
        of_maps += apply(learned, of_signal, {"mass": signal.mass}) / 2
    raw, mass, pt = (of_background, of_signal), (background.mass, signal.mass), (background.pt, signal.pt)
    return Freed(raw, (freed, of_maps), mass, pt, half)


def measure_sculpting(found: Freed, n_permutations: int, *, full: bool = False) -> dict[str, Any]:
    """Mass dependence before and after, and the rejection that is retained; `full` adds all that figures need."""
    kinds = {"before": found.raw, "after": found.freed}
    measured = {name: _dependence(scores[0], found.mass[0], "mass", n_permutations) for name, scores in kinds.items()}
    in_pt = _dependence(found.freed[0], found.pt[0], "pt", n_permutations)
    return {
        **{name: cuts_of(each) for name, each in measured.items()},
        "after_by_half": [cuts_of(_dependence(*found.background(i), "mass", n_permutations)) for i in (0, 1)],
        "after_in_pt": cuts_of(in_pt),
        "wide_bins": {name: wide_bins(scores[0], found.mass[0]) for name, scores in kinds.items()},
        "rejection": retained(found),
        **({"figures": {name: to_json(each) for name, each in measured.items()}} if full else {}),
    }


def _dependence(score: Values, mass: Values, name: str, n_permutations: int) -> MassDependence:
    options = SculptOptions(
        bkg_effs=BKG_EFFS,
        scan=BKG_EFFS,
        n_eff_bins=N_BINS,
        n_permutations=n_permutations,
        n_distance_permutations=1,
        max_distance_jets=1000,
    )
    return mass_dependence(score, mass, np.random.default_rng(31), names=("score", name), options=options)


def cuts_of(found: MassDependence) -> list[dict[str, Any]]:
    """Of each cut: jets that pass, divergence with its floor, efficiency in bins and how far from flat it is."""
    rows = []
    for cut in found.cuts:
        ratio, error = cut.eff / cut.reached, (cut.eff_high - cut.eff_low) / 2 / cut.reached
        worst = int(np.argmax(np.abs(ratio - 1)))
        rows.append(
            {
                "bkg_eff": cut.bkg_eff,
                "reached": cut.reached,
                "n_passing": cut.n_eff,
                "jsd": {**asdict(cut.jsd), "compatible": cut.jsd.compatible},
                "edges": found.eff_edges.tolist(),
                "ratio": ratio.tolist(),
                "ratio_error": error.tolist(),
                "largest": float(ratio[worst] - 1),
                "largest_error": float(error[worst]),
                "chi2": float(np.sum(((ratio - 1) / error) ** 2)),
                "ndf": len(ratio) - 1,
                "flat": bool(np.all(np.abs(ratio - 1) <= FLAT)),
            }
        )
    return rows


def wide_bins(score: Values, mass: Values) -> list[dict[str, Any]]:
    """Background efficiency with 68 % intervals in bins of equal width over the range of the search."""
    everything = np.histogram(mass, WIDE_EDGES)[0]
    rows = []
    for bkg_eff in BKG_EFFS:
        passing = np.histogram(mass[score > np.quantile(score, 1 - bkg_eff)], WIDE_EDGES)[0]
        bins = [
            efficiency_interval(k, k, n, n) for k, n in zip(passing.astype(float), everything.tolist(), strict=True)
        ]
        eff, low, high = np.array(bins).T
        columns = {"eff": eff, "low": low, "high": high}
        rows.append(
            {
                "bkg_eff": bkg_eff,
                "edges": WIDE_EDGES.tolist(),
                **{key: each.tolist() for key, each in columns.items()},
            }
        )
    return rows


def retained(found: Freed) -> list[dict[str, Any]]:
    """Rejection at given signal efficiencies before and after, and how much of it is left; AUC of both.

    The error of what is left takes both as independent; they share jets, so that it is rather smaller.
    """
    label = np.repeat([0, 1], [len(each) for each in found.raw])
    curves = [_curve(np.concatenate(scores), label) for scores in (found.raw, found.freed)]
    rows = []
    for i, sig_eff in enumerate(SIG_EFFS):
        points = [curve.points[i].bkg_rej for curve in curves]
        values = [point.value for point in points]
        row = {"sig_eff": sig_eff, "before": asdict(points[0]), "after": asdict(points[1])}
        if values[0] is not None and values[1] is not None:
            errors = [(1 / point.low - 1 / (point.high or np.inf)) / 2 * (point.value or 0.0) for point in points]
            left = values[1] / values[0]
            row |= {"retained": left, "retained_error": float(left * np.hypot(*errors))}
        rows.append(row)
    return [*rows, {"auc": [asdict(curve.auc) for curve in curves]}]


def _curve(score: Values, label: Any) -> RocCurve:
    options = RocOptions(sig_effs=SIG_EFFS, bkg_effs=(), n_bootstrap=2)
    return roc_curve(score, make_samples(label), np.random.default_rng(32), options=options)
