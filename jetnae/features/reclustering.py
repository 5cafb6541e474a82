"""What needs the constituents clustered again: soft drop and N-subjettiness, with FastJet and its contributions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.clustering import load_fastjet
from jetnae.jets import four_vectors, from_cartesian

if TYPE_CHECKING:
    from jetnae.features.substructure import Substructure
    from jetnae.jets import FloatArray

CHUNK_SIZE = 2000
"""Jets clustered at a time: FastJet keeps the history of all of them in memory."""
EVERYTHING = 100.0
"""A radius that lets all constituents of a jet merge into one."""
MAX_ETA = 20.0
"""No particle of a collider is farther forward; FastJet needs momenta that are finite numbers."""
Z_CUT, BETA = 0.1, 0.0
MAX_AXES = 4

fastjet = load_fastjet()


def groom(substructure: Substructure) -> tuple[FloatArray, ak.Array]:
    """Soft drop of each jet that has constituents, on its Cambridge/Aachen tree: mass (n,) in GeV, and what is left."""
    groomed = [
        sequence.exclusive_jets_softdrop_grooming(njets=1, beta=BETA, symmetry_cut=Z_CUT)
        for sequence in _sequences(substructure)
    ]
    mass = np.concatenate([np.empty(0), *(part.msoftdrop.to_numpy() for part in groomed)])
    momenta = (
        np.concatenate([np.empty(0), *(ak.flatten(part.constituents[name]).to_numpy() for part in groomed)])
        for name in ("px", "py", "pz", "E")
    )
    counts = np.concatenate([np.empty(0, dtype=np.int64), *(ak.num(part.constituents).to_numpy() for part in groomed)])
    constituents = ak.unflatten(four_vectors(*from_cartesian(*momenta)), counts)
    return np.maximum(mass, 0.0), constituents  # FastJet signs the mass of a spacelike sum


def subjettiness(substructure: Substructure) -> FloatArray:
    """tau_1 to tau_4 (n, 4) of each jet that has constituents, normalized to the radius of the jets."""
    from jetnae.features.substructure import DEFAULT_RADIUS

    values = [
        sequence.njettiness(
            measure_definition="NormalizedMeasure",
            axes_definition="OnePass_KT_Axes",
            njets=list(range(1, MAX_AXES + 1)),
            beta=1.0,
            R0=substructure.jets.radius or DEFAULT_RADIUS,
        ).to_numpy()
        for sequence in _sequences(substructure)
    ]
    return np.concatenate([np.empty((0, MAX_AXES)), *values])


def _sequences(substructure: Substructure) -> Iterator[Any]:
    """Cambridge/Aachen sequences of the jets that have constituents, each jet merged into one, some jets at a time."""
    pt, eta, phi, mass = substructure.momenta
    eta = np.clip(eta, -MAX_ETA, MAX_ETA)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    particles = ak.zip({"px": px, "py": py, "pz": pz, "E": energy}, with_name="Momentum4D")
    ragged = ak.unflatten(particles, substructure.counts[substructure.counts > 0])
    definition = fastjet.JetDefinition(fastjet.cambridge_aachen_algorithm, EVERYTHING)
    for start in range(0, len(ragged), CHUNK_SIZE):
        yield fastjet.ClusterSequence(ak.to_packed(ragged[start : start + CHUNK_SIZE]), definition)
