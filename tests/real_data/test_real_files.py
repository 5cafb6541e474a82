"""Files that nobody here wrote: read and scored without any option but the file."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.io import read_jets
from jetnae.io.scores import read_scores
from tests.test_cli import fails, jetnae

# file: layout, collection, events, jets
READABLE = {
    "nano/pfnano.root": ("pfnano", "FatJet", 10, 24),
    "nano/nano_tt_v15.root": ("nanoaod-v15", "FatJet", 200, 64),
    "jetclass2/JetClassII_example.root": ("jetclass2", "jet", 100, 100),
    "toptag/sample_blosc.h5": ("toptag", "jet", 3000, 3000),
}


@pytest.mark.parametrize("name", READABLE)
def test_score_without_any_option(name: str, real_data: Path, tmp_path: Path) -> None:
    layout, collection, n_events, n_jets = READABLE[name]
    path = real_data / name
    result = jetnae("score", path, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"layout {layout}, jets {collection}" in result.stdout
    scores = read_scores(tmp_path / f"{path.stem}.scores{path.suffix}")
    assert (len(scores.counts), len(scores.jets["score"])) == (n_events, n_jets)
    assert scores.counts.tolist() == read_jets(path).jets_per_event.tolist()
    np.testing.assert_array_equal(np.isnan(scores.jets["score"]), scores.jets["status"] == 1)
    assert np.isnan(scores.jets["score"]).sum() == (2 if "v15" in name else 0)  # two jets there have no candidates


@pytest.mark.parametrize("name", ["nano/pfnano.root", "nano/nano_tt_v15.root"])
def test_candidates_sum_to_the_raw_pt_of_the_jet(name: str, real_data: Path) -> None:
    jets = read_jets(real_data / name, keep=("FatJet_rawFactor",))
    raw_factor = ak.to_numpy(ak.flatten(jets.events["FatJet_rawFactor"])).astype(np.float64)
    raw = jets.pt * (1 - raw_factor)
    filled = jets.n_constituents > 0
    total = ak.to_numpy(ak.sum(jets.constituents, axis=1).pt)
    # NanoAOD keeps six bits of the mantissa of rawFactor: the raw pt is only known to half such a step
    rounding = 2.0 ** (np.floor(np.log2(np.abs(raw_factor))) - 7) / (1 - raw_factor)
    difference = np.abs(total / raw - 1)[filled]
    assert (difference < 0.002 + rounding[filled]).all()
    assert np.median(difference) < 0.001


def test_small_radius_jets_close_too(real_data: Path) -> None:
    jets = read_jets(real_data / "nano/pfnano.root", collection="Jet", keep=("Jet_rawFactor",))
    raw = jets.pt * (1 - ak.to_numpy(ak.flatten(jets.events["Jet_rawFactor"])))
    hard = jets.pt > 30  # a soft jet has few candidates, each stored with ten bits
    difference = np.abs(ak.to_numpy(ak.sum(jets.constituents, axis=1).pt) / raw - 1)
    assert np.median(difference[hard]) < 0.001
    assert (difference[hard] < 0.003).all()


def test_jetclass_constituents_sum_to_their_jet(real_data: Path) -> None:
    jets = read_jets(real_data / "jetclass2/JetClassII_example.root")
    total = ak.sum(jets.constituents, axis=1)
    np.testing.assert_allclose(ak.to_numpy(total.pt), jets.pt, rtol=1e-6)
    assert jets.label is not None
    assert jets.label.sum() == 79


def test_the_reference_layout_has_as_many_tops_as_qcd_jets(real_data: Path) -> None:
    jets = read_jets(real_data / "toptag/sample_blosc.h5")
    assert jets.label is not None
    assert (jets.label.sum(), len(jets)) == (1500, 3000)
    top, qcd = (jets.mass[jets.label == label] for label in (1, 0))
    assert np.median(qcd) < 100
    assert 150 < np.median(top) < 190


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nano/nano_tt_v12.root", "images need jets with constituents"),
        ("nano/nano_dimuon.root", "images need jets with constituents"),
        ("nano/nano_dy_empty.root", "images need jets with constituents"),
        ("nano/nano_dy_rntuple.root", "images need jets with constituents"),
        ("delphes/skhep_uproot-issue513.root", "found Delphes"),
        ("physlite/PHYSLITE_example.root", "found CollectionTree"),
        ("treemaker/treemaker.root", "found PreSelection"),
        ("lhco/events_anomalydetection_tiny.h5", "found df"),
    ],
)
def test_what_no_layout_fits_is_said(name: str, message: str, real_data: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_jets(real_data / name)


def test_a_file_without_constituents_is_one_line_at_the_command_line(real_data: Path, tmp_path: Path) -> None:
    assert "lacks PFCands_pt" in fails("score", real_data / "nano/nano_tt_v12.root", cwd=tmp_path)
