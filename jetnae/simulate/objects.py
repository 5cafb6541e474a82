"""Compiled passes over crossings: sums of regions, objects of all collisions, jets and missing momentum."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.compiled import compiled
from jetnae.level1 import MAX_PT, N_ETA, N_PHI, PHI_COUNTS, PHI_UNIT

JET_SEED = 8
"""Counts of the region in the middle of a jet, at least."""
HALF_TURN = PHI_COUNTS // 2
PER_REGION = PHI_COUNTS // N_PHI
MAX_JET_PT = MAX_PT["jet"]
ROUNDING = 1e-6
"""Counts, so that full ones stay full when sines and cosines are rounded."""


@compiled()
def sum_regions(regions: Any, first: Any, collision: Any, turn: Any, mirror: Any, sums: Any) -> None:
    """Add the regions (m, 18, 14) of turned and mirrored collisions to the `sums` (n, 18, 14) of crossings."""
    for i in range(len(sums)):
        for k in range(first[i], first[i + 1]):
            source, shift = regions[collision[k]], turn[k]
            for phi in range(N_PHI):
                to = phi + shift
                if to >= N_PHI:
                    to -= N_PHI
                if mirror[k]:
                    for eta in range(N_ETA):
                        sums[i, to, eta] += source[phi, N_ETA - 1 - eta]
                else:
                    for eta in range(N_ETA):
                        sums[i, to, eta] += source[phi, eta]


@compiled()
def merge_objects(objects: Any, first: Any, collision: Any, shift: Any, mirror: Any, leading: Any) -> None:
    """Put the objects (m, k, 3) of turned and mirrored collisions with the highest pt into `leading` (n, k', 3).

    shift : counts of phi that each is turned by.
    """
    for i in range(len(leading)):
        for k in range(first[i], first[i + 1]):
            for found in objects[collision[k]]:
                if found[0] == 0:
                    break
                eta = -found[1] if mirror[k] else found[1]
                phi = (found[2] + shift[k] + HALF_TURN) % PHI_COUNTS - HALF_TURN
                _insert(leading[i], found[0], eta, phi)


@compiled()
def _insert(leading: Any, pt: Any, eta: Any, phi: Any) -> None:
    """Put an object in its place by pt; of equal ones the earlier goes first."""
    place = len(leading)
    while place > 0 and leading[place - 1, 0] < pt:
        place -= 1
    if place == len(leading):
        return
    for j in range(len(leading) - 1, place, -1):
        leading[j] = leading[j - 1]
    leading[place, 0], leading[place, 1], leading[place, 2] = pt, eta, phi


@compiled()
def find_jets(regions: Any, jets: Any) -> None:
    """Jets (n, k, 3) in regions (n, 18, 14): sums of 3 x 3 around local maxima, less pile-up, by falling pt.

    A region is a maximum where it exceeds the neighbors before it in phi, then eta, and is not exceeded by those after
    it. Pile-up is the median around the ring in phi of each region; regions beyond the last in eta count as empty.
    """
    for i in range(len(regions)):
        counts = regions[i].astype(np.int64)
        pile_up = _ring_medians(counts)
        for phi in range(N_PHI):
            for eta in range(N_ETA):
                if counts[phi, eta] >= JET_SEED and _is_maximum(counts, phi, eta):
                    pt = min(_jet_pt(counts, pile_up, phi, eta), MAX_JET_PT)
                    if pt > 0:
                        center = PER_REGION * phi + PER_REGION // 2 - HALF_TURN
                        _insert(jets[i], pt, 10 * eta + 5 - 5 * N_ETA, center)


@compiled()
def _ring_medians(counts: Any) -> Any:
    medians = np.empty(N_ETA, dtype=np.int64)
    for eta in range(N_ETA):
        ordered = np.sort(counts[:, eta])
        medians[eta] = (ordered[N_PHI // 2 - 1] + ordered[N_PHI // 2]) // 2
    return medians


@compiled()
def _is_maximum(counts: Any, phi: int, eta: int) -> bool:
    here = counts[phi, eta]
    for d_phi in range(-1, 2):
        for d_eta in range(-1, 2):
            other_eta = eta + d_eta
            if (d_phi == 0 and d_eta == 0) or other_eta < 0 or other_eta >= N_ETA:
                continue
            other = counts[(phi + d_phi) % N_PHI, other_eta]
            before = d_phi < 0 or (d_phi == 0 and d_eta < 0)
            if other > here or (before and other == here):
                return False
    return True


@compiled()
def _jet_pt(counts: Any, pile_up: Any, phi: int, eta: int) -> int:
    total = 0
    for other_eta in range(max(eta - 1, 0), min(eta + 2, N_ETA)):
        for d_phi in range(-1, 2):
            total += counts[(phi + d_phi) % N_PHI, other_eta] - pile_up[other_eta]
    return total


def missing_momentum(regions: npt.NDArray[np.uint16]) -> npt.NDArray[np.int16]:
    """Minus the vector sum of regions (n, 18, 14): counts of pt, 0, and of phi, (n, 3); zeros where it vanishes."""
    per_phi = regions.sum(axis=2, dtype=np.int64)
    centers = (PER_REGION * np.arange(N_PHI) + PER_REGION // 2 - HALF_TURN) * PHI_UNIT
    x, y = -(per_phi @ np.cos(centers)), -(per_phi @ np.sin(centers))
    full = np.hypot(x, y) + ROUNDING
    pt = np.minimum(full, MAX_PT["met"]).astype(np.int16)
    phi = np.rint(np.arctan2(y, x) / PHI_UNIT).astype(np.int64)
    phi = np.where(pt > 0, (phi + HALF_TURN) % PHI_COUNTS - HALF_TURN, 0)
    return np.stack([pt, np.zeros_like(pt), phi.astype(np.int16)], axis=1)
