"""Rates of all thresholds on a score, the thresholds for rate budgets, and what they keep of signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError
from jetnae.intervals import clopper_pearson, effective_number
from jetnae.rate.codes import Codes, make_codes
from jetnae.rate.conditions import Conditions
from jetnae.rate.dependence import Against, Where, dependence, sections
from jetnae.rate.result import Curve, Existing, Khz, Rate
from jetnae.rate.thresholds import Passing, passing_of, require_reachable, threshold

Values = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

N_POINTS = 300
"""Thresholds kept along a curve."""


@dataclass(frozen=True)
class ZeroBias:
    """Crossings recorded whatever was in them, or simulated so; every one counts the same.

    scores : (n_crossings,) each, that of the model first, then what it is compared with; -inf for crossings that never
    pass. decisions : (n_crossings,) of existing triggers. against : columns to measure the rate against. where :
    luminosity sections of the crossings, None without.
    """

    scores: Mapping[str, Values]
    decisions: Mapping[str, Mask] = field(default_factory=dict)
    against: Mapping[str, Against] = field(default_factory=dict)
    where: Where | None = None


@dataclass(frozen=True)
class Signal:
    """Crossings with a signal: scores (n,) as in `ZeroBias`, by the same names; weight (n,), None without."""

    scores: Mapping[str, Values]
    weight: Values | None = None

    @property
    def n_eff(self) -> float:
        """Effective number of crossings."""
        return effective_number(self.weights)

    @property
    def weights(self) -> Values:
        """One for each crossing without weights."""
        return np.ones(len(next(iter(self.scores.values())))) if self.weight is None else self.weight


def measure(
    zero_bias: ZeroBias,
    conditions: Conditions,
    budgets: Sequence[float],
    *,
    signals: Mapping[str, Signal] | None = None,
) -> Rate:
    """Rates of thresholds on scores, from the share of zero-bias crossings that pass.

    budgets : in kHz. The number of crossings is fixed, so intervals are those of a binomial share (Clopper-Pearson).
    Raises `InputError` for budgets that are no rates of these conditions or that the sample is too small for, scores
    that are not finite or all equal, and weights of signals that do not sum to more than 0.
    """
    signals = signals or {}
    n_crossings = _check(zero_bias, budgets, signals)
    name = next(iter(zero_bias.scores))
    model = make_codes(zero_bias.scores[name])
    for budget in budgets:
        require_reachable(model, conditions, budget, name)
    existing, taken = _existing(zero_bias.decisions, n_crossings, conditions)
    curves = [_curve(each, zero_bias, conditions, budgets, signals, taken) for each in zero_bias.scores]
    cuts = [found.value for found in curves[0].thresholds if found is not None]
    passing = np.array([zero_bias.scores[name] >= cut for cut in cuts])
    notes = [_ties_note(curve) for curve in curves]
    return Rate(
        conditions=conditions,
        n_crossings=n_crossings,
        budgets=tuple(map(float, budgets)),
        curves=tuple(curves),
        signals={each: signal.n_eff for each, signal in signals.items()},
        against=tuple(dependence(each, col, passing, conditions) for each, col in zero_bias.against.items()),
        sections=None if zero_bias.where is None else sections(zero_bias.where, passing, conditions),
        existing=existing,
        notes=tuple(note for note in notes if note),
    )


def _check(zero_bias: ZeroBias, budgets: Sequence[float], signals: Mapping[str, Signal]) -> int:
    n_crossings = len(next(iter(zero_bias.scores.values())))
    if not budgets or len(set(budgets)) < len(budgets):
        raise InputError(f"budgets {', '.join(f'{each:g}' for each in budgets) or '-'} kHz, expected different ones")
    samples = {"zero bias": zero_bias.scores, **{name: signal.scores for name, signal in signals.items()}}
    for sample, scores in samples.items():
        for name, values in scores.items():
            n_odd = int(np.count_nonzero(np.isnan(values) | (values == np.inf)))
            if n_odd:
                raise InputError(
                    f"{sample}: {n_odd} of {len(values)} crossings have a '{name}' that is no finite number, expected "
                    "one for each: score them again, or choose another column"
                )
    for name, signal in signals.items():
        if not (np.isfinite(signal.weights).all() and signal.weights.sum() > 0):
            raise InputError(f"{name}: the weights of the signal sum to no number above 0")
    return n_crossings


def _existing(
    decisions: Mapping[str, Mask], n_crossings: int, conditions: Conditions
) -> tuple[Existing | None, Mask | None]:
    """The existing triggers, and which crossings they take together."""
    if not decisions:
        return None, None
    always = tuple(name for name, decision in decisions.items() if decision.all())
    names = tuple(name for name in decisions if name not in always)
    taken = np.zeros(n_crossings, dtype=bool)
    for name in names:
        taken |= decisions[name]
    unprescaled = Conditions(conditions.input_rate)
    low, high = clopper_pearson(taken.sum(), n_crossings)
    rate = Khz(*(float(unprescaled.khz(share)) for share in (taken.mean(), low, high)))
    return Existing(names, always, rate), taken if names else None


def _curve(
    name: str,
    zero_bias: ZeroBias,
    conditions: Conditions,
    budgets: Sequence[float],
    signals: Mapping[str, Signal],
    taken: Mask | None,
) -> Curve:
    score = zero_bias.scores[name]
    codes = make_codes(score)
    pure = None if taken is None else passing_of(score[~taken])
    kept = {each: passing_of(signal.scores[name], signal.weights) for each, signal in signals.items()}
    at = codes.along(N_POINTS)
    value, n_passing = codes.value[at], codes.n_passing[at]
    low, high = clopper_pearson(n_passing, codes.n_crossings)
    return Curve(
        name=name,
        threshold=value,
        n_passing=n_passing,
        rate=conditions.khz(n_passing / codes.n_crossings),
        rate_low=conditions.khz(low),
        rate_high=conditions.khz(high),
        pure_rate=None if pure is None else conditions.khz(pure.above(value) / codes.n_crossings),
        sig_eff={each: passing.eff(value) for each, passing in kept.items()},
        n_values=len(codes.value),
        thresholds=_thresholds(codes, conditions, budgets, pure, kept),
    )


def _thresholds(
    codes: Codes,
    conditions: Conditions,
    budgets: Sequence[float],
    pure: Passing | None,
    kept: Mapping[str, Passing],
) -> tuple[Any, ...]:
    return tuple(threshold(codes, conditions, budget, pure=pure, kept=kept) for budget in budgets)


def _ties_note(curve: Curve) -> str:
    """What ties cost of a budget, where that is more than the statistics of it."""
    lost = [
        f"{found.rate.value:.3g} of {found.budget:g} kHz" for found in curve.thresholds if found and _is_coarse(found)
    ]
    none = sum(found is None for found in curve.thresholds)
    said = f"{curve.name}: takes {curve.n_values} values, crossings that share one pass together"
    if none:
        return f"{said}; {none} of {len(curve.thresholds)} budgets have no threshold"
    return f"{said}; reached {', '.join(lost)}" if lost else ""


def _is_coarse(found: Any) -> bool:
    return found.looser_rate is not None and bool(found.budget > found.rate.high)
