"""Small files in every layout: the same jets, written as each producer would write them."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import uproot

from jetnae.jets import sum_constituents
from tests.conftest import random_constituents, write_events

COUNTS = [5, 0, 17, 1, 30, 2]


def cartesian() -> dict[str, ak.Array]:
    jets = random_constituents(COUNTS)
    return {"px": jets.px, "py": jets.py, "pz": jets.pz, "energy": jets.E}


def write_jetnae(folder: Path) -> Path:
    return write_events(folder / "own.root", [[5], [0], [17], [1], [30], [2]])


def write_pfnano(folder: Path, names: tuple[str, str, str] = ("FatJetPFCands", "pFCandsIdx", "PFCands")) -> Path:
    """Candidates in one shuffled list per file of one event, so that only the table says whose they are."""
    table, index, candidates = names
    jets = random_constituents(COUNTS)
    flat = ak.flatten(jets)
    order = np.random.default_rng(1).permutation(len(flat))
    where = np.argsort(order)
    owner = np.repeat(np.arange(len(COUNTS)), COUNTS)
    mixed = np.random.default_rng(2).permutation(len(flat))
    total = ak.sum(jets, axis=1)
    fields = ("pt", "eta", "phi", "mass")
    data = {
        "FatJet": ak.zip({name: ak.Array([ak.to_numpy(getattr(total, name))]) for name in fields}),
        candidates: ak.zip({name: ak.Array([ak.to_numpy(flat[name])[order]]) for name in fields}),
        table: ak.zip({"jetIdx": ak.Array([owner[mixed]]), index: ak.Array([where[mixed]])}),
    }
    if candidates == "PFCands":
        data[candidates] = ak.with_field(data[candidates], ak.ones_like(data[candidates].pt), "puppiWeight")
    path = folder / "nano.root"
    with uproot.recreate(path) as file:
        types = {name: ak.type(column).content for name, column in data.items()}
        file.mktree("Events", types, counter_name=lambda name: f"n{name}").extend(data)
    return path


def write_nano_v15(folder: Path) -> Path:
    return write_pfnano(folder, ("FatJetPFCand", "pfCandIdx", "PFCand"))


def write_jetclass(folder: Path, label: str = "label_QCD") -> Path:
    total = ak.sum(random_constituents(COUNTS), axis=1)
    jets = {f"jet_{name}": ak.to_numpy(getattr(total, name)) for name in ("pt", "eta", "phi", "energy")}
    path = folder / "jetclass.root"
    with uproot.recreate(path) as file:
        parts = {f"part_{name}": column for name, column in cartesian().items()}
        labels = {label: np.array([1, 0, 1, 0, 0, 1]) if label == "label_QCD" else np.array([187, 3, 161, 160, 0, 170])}
        data = {**parts, **jets, **labels}
        types = {k: v.dtype if isinstance(v, np.ndarray) else ak.type(v).content for k, v in data.items()}
        file.mktree("tree", types).extend(data)
    return path


def write_jetclass2(folder: Path) -> Path:
    return write_jetclass(folder, "jet_label")


def write_toptag(folder: Path) -> Path:
    row = np.dtype([("index", "i8"), ("values_block_1", "i8", (2,)), ("values_block_0", "f4", (804,))])
    table = np.zeros(len(COUNTS), dtype=row)
    columns = cartesian()
    for i, count in enumerate(COUNTS):
        momenta = np.stack([ak.to_numpy(columns[name][i]) for name in ("energy", "px", "py", "pz")], axis=1)
        table["values_block_0"][i, : 4 * count] = momenta.ravel()
    table["values_block_0"][:, -4:] = 1e3  # the truth, not a constituent
    table["values_block_1"] = [[0, 0], [1, 1], [0, 0], [0, 1], [2, 1], [0, 0]]
    path = folder / "toptag.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("table/table", data=table)
    return path


def write_rntuple(folder: Path) -> Path:
    """Our own layout once more, in ROOT's new container."""
    with uproot.open(write_jetnae(folder)) as file:
        data = file["events"].arrays(how=dict)
    path = folder / "rntuple.root"
    with uproot.recreate(path) as file:
        columns = {k: v for k, v in data.items() if not k.startswith("n")}
        file.mkrntuple("events", {k: str(ak.type(v).content) for k, v in columns.items()}).extend(columns)
    return path


