"""NanoAOD of CMS, with and without candidates."""

from __future__ import annotations

from dataclasses import replace

from jetnae.io.known.naming import EVENT_ID, TAUS, of
from jetnae.io.layouts import Collection, Layout

_NANO: dict[str, str | tuple[str, ...]] = {
    **EVENT_ID,
    "weight": "genWeight",
    "met_pt": ("PuppiMET_pt", "MET_pt", "PFMET_pt"),
    "met_phi": ("PuppiMET_phi", "MET_phi", "PFMET_phi"),
}
_FRACTIONS = {
    "charged_hadron_fraction": "chHEF",
    "neutral_hadron_fraction": "neHEF",
    "photon_fraction": "neEmEF",
    "electron_fraction": "chEmEF",
    "muon_fraction": "muEF",
}
_FAT_FEATURES = {"sd_mass": "msoftdrop", **TAUS, "sd_n2": "n2b1", "sd_n3": "n3b1", "multiplicity": "nConstituents"}


def _nano_features(prefix: str, **names: str) -> dict[str, str]:
    return {key: f"{prefix}_{name}" for key, name in (names | _FRACTIONS).items()}


_FAT_JET = Collection(
    name="FatJet",
    link="none",
    jets=of("FatJet"),
    radius=0.8,
    features=_nano_features("FatJet", **_FAT_FEATURES),
)
_JET = Collection(
    name="Jet",
    link="none",
    jets=of("Jet"),
    radius=0.4,
    features=_nano_features("Jet", multiplicity="nConstituents"),
)
_PF = of("PFCands")
_WEIGHTED_PF = {**_PF, "weight": "PFCands_puppiWeight"}

NANO = (
    Layout(
        "pfnano",
        "Events",
        (
            # The weighted sum of the candidates of a fat (PUPPI) jet is its raw pt; small-R jets of UL PFNano
            # are CHS jets, whose candidates enter with weight one.
            replace(
                _FAT_JET,
                link="index_table",
                constituents=_WEIGHTED_PF,
                jet_index="FatJetPFCands_jetIdx",
                constituent_index="FatJetPFCands_pFCandsIdx",
            ),
            replace(
                _JET,
                link="index_table",
                constituents=_PF,
                jet_index="JetPFCands_jetIdx",
                constituent_index="JetPFCands_pFCandsIdx",
            ),
        ),
        _NANO,
    ),
    # Before the index tables (106X) each candidate was stored once per jet.
    Layout(
        "pfnano-inline",
        "Events",
        (
            replace(
                _FAT_JET,
                link="inline",
                constituents={**of("FatJetPFCands"), "weight": "FatJetPFCands_puppiWeight"},
                jet_index="FatJetPFCands_jetIdx",
            ),
            replace(_JET, link="inline", constituents=of("JetPFCands"), jet_index="JetPFCands_jetIdx"),
        ),
        _NANO,
    ),
    # Here candidates are stored with their PUPPI weight already applied.
    Layout(
        "nanoaod-v15",
        "Events",
        (
            replace(
                _FAT_JET,
                link="index_table",
                constituents=of("PFCand"),
                jet_index="FatJetPFCand_jetIdx",
                constituent_index="FatJetPFCand_pfCandIdx",
            ),
        ),
        _NANO,
    ),
    Layout(
        "pfcands",
        "Events",
        (
            Collection("PUPPI", "cluster", constituents=_WEIGHTED_PF, radius=0.8),
            Collection("PF", "cluster", constituents=_PF, radius=0.8),
        ),
        _NANO,
    ),
    Layout("nanoaod", "Events", (_FAT_JET, _JET), _NANO),
)
