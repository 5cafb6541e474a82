"""What the features of a batch of jets share: each pass over the constituents is made once, when first asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from jetnae.errors import InputError
from jetnae.jets import sum_constituents

if TYPE_CHECKING:
    from jetnae.jets import FloatArray, IntArray, Jets

DEFAULT_RADIUS = 0.8
"""R_0 of N-subjettiness where the radius of the jets is not known."""


@dataclass(frozen=True)
class Substructure:
    """The constituents of jets as the features see them.

    Angles are in rapidity and azimuth, around the sum of the four-vectors of the constituents (E-scheme): nothing
    depends on whether the axis in the file was corrected, and nothing changes when the jet is boosted along the beam.
    Rapidity is pseudorapidity for massless constituents. Raises `InputError` for jets without constituents.
    """

    jets: Jets

    def column(self, name: str) -> FloatArray:
        """What the file says, (n_jets,)."""
        return np.array(self.jets.columns[name], dtype=np.float64)

    @cached_property
    def counts(self) -> IntArray:
        """Number of constituents of each jet, (n_jets,)."""
        return self.jets.n_constituents

    @cached_property
    def offsets(self) -> IntArray:
        """Where each jet's constituents start, (n_jets + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)

    @cached_property
    def momenta(self) -> tuple[FloatArray, ...]:
        """Flat (pt, eta, phi, mass) of the constituents, as doubles: one type, so that all is compiled once."""
        flat = ak.flatten(self.jets.stored_constituents, axis=1)
        return tuple(np.ascontiguousarray(flat[name], dtype=np.float64) for name in ("pt", "eta", "phi", "mass"))

    @cached_property
    def place(self) -> FloatArray:
        """(3, n) of the constituents: share of the scalar pT sum, rapidity and phi (rad) relative to the axis."""
        from jetnae.features.kernels import localize

        place = np.empty((3, int(self.offsets[-1])))
        localize(*self.momenta, self.offsets, place)
        return place

    def angularity(self, kappa: float, beta: float) -> FloatArray:
        """Sum of z^kappa dR^beta, (n_jets,), rad^beta."""
        from jetnae.features.kernels import angularity

        result = np.empty(len(self.jets))
        angularity(self.place, self.offsets, float(kappa), float(beta), result)
        return result

    @cached_property
    def moments(self) -> dict[str, FloatArray]:
        """`ptd`, and the widths along the principal axes, (n_jets,) each."""
        from jetnae.features.kernels import MOMENTS, moments

        result = np.empty((len(self.jets), len(MOMENTS)))
        moments(self.place, self.offsets, result)
        return dict(zip(MOMENTS, result.T, strict=True))

    @cached_property
    def correlators(self) -> dict[str, FloatArray]:
        """Energy flow polynomials and `2e3`, (n_jets,) each; raises `InputError` for an absurd jet."""
        from jetnae.features.correlators import CORRELATORS, MAX_CONSTITUENTS, correlate

        largest = int(self.counts.max(initial=0))
        if largest > MAX_CONSTITUENTS:
            raise InputError(
                f"jet {int(self.counts.argmax())} has {largest} constituents, energy correlations take at most "
                f"{MAX_CONSTITUENTS}: choose other features, or look at the input"
            )
        result = np.empty((len(self.jets), len(CORRELATORS)))
        correlate(self.place, self.offsets, result)
        return dict(zip(CORRELATORS, result.T, strict=True))

    @cached_property
    def subjettiness(self) -> dict[str, FloatArray]:
        """`tau1` to `tau4`, (n_jets,) each; raises `MissingExtraError` without FastJet."""
        from jetnae.features.reclustering import MAX_AXES, subjettiness

        values = np.full((len(self.jets), MAX_AXES), np.nan)
        values[self.counts > 0] = subjettiness(self)
        return {f"tau{n + 1}": values[:, n] for n in range(MAX_AXES)}

    @cached_property
    def groomed(self) -> Substructure:
        """What soft drop leaves of the jets: four-vectors and constituents; raises `MissingExtraError` without FastJet.

        The mass of a jet without constituents is NaN.
        """
        from jetnae.features.reclustering import groom

        counts, mass = np.zeros(len(self.jets), dtype=np.int64), np.full(len(self.jets), np.nan)
        mass[self.counts > 0], kept = groom(self)
        counts[self.counts > 0] = ak.num(kept, axis=1)
        constituents = ak.unflatten(ak.flatten(kept, axis=1), counts)
        pt, eta, phi, _ = sum_constituents(constituents)
        return Substructure(replace(self.jets, constituents=constituents, pt=pt, eta=eta, phi=phi, mass=mass))


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """above / below; 0 where both are, as in jets with nothing left to resolve, NaN where only `below` is."""
    result = np.where((above == 0) & (below == 0), 0.0, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result
