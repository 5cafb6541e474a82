"""PHYSLITE of ATLAS."""

from __future__ import annotations

from dataclasses import replace

from jetnae.io.known.naming import dotted
from jetnae.io.layouts import Collection, Layout

_TRIMMED = {"tau1": "Tau1_wta", "tau2": "Tau2_wta", "tau3": "Tau3_wta", "c2": "C2", "d2": "D2"}
_LARGE_R = Collection(
    "AnalysisLargeRJets",
    "none",
    jets=dotted("AnalysisLargeRJetsAuxDyn", pt="pt", eta="eta", phi="phi", mass="m"),
    radius=1.0,
    features=dotted("AnalysisLargeRJetsAuxDyn", **_TRIMMED),
)
PHYSLITE = Layout(
    "physlite",
    "CollectionTree",
    (
        # The objects a jet is made of are there in the larger formats only.
        replace(
            _LARGE_R,
            link="element_link",
            constituents=dotted("UFOCSSKAuxDyn", pt="pt", eta="eta", phi="phi", mass="m"),
            constituent_index="AnalysisLargeRJetsAuxDyn.constituentLinks@m_persIndex",
        ),
        _LARGE_R,
        Collection(
            "AnalysisJets",
            "none",
            jets=dotted("AnalysisJetsAuxDyn", pt="pt", eta="eta", phi="phi", mass="m"),
            radius=0.4,
        ),
    ),
    {
        "run": "EventInfoAuxDyn.runNumber",
        "luminosityBlock": "EventInfoAuxDyn.lumiBlock",
        "event": "EventInfoAuxDyn.eventNumber",
        "weight": "EventInfoAuxDyn.mcEventWeights@0",
    },
    unit="MeV",
)
