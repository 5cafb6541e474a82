"""Results of looking for mass sculpting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class WithFloor:
    """A measure of dependence beside what chance alone gives for as many jets.

    floor, floor_high : median and 95 % quantile over random permutations of the jets; p_value : share of them (counting
    the data as one) at least as large as `value`.
    """

    value: float
    floor: float
    floor_high: float
    p_value: float

    @property
    def compatible(self) -> bool:
        """Whether the value lies below the 95 % quantile of its floor."""
        return self.value <= self.floor_high


@dataclass(frozen=True)
class MassCut:
    """The background mass after one cut on the score.

    bkg_eff : what was asked for; reached : what the cut keeps. threshold : jets above it pass. n_eff : effective number
    of passing jets. counts, squares : (n_bins,) sums of the weights, and of their squares, of passing jets. jsd :
    Jensen-Shannon divergence in bits, in [0, 1], between the masses of passing and failing jets. ks, ks_p_value :
    two-sample Kolmogorov-Smirnov distance of the same, with its asymptotic p-value. eff, eff_low, eff_high :
    (n_eff_bins,) efficiency against mass with 68 % Clopper-Pearson intervals.
    """

    bkg_eff: float
    reached: float
    threshold: float
    n_eff: float
    counts: Values
    squares: Values
    jsd: WithFloor
    ks: float
    ks_p_value: float
    eff: Values
    eff_low: Values
    eff_high: Values


@dataclass(frozen=True)
class MassDependence:
    """How cuts on one score change the background mass.

    edges : (n_bins + 1,) of the mass spectra; jets beyond the ends are in the outer bins. counts, squares : (n_bins,)
    before any cut. eff_edges : (n_eff_bins + 1,) of the efficiencies. cuts : at the efficiencies asked for.
    scan_bkg_eff, scan_jsd, scan_floor, scan_floor_high : (n,) the divergence against the background efficiency.
    distance_correlation : between the mass and the rank of the score.
    """

    name: str
    mass: str
    n_jets: int
    n_eff: float
    edges: Values
    counts: Values
    squares: Values
    eff_edges: Values
    cuts: tuple[MassCut, ...]
    scan_bkg_eff: Values
    scan_jsd: Values
    scan_floor: Values
    scan_floor_high: Values
    distance_correlation: WithFloor
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PseudoBump:
    """The largest excess a bump hunt finds in background alone after a cut: window (GeV), local and global p-value.

    Events of weight 1 only: a bump hunt counts. global_p_low, global_p_high : its interval from the number of toys.
    """

    bkg_eff: float
    window: tuple[float, float]
    local_p: float
    global_p: float
    global_p_low: float
    global_p_high: float


@dataclass(frozen=True)
class Sculpting:
    """Mass dependence of one score, or of the same score before and after a decorrelation, on the same jets."""

    scores: tuple[MassDependence, ...]
    pseudo_bumps: tuple[PseudoBump, ...] = ()
    background: str = "background"
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
