"""Results of comparing a score between two samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.intervals import Efficiency

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error from the bootstrap."""

    value: float
    error: float


@dataclass(frozen=True)
class Rejection:
    """How many background jets there are per passing one, with its interval.

    value : None where no background passes, then `low` is the bound. high : None where there is no upper end.
    """

    value: float | None
    low: float
    high: float | None


@dataclass(frozen=True)
class OperatingPoint:
    """What a cut at a given efficiency of one sample does to the other.

    fixed, target : `sig_eff` or `bkg_eff` and what was asked of it. The cut is one that can be made: the tightest that
    keeps at least the target of the signal, or the loosest that keeps at most the target of the background.
    threshold : jets above it pass (below it, where the curve is reversed). sig_eff, bkg_eff : at this cut; the interval
    of the one that was not fixed also holds what the finite size of the other sample does to the threshold. resolved :
    whether one background jet or more (in effective number) passes; where not, the efficiencies belong to a tighter
    cut than the one asked for.
    """

    fixed: str
    target: float
    threshold: float
    sig_eff: Efficiency
    bkg_eff: Efficiency
    bkg_rej: Rejection
    resolved: bool


@dataclass(frozen=True)
class RocCurve:
    """The ROC curve of one score.

    reversed : whether small scores count as signal-like. auc : area under the curve with its bootstrap error;
    auc_reversed : that of the score with its sign changed. auc_error_delong : the error of DeLong, None with weights.
    threshold, sig_eff, bkg_eff, bkg_eff_low, bkg_eff_high : (n,) cuts along the curve; jets above the
    threshold pass, below it where `reversed`.
    sic : (n,) significance improvement sig_eff / sqrt(bkg_eff), NaN where fewer than `min_background` effective
    background jets pass. max_sic : the largest over all cuts with at least that many, None where there are none;
    max_sic_bkg_eff : where it is. points : at the efficiencies that were asked for. notes : what a reader has to know.
    """

    name: str
    reversed: bool
    auc: Estimate
    auc_reversed: float
    auc_error_delong: float | None
    threshold: Values
    sig_eff: Values
    bkg_eff: Values
    bkg_eff_low: Values
    bkg_eff_high: Values
    sic: Values
    min_background: float
    max_sic: Estimate | None
    max_sic_bkg_eff: float | None
    points: tuple[OperatingPoint, ...]
    notes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The name, marked where small values are signal-like."""
        return f"{self.name} (reversed)" if self.reversed else self.name


@dataclass(frozen=True)
class Band:
    """Median and central 68 % over several trainings."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class SeedBand:
    """ROC curves of several trainings of one model on the same jets.

    sig_eff : (n,) where the curves are compared. bkg_eff_median, _low, _high : (n,) median and central 68 % of the
    trainings. sic_median, _low, _high : (n,) the same of the significance improvement, NaN where a training has too
    little background left. auc, max_sic, points : the same of these numbers. It is the scatter of trainings alone,
    without the statistical error that they share.
    """

    name: str
    n_seeds: int
    sig_eff: Values
    bkg_eff_median: Values
    bkg_eff_low: Values
    bkg_eff_high: Values
    sic_median: Values
    sic_low: Values
    sic_high: Values
    auc: Band
    max_sic: Band | None
    points: tuple[SeedPoint, ...]


@dataclass(frozen=True)
class SeedPoint:
    """The efficiency that is not fixed, over several trainings."""

    fixed: str
    target: float
    eff: Band


@dataclass(frozen=True)
class Roc:
    """Scores compared on one pair of samples.

    n_eff_signal, n_eff_background : effective numbers of jets, (sum w)^2 / sum w^2. curves : models first, then
    baselines; with several trainings of one model there is one curve for each and `seeds` for all of them. n_models :
    how many of the curves are of models. signal, background : what the samples are. provenance : where they come from.
    """

    n_signal: int
    n_background: int
    n_eff_signal: float
    n_eff_background: float
    n_models: int
    curves: tuple[RocCurve, ...]
    seeds: SeedBand | None
    signal: str = "signal"
    background: str = "background"
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
