"""Asymptotic confidence levels of likelihood ratios (Cowan, Cranmer, Gross and Vitells, arXiv:1007.1727)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

SIZE = 0.05
BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)


def cls(q: float, q_asimov: float) -> float:
    """CLs of a signal strength from its q tilde in the data and in the Asimov data set without signal.

    The tail of q tilde with the signal as in section 3 of arXiv:1007.1727, and the same shifted by the
    median for the tail without it.
    """
    root, median = np.sqrt(max(q, 0.0)), np.sqrt(max(q_asimov, 1e-300))
    if root <= median:
        return float(ndtr(-root) / ndtr(median - root))
    return float(ndtr(-(q + q_asimov) / (2 * median)) / ndtr((q_asimov - q) / (2 * median)))


def upper_limit(
    q: Callable[[float], float], q_asimov: Callable[[float], float], *, start: float, scale: float
) -> float:
    """The signal strength above `start` at which CLs falls to 5 %; `scale` is its typical size."""
    return _root(lambda mu: cls(q(mu), q_asimov(mu)) - SIZE, start, scale)


def expected_limits(q_asimov: Callable[[float], float], *, scale: float) -> tuple[float, ...]:
    """Median of the limit without signal, within bands of -2, -1, 0, 1 and 2 standard deviations."""
    wanted = [band + float(ndtri(1 - SIZE * ndtr(band))) for band in BANDS]
    return tuple(_root(lambda mu, w=w: w - np.sqrt(max(q_asimov(mu), 0.0)), 0.0, scale) for w in wanted)  # type: ignore[misc]


def _root(falling: Callable[[float], float], start: float, scale: float) -> float:
    low, high = start + 1e-3 * scale, start + scale
    while falling(high) > 0 and high < start + 1e6 * scale:
        low, high = high, start + 2 * (high - start)
    return float(brentq(falling, low, high, xtol=1e-4 * scale, rtol=1e-6))
