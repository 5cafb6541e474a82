"""Public data sets of jets and of events."""

from __future__ import annotations

from dataclasses import replace

from jetnae.io.known.naming import TAUS, of
from jetnae.io.layouts import Collection, LabelRule, Layout

_JETCLASS = Collection(
    name="jet",
    link="per_row",
    constituents=of("part", "px py pz energy"),
    jets=of("jet", "pt eta phi energy"),
    radius=0.8,
    features={"sd_mass": "jet_sdmass", **{name: f"jet_{name}" for name in TAUS}, "multiplicity": "jet_nparticles"},
)


def _jetclass(label: LabelRule) -> tuple[Collection, ...]:
    return (replace(_JETCLASS, label=label),)


JETCLASSES = (
    # Of the 188 classes of JetClass-II the last 27, 161 to 187, are QCD (arXiv:2405.12972).
    Layout("jetclass2", "tree", _jetclass(LabelRule("jet_label", (161, 187), (0, 160)))),
    Layout("jetclass", "tree", _jetclass(LabelRule("label_QCD", (1, 1), (0, 0)))),
)


def _positions(dataset: str, names: str, slices: str = "{}") -> dict[str, str]:
    return {name: f"{dataset}@{slices.format(i)}" for i, name in enumerate(names.split())}


CROSSINGS = Layout(
    "crossings",
    "crossings",
    (
        # One crossing is one row with one jet, the leading one of the trigger.
        Collection(
            name="crossing",
            link="none",
            jets={name: f"leading_jet_{name}" for name in ("pt", "eta", "phi")},
            label=LabelRule("label"),
            radius=0.6,  # of 3 x 3 regions
            arrays={"regions": "regions", "objects": "objects"},
        ),
    ),
    {
        name: name
        for name in ("run", "luminosityBlock", "event", "weight", "process", "npv", "total_et", "leading_jet_pt")
    },
)


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


ARRAYS = (
    # 700 massless (pt, eta, phi), and the label in column 2100, which the black boxes lack.
    Layout(
        "lhco",
        "*",
        (
            Collection(
                name="event",
                link="cluster",
                constituents=_positions("floats", "pt eta phi", "{}:2100:3"),
                widths={"floats": (2100, 2101)},
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
                widths={"floats": (804,)},
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
                widths={"particle_features": (4,)},
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
                widths={"X": (4,)},
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
