"""Simulated events scaled to what the experiment would have seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.jets import WEIGHT
from jetnae.selection.evaluation import numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.jets import Jets

PB_PER_FB = 1000.0
"""1 fb^-1 = 1000 pb^-1."""


@dataclass(frozen=True)
class Normalization:
    """Cross section and luminosity that the weights of a simulated sample are scaled to.

    cross_section : in pb, with branching fractions and filter efficiency. luminosity : integrated, in fb^-1.
    sum_of_weights : over all generated events of the sample before any selection (`genEventSumw` of NanoAOD), which is
    their number where they have no weights. Raises `InputError` for values that are not finite and above 0.
    """

    cross_section: float
    luminosity: float
    sum_of_weights: float

    def __post_init__(self) -> None:
        expected = {
            "cross_section": "a cross section in pb",
            "luminosity": "an integrated luminosity in fb^-1",
            "sum_of_weights": "the sum of weights of all generated events, before any selection",
        }
        for name, meaning in expected.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"normalization: {name} = {value}, expected {meaning}, finite and above 0")

    @property
    def factor(self) -> float:
        """What each weight is multiplied with: cross section * luminosity / sum of weights, no unit."""
        return self.cross_section * self.luminosity * PB_PER_FB / self.sum_of_weights

    def apply(self, jets: Jets) -> Jets:
        """The same jets with scaled event weights; events without weights had weight 1."""
        weights = event_weights(jets)
        scaled = (np.ones(jets.n_events) if weights is None else weights) * self.factor
        return replace(jets, events={**jets.events, WEIGHT: scaled})


@dataclass(frozen=True)
class WeightCounts:
    """Weights out of the ordinary: negative ones are legal (next-to-leading-order generators), NaN and inf are not."""

    n_negative: int
    n_not_finite: int

    def __add__(self, other: WeightCounts) -> WeightCounts:
        return WeightCounts(self.n_negative + other.n_negative, self.n_not_finite + other.n_not_finite)


def count_weights(weights: npt.NDArray[Any]) -> WeightCounts:
    """Count the event weights (n_events,) that are negative and those that are NaN or infinite."""
    finite = np.isfinite(weights)
    return WeightCounts(int(np.count_nonzero(finite & (weights < 0))), int(np.count_nonzero(~finite)))


def event_weights(jets: Jets) -> npt.NDArray[np.float64] | None:
    """Weight of each event, shape (n_events,), None where there are none; raises `InputError` for lists of weights."""
    column = jets.events.get(WEIGHT)
    return None if column is None else numbers(WEIGHT, column).astype(np.float64)