def in_one_event() -> dict[str, dict[str, ak.Array]]:
    """All jets in one event: their four-vectors, and their constituents with the jet that each belongs to."""
    jets = random_constituents(COUNTS)
    total = dict(zip(("pt", "eta", "phi", "mass"), sum_constituents(jets), strict=True))
    flat = ak.flatten(jets)
    parts = {name: ak.Array([ak.to_numpy(flat[name])]) for name in total}
    return {
        "jets": {name: ak.Array([column]) for name, column in total.items()},
        "constituents": parts | {"jetIdx": ak.Array([np.repeat(np.arange(len(COUNTS)), COUNTS)])},
    }


def to_parquet(path: Path, columns: dict[str, ak.Array | np.ndarray]) -> Path:
    arrays = {
        name: ak.to_arrow(ak.Array(column), extensionarray=False, list_to32=True) for name, column in columns.items()
    }
    pyarrow.parquet.write_table(pa.table(arrays), path, row_group_size=2)
    return path


def write_pfnano_inline(folder: Path) -> Path:
    found = in_one_event()
    columns = {f"FatJet_{name}": column for name, column in found["jets"].items()}
    columns |= {f"FatJetPFCands_{name}": column for name, column in found["constituents"].items()}
    columns["FatJetPFCands_puppiWeight"] = ak.ones_like(columns["FatJetPFCands_pt"])
    path = folder / "inline.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: ak.type(column).content for name, column in columns.items()}).extend(columns)
    return path


def write_delphes(folder: Path) -> Path:
    """Tracks and towers, referred to by unique numbers with a process number in the upper byte."""
    found = in_one_event()
    n = sum(COUNTS)
    is_track = np.arange(n) % 3 > 0
    names = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass"}
    columns = {f"JetPUPPIAK8.{names[name]}": column for name, column in found["jets"].items()}
    for kind, mask, pt in (("EFlowTrack", is_track, "PT"), ("EFlowPhoton", ~is_track, "ET")):
        for name, theirs in (("pt", pt), ("eta", "Eta"), ("phi", "Phi")):
            columns[f"{kind}.{theirs}"] = ak.Array([ak.to_numpy(found["constituents"][name][0])[mask]])
        columns[f"{kind}.fUniqueID"] = ak.Array([(np.arange(n)[mask] + 7) | 0x01000000])
    references = ak.unflatten(np.arange(n) + 7, COUNTS)
    columns["JetPUPPIAK8.Constituents"] = ak.zip({"refs": ak.Array([ak.to_list(references)])}, depth_limit=2)
    return to_parquet(folder / "delphes.parquet", columns)


def write_unresolved_delphes(folder: Path) -> Path:
    """A second collection, `JetAK8`, whose references lead nowhere."""
    table = ak.from_parquet(write_delphes(folder))
    lost = ak.with_field(table["JetPUPPIAK8.Constituents"], table["JetPUPPIAK8.Constituents"].refs + 1000, "refs")
    columns = {name: table[name] for name in table.fields} | {"JetAK8.Constituents": lost}
    columns |= {f"JetAK8.{name}": table[f"JetPUPPIAK8.{name}"] for name in ("PT", "Eta", "Phi", "Mass")}
    ak.to_parquet(ak.Array(columns), folder / "both.parquet")
    return folder / "both.parquet"


def write_physlite(folder: Path) -> Path:
    """In MeV; each jet lists positions among the stored objects."""
    found = in_one_event()
    names = {"pt": "pt", "eta": "eta", "phi": "phi", "mass": "m"}
    unit = {"pt": 1000.0, "mass": 1000.0}
    columns = {
        f"{prefix}AuxDyn.{theirs}": found[kind][name] * unit.get(name, 1.0)
        for kind, prefix in (("jets", "AnalysisLargeRJets"), ("constituents", "UFOCSSK"))
        for name, theirs in names.items()
    }
    links = ak.Array([ak.to_list(ak.unflatten(np.arange(sum(COUNTS)), COUNTS))])
    columns["AnalysisLargeRJetsAuxDyn.constituentLinks"] = ak.zip({"m_persKey": links * 0 + 9, "m_persIndex": links})
    return to_parquet(folder / "physlite.parquet", columns)


