"""All cuts that can be made on a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]

LARGEST = np.finfo(np.float64).max / 4


@dataclass(frozen=True)
class Cuts:
    """The cuts on a score, from the one that no jet passes to the one that every scored jet passes.

    A jet passes when its score is larger than the threshold; jets with the same score pass together, jets with a score
    of NaN pass none.

    threshold : (n_cuts,) falling. first : (n_jets,) the first cut that each jet passes, n_cuts for one that never does.
    """

    threshold: Values
    first: npt.NDArray[np.integer[Any]]

    def passing(self, weight: Values) -> Values:
        """Sum of the weights (n_jets,) that pass each cut, shape (n_cuts,)."""
        return running_sum(self.first, weight, len(self.threshold))


def running_sum(first: npt.NDArray[np.integer[Any]], weight: Values | None, n_cuts: int) -> Values:
    """Sum of the weights (n,), or number of jets, whose first cut (n,) is not later than each of `n_cuts` cuts."""
    return np.cumsum(np.bincount(first, weight, minlength=n_cuts)[:n_cuts], dtype=np.float64)


def make_cuts(score: Values) -> Cuts:
    """The cuts on scores (n_jets,); raises `InputError` when no jet has a score."""
    scored = ~np.isnan(score)
    if not scored.any():
        raise InputError(f"none of {len(score)} jets has a score, expected numbers: were they scored with this column?")
    # an infinite score is the largest there is, and JSON has no number for it
    values = np.clip(np.asarray(score, dtype=np.float64)[scored], -LARGEST, LARGEST)
    distinct, rank = np.unique(values, return_inverse=True)
    first = np.full(len(score), len(distinct) + 1)
    first[scored] = len(distinct) - rank
    below = np.nextafter(distinct[0], -np.inf)
    return Cuts(np.concatenate([distinct[::-1], [below]]), first)


def loosest(bkg_eff: Values, target: float) -> int:
    """The last cut before the efficiency (n_cuts,) first exceeds `target`."""
    exceeds = bkg_eff > target * (1 + 1e-12)  # sums of weights round
    return int(np.argmax(exceeds)) - 1 if exceeds.any() else len(bkg_eff) - 1


def tightest(sig_eff: Values, target: float) -> int | None:
    """The first cut at which the efficiency (n_cuts,) reaches `target`; None where it never does."""
    reaches = sig_eff >= target * (1 - 1e-12)
    return int(np.argmax(reaches)) if reaches.any() else None
