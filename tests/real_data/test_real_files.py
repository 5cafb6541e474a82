"""Files that nobody here wrote: read and scored without any option but the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.features import EVENT_FEATURES, event_features, jet_features
from jetnae.io import read_jets
from jetnae.io.scores import read_scores
from tests.test_cli import fails, jetnae


@dataclass(frozen=True)
class Expected:
    """What a file is read as, and what can be done with it: images where there are constituents, else features."""

    layout: str
    collection: str
    n_events: int
    n_jets: int
    images: bool = True
    features: tuple[str, ...] = ()
    met: bool = True


NANO = ("sd_mass", "tau1", "tau21", "sd_n2")
FILES = {
    "nano/pfnano.root": Expected("pfnano", "FatJet", 10, 24, features=("girth", "efp_2_0")),
    "nano/nano_tt_v15.root": Expected("nanoaod-v15", "FatJet", 200, 64, features=("girth",)),
    "nano/nano_tt_v12.root": Expected("nanoaod", "FatJet", 200, 116, images=False, features=(*NANO, "multiplicity")),
    "nano/nano_dimuon.root": Expected("nanoaod", "FatJet", 40, 7, images=False, features=NANO),
    "nano/nano_dy_empty.root": Expected("nanoaod", "FatJet", 0, 0, images=False, features=NANO),
    "nano/nano_dy_rntuple.root": Expected("nanoaod", "FatJet", 40, 0, images=False, features=NANO),
    "delphes/sophon_events_delphes_example.root": Expected("delphes", "JetPUPPIAK8", 10, 22, features=("girth",)),
    "delphes/skhep_uproot-issue513.root": Expected("delphes", "Jet", 10, 60, features=("girth",), met=False),
    "jetclass2/JetClassII_example.root": Expected("jetclass2", "jet", 100, 100, features=("n2",), met=False),
    "jetclass2/JetClassII_example.parquet": Expected("jetclass2", "jet", 100, 100, features=("n2",), met=False),
    "physlite/PHYSLITE_example.root": Expected(
        "physlite", "AnalysisLargeRJets", 100, 97, images=False, features=("tau21", "c2", "d2"), met=False
    ),
    "treemaker/treemaker.root": Expected(
        "treemaker", "JetsAK8", 10, 20, images=False, features=("girth", "ptd", "major_axis", "photon_fraction")
    ),
    "lhco/events_anomalydetection_tiny.h5": Expected("lhco", "event", 1000, 2492, features=("girth",), met=False),
    "toptag/sample_blosc.h5": Expected("toptag", "jet", 3000, 3000, features=("girth",), met=False),
}
QUICK = [name for name in FILES if "rntuple" not in name]  # uproot takes seconds to open one of two thousand fields
WITH_IMAGES = [name for name, file in FILES.items() if file.images]
WITH_FEATURES = [name for name, file in FILES.items() if not file.images and "physlite" not in name]


def file_in(real_data: Path, name: str) -> Path:
    if not (real_data / name).exists():
        pytest.skip(f"{name} is not here")
    return real_data / name


@pytest.mark.parametrize("name", FILES)
def test_inspect_says_what_is_in_the_file(name: str, real_data: Path, tmp_path: Path) -> None:
    expected, path = FILES[name], file_in(real_data, name)
    result = jetnae("inspect", path, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = dict(line.strip().split("  ", 1) for line in result.stdout.splitlines() if not line.startswith(" " * 17))
    assert lines["read as"].startswith(f"{expected.layout}, jets {expected.collection}")
    assert lines["jets"] == f"{expected.n_jets} in the first {expected.n_events} of {expected.n_events} events"
    assert f"{expected.layout} in " in result.stdout
    named = result.stdout.split("features  ")[1].split("models  ")[0].replace("event variables", "").split()
    assert {f"{feature}" for feature in expected.features} <= {each.strip(",") for each in named}
    assert ("rt," in named) == expected.met
    fits = "fits, " if expected.images else "does not fit, it needs constituents"
    assert lines["models"].startswith(f"qcd_ak8_nae: {fits}")


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_score_without_any_option(name: str, real_data: Path, tmp_path: Path) -> None:
    expected, path = FILES[name], file_in(real_data, name)
    result = jetnae("score", path, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"layout {expected.layout}, jets {expected.collection}" in result.stdout
    suffix = ".root" if path.suffix == ".root" else ".h5"
    scores = read_scores(tmp_path / f"{path.stem}.scores{suffix}")
    assert (len(scores.counts), len(scores.jets["score"])) == (expected.n_events, expected.n_jets)
    assert scores.counts.tolist() == read_jets(path).jets_per_event.tolist()
    np.testing.assert_array_equal(np.isnan(scores.jets["score"]), scores.jets["status"] == 1)
    assert np.isnan(scores.jets["score"]).sum() == (2 if "v15" in name else 0)  # two jets there have no candidates


@pytest.mark.parametrize("name", WITH_FEATURES)
def test_features_of_the_file_are_scored_without_any_option(name: str, real_data: Path, tmp_path: Path) -> None:
    expected, path = FILES[name], file_in(real_data, name)
    result = jetnae("score", path, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    reason = f"the jets '{expected.collection}' (layout {expected.layout}) have no constituents"
    assert f"chosen  qcd_ak8_nae_features: {reason}" in result.stdout
    scores = read_scores(tmp_path / f"{path.stem}.scores.root")
    assert (len(scores.counts), len(scores.jets["score"])) == (expected.n_events, expected.n_jets)
    assert np.isfinite(scores.jets["score"]).all()
    pt = scores.jets["pt"]
    np.testing.assert_array_equal(
        scores.jets["in_range"], (pt >= 200) & (pt <= 1000) & (np.abs(scores.jets["eta"]) <= 2)
    )


def test_the_features_of_the_model_are_those_of_the_file(real_data: Path) -> None:
    """Taken from the columns of a file, or computed from its constituents; its masses have corrections."""
    path, names = file_in(real_data, "nano/nano_tt_v15.root"), ("tau1", "tau21", "tau32", "sd_mass")
    columns = ("tau1", "tau2", "tau3", "sd_mass")
    stored, own = (
        jet_features(read_jets(path, layout=layout, columns=columns), names) for layout in ("nanoaod", "nanoaod-v15")
    )
    soft = stored["sd_mass"] > 10
    for name in names:
        ratio = own[name][soft] / stored[name][soft]
        assert np.median(np.abs(ratio - 1)) < (0.2 if name == "sd_mass" else 0.01)


def test_trimmed_jets_of_another_radius_have_no_bundled_model(real_data: Path, tmp_path: Path) -> None:
    name = "physlite/PHYSLITE_example.root"
    expected, path = FILES[name], file_in(real_data, name)
    message = fails("score", path, cwd=tmp_path)
    assert "no bundled model fits the jets 'AnalysisLargeRJets' (layout physlite)" in message
    assert "qcd_ak8_nae needs constituents; qcd_ak8_nae_features needs sd_mass" in message
    assert all(feature in message for feature in expected.features)


@pytest.mark.parametrize("name", QUICK)
def test_features_of_the_file_are_finite_numbers(name: str, real_data: Path) -> None:
    expected, path = FILES[name], file_in(real_data, name)
    jets = read_jets(path, columns=("met_pt", "met_phi") if expected.met else ())
    features = jet_features(jets, expected.features)
    assert all(len(column) == expected.n_jets for column in features.values())
    filled = np.ones(len(jets), dtype=bool) if jets.constituents is None else jets.n_constituents > 0
    assert all(np.isfinite(column[filled]).all() for column in features.values())
    if expected.met:
        assert set(event_features(jets)) == set(EVENT_FEATURES)


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


def test_delphes_constituents_sum_to_their_jet_exactly(real_data: Path) -> None:
    """Transversely: candidates are given as seen from the origin, jets as seen from the vertex along the beam."""
    jets = read_jets(file_in(real_data, "delphes/sophon_events_delphes_example.root"))
    total = ak.sum(jets.constituents, axis=1)
    assert jets.n_dropped == 0
    np.testing.assert_allclose(ak.to_numpy(total.pt), jets.pt, rtol=2e-6)
    np.testing.assert_allclose(ak.to_numpy(total.phi), jets.phi, atol=2e-6)


def test_delphes_jets_of_tracks_and_towers_close_up_to_their_correction(real_data: Path) -> None:
    """The pt of the jets contains the energy scale correction, some GeV; every reference leads somewhere."""
    jets = read_jets(file_in(real_data, "delphes/skhep_uproot-issue513.root"))
    total = ak.to_numpy(ak.sum(jets.constituents, axis=1).pt)
    assert (jets.n_dropped, int(jets.n_constituents.sum())) == (0, 636)
    assert (total < jets.pt * (1 + 1e-5)).all()
    assert 1.5 < np.median(jets.pt - total) < 3.5


def test_delphes_collections_without_stored_objects_are_an_error(real_data: Path) -> None:
    path = file_in(real_data, "delphes/sophon_events_delphes_example.root")
    with pytest.raises(InputError, match=r"'JetAK8' refer to objects that are not stored.*JetPUPPIAK8, JetPUPPIAK15"):
        read_jets(path, collection="JetAK8")
    with pytest.raises(InputError, match=r"no jet collection 'JetAK4', found JetPUPPIAK8, JetAK8"):
        read_jets(path, collection="JetAK4")


def test_root_and_parquet_hold_the_same_jets(real_data: Path) -> None:
    root, parquet = (
        read_jets(file_in(real_data, f"jetclass2/JetClassII_example.{suffix}")) for suffix in ("root", "parquet")
    )
    assert ak.to_list(root.constituents) == ak.to_list(parquet.constituents)
    for name in ("pt", "eta", "phi", "mass", "label", "event_index"):
        np.testing.assert_array_equal(getattr(root, name), getattr(parquet, name))


def test_clustered_events_have_the_published_jets(real_data: Path) -> None:
    """LHC Olympics: events were selected with a leading jet above 1200 GeV, at R = 1."""
    jets = read_jets(file_in(real_data, "lhco/events_anomalydetection_tiny.h5"))
    assert jets.radius == 1.0
    pt = ak.unflatten(jets.pt, jets.jets_per_event)
    assert ak.min(pt[:, 0]) == pytest.approx(1200.0, abs=0.05)
    assert jets.label is not None
    label = ak.unflatten(jets.label, jets.jets_per_event)
    two = ak.num(pt) >= 2
    signal = ak.to_numpy(label[two][:, 0]) == 1
    assert int(ak.sum(label[:, 0])) == 93
    mjj = event_features(jets, ["mjj"])["mjj"][ak.to_numpy(two)]
    assert np.median(mjj[signal]) == pytest.approx(3466, abs=1)
    mass = ak.unflatten(jets.mass, jets.jets_per_event)[two]
    lighter = np.minimum(ak.to_numpy(mass[:, 0]), ak.to_numpy(mass[:, 1]))
    assert np.median(lighter[signal]) == pytest.approx(109, abs=0.5)


def test_momenta_of_physlite_are_in_gev(real_data: Path) -> None:
    jets = read_jets(file_in(real_data, "physlite/PHYSLITE_example.root"))
    assert 100 < np.median(jets.pt) < 1000
    assert 5 < np.median(jets.mass) < 200


def test_collision_data_have_no_weights(real_data: Path) -> None:
    assert read_jets(file_in(real_data, "nano/nano_dimuon.root")).weight is None
    assert read_jets(file_in(real_data, "nano/nano_tt_v12.root")).weight is not None


@pytest.mark.parametrize(
    ("name", "suffix"),
    [*((name, ".root") for name in QUICK), ("nano/pfnano.root", ".h5"), ("nano/nano_tt_v12.root", ".h5")],
)
def test_a_converted_file_holds_the_same_jets(name: str, suffix: str, real_data: Path, tmp_path: Path) -> None:
    path = file_in(real_data, name)
    result = jetnae("convert", path, f"own{suffix}", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    mine, theirs = read_jets(tmp_path / f"own{suffix}"), read_jets(path)
    assert mine.layout == "jetnae"
    np.testing.assert_array_equal(mine.event_index, theirs.event_index)
    for column in ("pt", "eta", "phi", "mass"):
        np.testing.assert_allclose(getattr(mine, column), getattr(theirs, column), rtol=1e-6, atol=1e-6)
    assert (mine.label is None) == (theirs.label is None)
    if theirs.constituents is not None:
        assert mine.n_constituents.tolist() == theirs.n_constituents.tolist()
        np.testing.assert_allclose(ak.flatten(mine.constituents.pt), ak.flatten(theirs.constituents.pt), rtol=1e-6)
    else:
        assert set(mine.columns) == set(theirs.columns)
