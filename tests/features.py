"""What the tests of features share: simulated jets, and the definitions written down once more, slowly."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import awkward as ak
import numpy as np

import jetnae
from jetnae.jets import Jets, four_vectors, select
from tests.conftest import jets_of, random_constituents

SAMPLE = Path(jetnae.__file__).parent / "assets" / "events.root"
COUNTS = [30, 1, 2, 55, 3, 80, 10]
COLLINEAR_UNSAFE = {"multiplicity", "ptd", "major_axis", "minor_axis"}


@cache
def simulated() -> Jets:
    """1000 jets of the bundled sample: charged pions have their mass, everything else has none."""
    jets = jetnae.read_jets(SAMPLE)
    return select(jets, slice(0, 1000))


def generated() -> Jets:
    """A few jets of massless constituents, around axes anywhere in the detector."""
    return jets_of(in_double(random_constituents(COUNTS)))


def in_double(constituents: ak.Array) -> ak.Array:
    return four_vectors(*(ak.values_astype(constituents[name], np.float64) for name in ("pt", "eta", "phi", "mass")))


def jet(*constituents: tuple[float, float, float]) -> Jets:
    """One jet of massless constituents (pt, eta, phi)."""
    pt, eta, phi = (ak.Array([list(column)]) for column in zip(*constituents, strict=True))
    return jets_of(four_vectors(pt, eta, phi, ak.zeros_like(pt)))


def short_way(dphi: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * dphi))


def around_axis(constituents: ak.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, rapidity and phi of one jet's constituents relative to the sum of their four-vectors."""
    pt, eta, phi, mass = (constituents[name].to_numpy().astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
    energy, pz = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2), pt * np.sinh(eta)
    y_axis = np.arctanh(pz.sum() / energy.sum())
    phi_axis = np.arctan2((pt * np.sin(phi)).sum(), (pt * np.cos(phi)).sum())
    return pt / pt.sum(), np.arctanh(pz / energy) - y_axis, short_way(phi - phi_axis)


def angles(y: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """The distance of each pair."""
    return np.hypot(y[:, None] - y, short_way(phi[:, None] - phi))
