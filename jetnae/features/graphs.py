"""The energy flow polynomials we compute, as graphs.

A polynomial is a multigraph: every vertex a sum over all constituents with weight z = pT / sum pT, every edge an angle
theta = dR (P. Komiske, E. Metodiev, J. Thaler, arXiv:1712.07124). Graphs that are not connected are products of these.
"""

from __future__ import annotations

GRAPHS: dict[str, tuple[tuple[int, int], ...]] = {
    "efp_1_0": ((0, 1),),
    "efp_2_0": ((0, 1), (0, 1)),
    "efp_2_1": ((0, 1), (0, 2)),
    "efp_3_0": ((0, 1), (0, 1), (0, 1)),
    "efp_3_1": ((0, 1), (0, 1), (0, 2)),
    "efp_3_2": ((0, 1), (1, 2), (2, 3)),
    "efp_3_3": ((0, 1), (0, 2), (0, 3)),
    "efp_3_4": ((0, 1), (1, 2), (0, 2)),
}
"""Edges of every connected multigraph with one to three of them, named by their number and a running index."""
