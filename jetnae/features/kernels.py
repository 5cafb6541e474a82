"""Compiled passes over the constituents that look at one constituent at a time.

Constituents are flat: jet i owns offsets[i]:offsets[i + 1]. A jet without any gives NaN.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from jetnae.compiled import compiled

MOMENTS = ("ptd", "major_axis", "minor_axis")
"""Columns of `moments`."""


@compiled(parallel=True, nogil=True)
def localize(pt: Any, eta: Any, phi: Any, mass: Any, offsets: Any, place: Any) -> None:  # pragma: no cover - compiled
    """Fill `place` (3, n) with z = pT / sum pT, and rapidity and phi relative to the sum of the four-vectors.

    Everything is relative to the hardest constituent first, so that nothing depends on where in the detector it is.
    """
    for jet in numba.prange(len(offsets) - 1):
        start, stop = offsets[jet], offsets[jet + 1]
        if stop > start:
            hardest = start + np.argmax(pt[start:stop])
            y_0, phi_0 = _rapidity(pt[hardest], eta[hardest], mass[hardest]), phi[hardest]
            total, px, py, forward, backward = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(start, stop):
                y = _rapidity(pt[i], eta[i], mass[i]) - y_0
                dphi = phi[i] - phi_0
                place[1, i], place[2, i] = y, dphi
                total += pt[i]
                px += pt[i] * np.cos(dphi)
                py += pt[i] * np.sin(dphi)
                transverse_mass = np.hypot(pt[i], mass[i])
                forward += transverse_mass * np.exp(y)  # E + pz and E - pz where the hardest is at rest along the beam
                backward += transverse_mass * np.exp(-y)
            y_axis, phi_axis = 0.5 * np.log(forward / backward), np.arctan2(py, px)
            for i in range(start, stop):
                place[0, i] = pt[i] / total
                place[1, i] -= y_axis
                dphi = place[2, i] - phi_axis
                place[2, i] = dphi - 2 * np.pi * np.floor((dphi + np.pi) / (2 * np.pi))


@compiled(nogil=True)
def _rapidity(pt: float, eta: float, mass: float) -> float:
    """Rapidity of one constituent; the same as eta without a mass."""
    if mass == 0:
        return eta
    return float(np.arcsinh(pt * np.sinh(eta) / np.hypot(pt, mass)))


@compiled(parallel=True, nogil=True)
def angularity(place: Any, offsets: Any, kappa: float, beta: float, result: Any) -> None:  # pragma: no cover - compiled
    """Fill `result` (n_jets,) with the sum of z^kappa dR^beta."""
    for jet in numba.prange(len(offsets) - 1):
        start, stop = offsets[jet], offsets[jet + 1]
        total = 0.0 if stop > start else np.nan
        for i in range(start, stop):
            r2 = place[1, i] * place[1, i] + place[2, i] * place[2, i]
            z = place[0, i]
            total += (z if kappa == 1 else z**kappa) * (np.sqrt(r2) if beta == 1 else r2 ** (0.5 * beta))
        result[jet] = total


@compiled(parallel=True, nogil=True)
def moments(place: Any, offsets: Any, result: Any) -> None:  # pragma: no cover - compiled
    """Fill `result` (n_jets, 3) with the `MOMENTS`: sqrt(sum z^2), and the spread along both principal axes."""
    for jet in numba.prange(len(offsets) - 1):
        start, stop = offsets[jet], offsets[jet + 1]
        if stop == start:
            result[jet] = np.nan
            continue
        total, x, y, xx, xy, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(start, stop):
            weight = place[0, i] * place[0, i]
            total += weight
            x += weight * place[1, i]
            y += weight * place[2, i]
        x /= total
        y /= total
        for i in range(start, stop):
            weight, dx, dy = place[0, i] * place[0, i] / total, place[1, i] - x, place[2, i] - y
            xx += weight * dx * dx
            xy += weight * dx * dy
            yy += weight * dy * dy
        split = np.hypot(xx - yy, 2 * xy)
        result[jet, 0] = np.sqrt(total)
        result[jet, 1] = np.sqrt(0.5 * (xx + yy + split))
        result[jet, 2] = np.sqrt(max(0.5 * (xx + yy - split), 0.0))
