"""Which layout a file has, layouts of one's own, and what a layout promises about units, labels and references."""

from __future__ import annotations

import logging
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from jetnae.errors import InputError
from jetnae.io import ReadOptions, iter_jets, read_jets
from jetnae.jets import concatenate, select
from tests.layout_files import (
    COUNTS,
    CROSSINGS,
    EVENTS,
    FEATURES_ONLY,
    WRITERS,
    write_toptag,
    write_unresolved_delphes,
)

ALL = WRITERS | FEATURES_ONLY | EVENTS | CROSSINGS


def test_layouts_that_fit_equally_well_are_not_chosen_between(tmp_path: Path) -> None:
    path = WRITERS["toptag"](tmp_path)
    with h5py.File(path, "a") as file:
        file["copy/table"] = file["table/table"][:]
    with pytest.raises(InputError, match=r"toptag \('copy'\) and toptag \('table'\) fit equally well.*TOML"):
        read_jets(path)
    (tmp_path / "mine.toml").write_text(OWN_LAYOUT.replace('"*"', '"copy"'))
    assert len(read_jets(path, layout=str(tmp_path / "mine.toml"))) == len(COUNTS)


OWN_LAYOUT = """
name = "mine"
tree = "*"
[[collections]]
name = "jet"
link = "padded"
radius = 0.8
[collections.constituents]
energy = "floats@0:-4:4"
px = "floats@1:-4:4"
py = "floats@2:-4:4"
pz = "floats@3:-4:4"
"""


