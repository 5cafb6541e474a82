"""What a threshold on a score costs in a trigger: rates from zero-bias crossings. Numbers in, frozen result out."""

from __future__ import annotations

from jetnae.rate.closure import closure
from jetnae.rate.conditions import Conditions, make_conditions, parse_rate
from jetnae.rate.measure import Signal, ZeroBias, measure
from jetnae.rate.result import Rate, Thresholds

__all__ = [
    "Conditions",
    "Rate",
    "Signal",
    "Thresholds",
    "ZeroBias",
    "closure",
    "make_conditions",
    "measure",
    "parse_rate",
]