def write_jetclass_parquet(folder: Path) -> Path:
    columns: dict[str, ak.Array | np.ndarray] = {f"part_{name}": column for name, column in cartesian().items()}
    return to_parquet(folder / "jetclass.parquet", columns | {"label_QCD": np.array([1, 0, 1, 0, 0, 1])})


def padded(names: tuple[str, ...], n_slots: int = 40) -> np.ndarray:
    jets = random_constituents(COUNTS)
    slots = np.zeros((len(COUNTS), n_slots, len(names)))
    for i, name in enumerate(names):
        slots[..., i] = ak.to_numpy(ak.fill_none(ak.pad_none(getattr(jets, name), n_slots, clip=True), 0.0))
    return slots


def write_jetnet(folder: Path) -> Path:
    jets = random_constituents(COUNTS)
    pt, eta, _, mass = sum_constituents(jets)
    slots = padded(("eta", "phi", "pt", "pt"))
    slots[..., 0] -= eta[:, None]
    slots[..., 2] /= np.maximum(pt, 1e-9)[:, None]
    slots[..., 3] = slots[..., 3] > 0
    path = folder / "jetnet.hdf5"
    with h5py.File(path, "w") as file:
        file["particle_features"] = slots
        file["jet_features"] = np.stack([pt, eta, mass, np.array(COUNTS, dtype=float)], axis=1)
    return path


def write_energyflow(folder: Path) -> Path:
    slots = padded(("pt", "eta", "phi", "mass"))
    slots[..., 3] = np.where(slots[..., 0] > 0, 22, 0)  # photons: the rapidity is the pseudorapidity
    np.savez_compressed(folder / "energyflow.npz", X=slots, y=np.array([0.0, 1, 0, 1, 1, 0]))
    return folder / "energyflow.npz"


def write_structured(folder: Path) -> Path:
    jets = random_constituents(COUNTS)
    names = ("pt", "eta", "phi", "mass")
    table = np.zeros(len(COUNTS), dtype=[(name, "f4") for name in names] + [("label", "i4")])
    for name, column in zip(names, sum_constituents(jets), strict=True):
        table[name] = column
    table["label"] = [0, 1, 0, 1, 1, 0]
    slots = np.zeros((len(COUNTS), 40), dtype=[(name, "f4") for name in names] + [("valid", "?")])
    values = padded(names)
    for i, name in enumerate(names):
        slots[name] = values[..., i]
    slots["valid"] = values[..., 0] > 0
    with h5py.File(folder / "structured.h5", "w") as file:
        file["jets"], file["constituents"] = table, slots
    return folder / "structured.h5"


def write_toptag_fixed(folder: Path) -> Path:
    """The same columns as pandas writes them in its fixed format."""
    with h5py.File(write_toptag(folder), "r") as file:
        table = file["table/table"][:]
    path = folder / "fixed.h5"
    with h5py.File(path, "w") as file:
        file["df/block0_values"] = table["values_block_0"]
        file["df/block1_values"] = table["values_block_1"]
        file["df/axis1"] = np.arange(len(table))
    return path


WRITERS = {
    "jetnae": write_jetnae,
    "jetnae (RNTuple)": write_rntuple,
    "pfnano": write_pfnano,
    "pfnano-inline": write_pfnano_inline,
    "nanoaod-v15": write_nano_v15,
    "delphes": write_delphes,
    "physlite": write_physlite,
    "jetclass": write_jetclass,
    "jetclass (Parquet)": write_jetclass_parquet,
    "jetclass2": write_jetclass2,
    "toptag": write_toptag,
    "toptag (fixed)": write_toptag_fixed,
    "jetnet": write_jetnet,
    "energyflow": write_energyflow,
    "structured": write_structured,
}
"""Layout, with the container where there are several, to a function that writes a file of it into a folder."""


def write_nanoaod(folder: Path) -> Path:
    return _without_constituents(folder, "Events", {name: f"FatJet_{name}" for name in ("pt", "eta", "phi", "mass")})


def write_treemaker(folder: Path) -> Path:
    names = {"pt": "fPt", "eta": "fEta", "phi": "fPhi", "energy": "fE"}
    columns = {key: f"JetsAK8.fCoordinates.{name}" for key, name in names.items()}
    return _without_constituents(folder, "TreeMaker2/PreSelection", columns)


