"""Efficiencies at a given efficiency of the other sample, with intervals that hold both samples' sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.intervals import Efficiency, clopper_pearson, efficiency_interval, widened
from jetnae.roc.cuts import loosest, tightest
from jetnae.roc.result import OperatingPoint, Rejection

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.roc.cuts import Cuts

    Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Passing:
    """What passes each cut of one sample: sums of weights and of their squares, (n_cuts,), and those of all jets."""

    weight: Values
    squares: Values
    total: float
    total_squares: float

    @property
    def eff(self) -> Values:
        """Efficiency of each cut, (n_cuts,)."""
        return self.weight / self.total

    @property
    def n_eff(self) -> float:
        """Effective number of all jets."""
        return self.total**2 / self.total_squares

    def effective(self) -> Values:
        """Effective number of passing jets at each cut, (n_cuts,)."""
        some = self.squares > 0
        return np.where(some & (self.weight > 0), self.weight**2 / np.where(some, self.squares, 1.0), 0.0)

    def sums(self, which: Any) -> tuple[Values, Values, float, float]:
        """The sums at some cuts, as `efficiency_interval` takes them."""
        return self.weight[which], self.squares[which], self.total, self.total_squares


def operating_point(cuts: Cuts, signal: Passing, background: Passing, fixed: str, target: float) -> OperatingPoint:
    """The cut at an efficiency of the signal (`fixed` is `sig_eff`) or of the background (`bkg_eff`)."""
    held, other = (signal, background) if fixed == "sig_eff" else (background, signal)
    at = _find(held, fixed, target)
    held_eff = Efficiency(*map(float, efficiency_interval(*held.sums(at))))
    # where the cut would be, had the fixed sample fluctuated within its interval
    shifted = [_find(held, fixed, float(end)) for end in clopper_pearson(target * held.n_eff, held.n_eff)]
    other_eff = widened(Efficiency(*map(float, efficiency_interval(*other.sums(at)))), other.eff[shifted])
    sig_eff, bkg_eff = (held_eff, other_eff) if fixed == "sig_eff" else (other_eff, held_eff)
    return OperatingPoint(
        fixed=fixed,
        target=target,
        threshold=float(cuts.threshold[at]),
        sig_eff=sig_eff,
        bkg_eff=bkg_eff,
        bkg_rej=_rejection(bkg_eff),
        resolved=bool(background.effective()[at] >= 1 - 1e-9),
    )


def _find(held: Passing, fixed: str, target: float) -> int:
    if fixed == "bkg_eff":
        return loosest(held.eff, target)
    found = tightest(held.eff, target)
    return len(held.eff) - 1 if found is None else found


def _rejection(bkg_eff: Efficiency) -> Rejection:
    return Rejection(
        value=1 / bkg_eff.value if bkg_eff.value > 0 else None,
        low=1 / bkg_eff.high,
        high=1 / bkg_eff.low if bkg_eff.low > 0 else None,
    )