def test_a_layout_of_ones_own_reads_like_a_known_one(tmp_path: Path) -> None:
    path = WRITERS["toptag"](tmp_path)
    (tmp_path / "mine.toml").write_text(OWN_LAYOUT)
    mine, known = read_jets(path, layout=str(tmp_path / "mine.toml")), read_jets(path)
    assert (mine.layout, mine.radius, mine.label) == ("mine", 0.8, None)
    assert ak.to_list(mine.constituents) == ak.to_list(known.constituents)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('link = "padded"', 'link = "magic"', "collections.0.link"),
        ("radius = 0.8", "radios = 0.8", "unknown key 'radios'"),
        ('link = "padded"', 'link = "inline"', "the link 'inline' needs `jet_index`"),
        ('tree = "*"', "", "missing tree"),
    ],
)
def test_a_wrong_layout_file_is_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(OWN_LAYOUT.replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        read_jets(WRITERS["toptag"](tmp_path), layout=str(tmp_path / "mine.toml"))
    assert "\n" not in str(error.value)


def test_references_to_objects_that_are_not_stored_are_an_error(tmp_path: Path) -> None:
    path = write_unresolved_delphes(tmp_path)
    assert read_jets(path).collection == "JetPUPPIAK8"
    with pytest.raises(InputError, match=r"'JetAK8' refer to objects that are not stored \(0 % are\).*JetPUPPIAK8"):
        read_jets(path, collection="JetAK8")


def test_labels_that_are_neither_background_nor_signal_are_an_error(tmp_path: Path) -> None:
    path = write_toptag(tmp_path)
    with h5py.File(path, "a") as file:
        table = file["table/table"][:]
        table["values_block_1"][2, 1] = 7
        file["table/table"][...] = table
    with pytest.raises(InputError, match="the label 7 in integers@-1, expected 0 or 1"):
        read_jets(path)


def test_momenta_in_mev_are_doubted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = WRITERS["structured"](tmp_path)
    with caplog.at_level(logging.WARNING):
        assert len(read_jets(path)) == len(COUNTS)
    assert not caplog.records
    with h5py.File(path, "a") as file:
        jets = file["jets"][:]
        for name in ("pt", "mass"):
            jets[name] *= 1000
        file["jets"][...] = jets
    with caplog.at_level(logging.WARNING):
        median = np.median(read_jets(path).pt)
    assert f"the median jet pT is {median:.0f} GeV, these look like MeV" in caplog.text


@pytest.mark.parametrize("layout", ["jetclass", "jetclass (Parquet)", "jetnae", "structured"])
def test_only_the_constituents_are_needed(layout: str, tmp_path: Path) -> None:
    """Jets, labels and multiplicities are recomputed, or absent, where a file has none."""
    path = WRITERS[layout](tmp_path)
    whole = read_jets(path)
    if path.suffix == ".root":
        with uproot.open(path) as file:
            name = file.keys()[0]
            data = {k: v for k, v in file[name].arrays(how=dict).items() if k.startswith(("part", "Const"))}
        with uproot.recreate(path) as file:
            file.mktree(name.split(";")[0], {k: ak.type(v).content for k, v in data.items()}).extend(data)
    elif path.suffix == ".parquet":
        table = ak.from_parquet(path)
        ak.to_parquet(table[[name for name in table.fields if name.startswith("part")]], path)
    else:
        with h5py.File(path, "a") as file:
            del file["jets"]
    bare = read_jets(path)
    if layout == "jetnae":  # a jet that no constituent names leaves no trace there
        whole = select(whole, whole.n_constituents > 0)
    assert (bare.label, ak.to_list(bare.constituents)) == (None, ak.to_list(whole.constituents))
    np.testing.assert_allclose(bare.pt, whole.pt, rtol=1e-5)
    filled = bare.n_constituents > 2
    np.testing.assert_allclose(bare.mass[filled], whole.mass[filled], rtol=1e-3)


def test_the_radius_is_that_of_the_clustering(tmp_path: Path) -> None:
    path = EVENTS["lhco"](tmp_path)
    assert read_jets(path).radius == 1.0
    assert concatenate(list(iter_jets(path, ReadOptions(radius=0.4)))).radius == 0.4
    with pytest.raises(InputError, match="radius = 0"):
        list(iter_jets(path, ReadOptions(radius=0.0)))
    with pytest.raises(InputError, match="are stored; radius"):
        list(iter_jets(WRITERS["jetnet"](tmp_path), ReadOptions(radius=0.4)))


def test_momenta_of_events_have_the_unit_of_the_jets(tmp_path: Path) -> None:
    path = WRITERS["jetclass"](tmp_path)
    (tmp_path / "mev.toml").write_text(
        'name = "mev"\ntree = "tree"\nunit = "MeV"\nevents = { met_pt = "label_QCD" }\n[[collections]]\nname = "jet"\n'
        'link = "per_row"\nconstituents = { px = "part_px", py = "part_py", pz = "part_pz", energy = "part_energy" }\n'
    )
    mev = read_jets(path, layout=str(tmp_path / "mev.toml"), columns=("met_pt",))
    np.testing.assert_allclose(mev.pt, read_jets(path).pt / 1000, rtol=1e-5)
    assert mev.events["met_pt"].tolist() == [0.001, 0, 0.001, 0, 0, 0.001]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('pz = "floats@3:-4:4"', "", "expected {eta, phi, pt}"),
        ("floats@3:-4:4", "floats@3:-4:0", "expected NAME, NAME@FIELD"),
        ("floats@3:-4:4", "floats@a:b", "expected NAME, NAME@FIELD"),
        ('tree = "*"', 'tree = "*"\nevents = { wieght = "w" }', "unknown events wieght"),
        ("radius = 0.8", 'label = { name = "l", background = [1, 0] }', r"expected \[lowest, highest\]"),
        ("radius = 0.8", 'jets = { pt = "a", eta = "b" }', "jets = {eta, pt}, expected"),
    ],
)
def test_a_layout_that_contradicts_itself_is_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(OWN_LAYOUT.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_jets(WRITERS["toptag"](tmp_path), layout=str(tmp_path / "mine.toml"))


def test_events_in_mev_are_clustered_as_those_in_gev(tmp_path: Path) -> None:
    path = EVENTS["pfcands"](tmp_path)
    with uproot.open(path) as file:
        data = file["Events"].arrays(how=dict)
    scaled = {k: v * 1000 if k.endswith(("_pt", "_mass")) else v for k, v in data.items() if not k.startswith("n")}
    with uproot.recreate(tmp_path / "mev.root") as file:
        file.mktree("Events", {k: ak.type(v).content for k, v in scaled.items()}).extend(scaled)
    (tmp_path / "mev.toml").write_text(
        'name = "mev"\ntree = "Events"\nunit = "MeV"\n[[collections]]\nname = "PF"\nlink = "cluster"\n'
        'constituents = { pt = "PFCands_pt", eta = "PFCands_eta", phi = "PFCands_phi", mass = "PFCands_mass" }\n'
    )
    gev = read_jets(path)
    mev = read_jets(tmp_path / "mev.root", layout=str(tmp_path / "mev.toml"))
    assert 0 < len(gev) == len(mev)
    np.testing.assert_allclose(mev.pt, gev.pt, rtol=1e-6)
