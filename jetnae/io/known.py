"""The layouts that jetnae knows: one entry per naming, the more specific of two that share a tree first."""

from __future__ import annotations

from dataclasses import replace

from jetnae.io.layouts import Collection, LabelRule, Layout


def _of(prefix: str, names: str = "pt eta phi mass") -> dict[str, str]:
    return {name: f"{prefix}_{name}" for name in names.split()}


def _dotted(prefix: str, **names: str) -> dict[str, str]:
    return {key: f"{prefix}.{name}" for key, name in names.items()}


_TAUS = {f"tau{n}": f"tau{n}" for n in (1, 2, 3, 4)}
_EVENT_ID = {name: name for name in ("run", "luminosityBlock", "event")}

# CMS ---------------------------------------------------------------------------------------------------------------

_NANO: dict[str, str | tuple[str, ...]] = {
    **_EVENT_ID,
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
_FAT_FEATURES = {"sd_mass": "msoftdrop", **_TAUS, "sd_n2": "n2b1", "sd_n3": "n3b1", "multiplicity": "nConstituents"}


def _nano_features(prefix: str, **names: str) -> dict[str, str]:
    return {key: f"{prefix}_{name}" for key, name in (names | _FRACTIONS).items()}


_FAT_JET = Collection(
    name="FatJet",
    link="none",
    jets=_of("FatJet"),
    radius=0.8,
    features=_nano_features("FatJet", **_FAT_FEATURES),
)
_JET = Collection(
    name="Jet",
    link="none",
    jets=_of("Jet"),
    radius=0.4,
    features=_nano_features("Jet", multiplicity="nConstituents"),
)
_PF = _of("PFCands")
_WEIGHTED_PF = {**_PF, "weight": "PFCands_puppiWeight"}

_CMS = (
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
                constituents={**_of("FatJetPFCands"), "weight": "FatJetPFCands_puppiWeight"},
                jet_index="FatJetPFCands_jetIdx",
            ),
            replace(_JET, link="inline", constituents=_of("JetPFCands"), jet_index="JetPFCands_jetIdx"),
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
                constituents=_of("PFCand"),
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

_TREEMAKER_FEATURES = {
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
_TREEMAKER_EVENTS = {
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
            features={key: f"{prefix}_{feature}" for key, feature in _TREEMAKER_FEATURES.items()},
        )
        for prefix, radius in (("JetsAK8", 0.8), ("JetsAK15", 1.5), ("Jets", 0.4))
    )
    return Layout(name, tree, collections, _TREEMAKER_EVENTS)


_TREEMAKER = (
    _treemaker("treemaker", "PreSelection", {key: f".fCoordinates.{field}" for key, field in _POLAR.items()}),
    _treemaker("treemaker-unsplit", "PreSelection", _CARTESIAN),
    _treemaker("treemaker-skim", "Events", {key: f"_.{field}" for key, field in _POLAR.items()}),
)

# ATLAS -------------------------------------------------------------------------------------------------------------

_TRIMMED = {"tau1": "Tau1_wta", "tau2": "Tau2_wta", "tau3": "Tau3_wta", "c2": "C2", "d2": "D2"}
_LARGE_R = Collection(
    "AnalysisLargeRJets",
    "none",
    jets=_dotted("AnalysisLargeRJetsAuxDyn", pt="pt", eta="eta", phi="phi", mass="m"),
    radius=1.0,
    features=_dotted("AnalysisLargeRJetsAuxDyn", **_TRIMMED),
)
_PHYSLITE = Layout(
    "physlite",
    "CollectionTree",
    (
        # The objects a jet is made of are there in the larger formats only.
        replace(
            _LARGE_R,
            link="element_link",
            constituents=_dotted("UFOCSSKAuxDyn", pt="pt", eta="eta", phi="phi", mass="m"),
            constituent_index="AnalysisLargeRJetsAuxDyn.constituentLinks@m_persIndex",
        ),
        _LARGE_R,
        Collection(
            "AnalysisJets",
            "none",
            jets=_dotted("AnalysisJetsAuxDyn", pt="pt", eta="eta", phi="phi", mass="m"),
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

# Fast simulation and public data sets ------------------------------------------------------------------------------

_DELPHES_OBJECTS = (
    _dotted("ParticleFlowCandidate", id="fUniqueID", pt="PT", eta="Eta", phi="Phi", mass="Mass"),
    _dotted("EFlowTrack", id="fUniqueID", pt="PT", eta="Eta", phi="Phi"),
    _dotted("EFlowPhoton", id="fUniqueID", pt="ET", eta="Eta", phi="Phi"),
    _dotted("EFlowNeutralHadron", id="fUniqueID", pt="ET", eta="Eta", phi="Phi"),
    _dotted("Tower", id="fUniqueID", pt="ET", eta="Eta", phi="Phi"),
    _dotted("Track", id="fUniqueID", pt="PT", eta="Eta", phi="Phi"),
)
_GENERATED = (_dotted("Particle", id="fUniqueID", pt="PT", eta="Eta", phi="Phi", mass="Mass"),)


def _delphes(name: str, radius: float | None, link: str = "tref") -> Collection:
    jets = Collection(
        name,
        "none",
        jets=_dotted(name, pt="PT", eta="Eta", phi="Phi", mass="Mass"),
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
_DELPHES = Layout(
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

_JETCLASS = Collection(
    name="jet",
    link="per_row",
    constituents=_of("part", "px py pz energy"),
    jets=_of("jet", "pt eta phi energy"),
    radius=0.8,
    features={"sd_mass": "jet_sdmass", **{name: f"jet_{name}" for name in _TAUS}, "multiplicity": "jet_nparticles"},
)


def _jetclass(label: LabelRule) -> tuple[Collection, ...]:
    return (replace(_JETCLASS, label=label),)


_JETCLASSES = (
    # Of the 188 classes of JetClass-II the last 27, 161 to 187, are QCD (arXiv:2405.12972).
    Layout("jetclass2", "tree", _jetclass(LabelRule("jet_label", (161, 187), (0, 160)))),
    Layout("jetclass", "tree", _jetclass(LabelRule("label_QCD", (1, 1), (0, 0)))),
)


def _positions(dataset: str, names: str, slices: str = "{}") -> dict[str, str]:
    return {name: f"{dataset}@{slices.format(i)}" for i, name in enumerate(names.split())}


def _structured(fields: str, *, masked: bool) -> Collection:
    """Structured arrays: `jets` with a row per jet, `constituents` with slots, the used ones `valid`, or not 0."""
    constituents = {name: f"constituents@{name}" for name in fields.split()}
    return Collection(
        name="jets",
        link="padded",
        constituents=constituents | {"mask": "constituents@valid"} if masked else constituents,
        jets={name: f"jets@{name}" for name in ("pt", "eta", "phi", "mass")},
        label=LabelRule("jets@label"),
    )


_ARRAYS = (
    # 700 massless (pt, eta, phi), and the label in column 2100, which the black boxes lack.
    Layout(
        "lhco",
        "*",
        (
            Collection(
                name="event",
                link="cluster",
                constituents=_positions("floats", "pt eta phi", "{}:2100:3"),
                label=LabelRule("floats@2100"),
                radius=1.0,
            ),
        ),
    ),
    # The float block of the reference table: E_0, PX_0, PY_0, PZ_0, ... and at the end the four-vector of the truth.
    Layout(
        "toptag",
        "*",
        (
            Collection(
                name="jet",
                link="padded",
                constituents=_positions("floats", "energy px py pz", "{}:-4:4"),
                label=LabelRule("integers@-1", required=True),
                radius=0.8,
            ),
        ),
    ),
    Layout(
        "jetnet",
        "*",
        (
            Collection(
                name="jet",
                link="padded",
                constituents=_positions("particle_features", "etarel phirel ptrel mask"),
                jets=_positions("jet_features", "pt eta mass"),
                radius=0.8,
            ),
        ),
    ),
    # Quark (1, here signal) and gluon (0) jets.
    Layout(
        "energyflow",
        "*",
        (
            Collection(
                name="jet",
                link="padded",
                constituents=_positions("X", "pt rapidity phi pid"),
                label=LabelRule("y"),
                radius=0.4,
            ),
        ),
    ),
    Layout(
        "structured",
        "*",
        (
            _structured("pt eta phi mass", masked=True),
            _structured("pt eta phi mass", masked=False),
            _structured("px py pz energy", masked=False),
            _structured("pt eta phi", masked=True),
            _structured("pt eta phi", masked=False),
        ),
    ),
)

# Our own -----------------------------------------------------------------------------------------------------------

_OWN = Collection(
    name="Jet",
    link="inline",
    constituents=_of("Constituent"),
    jets=_of("Jet"),
    jet_index="Constituent_jetIdx",
    label=LabelRule("Jet_label"),
    features={name: f"Jet_{name}" for name in (*_TREEMAKER_FEATURES, "n2", "n3", "c2", "d2", "lha", "thrust")},
)
_JETNAE = Layout(
    "jetnae",
    "events",
    (_OWN, replace(_OWN, link="none", constituents={}, jet_index="")),
    {**_EVENT_ID, "weight": "weight", "process": "process", "met_pt": "met_pt", "met_phi": "met_phi"},
)

_ALL = (_JETNAE, *_CMS, *_JETCLASSES, _DELPHES, _PHYSLITE, *_TREEMAKER, *_ARRAYS)
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _ALL}
