"""Anti-kT jets from reconstructed objects, with FastJet."""

from dataclasses import dataclass

import awkward as ak
import fastjet
import numpy as np

from jetnae.simulate.detector import Objects
from jetnae.simulate.generator import BoolArray, FloatArray, IntArray, Truth


@dataclass(frozen=True)
class JetCuts:
    """Which jets are kept: among the `n_leading` of the event, in a pT (GeV) and eta window.

    `matched_only` keeps jets matched to a heavy parton only; events with fewer than `min_jets` are dropped.
    """

    radius: float = 0.8
    pt_min: float = 550.0
    pt_max: float = 650.0
    eta_max: float = 2.0
    n_leading: int = 2
    min_jets: int = 1
    matched_only: bool = False


@dataclass(frozen=True)
class JetBatch:
    """Jets ordered by event, then falling pT, with their constituents by falling pT.

    Per jet (n_jets,): `event`, `pt`, `eta`, `phi`, `mass`, `n_constituents`. `constituents` indexes the
    objects that were clustered, jet after jet.
    """

    event: IntArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    mass: FloatArray
    n_constituents: IntArray
    constituents: IntArray

    def select(self, keep: IntArray) -> "JetBatch":
        """The jets at the given positions, in that order."""
        counts = self.n_constituents[keep]
        first = np.cumsum(self.n_constituents) - self.n_constituents
        members = self.constituents[ranges(first[keep], counts)]
        return JetBatch(
            self.event[keep],
            self.pt[keep],
            self.eta[keep],
            self.phi[keep],
            self.mass[keep],
            n_constituents=counts,
            constituents=members,
        )


def ranges(first: IntArray, counts: IntArray) -> IntArray:
    """The integers first[i], first[i] + 1, ... (counts[i] of them) for every i, one after another."""
    before = np.cumsum(counts) - counts
    return np.repeat(first - before, counts) + np.arange(int(counts.sum()))


def cluster(objects: Objects, n_events: int, cuts: JetCuts) -> JetBatch:
    """Anti-kT jets of each event above the pT threshold, within the cuts (matching aside)."""
    px, py = objects.pt * np.cos(objects.phi), objects.pt * np.sin(objects.phi)
    pz = objects.pt * np.sinh(objects.eta)
    energy = np.sqrt((objects.pt * np.cosh(objects.eta)) ** 2 + objects.mass**2)
    per_event = np.bincount(objects.event, minlength=n_events)
    records = ak.zip({"px": px, "py": py, "pz": pz, "E": energy}, with_name="Momentum4D")
    sequence = fastjet.ClusterSequence(
        ak.unflatten(records, per_event), fastjet.JetDefinition(fastjet.antikt_algorithm, cuts.radius)
    )
    found = sequence.inclusive_jets(cuts.pt_min)
    members = sequence.constituent_index(cuts.pt_min)
    event = np.repeat(np.arange(n_events), ak.num(found, axis=1).to_numpy())
    counts = ak.flatten(ak.num(members, axis=2)).to_numpy()
    first_object = np.cumsum(per_event) - per_event
    flat = ak.flatten(members, axis=None).to_numpy() + np.repeat(first_object[event], counts)
    # FastJet promises no order inside a jet; the sort by jet is there already.
    flat = flat[np.lexsort((-objects.pt[flat], np.repeat(np.arange(len(counts)), counts)))]
    jets = JetBatch(event, *_kinematics(ak.flatten(found)), counts, flat)
    jets = jets.select(np.lexsort((-jets.pt, jets.event)))
    rank = np.arange(len(jets.event)) - np.searchsorted(jets.event, jets.event)
    inside = (jets.pt < cuts.pt_max) & (np.abs(jets.eta) < cuts.eta_max) & (rank < cuts.n_leading)
    return jets.select(np.flatnonzero(inside))


def match(jets: JetBatch, truth: Truth, radius: float) -> tuple[IntArray, FloatArray]:
    """Label and heavy parton of each jet: 1 where all prongs of a parton lie within `radius` of the jet axis.

    Returns label (n_jets,) and the parton's E, px, py, pz (n_jets, 4), zero where unmatched.
    """
    if truth.p4.shape[1] == 0:
        return np.zeros(len(jets.event), dtype=np.int64), np.zeros((len(jets.event), 4))
    prongs = truth.prongs[jets.event]
    deta = prongs[..., 0] - jets.eta[:, None, None]
    dphi = (prongs[..., 1] - jets.phi[:, None, None] + np.pi) % (2 * np.pi) - np.pi
    inside: BoolArray = np.all(np.hypot(deta, dphi) < radius, axis=-1)
    label: BoolArray = np.any(inside, axis=-1)
    parton = truth.p4[jets.event, np.argmax(inside, axis=-1)]
    return label.astype(np.int64), np.where(label[:, None], parton, 0.0)


def _kinematics(jets: ak.Array) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    px, py, pz, energy = (jets[name].to_numpy() for name in ("px", "py", "pz", "E"))
    pt = np.hypot(px, py)
    mass2 = energy**2 - pt**2 - pz**2
    return pt, np.arcsinh(pz / pt), np.arctan2(py, px), np.sqrt(np.maximum(mass2, 0.0))
