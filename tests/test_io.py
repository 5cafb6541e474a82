"""Contracts of the readers, and what they say about files they cannot read."""

from __future__ import annotations

import os
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from jetnae.errors import InputError
from jetnae.io import LAYOUTS, ReadOptions, iter_jets, open_jets, read_jets
from jetnae.io.root import _is_numeric
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


WRITERS = {
    "jetnae": write_jetnae,
    "pfnano": write_pfnano,
    "nanoaod-v15": write_nano_v15,
    "jetclass": write_jetclass,
    "jetclass2": write_jetclass2,
    "toptag": write_toptag,
}


def test_every_layout_is_tested() -> None:
    assert set(WRITERS) == set(LAYOUTS)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_same_jets(layout: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    jets = read_jets(path)
    expected = random_constituents(COUNTS)
    assert (jets.layout, len(jets), jets.n_dropped) == (layout, len(COUNTS), 0)
    assert jets.n_constituents.tolist() == COUNTS
    for jet, other in zip(jets.constituents, expected, strict=True):
        mine, theirs = (np.sort(ak.to_numpy(each.pt)) for each in (jet, other))
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)
    total = ak.sum(expected, axis=1)
    filled = np.array(COUNTS) > 0
    np.testing.assert_allclose(jets.pt[filled], ak.to_numpy(total.pt)[filled], rtol=1e-5)
    np.testing.assert_allclose(
        jets.mass[np.array(COUNTS) > 2], ak.to_numpy(total.mass)[np.array(COUNTS) > 2], rtol=1e-3
    )
    with open_jets(path) as file:
        assert (file.match.layout.name, file.n_events) == (layout, jets.n_events)


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("chunk_size", [1, 2, 5, 100])
def test_the_chunk_size_changes_nothing(layout: str, chunk_size: int, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    whole = read_jets(path)
    chunks = list(iter_jets(path, ReadOptions(chunk_size=chunk_size)))
    assert all(chunk.n_events <= chunk_size for chunk in chunks)
    assert [chunk.first_event for chunk in chunks] == list(range(0, max(whole.n_events, 1), chunk_size))
    joined = [jet for chunk in chunks for jet in ak.to_list(chunk.constituents)]
    assert joined == ak.to_list(whole.constituents)
    assert np.concatenate([chunk.event_index for chunk in chunks]).tolist() == whole.event_index.tolist()


@pytest.mark.parametrize("layout", ["jetclass", "jetclass2", "toptag"])
def test_labels_are_zero_for_qcd(layout: str, tmp_path: Path) -> None:
    label = read_jets(WRITERS[layout](tmp_path)).label
    assert label is not None
    assert label.tolist() == [0, 1, 0, 1, 1, 0]


def test_an_empty_tree_gives_one_empty_batch(tmp_path: Path) -> None:
    jets = read_jets(write_events(tmp_path / "empty.root", []))
    assert (len(jets), jets.n_events) == (0, 0)


def test_event_columns_pass_through(events_root: Path) -> None:
    jets = read_jets(events_root, keep=("nJet",))
    assert jets.events["event"].tolist() == list(range(100, 107))
    assert jets.events["nJet"].tolist() == jets.jets_per_event.tolist() == [2, 1, 0, 3, 1, 3, 1]
    assert jets.label is not None
    assert jets.label.tolist() == [i % 2 for i in range(11)]


def test_bad_constituents_are_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "bad.root"
    constituents = {
        "pt": [[1.0, np.nan, 2.0, -3.0, 0.0, 4.0, 5.0, 1e30]],
        "eta": [[0.0, 0.0, np.inf, 0.0, 0.0, 0.0, 0.0, 0.0]],
        "phi": [[0.0] * 8],
        "mass": [[0.0] * 8],
        "jetIdx": np.array([[0, 0, 0, 0, 0, 0, 9, 0]]),
    }
    jets = {name: [[7.0]] for name in ("pt", "eta", "phi", "mass")}
    data = {"Jet": ak.zip({k: ak.Array(v) for k, v in jets.items()})}
    data["Constituent"] = ak.zip({k: ak.Array(v) for k, v in constituents.items()})
    with uproot.recreate(path) as file:
        types = {name: ak.type(column).content for name, column in data.items()}
        file.mktree("events", types, counter_name=lambda name: f"n{name}").extend(data)
    read = read_jets(path)
    # not finite: 2, negative: 1, of no jet: 1, absurd: 1; the empty one is no error
    assert read.n_dropped == 5
    assert ak.to_list(read.constituents.pt) == [[1.0, 4.0]]


def rewritten(path: Path, **changes: ak.Array) -> Path:
    """A copy of the tree in a file of our own layout with columns replaced or added."""
    with uproot.open(path) as file:
        data = {k: v for k, v in file["events"].arrays(how=dict).items() if k not in {"nJet", "nConstituent"}}
    data |= changes
    types = {k: ak.type(v).content for k, v in data.items()}
    with uproot.recreate(path.with_name("rewritten.root")) as file:
        file.mktree("events", types).extend(data)
    return path.with_name("rewritten.root")


@pytest.mark.parametrize("name", ["Jet_eta", "Jet_label", "Constituent_phi", "Constituent_jetIdx"])
def test_columns_that_contradict_each_other_are_refused(name: str, events_root: Path) -> None:
    with uproot.open(events_root) as file:
        column = file["events"][name].array()
    shifted = ak.concatenate([column[1:], column[:1]])  # as many values, but of other events
    assert len(read_jets(rewritten(events_root))) == 11
    with pytest.raises(InputError, match="do not fit together"):
        read_jets(rewritten(events_root, **{name: shifted}))


@pytest.mark.parametrize("pt", [1e-39, 1e-7, 1e9])
def test_momenta_that_no_pixel_can_hold_are_dropped(pt: float, events_root: Path) -> None:
    with uproot.open(events_root) as file:
        column = file["events"]["Constituent_pt"].array()
    jets = read_jets(rewritten(events_root, Constituent_pt=ak.ones_like(column) * pt))
    assert jets.n_constituents.sum() == 0
    assert jets.n_dropped == ak.count(column)


def test_only_numbers_are_kept(events_root: Path) -> None:
    n = 7
    path = rewritten(events_root, jetnae_score=ak.Array(np.zeros(n)), flag=ak.Array(np.arange(n) % 2 == 0))
    kept = read_jets(path, keep=("weight", "flag", "Jet_pt")).events
    assert kept["weight"].tolist() == kept["jetnae_weight"].tolist()
    assert kept["flag"].tolist() == [True, False] * 3 + [True]
    assert kept["Jet_pt"].ndim == 2
    with pytest.raises(InputError, match="our own columns"):
        read_jets(path, keep=("jetnae_score",))
    with uproot.recreate(path) as file:
        file["events"] = {"text": ["a", "b"], "x": np.zeros(2)}
    with uproot.open(path) as file:
        assert not _is_numeric(file["events"]["text"].array(entry_stop=0))


def test_an_empty_table_gives_one_empty_batch(tmp_path: Path) -> None:
    path = write_toptag(tmp_path)
    with h5py.File(path, "r") as file:
        none = file["table/table"][:0]
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_dataset("table/table", data=none)
    jets = read_jets(tmp_path / "empty.h5")
    assert (len(jets), jets.n_events) == (0, 0)


def test_puppi_weights_scale_the_momenta(tmp_path: Path) -> None:
    path = write_pfnano(tmp_path)
    with uproot.open(path) as file:
        data = file["Events"].arrays(how=dict)
    data["PFCands_puppiWeight"] = ak.full_like(data["PFCands_puppiWeight"], 0.25)
    with uproot.recreate(tmp_path / "weighted.root") as file:
        file.mktree("Events", {k: ak.type(v).content for k, v in data.items() if not k.startswith("n")}).extend(
            {k: v for k, v in data.items() if not k.startswith("n")}
        )
    plain, weighted = read_jets(path), read_jets(tmp_path / "weighted.root")
    np.testing.assert_allclose(
        ak.to_numpy(ak.sum(weighted.constituents, axis=1).pt),
        0.25 * ak.to_numpy(ak.sum(plain.constituents, axis=1).pt),
        rtol=1e-5,
    )
    assert weighted.pt.tolist() == plain.pt.tolist()


def test_what_cannot_be_read_is_said(tmp_path: Path, events_root: Path) -> None:
    (tmp_path / "text.root").write_text("hello")
    (tmp_path / "empty.root").touch()
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("Events", {"nMuon": "int32"})
        file.mktree("ntuple", {"x": "float32"})
    with h5py.File(tmp_path / "other.h5", "w") as h5:
        h5["something"] = [1, 2]
    expected = {
        tmp_path / "missing.root": "No such file",
        tmp_path / "text.root": "not a ROOT or HDF5 file",
        tmp_path / "empty.root": "an empty file",
        tmp_path / "other.root": "lacks PFCands_pt",
        tmp_path / "other.h5": "found something",
        tmp_path: "Is a directory",
    }
    for path, message in expected.items():
        with pytest.raises(InputError, match=message):
            read_jets(path)
    with pytest.raises(InputError, match="choose one of jetnae, pfnano"):
        read_jets(events_root, layout="toptag")
    with pytest.raises(InputError, match=r"no jet collection 'Muon'.*found Jet"):
        read_jets(events_root, collection="Muon")
    with pytest.raises(InputError, match="no branch nothing"):
        read_jets(events_root, keep=("nothing",))
    with pytest.raises(InputError, match="expected at least 1"):
        ReadOptions(chunk_size=0)


@pytest.mark.parametrize("layout", ["jetnae", "toptag"])
def test_a_truncated_file_is_an_input_error(layout: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    size = path.stat().st_size
    for share in (0.05, 0.3, 0.6, 0.9, 0.99):
        cut = tmp_path / f"cut{path.suffix}"
        cut.write_bytes(path.read_bytes()[: int(share * size)])
        with pytest.raises(InputError, match=r"cut\.(root|h5)"):
            read_jets(cut)


class Hostile:
    """Unpickling this would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_pickled_attributes_are_never_opened(tmp_path: Path) -> None:
    import pickle

    path = write_toptag(tmp_path)
    trap = tmp_path / "trap"
    with h5py.File(path, "a") as file:
        hostile = np.bytes_(pickle.dumps(Hostile(trap), protocol=0))
        for name in ("values_block_0_kind", "values_block_1_kind"):
            file["table/table"].attrs[name] = hostile
        file["table"].attrs["non_index_axes"] = hostile
    assert len(read_jets(path)) == len(COUNTS)
    assert not trap.exists()
