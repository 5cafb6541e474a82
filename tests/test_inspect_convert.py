"""Looking into files and converting them, as a user does it."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from jetnae.io import read_jets
from tests.conftest import write_events
from tests.layout_files import WRITERS, write_nanoaod, write_unresolved_delphes
from tests.test_cli import fails, jetnae

PDF, PNG = b"%PDF", b"\x89PNG"


def inspected(path: Path, *options: object, cwd: Path) -> str:
    result = jetnae("inspect", path, *options, cwd=cwd)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_inspect_describes_the_jets(events_root: Path, tmp_path: Path) -> None:
    output = inspected(events_root, cwd=tmp_path)
    jets = read_jets(events_root)
    for expected in (
        "(ROOT, ",
        "events: 7 rows",
        "jetnae in 'events' fits: Jet (constituents)",
        "read as  jetnae, jets Jet",
        "jets  11 in the first 7 of 7 events",
        f"pt [GeV]  {jets.pt.min():.4g} to {jets.pt.max():.4g}, median {np.median(jets.pt):.4g}",
        "constituents  0 to 40",
        "labels  6 background, 5 signal",
        "weights  0.5 to 2",
        "qcd_ak8_nae: fits, 2 of these 11 jets are in its range",
        "girth",
        "mjj",
    ):
        assert expected in output


def test_inspect_lists_columns(events_root: Path, tmp_path: Path) -> None:
    output = inspected(events_root, "--columns", cwd=tmp_path)
    with uproot.open(events_root) as file:
        assert all(f"  {name}\n" in output for name in file["events"].keys())  # noqa: SIM118  branches


@pytest.mark.parametrize("write", [WRITERS["toptag"], write_nanoaod])
def test_inspect_draws_what_there_is(write: object, tmp_path: Path) -> None:
    path = write(tmp_path)  # type: ignore[operator]
    inspected(path, "--plot", cwd=tmp_path)
    for suffix, magic in ((".pdf", PDF), (".png", PNG)):
        assert (tmp_path / f"{path.stem}.inspect{suffix}").read_bytes().startswith(magic)
    assert "--force" in fails("inspect", path, "--plot", cwd=tmp_path)


def test_inspect_works_where_no_layout_fits(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("analysis/ntuple", {"x": "float32"}).extend({"x": np.arange(5, dtype=np.float32)})
    output = inspected(tmp_path / "other.root", "--columns", cwd=tmp_path)
    for expected in ("analysis/ntuple: 5 rows, 1 columns", "none fits", "none could be read", "  x\n"):
        assert expected in output
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["group/values"] = np.zeros((3, 2))
    assert "group: 3 rows, 1 columns" in inspected(tmp_path / "other.h5", cwd=tmp_path)


def test_inspect_says_what_a_near_layout_lacks(tmp_path: Path) -> None:
    path = write_nanoaod(tmp_path)
    with uproot.open(path) as file:
        data = file["Events"].arrays(how=dict)
    del data["FatJet_mass"]
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: ak.type(column).content for name, column in data.items()}).extend(data)
    assert "nanoaod in 'Events' lacks FatJet_mass" in inspected(path, cwd=tmp_path)


def test_inspect_tells_collections_whose_constituents_are_not_stored(tmp_path: Path) -> None:
    output = inspected(write_unresolved_delphes(tmp_path), cwd=tmp_path)
    assert "JetPUPPIAK8 (constituents), JetAK8 (constituents not stored)" in output


def test_what_inspect_cannot_open_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.root").write_text("hello")
    assert "expected a file of one of ROOT" in fails("inspect", "text.root", cwd=tmp_path)
    assert "No such file" in fails("inspect", "missing.root", cwd=tmp_path)


@pytest.mark.parametrize("suffix", [".root", ".h5"])
@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_can_be_converted(layout: str, suffix: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    result = jetnae("convert", path, f"converted{suffix}", "--chunk-size", "4", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    mine, theirs = read_jets(tmp_path / f"converted{suffix}"), read_jets(path)
    assert mine.jets_per_event.tolist() == theirs.jets_per_event.tolist()
    assert mine.n_constituents.tolist() == theirs.n_constituents.tolist()
    for field in ("pt", "eta", "phi", "mass"):
        for of in (mine.constituents, theirs.constituents):
            assert of is not None
        np.testing.assert_allclose(
            ak.flatten(mine.constituents[field]), ak.flatten(theirs.constituents[field]), rtol=1e-6, atol=1e-6
        )
    assert (mine.label is None) == (theirs.label is None)
    if theirs.label is not None:
        assert mine.label.tolist() == theirs.label.tolist()


def test_convert_leaves_out_what_is_cut_away(events_root: Path, tmp_path: Path) -> None:
    before = read_jets(events_root)
    cuts = ("--select", "n_constituents > 5", "--select", "event != 103")
    output = jetnae("convert", events_root, "cut.h5", *cuts, cwd=tmp_path).stdout
    after = read_jets(tmp_path / "cut.h5")
    assert after.events["event"].tolist() == [100, 101, 102, 104, 105, 106]
    event = before.events["event"][before.event_index]
    passing = (before.n_constituents > 5) & (event != 103)
    np.testing.assert_allclose(after.pt, before.pt[passing], rtol=1e-6)
    assert after.events["event"][after.event_index].tolist() == event[passing].tolist()
    assert "n_constituents > 5" in output
    assert f"jets  {passing.sum()}" in output


def test_weights_are_scaled_to_cross_section_and_luminosity(events_root: Path, tmp_path: Path) -> None:
    options = ("--cross-section", "2.5", "--luminosity", "10", "--sum-of-weights", "50")
    assert jetnae("convert", events_root, "scaled.root", *options, cwd=tmp_path).returncode == 0
    scaled, plain = read_jets(tmp_path / "scaled.root"), read_jets(events_root)
    np.testing.assert_allclose(scaled.events["jetnae_weight"], 500 * plain.events["jetnae_weight"], rtol=1e-12)
    assert "--sum-of-weights" in fails("convert", events_root, "x.root", *options[:4], cwd=tmp_path)
    assert "give both" in fails("convert", events_root, "x.root", *options[:2], cwd=tmp_path)


def test_only_certified_luminosity_sections_are_scored(small_checkpoint: Path, tmp_path: Path) -> None:
    columns = {"run": np.array([1, 1, 2], dtype=np.uint32), "luminosityBlock": np.array([5, 9, 5], dtype=np.uint32)}
    path = write_events(tmp_path / "data.root", [[20], [30], [25]], **columns)
    (tmp_path / "golden.json").write_text('{"1": [[1, 6]], "2": [[7, 8]]}')
    output = jetnae("score", path, "--model", small_checkpoint, "--golden-json", "golden.json", cwd=tmp_path).stdout
    assert "golden JSON" in output
    with uproot.open(tmp_path / "data.scores.root") as file:
        assert file["scores"]["jetnae_status"].array().tolist() == [[0], [3], [3]]


def test_what_convert_refuses_is_one_line(events_root: Path, tmp_path: Path) -> None:
    expected = {
        ("x.txt",): "written as .root or .h5",
        (events_root, "--force"): "never written over",
        ("x.root", "--select", "pt >"): "expected a number or a name",
        ("x.root", "--select", "nothing > 1"): "no column 'nothing'",
        ("x.root", "--golden-json", "none.json"): "none.json",
    }
    for arguments, message in expected.items():
        assert message in fails("convert", events_root, *arguments, cwd=tmp_path)


def test_files_of_different_layouts_are_not_mixed(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    other = WRITERS["pfnano"](tmp_path)
    message = fails("score", events_root, other, "--model", small_checkpoint, cwd=tmp_path)
    assert "events.root is jetnae with jets Jet" in message
    assert "nano.root is pfnano with jets FatJet" in message


@pytest.mark.parametrize("suffix", [".root", ".h5"])
def test_kept_lists_stay_with_their_events(suffix: str, tmp_path: Path) -> None:
    counts = [[5, 6], [7], [8, 9, 3]]
    lists = ak.Array([[1.0], [2.0, 3.0], []])
    path = write_events(tmp_path / "events.root", counts, Muon_pt=lists, Muon_charge=lists * 0 - 1, Tag_x=lists + 1)
    keep = [word for name in ("Muon_pt", "Tag_x", "event") for word in ("--keep", name)]
    assert jetnae("convert", path, f"kept{suffix}", *keep, cwd=tmp_path).returncode == 0
    back = read_jets(tmp_path / f"kept{suffix}", keep=("Muon_pt", "Tag_x"))
    assert ak.to_list(back.events["Muon_pt"]) == ak.to_list(lists)
    assert ak.to_list(back.events["Tag_x"]) == ak.to_list(lists + 1)
    assert back.jets_per_event.tolist() == [2, 1, 3]
    for name in ("Jet_pt", "nJet", "weight"):
        assert "means something else" in fails("convert", path, f"x{suffix}", "--keep", name, cwd=tmp_path)


@pytest.mark.parametrize("suffix", [".root", ".h5"])
def test_converted_jets_keep_their_radius(suffix: str, tmp_path: Path) -> None:
    path = WRITERS["pfnano"](tmp_path)
    jetnae("convert", path, f"own{suffix}", cwd=tmp_path)
    jetnae("convert", f"own{suffix}", f"again{suffix}", cwd=tmp_path)
    for name in ("own", "again"):
        assert read_jets(tmp_path / f"{name}{suffix}").radius == 0.8
