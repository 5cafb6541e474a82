"""What fixed point does to a score: bits, separation, decisions at a rate. Numbers in, frozen results out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError, ParityError
from jetnae.rate.codes import make_codes
from jetnae.rate.conditions import Conditions
from jetnae.rate.result import Threshold
from jetnae.rate.thresholds import passing_of, require_reachable, threshold
from jetnae.roc.area import Auc, auc, auc_difference

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]

SIGNAL = "signal"


@dataclass(frozen=True)
class Tolerances:
    """What fixed point may lose: of the AUC, absolute; of the rate at the budget, and of the signal there, relative."""

    auc_loss: float = 0.01
    rate_loss: float = 0.1
    efficiency_loss: float = 0.1

    def __post_init__(self) -> None:
        if not all(0 <= each <= 1 for each in (self.auc_loss, self.rate_loss, self.efficiency_loss)):
            raise InputError(
                f"largest losses {self.auc_loss}, {self.rate_loss}, {self.efficiency_loss}, expected 0 to 1"
            )


@dataclass(frozen=True)
class BitParity:
    """The C simulation against our own fixed-point arithmetic.

    inputs : what was compared on. n_different : inputs whose scores are not the same in every bit. n_scores : different
    scores there are. n_lowest, n_highest : scores at the ends of their format.
    """

    inputs: str
    n_inputs: int
    n_different: int
    largest_difference: float
    n_scores: int
    n_lowest: int
    n_highest: int


@dataclass(frozen=True)
class Separation:
    """AUC in floating point and in fixed point, and the change, with the error of the change itself."""

    floating: Auc
    fixed: Auc
    change: Auc


@dataclass(frozen=True)
class Agreement:
    """Decisions at thresholds of the same rate: how many pass both, one alone, and how many there are."""

    n: int
    n_both: int
    n_floating_only: int
    n_fixed_only: int

    @property
    def share(self) -> float:
        """Of those that pass either, the share that passes both; 1 where none passes."""
        either = self.n_both + self.n_floating_only + self.n_fixed_only
        return self.n_both / either if either else 1.0


@dataclass(frozen=True)
class WorkingPoint:
    """The threshold of a rate budget, set anew for the scores in fixed point; `fixed` is the one for firmware."""

    conditions: Conditions
    floating: Threshold
    fixed: Threshold
    background: Agreement
    signal: Agreement | None


@dataclass(frozen=True)
class ScorePair:
    """Scores (n,) of the same crossings in floating point and in fixed point."""

    floating: Values
    fixed: Values

    def __len__(self) -> int:
        return len(self.fixed)


def compare_bits(simulated: Values, emulated: Values, inputs: str) -> BitParity:
    """Compare scores (n,) of the C simulation with our own; NaN is equal to nothing."""
    differ = ~(simulated == emulated)
    distance = np.abs(np.where(differ, simulated - emulated, 0.0))
    low, high = emulated.min(), emulated.max()
    return BitParity(
        inputs=inputs,
        n_inputs=len(emulated),
        n_different=int(np.count_nonzero(differ)),
        largest_difference=float(np.max(distance)),
        n_scores=len(np.unique(emulated)),
        n_lowest=int(np.count_nonzero(emulated == low)),
        n_highest=int(np.count_nonzero(emulated == high)),
    )


def require_bits(found: BitParity) -> None:
    """Raises `ParityError` unless all scores are the same in every bit."""
    if found.n_different:
        raise ParityError(
            f"the C simulation differs from the fixed-point student in {found.n_different} of {found.n_inputs} scores, "
            f"by up to {found.largest_difference:g} ({found.inputs}), expected equal bits: nothing was written"
        )


def separation(signal: ScorePair, background: ScorePair) -> Separation:
    """How well both scores separate a signal; raises `InputError` for fewer than two crossings of either."""
    before, after = ((signal.floating, background.floating), (signal.fixed, background.fixed))
    return Separation(auc(*before), auc(*after), auc_difference(before, after))


def require_separation(found: Separation, tolerances: Tolerances) -> None:
    """Raises `ParityError` where fixed point loses more than the tolerance, by more than two standard errors."""
    loss = -found.change.value
    if loss > tolerances.auc_loss and loss - tolerances.auc_loss > 2 * found.change.error:
        raise ParityError(
            f"AUC {found.fixed.value:.4f} in fixed point, {found.floating.value:.4f} in floating point: a loss of "
            f"{loss:.4f} +- {found.change.error:.4f}, expected at most {tolerances.auc_loss:g}: distill with more "
            "bits, or allow it with --max-auc-loss"
        )


def working_point(
    background: ScorePair, conditions: Conditions, budget: float, signal: ScorePair | None = None
) -> WorkingPoint:
    """The loosest thresholds whose rate is at most `budget` kHz, one for each of the two scores.

    Crossings at a threshold pass, so that ties pass together; a score of fixed point has many. Raises `InputError`
    where there are too few crossings for the budget, `ParityError` where too many share the largest score.
    """
    require_reachable(make_codes(background.floating), conditions, budget, "score")
    found = {}
    for kind in ("floating", "fixed"):
        kept = {} if signal is None else {SIGNAL: passing_of(getattr(signal, kind))}
        found[kind] = threshold(make_codes(getattr(background, kind)), conditions, budget, kept=kept)
    floating, fixed = found["floating"], found["fixed"]
    if floating is None:
        raise InputError(f"budget {budget:g} kHz: no threshold has it, give more crossings")
    if fixed is None:
        tied = int(np.count_nonzero(background.fixed == background.fixed.max()))
        raise ParityError(
            f"budget {budget:g} kHz: in fixed point {tied} of {len(background)} crossings share the largest score, "
            f"{background.fixed.max():g}, which is too many: the score saturates, distill with a wider range"
        )
    return WorkingPoint(
        conditions,
        floating,
        fixed,
        _agreement(background, floating.value, fixed.value),
        None if signal is None else _agreement(signal, floating.value, fixed.value),
    )


def require_working_point(found: WorkingPoint, tolerances: Tolerances) -> None:
    """Raises `ParityError` where ties leave the rate too far below the budget, or fixed point loses too much signal."""
    before, after = found.floating.rate.value, found.fixed.rate.value
    if after < (1 - tolerances.rate_loss) * before:
        raise ParityError(
            f"rate {after:.4g} kHz in fixed point, {before:.4g} kHz in floating point: {found.fixed.budget:g} kHz lie "
            f"between two scores that many crossings share ({found.fixed.value:g} and the next lower one), expected a "
            f"loss of {tolerances.rate_loss:.0%} at most: give the output more bits, or allow it with --max-rate-loss"
        )
    effs = [each.sig_eff.get(SIGNAL) for each in (found.floating, found.fixed)]
    if effs[0] is None or effs[1] is None:
        return
    if effs[1].high < (1 - tolerances.efficiency_loss) * effs[0].value:
        raise ParityError(
            f"signal efficiency {effs[1].value:.4g} in fixed point, {effs[0].value:.4g} in floating point at "
            f"{found.fixed.budget:g} kHz, expected a loss of {tolerances.efficiency_loss:.0%} at most: distill with "
            "more bits, or allow it with --max-efficiency-loss"
        )


def _agreement(scores: ScorePair, floating: float, fixed: float) -> Agreement:
    before, after = scores.floating >= floating, scores.fixed >= fixed
    counts = (before & after, before & ~after, ~before & after)
    return Agreement(len(scores), *(int(np.count_nonzero(each)) for each in counts))
