"""TreeMaker of CMS: the vectors are split into branches, or not, or renamed by a skim."""

from __future__ import annotations

from jetnae.io.layouts import Collection, Layout

FEATURES = {
    "sd_mass": "softDropMass",
    **{f"tau{n}": f"NsubjettinessTau{n}" for n in (1, 2, 3, 4)},
    "sd_n2": "ecfN2b1",
    "sd_n3": "ecfN3b1",
    "girth": "girth",
    "major_axis": "axismajor",
    "minor_axis": "axisminor",
    "ptd": "ptD",
    "multiplicity": "multiplicity",
    "charged_hadron_fraction": "chargedHadronEnergyFraction",
    "neutral_hadron_fraction": "neutralHadronEnergyFraction",
    "electron_fraction": "electronEnergyFraction",
    "muon_fraction": "muonEnergyFraction",
    "photon_fraction": "photonEnergyFraction",
}
EVENTS = {
    "run": "RunNum",
    "luminosityBlock": "LumiBlockNum",
    "event": "EvtNum",
    "weight": "Weight",
    "met_pt": "MET",
    "met_phi": "METPhi",
}
_POLAR = {"pt": "fPt", "eta": "fEta", "phi": "fPhi", "energy": "fE"}
_CARTESIAN = {"px": "@fP.fX", "py": "@fP.fY", "pz": "@fP.fZ", "energy": "@fE"}


def _treemaker(name: str, tree: str, fields: dict[str, str]) -> Layout:
    """TreeMaker's jets: the vectors are split into branches, or not, or renamed by a skim."""
    collections = tuple(
        Collection(
            prefix,
            "none",
            jets={key: f"{prefix}{field}" for key, field in fields.items()},
            radius=radius,
            features={key: f"{prefix}_{feature}" for key, feature in FEATURES.items()},
        )
        for prefix, radius in (("JetsAK8", 0.8), ("JetsAK15", 1.5), ("Jets", 0.4))
    )
    return Layout(name, tree, collections, EVENTS)


TREEMAKER = (
    _treemaker("treemaker", "PreSelection", {key: f".fCoordinates.{field}" for key, field in _POLAR.items()}),
    _treemaker("treemaker-unsplit", "PreSelection", _CARTESIAN),
    _treemaker("treemaker-skim", "Events", {key: f"_.{field}" for key, field in _POLAR.items()}),
)
