"""Whether rates and their intervals close: two halves of one sample must agree as often as their intervals say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaln

from jetnae.errors import InputError
from jetnae.intervals import Efficiency, clopper_pearson
from jetnae.rate.codes import make_codes
from jetnae.rate.result import Closure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from jetnae.rate.conditions import Conditions

    Values = npt.NDArray[np.floating[Any]]
    Counts = npt.NDArray[np.integer[Any]]

ACCEPTED = (0.62, 0.76)
"""Share of splits that may agree. Counts are whole numbers and exact intervals a little wide, so it is not 68 %."""
FEWEST = 100
"""Passing crossings of the whole sample: with fewer, exact intervals of halves hold more than 72 % on average."""
LEAST_SPLITS = 500
SPREAD = 2**0.5
"""A single budget is tested at rates up to this factor away, so that the steps of one count are averaged over."""
FAR = 6.0
"""Standard deviations from the mean beyond which no split falls."""


def closure(
    score: Values,
    conditions: Conditions,
    budgets: Sequence[float],
    rng: np.random.Generator,
    *,
    n_splits: int = LEAST_SPLITS,
) -> Closure:
    """Split crossings into two random halves, many times, and compare the rates of a threshold in both.

    score : (n_crossings,), as for `measure`. Each split has a threshold of its own, drawn evenly in the logarithm of
    the rate between the smallest and the largest of the budgets, in kHz. Halves agree where their difference is at most
    the sum in quadrature of the parts of both intervals that face each other (`agree`).

    Given how many crossings pass, the halves are not independent: what one lacks the other has. Yet this is the right
    combination: with K of N crossings passing, the difference of the halves' counts has the hypergeometric variance
    K (N - K) / (N - 1), which is that of two independent samples of N / 2, as the difference of counts does
    not depend on their sum. Crossings are exchanged at random, so this tests counts and intervals; a rate that drifts
    with time is seen in its luminosity sections.

    Raises `InputError` for fewer than `LEAST_SPLITS` splits, and where fewer than `FEWEST` crossings pass.
    """
    if n_splits < LEAST_SPLITS:
        raise InputError(f"{n_splits} splits, expected {LEAST_SPLITS} or more: fewer say little about a share of 68 %")
    codes = make_codes(score)
    n = codes.n_crossings
    lowest, highest = _range(codes.n_passing, n, conditions, budgets)
    wanted = np.exp(rng.uniform(np.log(lowest), np.log(highest), n_splits))
    inside = np.flatnonzero((codes.n_passing >= lowest) & (codes.n_passing <= highest))
    if not len(inside):
        ends = " to ".join(f"{conditions.khz(end / n):.4g}" for end in (lowest, highest))
        raise InputError(
            f"no threshold on this score has a rate of {ends} kHz, comparing halves needs one: see --budget"
        )
    at = inside[np.maximum(np.searchsorted(codes.n_passing[inside], wanted, side="right") - 1, 0)]
    falling = np.sort(score)[::-1]
    n_agree, expected = 0, 0.0
    for cut in at:
        n_passing = int(codes.n_passing[cut])
        in_first = _half(n, rng)
        n_first = int(np.count_nonzero(in_first))
        passing = int(np.count_nonzero(in_first[falling >= codes.value[cut]]))
        n_agree += bool(agree(np.array(passing), n_first, np.array(n_passing - passing), n - n_first))
        expected += expected_share(n_passing, n_first, n)
    low, high = clopper_pearson(n_agree, n_splits)
    share = Efficiency(n_agree / n_splits, float(low), float(high))
    first, last = (float(conditions.khz(end / n)) for end in (lowest, highest))
    return Closure(n_splits, n_agree, share, expected / n_splits, first, last, ACCEPTED)


def agree(passing: Counts, n_first: int, other: Counts, n_second: int) -> npt.NDArray[np.bool_]:
    """Whether shares of two samples differ by no more than their 68 % intervals, combined in quadrature, allow.

    passing, other : counts, any shape, out of `n_first` and `n_second` crossings. Of each interval the part towards
    the other share is taken, as intervals of few counts are not symmetric.
    """
    first, second = passing / n_first, other / n_second
    (first_low, first_high), (low, high) = clopper_pearson(passing, n_first), clopper_pearson(other, n_second)
    reach = np.where(
        first > second, np.hypot(first - first_low, high - second), np.hypot(first_high - first, second - low)
    )
    return np.asarray(np.abs(first - second) <= reach)


def expected_share(n_passing: int, n_first: int, n: int) -> float:
    """How often two parts of a sample agree: all ways in which its passing crossings can fall on them, weighted."""
    first = n_first / n
    center, width = n_passing * first, FAR * np.sqrt(n_passing * first * (1 - first)) + 1
    least, most = max(0, n_passing - (n - n_first)), min(n_passing, n_first)
    counts = np.arange(max(least, int(center - width)), min(most, int(center + width)) + 1)
    log_ways = _log_choose(n_first, counts) + _log_choose(n - n_first, n_passing - counts) - _log_choose(n, n_passing)
    return float(np.exp(log_ways)[agree(counts, n_first, n_passing - counts, n - n_first)].sum())


def _log_choose(n: int, k: Any) -> Any:
    """Logarithm of the number of ways to choose k of n, any shape."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def _half(n: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which of n crossings fall on the first half; each does by the toss of a coin."""
    return np.unpackbits(np.frombuffer(rng.bytes(-(-n // 8)), dtype=np.uint8), count=n).astype(bool)


def _range(n_passing: Counts, n: int, conditions: Conditions, budgets: Sequence[float]) -> tuple[float, float]:
    """Numbers of passing crossings between which thresholds are drawn."""
    lowest, highest = (n * conditions.share(each) for each in (min(budgets), max(budgets)))
    if lowest > highest / SPREAD:
        lowest, highest = lowest / SPREAD, min(highest * SPREAD, float(n_passing[-1]))
    lowest = max(lowest, FEWEST)
    if highest < lowest:
        needed = int(np.ceil(FEWEST / conditions.share(max(budgets))))
        raise InputError(
            f"{highest:.0f} of {n} crossings pass at {max(budgets):g} kHz, comparing halves needs {FEWEST}: expected "
            f"{needed} crossings or more, or a larger budget"
        )
    return lowest, highest
