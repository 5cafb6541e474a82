"""Delphes: whatever jets and objects its card wrote."""

from __future__ import annotations

from dataclasses import replace

from jetnae.io.known.naming import dotted
from jetnae.io.layouts import Collection, Layout

_DELPHES_OBJECTS = (
    dotted("ParticleFlowCandidate", id="fUniqueID", pt="PT", eta="Eta", phi="Phi", mass="Mass"),
    dotted("EFlowTrack", id="fUniqueID", pt="PT", eta="Eta", phi="Phi"),
    dotted("EFlowPhoton", id="fUniqueID", pt="ET", eta="Eta", phi="Phi"),
    dotted("EFlowNeutralHadron", id="fUniqueID", pt="ET", eta="Eta", phi="Phi"),
    dotted("Tower", id="fUniqueID", pt="ET", eta="Eta", phi="Phi"),
    dotted("Track", id="fUniqueID", pt="PT", eta="Eta", phi="Phi"),
)
_GENERATED = (dotted("Particle", id="fUniqueID", pt="PT", eta="Eta", phi="Phi", mass="Mass"),)


def _delphes(name: str, radius: float | None, link: str = "tref") -> Collection:
    jets = Collection(
        name,
        "none",
        jets=dotted(name, pt="PT", eta="Eta", phi="Phi", mass="Mass"),
        radius=radius,
        features={f"tau{n}": f"{name}.Tau[5]@{n - 1}" for n in (1, 2, 3, 4)} | {"ptd": f"{name}.PTD"},
    )
    if link == "none":
        return jets
    objects = _GENERATED if name.startswith("Gen") else _DELPHES_OBJECTS
    return replace(jets, link="tref", objects=objects, constituent_index=f"{name}.Constituents@refs")


_DELPHES_JETS: dict[str, float | None] = {
    "JetPUPPIAK8": 0.8,
    "JetAK8": 0.8,
    "ParticleFlowJet08": 0.8,
    "FatJet": None,
    "JetPUPPIAK15": 1.5,
    "JetAK15": 1.5,
    "JetPUPPI": None,
    "Jet": None,
    "ParticleFlowJet04": 0.4,
    "GenJetAK8": 0.8,
    "GenJet": None,
}
DELPHES = Layout(
    "delphes",
    "Delphes",
    (
        *(_delphes(name, radius) for name, radius in _DELPHES_JETS.items()),
        *(_delphes(name, radius, "none") for name, radius in _DELPHES_JETS.items()),
    ),
    {
        "event": "Event.Number@0",
        "weight": "Event.Weight@0",
        "met_pt": "MissingET.MET@0",
        "met_phi": "MissingET.Phi@0",
    },
)
