"""Contracts of the readers, and what they say about files they cannot read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from jetnae.errors import InputError
from jetnae.io import LAYOUTS, READERS, ReadOptions, container_of, iter_jets, open_jets, open_source, read_jets
from jetnae.jets import concatenate
from tests.conftest import random_constituents, write_events
from tests.layout_files import (
    COUNTS,
    CROSSINGS,
    EVENTS,
    FEATURES_ONLY,
    WRITERS,
    write_pfnano,
    write_toptag,
)

ALL = WRITERS | FEATURES_ONLY | EVENTS | CROSSINGS


def test_every_layout_is_tested() -> None:
    assert {name.split(" (")[0] for name in ALL} == set(LAYOUTS)


def test_every_reader_is_tested(tmp_path: Path) -> None:
    assert {container_of(write(tmp_path)) for write in WRITERS.values()} == set(READERS)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_same_jets(layout: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    jets = read_jets(path)
    expected = random_constituents(COUNTS)
    assert (jets.layout, len(jets), jets.n_dropped) == (layout.split(" (", maxsplit=1)[0], len(COUNTS), 0)
    assert jets.constituents is not None
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
        assert (file.match.layout.name, file.n_events) == (jets.layout, jets.n_events)


@pytest.mark.parametrize("layout", FEATURES_ONLY)
def test_jets_without_constituents_keep_their_momenta(layout: str, tmp_path: Path) -> None:
    jets = read_jets(FEATURES_ONLY[layout](tmp_path))
    total = ak.sum(random_constituents(COUNTS), axis=1)
    assert (jets.layout, jets.constituents, jets.jets_per_event.tolist()) == (layout, None, [len(COUNTS)])
    filled = np.array(COUNTS) > 2
    np.testing.assert_allclose(jets.pt[filled], ak.to_numpy(total.pt)[filled], rtol=1e-5)
    np.testing.assert_allclose(jets.eta[filled], ak.to_numpy(total.eta)[filled], rtol=1e-4)
    np.testing.assert_allclose(jets.mass[filled], ak.to_numpy(total.mass)[filled], rtol=1e-3)
    with pytest.raises(InputError, match="stored without constituents"):
        _ = jets.n_constituents


@pytest.mark.parametrize("layout", ALL)
@pytest.mark.parametrize("chunk_size", [1, 2, 5, 100])
def test_the_chunk_size_changes_nothing(layout: str, chunk_size: int, tmp_path: Path) -> None:
    path = ALL[layout](tmp_path)
    whole = read_jets(path)
    chunks = list(iter_jets(path, ReadOptions(chunk_size=chunk_size)))
    assert all(chunk.n_events <= chunk_size for chunk in chunks)
    assert [chunk.first_event for chunk in chunks] == list(range(0, max(whole.n_events, 1), chunk_size))
    if whole.constituents is not None:
        joined = [jet for chunk in chunks for jet in ak.to_list(chunk.constituents)]
        assert joined == ak.to_list(whole.constituents)
    assert np.concatenate([chunk.pt for chunk in chunks]).tolist() == whole.pt.tolist()
    assert np.concatenate([chunk.event_index for chunk in chunks]).tolist() == whole.event_index.tolist()


@pytest.mark.parametrize(
    "layout",
    ["jetclass", "jetclass (Parquet)", "jetclass2", "toptag", "toptag (fixed)", "structured", "energyflow"],
)
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
    with open_source(path) as source:
        assert not source.is_numeric("events", "text")
        assert source.is_numeric("events", "x")


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
        tmp_path / "text.root": "expected a file of one of ROOT, HDF5, Parquet",
        tmp_path / "empty.root": "an empty file",
        tmp_path / "other.root": "lacks FatJet_pt",
        tmp_path / "other.h5": "found something",
        tmp_path: "Is a directory",
    }
    for path, message in expected.items():
        with pytest.raises(InputError, match=message):
            read_jets(path)
    with pytest.raises(InputError, match="choose one of jetnae, pfnano"):
        read_jets(events_root, layout="tiptop")
    with pytest.raises(InputError, match=r"'toptag' does not fit: found 'events'.*jetnae inspect"):
        read_jets(events_root, layout="toptag")
    with pytest.raises(InputError, match=r"no jet collection 'Muon'.*found Jet"):
        read_jets(events_root, collection="Muon")
    with pytest.raises(InputError, match="no column nothing to keep"):
        read_jets(events_root, keep=("nothing",))
    with pytest.raises(InputError, match="expected at least 1"):
        ReadOptions(chunk_size=0)


def test_columns_are_read_by_our_names_or_by_those_of_the_file(events_root: Path) -> None:
    with uproot.open(events_root) as file:
        pt = file["events"]["Jet_pt"].array()
    path = rewritten(events_root, Jet_tau1=pt / 100, Jet_odd=pt * 2, met_pt=ak.Array(np.arange(7.0)))
    assert not read_jets(path).columns
    jets = read_jets(path, columns=("tau1", "Jet_odd", "met_pt", "pt", "event"))
    np.testing.assert_allclose(jets.columns["tau1"], jets.pt / 100, rtol=1e-6)
    np.testing.assert_allclose(jets.columns["Jet_odd"], jets.pt * 2, rtol=1e-6)
    assert jets.events["met_pt"].tolist() == list(range(7))
    with pytest.raises(InputError, match="its lists have other lengths"):
        read_jets(path, columns=("Constituent_pt",))


def test_jets_are_found_in_events(tmp_path: Path) -> None:
    """Each event here is one narrow spray: its one jet is the sum of everything."""
    expected = ak.sum(random_constituents(COUNTS), axis=1)
    for layout, write in EVENTS.items():
        jets = concatenate(list(iter_jets(write(tmp_path), ReadOptions(radius=2.0, min_pt=20.0))))
        which = jets.event_index
        assert jets.layout == layout
        assert which.tolist() == [i for i in range(len(COUNTS)) if expected.pt[i] > 20]
        np.testing.assert_allclose(jets.pt, ak.to_numpy(expected.pt)[which], rtol=0.05)
        assert jets.n_constituents.tolist() == [COUNTS[i] for i in which]


def test_without_fastjet_the_extra_is_named(tmp_path: Path) -> None:
    path = EVENTS["lhco"](tmp_path)
    script = f"import sys; sys.modules['fastjet'] = None\nfrom jetnae.io import read_jets\nread_jets({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "MissingExtraError" in done.stderr
    assert "pip install 'jetnae[cluster]'" in done.stderr


def plain_parquet(path: Path, n_rows: int = 6, null_at: int | None = None) -> Path:
    """JetClass as pyarrow writes it when nothing is said: everything may be missing."""
    import pyarrow as pa
    import pyarrow.parquet

    lists: list[list[float | None] | None] = [[30.0 + i, 20.0, 5.0][: i % 3 + 1] for i in range(n_rows)]
    if null_at is not None:
        lists[null_at] = None
        lists[4] = [30.0, None]
    columns = dict.fromkeys(("part_px", "part_py", "part_pz"), lists)
    columns["part_energy"] = [row and [p and 3 * p for p in row] for row in lists]
    table = pa.table({**columns, "label_QCD": [i % 2 for i in range(n_rows)]})
    pyarrow.parquet.write_table(table, path, row_group_size=4)
    return path


@pytest.mark.parametrize("null_at", [None, 2])
@pytest.mark.parametrize("chunk_size", [1, 2, 5, 100])
def test_parquet_reads_the_same_whatever_is_missing_and_however_it_is_cut(
    chunk_size: int, null_at: int | None, tmp_path: Path
) -> None:
    jets = read_jets(plain_parquet(tmp_path / "plain.parquet", null_at=null_at))
    expected = [1, 2, 3, 1, 2, 3] if null_at is None else [1, 2, 0, 1, 1, 3]
    assert jets.n_constituents.tolist() == expected
    assert jets.n_dropped == (0 if null_at is None else 1)  # the missing number, not the missing list
    chunks = list(iter_jets(tmp_path / "plain.parquet", ReadOptions(chunk_size=chunk_size)))
    assert [jet for chunk in chunks for jet in ak.to_list(chunk.constituents)] == ak.to_list(jets.constituents)
