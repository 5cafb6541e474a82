"""A family on given bins: what a fit needs to know, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from jetnae.bumphunt.families import Family
from jetnae.bumphunt.spectrum import Bools, Floats
from jetnae.errors import InputError

NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)


@dataclass(frozen=True)
class Design:
    """The basis of a family at five Gauss-Legendre nodes in each bin, orthonormal over the bins that are fitted.

    basis : (n_bins, 5, n_parameters). log_weights : (n_bins, 5), logarithm of the width each node stands for.
    to_raw : (n_parameters, n_parameters), from orthonormal parameters to those of the formula.
    """

    family: Family
    edges: Floats
    basis: Floats
    log_weights: Floats
    to_raw: Floats


class Means(NamedTuple):
    """Expected counts of many spectra: their logarithm (n, n_bins) and its gradient (n, n_bins, n_parameters)."""

    log: Floats
    gradient: Floats


def make_design(family: Family, edges: Floats, *, sqrt_s: float, fitted: Bools) -> Design:
    """Evaluate a family on bins with `edges` (n_bins + 1,) in the unit of `sqrt_s`.

    fitted : (n_bins,) the bins the likelihood will know. Raises `InputError` for masses outside 0 to sqrt(s), and
    for fewer bins than parameters.
    """
    if not (np.isfinite(sqrt_s) and edges[0] >= 0 and edges[-1] <= sqrt_s):
        span = f"[{edges[0]:g}, {edges[-1]:g}]"
        raise InputError(f"bins on {span} for sqrt(s) = {sqrt_s:g}, expected masses from 0 to sqrt(s): change either")
    n_parameters = len(family.basis)
    if fitted.sum() < n_parameters:
        raise InputError(
            f"{fitted.sum()} bins to fit with the {n_parameters} parameters of {family.name}: "
            "use finer bins or a family with fewer parameters"
        )
    half = np.diff(edges)[:, None] / 2
    masses = (edges[:-1, None] + half) + half * NODES
    raw = family.log_basis(masses / sqrt_s)
    triangle = np.linalg.qr(np.mean(raw, axis=1)[fitted])[1]
    to_raw = solve_triangular(triangle, np.eye(n_parameters))
    return Design(family, edges, raw @ to_raw, np.log(half * WEIGHTS), to_raw)


def means(design: Design, parameters: Floats) -> Means:
    """Expected counts, integrated over each bin, for orthonormal `parameters` (n, n_parameters).

    Node by node with the largest taken out of the exponential, so that no parameters overflow.
    """
    n_nodes = design.basis.shape[1]
    nodes = [parameters @ design.basis[:, i].T + design.log_weights[:, i] for i in range(n_nodes)]
    largest = np.maximum.reduce(nodes)
    parts = [np.exp(node - largest) for node in nodes]
    total = np.add.reduce(parts)
    gradient = np.zeros((*total.shape, parameters.shape[1]))
    for i, part in enumerate(parts):
        gradient += (part / total)[:, :, None] * design.basis[:, i]
    return Means(largest + np.log(total), gradient)
