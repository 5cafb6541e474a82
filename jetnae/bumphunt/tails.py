"""Tails of the Poisson distribution, also where they are too small for a floating-point number."""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc, gammaincc, gammaln, hyp1f1, ndtri

from jetnae.bumphunt.spectrum import Bools, Floats

SIDEBAND_P = 1e-3
"""Sidebands with a p-value below this are no sidebands (arXiv:1101.0390, section 2)."""


def local_p(counts: Floats, expected: Floats) -> Floats:
    """Probability of `counts` or more where `expected` are expected; 1 where there is no excess, never 0.

    The regularized lower incomplete gamma function (arXiv:1101.0390, section 2). Without expected events it is 1:
    no Poisson statement can be made there.
    """
    excess = (counts > expected) & (expected > 0)
    p = np.maximum(gammainc(np.where(excess, counts, 1), expected), np.finfo(float).tiny)
    return np.where(excess, p, 1.0)


def minus_log_p(counts: Floats, expected: Floats) -> Floats:
    """-ln of `local_p`, finite also where `local_p` is too small for a floating-point number."""
    p = local_p(counts, expected)
    tiny = p < 1e-290
    found = -np.log(np.where(tiny, 1.0, p))
    if tiny.any():
        d, b = counts[tiny], expected[tiny]
        # the first term of the sum over the tail, times the others relative to it
        found[tiny] = b - d * np.log(b) + gammaln(d + 1) - np.log(hyp1f1(1.0, d + 1, b))
    return found


def divergence(counts: Floats, expected: Floats) -> Floats:
    """Half the deviance of `counts` where `expected` (positive) are expected: d ln(d/b) - d + b."""
    ratio = np.log(np.maximum(counts, 1e-300) / expected)
    ratio *= counts
    ratio -= counts
    ratio += expected
    return ratio


def calm(counts: Floats, expected: Floats) -> Bools:
    """Where neither an excess nor a deficit has a p-value of `SIDEBAND_P` or less; true where nothing is expected.

    A tail is never smaller than that of a normal distribution at the signed root of the deviance (M. Short, ISRN
    Probability and Statistics 2013, 412958), so the exact tail is needed for the few beyond that only.
    """
    some = expected > 0
    known = np.where(some, expected, 1.0)
    found = ~some | (divergence(counts, known) <= 0.5 * ndtri(SIDEBAND_P) ** 2)
    d, b = counts[~found], expected[~found]
    p = np.where(d > b, gammainc(np.maximum(d, 1), b), gammaincc(d + 1, b))
    found[~found] = p > SIDEBAND_P
    return np.asarray(found)


def pulls(counts: Floats, expected: Floats) -> Floats:
    """Signed root of the deviance of each count, close to (d - b) / sqrt(b) where many are expected."""
    return np.asarray(np.sign(counts - expected) * np.sqrt(2 * np.maximum(divergence(counts, expected), 0)))
