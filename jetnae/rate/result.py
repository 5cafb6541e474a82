"""Results of measuring the rate of a threshold on a score. All rates are in kHz, after the prescale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.intervals import Efficiency
from jetnae.rate.conditions import Conditions

Values = npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Khz:
    """A rate in kHz with its central 68 % interval: Clopper-Pearson, of a count out of a fixed number of crossings."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Threshold:
    """The loosest threshold whose rate is not above `budget`: crossings with a score of `value` or more pass.

    low, high : ends of its 68 % interval, those of its rank; None where the sample does not reach that far.
    n_passing : crossings that pass, before the prescale; n_tied : those of them whose score is `value`. next_value,
    next_rate : the next larger score in the sample, and the rate of a threshold there; None where it is the largest.
    looser_value, looser_rate : the next smaller one, which is above the budget. pure_rate : of crossings that no
    existing trigger takes, None without any. sig_eff : of each signal; the interval also holds what the
    finite number of zero-bias crossings does to the threshold.
    """

    budget: float
    value: float
    low: float | None
    high: float | None
    rate: Khz
    n_passing: int
    n_tied: int
    next_value: float | None
    next_rate: Khz | None
    looser_value: float | None
    looser_rate: Khz | None
    pure_rate: Khz | None
    sig_eff: Mapping[str, Efficiency]


@dataclass(frozen=True)
class Curve:
    """Rates of all thresholds on one score.

    threshold : (n,) falling values of the score; n_passing : (n,) crossings with that score or more; rate, rate_low,
    rate_high : (n,) in kHz. pure_rate : (n,) of crossings that no existing trigger takes, None without any. sig_eff :
    (n,) of each signal. n_values : different scores there are. thresholds : one per budget, None where
    ties or too few crossings leave none.
    """

    name: str
    threshold: Values
    n_passing: Counts
    rate: Values
    rate_low: Values
    rate_high: Values
    pure_rate: Values | None
    sig_eff: Mapping[str, Values]
    n_values: int
    thresholds: tuple[Threshold | None, ...]


@dataclass(frozen=True)
class Dependence:
    """Rate of the thresholds against a column, as pile-up: what it would be if all crossings were like those of a bin.

    edges : (n + 1,), the low one of each bin included; center : (n,) mean of the column. n_crossings : (n,). n_passing,
    rate, rate_low, rate_high : (n_budgets, n).
    """

    column: str
    unit: str
    edges: Values
    center: Values
    n_crossings: Counts
    n_passing: Counts
    rate: Values
    rate_low: Values
    rate_high: Values


@dataclass(frozen=True)
class Sections:
    """Rate of the thresholds in each luminosity section: run, section, n_crossings (n,), the others (n_budgets, n)."""

    run: Counts
    section: Counts
    n_crossings: Counts
    n_passing: Counts
    rate: Values
    rate_low: Values
    rate_high: Values


@dataclass(frozen=True)
class Existing:
    """Existing triggers, and the rate of crossings that at least one of them takes, in kHz (no prescale).

    left_out : those that take every crossing, as the one that recorded the sample; beside them nothing would be pure.
    """

    names: tuple[str, ...]
    left_out: tuple[str, ...]
    rate: Khz


@dataclass(frozen=True)
class Closure:
    """Rates in two random halves of the sample, compared over many splits.

    n_agree : splits in which the difference lies within the combined 68 % interval. expected : the share that follows
    from the counts and the intervals. lowest_rate, highest_rate : in kHz, between which the thresholds were drawn.
    """

    n_splits: int
    n_agree: int
    share: Efficiency
    expected: float
    lowest_rate: float
    highest_rate: float
    accepted: tuple[float, float]

    def passed(self) -> bool:
        """Whether the share of splits that agree is as it must be."""
        return self.accepted[0] <= self.share.value <= self.accepted[1]


@dataclass(frozen=True)
class Rate:
    """Rates of thresholds on a score, measured with zero-bias crossings.

    budgets : in kHz. curves : of the score, then of the columns it is compared with. signals : effective number of
    events of each. against : rate against columns, as pile-up. sections : None without luminosity sections. existing :
    None without triggers. closure : None when it was not asked for. provenance : where the numbers come from.
    """

    conditions: Conditions
    n_crossings: int
    budgets: tuple[float, ...]
    curves: tuple[Curve, ...]
    signals: Mapping[str, float] = field(default_factory=dict)
    against: tuple[Dependence, ...] = ()
    sections: Sections | None = None
    existing: Existing | None = None
    closure: Closure | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def chosen(self) -> Thresholds:
        """The thresholds alone, as a trigger menu takes them."""
        found = {curve.name: curve.thresholds for curve in self.curves}
        return Thresholds(self.conditions, self.n_crossings, self.budgets, found, self.provenance)


@dataclass(frozen=True)
class Thresholds:
    """Thresholds for each rate budget by the name of the score; crossings with that score or more pass."""

    conditions: Conditions
    n_crossings: int
    budgets: tuple[float, ...]
    thresholds: Mapping[str, tuple[Threshold | None, ...]]
    provenance: Mapping[str, str] = field(default_factory=dict)
