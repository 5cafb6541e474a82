"""Cuts on a score that know nothing of the signal region."""

from __future__ import annotations

import numpy as np

from jetnae.bumphunt.spectrum import Floats
from jetnae.errors import InputError


def threshold_in_sidebands(
    score: Floats,
    mass: Floats,
    *,
    efficiency: float,
    mass_range: tuple[float, float],
    region: tuple[float, float] | None,
    weight: Floats | None = None,
) -> float:
    """The score that a share `efficiency` of the jets in the sidebands exceeds.

    score, mass, weight : (n_jets,); with weights the share is that of their sum. Sidebands are `mass_range` without
    `region`; with None all of `mass_range`. Raises `InputError` for a share that is not between 0 and 1, a region that
    is none, and fewer than ten effective jets above the cut.
    """
    if not 0 < efficiency < 1:
        raise InputError(f"a background efficiency of {efficiency:g}: expected one between 0 and 1")
    if region is not None and not mass_range[0] <= region[0] < region[1] <= mass_range[1]:
        raise InputError(f"a signal region of {region} in {mass_range}: expected its lower end first, inside the range")
    used = (mass >= mass_range[0]) & (mass < mass_range[1])
    if region is not None:
        used &= (mass < region[0]) | (mass >= region[1])
    if weight is None or (weight[used] == 1).all():
        threshold = float(np.quantile(score[used], 1 - efficiency)) if used.any() else np.inf
        above = np.ones(int(used.sum() * efficiency))
    else:
        threshold, above = _weighted(score[used], weight[used], efficiency)
    n_above = above.sum() ** 2 / np.square(above).sum() if len(above) else 0.0
    if n_above < 10:
        raise InputError(
            f"{used.sum()} jets in the sidebands leave {n_above:.3g} above a cut at {efficiency:g}, expected ten or "
            "more: use a larger efficiency or more jets"
        )
    return threshold


def _weighted(score: Floats, weight: Floats, efficiency: float) -> tuple[float, Floats]:
    """The score above which a share of the sum of weights lies, and the weights there."""
    order = np.argsort(-score, kind="stable")
    last = int(np.searchsorted(np.cumsum(weight[order]), efficiency * weight.sum()))
    return float(score[order][min(last, len(order) - 1)]), weight[order][:last]