def write_treemaker_skim(folder: Path) -> Path:
    names = {"pt": "fPt", "eta": "fEta", "phi": "fPhi", "energy": "fE"}
    return _without_constituents(folder, "Events", {key: f"JetsAK8_.{name}" for key, name in names.items()})


def write_treemaker_unsplit(folder: Path) -> Path:
    jets = _jet_vectors()
    momentum = ak.zip({"fX": jets["px"], "fY": jets["py"], "fZ": jets["pz"]})
    return to_parquet(folder / "unsplit.parquet", {"JetsAK8": ak.zip({"fP": momentum, "fE": jets["energy"]})})


def _jet_vectors() -> dict[str, ak.Array]:
    total = ak.sum(random_constituents(COUNTS), axis=1)
    names = ("pt", "eta", "phi", "mass", "energy", "px", "py", "pz")
    return {name: ak.Array([ak.to_numpy(getattr(total, name))]) for name in names}


def _without_constituents(folder: Path, tree: str, names: dict[str, str]) -> Path:
    jets = _jet_vectors()
    columns = {theirs: jets[ours] for ours, theirs in names.items()}
    path = folder / "jets.root"
    with uproot.recreate(path) as file:
        file.mktree(tree, {name: ak.type(column).content for name, column in columns.items()}).extend(columns)
    return path


FEATURES_ONLY = {
    "nanoaod": write_nanoaod,
    "treemaker": write_treemaker,
    "treemaker-skim": write_treemaker_skim,
    "treemaker-unsplit": write_treemaker_unsplit,
}
"""Layouts of jets without constituents."""


def write_pfcands(folder: Path) -> Path:
    """Candidates without any link to jets."""
    jets = random_constituents(COUNTS)
    columns = {f"PFCands_{name}": jets[name] for name in ("pt", "eta", "phi", "mass")}
    path = folder / "skim.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: ak.type(column).content for name, column in columns.items()}).extend(columns)
    return path


def write_lhco(folder: Path) -> Path:
    """Events of 700 massless slots, in the fixed format of pandas, with a label."""
    rows = np.zeros((len(COUNTS), 2101))
    rows[:, :2100] = padded(("pt", "eta", "phi"), 700).reshape(len(COUNTS), 2100)
    rows[:, 2100] = [0, 1, 0, 1, 1, 0]
    path = folder / "lhco.h5"
    with h5py.File(path, "w") as file:
        file["df/block0_values"] = rows
    return path


EVENTS = {"pfcands": write_pfcands, "lhco": write_lhco}
"""Layouts of events in which jets have to be found."""


def write_crossings(folder: Path, n: int = 24) -> Path:
    """Bunch crossings: regions with more or less pile-up, and something hard in every sixth, of label 1."""
    rng = np.random.default_rng(3)
    label = (np.arange(n) % 6 == 5).astype(np.uint8)
    npv = rng.integers(10, 91, n)
    regions = rng.poisson(npv[:, None, None] / 3, (n, 18, 14))
    regions[np.arange(n), rng.integers(18, size=n), rng.integers(14, size=n)] += 20 + 150 * label
    objects = np.zeros((n, 19, 3), dtype=np.int16)
    objects[:, 9:12, 0] = np.sort(rng.integers(10, 90, (n, 3)) + 150 * label[:, None], axis=1)[:, ::-1]
    objects[:, 9:12, 1:] = rng.integers(-60, 61, (n, 3, 2))
    columns = {
        "regions": regions.astype(np.uint16),
        "objects": objects.reshape(n, 57),
        "label": label,
        "npv": npv.astype(np.uint16),
        "total_et": (regions.sum(axis=(1, 2)) / 2).astype(np.float32),
        "leading_jet_pt": objects[:, 9, 0] * np.float32(0.5),
        "leading_jet_eta": objects[:, 9, 1] * np.float32(3 / 70),
        "leading_jet_phi": objects[:, 9, 2] * np.float32(np.pi / 72),
        "luminosityBlock": 1 + np.arange(n, dtype=np.uint32) // 10,
        "event": np.arange(n, dtype=np.uint64) + 1,
    }
    path = folder / "crossings.h5"
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file[f"crossings/{name}"] = column
    return path


CROSSINGS = {"crossings": write_crossings}
"""Layouts of what a trigger sees, one crossing per row."""
