"""Jets from the constituents of whole events: anti-kT, optionally groomed with soft drop (FastJet, an extra)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.errors import InputError, MissingExtraError
from jetnae.jets import four_vectors

if TYPE_CHECKING:
    from types import ModuleType

    from jetnae.jets import FloatArray, IntArray


@dataclass(frozen=True)
class ClusterSpec:
    """How events become jets: anti-kT of a radius, jets above a pT (GeV), soft drop with z_cut and beta, or none.

    M. Cacciari, G. Salam, G. Soyez, JHEP 04 (2008) 063; A. Larkoski et al., JHEP 05 (2014) 146, eq. 1.1.
    Raises `InputError` for values outside their ranges.
    """

    radius: float = 0.8
    min_pt: float = 100.0
    soft_drop: bool = False
    z_cut: float = 0.1
    beta: float = 0.0

    def __post_init__(self) -> None:
        checks = {
            "radius": (0 < self.radius <= np.pi, "more than 0, at most pi"),
            "min_pt": (0 < self.min_pt < np.inf, "more than 0 GeV"),
            "z_cut": (0 < self.z_cut < 0.5, "between 0 and 0.5"),
        }
        for name, (fine, expected) in checks.items():
            if not fine:
                raise InputError(f"clustering: {name} = {getattr(self, name)}, expected {expected}")


@dataclass(frozen=True)
class Clustered:
    """The jets of some events, by event and falling pT.

    n_jets : (n_events,). pt, eta, phi, mass : (n_jets,) their four-vectors, those of the groomed jets after soft drop.
    counts : (n_jets,) constituents per jet; members : (sum of counts,) which of the input they are, by falling pT.
    """

    n_jets: IntArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    mass: FloatArray
    counts: IntArray
    members: IntArray


@cache
def load_fastjet() -> ModuleType:
    """FastJet's Python module; raises `MissingExtraError` where it is not installed.

    FastJet writes its banner to standard output, which is for results. Who uses it cites EPJC 72 (2012) 1896,
    arXiv:1111.6097.
    """
    try:
        import fastjet
    except ImportError as error:
        raise MissingExtraError(
            "finding jets, soft drop and N-subjettiness need FastJet, which is not installed: pip install "
            "'jetnae[cluster]'"
        ) from error
    with _output_discarded():
        fastjet.ClusterSequence(
            [fastjet.PseudoJet(1.0, 0.0, 0.0, 1.0)], fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
        )
    return fastjet  # type: ignore[no-any-return]


@contextmanager
def _output_discarded() -> Iterator[None]:
    """What compiled code writes to standard output goes nowhere."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def cluster(momenta: tuple[FloatArray, ...], counts: IntArray, spec: ClusterSpec) -> Clustered:
    """Find the jets of each event.

    momenta : flat (pt, eta, phi, mass) of all constituents in GeV and rad, each (n,), finite. counts : (n_events,) of
    them per event. Raises `MissingExtraError` without FastJet.
    """
    fastjet = load_fastjet()
    pt, vectors = momenta[0], _cartesian(momenta)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, spec.radius)
    sequence = fastjet.ClusterSequence(ak.unflatten(vectors, counts), definition)
    found = sequence.inclusive_jets(spec.min_pt)
    lists = sequence.constituent_index(spec.min_pt)
    n_jets = ak.to_numpy(ak.num(found, axis=1)).astype(np.int64)
    per_jet = ak.to_numpy(ak.flatten(ak.num(lists, axis=2))).astype(np.int64)
    first = np.repeat(np.cumsum(counts) - counts, n_jets)
    members = ak.to_numpy(ak.flatten(lists, axis=None)).astype(np.int64) + np.repeat(first, per_jet)
    if spec.soft_drop:
        members, per_jet = _soft_drop(vectors, members, per_jet, spec)
    return _ordered(vectors, pt, members, per_jet, n_jets)


def _cartesian(momenta: tuple[FloatArray, ...]) -> ak.Array:
    vectors = four_vectors(*(np.asarray(part, dtype=np.float64) for part in momenta))
    return ak.zip({"px": vectors.px, "py": vectors.py, "pz": vectors.pz, "E": vectors.E}, with_name="Momentum4D")


def _soft_drop(vectors: ak.Array, members: IntArray, per_jet: IntArray, spec: ClusterSpec) -> tuple[IntArray, IntArray]:
    """The members that survive: FastJet returns copies of the constituents, found again by their momenta."""
    if not len(per_jet):
        return members, per_jet
    fastjet = load_fastjet()
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, fastjet.JetDefinition.max_allowable_R)
    inside = vectors[members]
    groomed = fastjet.ClusterSequence(ak.unflatten(inside, per_jet), definition).exclusive_jets_softdrop_grooming(
        njets=1, beta=spec.beta, symmetry_cut=spec.z_cut, R0=spec.radius
    )
    jet = np.repeat(np.arange(len(per_jet)), per_jet)
    survivors = np.isin(_tagged(jet, inside), _tagged(_owners(groomed.constituents), ak.flatten(groomed.constituents)))
    return members[survivors], np.bincount(jet[survivors], minlength=len(per_jet))


def _owners(lists: ak.Array) -> IntArray:
    return np.repeat(np.arange(len(lists)), ak.to_numpy(ak.num(lists, axis=1)))


def _tagged(jet: IntArray, vectors: ak.Array) -> Any:
    """Jet and momentum of each constituent as one comparable value."""
    tagged = np.empty(len(jet), dtype=[("jet", "i8"), ("px", "f8"), ("py", "f8"), ("pz", "f8")])
    tagged["jet"] = jet
    for name in ("px", "py", "pz"):
        tagged[name] = ak.to_numpy(vectors[name])
    return tagged


def _ordered(vectors: ak.Array, pt: FloatArray, members: IntArray, per_jet: IntArray, n_jets: IntArray) -> Clustered:
    """Sum the members of each jet, and put jets and members in falling pT: FastJet promises no order inside a jet."""
    px, py, pz, energy = (_sums(ak.to_numpy(vectors[name])[members], per_jet) for name in ("px", "py", "pz", "E"))
    jet_pt = np.hypot(px, py)
    event = np.repeat(np.arange(len(n_jets)), n_jets)
    order = np.lexsort((-jet_pt, event))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    members = members[np.lexsort((-np.asarray(pt)[members], np.repeat(rank, per_jet)))]
    px, py, pz, energy, jet_pt = (each[order] for each in (px, py, pz, energy, jet_pt))
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.where(jet_pt > 0, np.arcsinh(pz / jet_pt), 0.0)
    mass = np.sqrt(np.maximum(energy**2 - jet_pt**2 - pz**2, 0.0))
    return Clustered(n_jets, jet_pt, eta, np.arctan2(py, px), mass, per_jet[order], members)


def _sums(values: FloatArray, counts: IntArray) -> FloatArray:
    owner = np.repeat(np.arange(len(counts)), counts)
    return np.asarray(np.bincount(owner, weights=values, minlength=len(counts)), dtype=np.float64)
