"""How cuts on a score change the mass spectrum of the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.intervals import effective_number, efficiency_interval
from jetnae.sculpting.distance import distance_correlation
from jetnae.sculpting.divergence import jensen_shannon, kolmogorov_smirnov
from jetnae.sculpting.result import MassCut, MassDependence, WithFloor

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]
    Indices = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class SculptOptions:
    """What is measured.

    bkg_effs : cuts that are shown in full. scan : cuts at which the divergence alone is measured. n_bins : of the mass
    spectra, equally wide over the central 99.8 % of the jets. n_eff_bins : of the efficiencies, equally full.
    n_permutations : for the floors. max_distance_jets, n_distance_permutations : for the distance correlation, which
    takes longer.
    """

    bkg_effs: tuple[float, ...] = (0.5, 0.1, 0.05, 0.01)
    scan: tuple[float, ...] = (0.5, 0.35, 0.25, 0.18, 0.13, 0.1, 0.07, 0.05, 0.035, 0.025, 0.018, 0.013, 0.01)
    n_bins: int = 40
    n_eff_bins: int = 12
    n_permutations: int = 200
    max_distance_jets: int = 20_000
    n_distance_permutations: int = 50


@dataclass(frozen=True)
class _Jets:
    """Jets from the highest score to the lowest (NaN last), with the bins of their mass."""

    score: Values
    mass: Values
    weight: Values
    bin: Indices
    n_bins: int

    def spectrum(self, order: Indices | slice, power: int = 1) -> Values:
        weight = self.weight[order] ** power
        return np.bincount(self.bin[order], weight, minlength=self.n_bins).astype(np.float64)


def mass_dependence(
    score: Values,
    mass: Values,
    rng: np.random.Generator,
    *,
    weight: Values | None = None,
    names: tuple[str, str] = ("score", "mass"),
    options: SculptOptions | None = None,
) -> MassDependence:
    """Measure how cuts on a score change the background's mass, and how much of that is chance.

    score, mass, weight : (n_jets,) of background jets, mass in GeV; names : of score and mass. The floor of a
    divergence is that of random jets as many as pass. Jets with a score of NaN pass no cut; jets whose mass is not
    finite are left out. Raises `InputError` for fewer than two jets of different mass, weights without a positive
    sum, and efficiencies outside of (0, 1).
    """
    options = options or SculptOptions()
    for eff in (*options.bkg_effs, *options.scan):
        if not 0 < eff < 1:
            raise InputError(f"background efficiency {eff:g}, expected a number between 0 and 1")
    jets, edges, notes = _prepare(score, mass, weight, options)
    jsd = _divergences(jets, sorted({*options.bkg_effs, *options.scan}, reverse=True), options, rng)
    eff_edges = np.unique(np.quantile(jets.mass, np.linspace(0, 1, options.n_eff_bins + 1)))
    scanned = sorted(options.scan, reverse=True)
    return MassDependence(
        name=names[0],
        mass=names[1],
        n_jets=len(jets.mass),
        n_eff=effective_number(jets.weight),
        edges=edges,
        counts=jets.spectrum(slice(None)),
        squares=jets.spectrum(slice(None), power=2),
        eff_edges=eff_edges,
        cuts=tuple(_cut(jets, eff, _n_passing(jets, eff), jsd[eff], eff_edges) for eff in options.bkg_effs),
        scan_bkg_eff=np.array(scanned),
        scan_jsd=np.array([jsd[eff].value for eff in scanned]),
        scan_floor=np.array([jsd[eff].floor for eff in scanned]),
        scan_floor_high=np.array([jsd[eff].floor_high for eff in scanned]),
        distance_correlation=_distance(jets, options, rng),
        notes=notes,
    )


def _prepare(
    score: Values, mass: Values, weight: Values | None, options: SculptOptions
) -> tuple[_Jets, Values, tuple[str, ...]]:
    weights = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(score) == len(mass) == len(weights):
        raise InputError(f"{len(score)} scores, {len(mass)} masses and {len(weights)} weights, expected one of each")
    kept = np.isfinite(mass)
    order = np.flatnonzero(kept)[np.argsort(-np.asarray(score, dtype=np.float64)[kept], kind="stable")]
    masses, weights = np.asarray(mass, dtype=np.float64)[order], weights[order]
    if len(masses) < 2 or np.ptp(masses) == 0 or not weights.sum() > 0:
        raise InputError(
            f"{len(masses)} background jets with a finite mass, their weights sum to {weights.sum():g}: expected two "
            "or more of different mass and a positive sum"
        )
    low, high = np.quantile(masses, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else masses.max(), options.n_bins + 1)
    index = np.clip(np.searchsorted(edges, masses, side="right") - 1, 0, options.n_bins - 1)
    jets = _Jets(np.asarray(score, dtype=np.float64)[order], masses, weights, index, options.n_bins)
    return jets, edges, _notes(jets, int(np.count_nonzero(~kept)))


def _notes(jets: _Jets, n_without_mass: int) -> tuple[str, ...]:
    counts = {
        "have no finite mass and are left out": n_without_mass,
        "have no score (NaN): they pass no cut and count in every efficiency": int(np.isnan(jets.score).sum()),
        "have negative weights: bins below zero count as empty in the divergence": int((jets.weight < 0).sum()),
    }
    return tuple(f"{n} jets {what}" for what, n in counts.items() if n)


def _n_passing(jets: _Jets, target: float) -> int:
    """How many jets, from the highest score down, the loosest cut keeps that keeps at most this share of the weight."""
    share = np.cumsum(jets.weight) / jets.weight.sum()
    ends = np.append(np.diff(jets.score) < 0, True) & ~np.isnan(jets.score)  # equal scores pass together
    ends[:-1] |= np.isnan(jets.score[1:]) & ~np.isnan(jets.score[:-1])
    exceeds = share[ends] > target * (1 + 1e-12)
    places = np.flatnonzero(ends)
    last = int(np.argmax(exceeds)) - 1 if exceeds.any() else len(places) - 1
    return int(places[last]) + 1 if last >= 0 else 0


def _divergences(
    jets: _Jets, bkg_effs: list[float], options: SculptOptions, rng: np.random.Generator
) -> dict[float, WithFloor]:
    n_pass = [_n_passing(jets, eff) for eff in bkg_effs]
    floors = _floors(jets, n_pass, options.n_permutations, rng)
    total, spectra = jets.spectrum(slice(None)), [jets.spectrum(slice(n)) for n in n_pass]
    return {
        eff: _against(float(jensen_shannon(passing, total - passing)), floor)
        for eff, passing, floor in zip(bkg_effs, spectra, floors, strict=True)
    }


def _floors(jets: _Jets, n_pass: list[int], n_permutations: int, rng: np.random.Generator) -> Values:
    """Divergences of random jets, as many as pass, from all others: (n_cuts, n_permutations)."""
    total = jets.spectrum(slice(None))
    found = np.zeros((len(n_pass), n_permutations))
    for i in range(n_permutations):
        order = rng.permutation(len(jets.mass))
        drawn = np.stack([jets.spectrum(order[:n]) for n in n_pass])
        found[:, i] = jensen_shannon(drawn, total - drawn)
    return found


def _against(value: float, floor: Values) -> WithFloor:
    p_value = (1 + np.count_nonzero(floor >= value)) / (1 + len(floor))
    return WithFloor(value, float(np.median(floor)), float(np.quantile(floor, 0.95)), float(p_value))


def _cut(jets: _Jets, bkg_eff: float, n_pass: int, jsd: WithFloor, eff_edges: Values) -> MassCut:
    passes = np.arange(len(jets.mass)) < n_pass
    ks, ks_p_value = kolmogorov_smirnov(jets.mass, jets.weight, passes)
    eff, low, high = _eff_vs_mass(jets, passes, eff_edges)
    rest = jets.score[n_pass:]
    below = rest[:1] if len(rest) and not np.isnan(rest[0]) else np.nextafter(jets.score[max(n_pass - 1, 0)], -np.inf)
    return MassCut(
        bkg_eff=bkg_eff,
        reached=float(jets.weight[:n_pass].sum() / jets.weight.sum()),
        threshold=float(np.squeeze(below)),
        n_eff=effective_number(jets.weight[:n_pass]),
        counts=jets.spectrum(slice(n_pass)),
        squares=jets.spectrum(slice(n_pass), power=2),
        jsd=jsd,
        ks=ks,
        ks_p_value=ks_p_value,
        eff=eff,
        eff_low=low,
        eff_high=high,
    )


def _eff_vs_mass(jets: _Jets, passes: npt.NDArray[np.bool_], edges: Values) -> tuple[Values, Values, Values]:
    n_bins = len(edges) - 1
    index = np.clip(np.searchsorted(edges, jets.mass, side="right") - 1, 0, n_bins - 1)
    found = np.empty((3, n_bins))
    for i in range(n_bins):
        weight = jets.weight[index == i]
        passing = jets.weight[(index == i) & passes]
        sums = passing.sum(), np.sum(passing**2), float(weight.sum()), float(np.sum(weight**2))
        found[:, i] = efficiency_interval(*sums) if sums[2] > 0 else (0.0, 0.0, 1.0)
    return found[0], found[1], found[2]


def _distance(jets: _Jets, options: SculptOptions, rng: np.random.Generator) -> WithFloor:
    """Between the mass and the rank of the score, which is all that cuts see of it."""
    scored = np.flatnonzero(~np.isnan(jets.score))
    if len(scored) > options.max_distance_jets:
        scored = rng.choice(scored, options.max_distance_jets, replace=False)
    if len(scored) < 2:
        return WithFloor(0.0, 0.0, 0.0, 1.0)
    rank = np.unique(jets.score[scored], return_inverse=True)[1].astype(np.float64)
    mass, weight = jets.mass[scored], np.maximum(jets.weight[scored], 0.0)
    value = distance_correlation(rank, mass, weight)
    floor = [distance_correlation(rng.permutation(rank), mass, weight) for _ in range(options.n_distance_permutations)]
    return _against(value, np.array(floor))
