"""The threshold for a rate budget, with everything a trigger menu asks about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.intervals import Efficiency, clopper_pearson, efficiency_interval, widened
from jetnae.rate.codes import ROUNDING, sums_above
from jetnae.rate.result import Khz, Threshold

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.rate.codes import Codes
    from jetnae.rate.conditions import Conditions

    Values = npt.NDArray[np.floating[Any]]

FEWEST = 3
"""Passing crossings a threshold needs: with fewer, its interval has no upper end."""


@dataclass(frozen=True)
class Passing:
    """What is above thresholds of a sample: its scores and weights, (n,) each."""

    score: Values
    weight: Values

    def above(self, threshold: Values) -> Values:
        """Sum of the weights at each threshold (m,) or above."""
        return sums_above(self.score, self.weight, threshold)

    def eff(self, threshold: Values) -> Values:
        """The same as a share of all."""
        return np.asarray(self.above(threshold) / self.weight.sum())

    def interval(self, threshold: float) -> Efficiency:
        """The share that passes one threshold."""
        squares = self.weight**2
        at = np.array([threshold])
        sums = self.above(at), sums_above(self.score, squares, at), float(self.weight.sum()), float(squares.sum())
        return Efficiency(*(float(each[0]) for each in efficiency_interval(*sums)))


def passing_of(score: Values, weight: Values | None = None) -> Passing:
    """Of scores (n,), all of weight 1 where none is given."""
    return Passing(score, np.ones(len(score)) if weight is None else weight)


def require_reachable(codes: Codes, conditions: Conditions, budget: float, name: str) -> None:
    """Raise `InputError`, with what would do, where no threshold on these crossings has the rate `budget` in kHz."""
    share, n = conditions.share(budget), codes.n_crossings
    if not 0 < share < 1:
        raise InputError(
            f"budget {budget:g} kHz, expected more than 0 and less than {conditions.khz(1.0):.5g} kHz, that of all "
            "crossings"
        )
    if len(codes.value) < 2:
        raise InputError(
            f"{len(codes.value)} different {name} in {n} crossings: thresholds need scores that differ, were these "
            "scored with a trained model?"
        )
    if not codes.enough(share, FEWEST):
        needed = math.ceil(FEWEST / share * (1 - ROUNDING))
        raise InputError(
            f"budget {budget:g} kHz: {n} crossings are too few, the smallest rate they can set is "
            f"{conditions.khz(FEWEST / n):.4g} kHz ({FEWEST} crossings pass); expected {needed} crossings or more"
        )
    if codes.loosest(share) is None:
        tied = int(codes.n_passing[0])
        raise InputError(
            f"budget {budget:g} kHz: {tied} of {n} crossings share the largest {name}, {codes.value[0]:g}, so the "
            f"smallest rate above 0 is {conditions.khz(tied / n):.4g} kHz: does the score saturate?"
        )


def threshold(
    codes: Codes,
    conditions: Conditions,
    budget: float,
    *,
    pure: Passing | None = None,
    kept: Mapping[str, Passing] | None = None,
) -> Threshold | None:
    """The loosest threshold whose rate is not above `budget` in kHz; None where there is none.

    pure : the crossings that no existing trigger takes; kept : the signals.
    """
    share, n = conditions.share(budget), codes.n_crossings
    at = codes.loosest(share) if codes.enough(share, FEWEST) else None
    if at is None:
        return None
    tight, loose = (codes.loosest(float(end)) for end in clopper_pearson(share * n, n))
    value, last = float(codes.value[at]), len(codes.value) - 1
    # beyond the largest score nothing is known of the zero bias, only that crossings at this score are too many
    beyond = float(np.nextafter(codes.value[0], np.inf))
    ends = np.array([beyond if tight is None else codes.value[tight], value if loose is None else codes.value[loose]])
    return Threshold(
        budget=float(budget),
        value=value,
        low=None if loose is None else float(codes.value[loose]),
        high=None if tight is None else float(codes.value[tight]),
        rate=_rate(int(codes.n_passing[at]), n, conditions),
        n_passing=int(codes.n_passing[at]),
        n_tied=codes.n_tied(at),
        next_value=float(codes.value[at - 1]) if at else None,
        next_rate=_rate(int(codes.n_passing[at - 1]), n, conditions) if at else None,
        looser_value=float(codes.value[at + 1]) if at < last else None,
        looser_rate=_rate(int(codes.n_passing[at + 1]), n, conditions) if at < last else None,
        pure_rate=None if pure is None else _rate(float(pure.above(np.array([value]))[0]), n, conditions),
        sig_eff={name: widened(each.interval(value), each.eff(ends)) for name, each in (kept or {}).items()},
    )


def _rate(n_passing: float, n_crossings: int, conditions: Conditions) -> Khz:
    low, high = clopper_pearson(n_passing, n_crossings)
    return Khz(*(float(conditions.khz(share)) for share in (n_passing / n_crossings, low, high)))
