"""Correlations of two, three and four constituents: energy flow polynomials and energy correlation functions.

Written as contractions of the matrix of angles, none costs more than a matrix product.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from jetnae.compiled import compiled
from jetnae.features.graphs import GRAPHS

CORRELATORS = (*GRAPHS, "2e3")
"""Columns of `correlate`: the polynomials, and the three-point function with the two smallest angles of each triplet
(I. Moult, L. Necib, J. Thaler, arXiv:1609.07483)."""

MAX_CONSTITUENTS = 4096
"""The angles of more do not fit the memory that a jet may take (128 MiB per thread)."""

ORDER_FREE = {"reassoc", "contract", "arcp", "nsz"}
"""Sums in any order, so that they run in vector registers; NaN and infinities keep their meaning."""


@compiled(parallel=True, nogil=True)
def correlate(place: Any, offsets: Any, result: Any) -> None:  # pragma: no cover - compiled
    """Fill `result` (n_jets, 9) with the `CORRELATORS` from (3, n) z, rapidity and phi; NaN for a jet without any."""
    for jet in numba.prange(len(offsets) - 1):
        start, stop = offsets[jet], offsets[jet + 1]
        if stop == start:
            result[jet] = np.nan
            continue
        z = place[0, start:stop]
        theta = np.empty((stop - start, stop - start))
        _angles(place[1, start:stop], place[2, start:stop], theta)
        _pairs(z, theta, result[jet])
        result[jet, 7], result[jet, 8] = _triplets(z, theta)


@compiled(nogil=True, fastmath=ORDER_FREE)
def _angles(y: Any, phi: Any, theta: Any) -> None:
    """The matrix of dR between constituents, the short way around in phi."""
    for i in range(len(y)):
        for j in range(len(y)):
            dy, dphi = y[i] - y[j], abs(phi[i] - phi[j])
            dphi = dphi if dphi < np.pi else 2 * np.pi - dphi
            theta[i, j] = np.sqrt(dy * dy + dphi * dphi)


@compiled(nogil=True, fastmath=ORDER_FREE)
def _pairs(z: Any, theta: Any, result: Any) -> None:
    """The graphs that are trees, or one edge several times: from what each constituent sees of the others."""
    seen = np.empty(len(z))  # sum of z theta over the others
    result[:7] = 0
    for i in range(len(z)):
        row, once, twice, thrice = theta[i], 0.0, 0.0, 0.0
        for j in range(len(z)):
            angle = row[j]
            once += z[j] * angle
            twice += z[j] * angle * angle
            thrice += z[j] * angle * angle * angle
        seen[i] = once
        result[0] += z[i] * once
        result[1] += z[i] * twice
        result[2] += z[i] * once * once
        result[3] += z[i] * thrice
        result[4] += z[i] * twice * once
        result[6] += z[i] * once * once * once
    for i in range(len(z)):
        row, beyond = theta[i], 0.0
        for j in range(len(z)):
            beyond += z[j] * seen[j] * row[j]
        result[5] += z[i] * seen[i] * beyond


@compiled(nogil=True, fastmath=ORDER_FREE)
def _triplets(z: Any, theta: Any) -> Any:
    """The triangle graph, and the sum over triplets of the product of their two smallest angles.

    The third constituent runs over all, which counts each triplet three times: two of a kind give zero, and a loop of
    constant length is faster than a third of its steps.
    """
    triangle, smallest = 0.0, 0.0
    for i in range(len(z)):
        row_i = theta[i]
        for j in range(i + 1, len(z)):
            row_j, angle = theta[j], theta[i, j]
            all_three, two = 0.0, 0.0
            for k in range(len(z)):
                others = row_i[k] * row_j[k]
                least = angle * min(row_i[k], row_j[k])
                all_three += z[k] * others
                two += z[k] * min(least, others)
            triangle += z[i] * z[j] * angle * all_three
            smallest += z[i] * z[j] * two
    return 2 * triangle, smallest / 3
