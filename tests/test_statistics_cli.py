"""The statistics on the command line: score files in, numbers, result files and figures out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np
import pytest

from jetnae.io.scores import FORMAT_VERSION, read_scores, write_scores
from jetnae.results import from_json
from jetnae.roc import Roc
from jetnae.samples import by_model, join, read_sample
from jetnae.sculpting import Sculpting
from tests.conftest import write_events
from tests.test_cli import fails, jetnae

N_EVENTS = 1500


def write_scored(
    path: Path, *, label: int | None, seed: int = 1, model: str = "nae", noise: int = 0, **columns: Any
) -> Path:
    """A score file with two jets per event: background masses fall, signal has a peak; the score knows the mass."""
    rng = np.random.default_rng([seed, 0 if label is None else label])
    n_jets = 2 * N_EVENTS
    mass = np.where(label == 1, rng.normal(170, 15, n_jets), rng.gamma(4.0, 20.0, n_jets))
    score = mass / 50 + rng.normal(0, 1, n_jets) + np.random.default_rng(noise).normal(0, 0.1, n_jets)
    jets: dict[str, Any] = {
        "pt": rng.uniform(500, 600, n_jets),
        "eta": rng.normal(0, 1, n_jets),
        "phi": rng.uniform(-3, 3, n_jets),
        "mass": mass,
        "n_constituents": rng.poisson(50, n_jets),
        "score": score,
        "status": np.zeros(n_jets, dtype=np.int32),
        "in_range": np.arange(n_jets) % 10 > 0,
        "sum_sq": rng.exponential(1, n_jets) - mass / 100,
    }
    jets |= {} if label is None else {"label": np.full(n_jets, label, dtype=np.int32)}
    jets |= {name: column.astype(np.float32) for name, column in jets.items() if column.dtype == np.float64}
    provenance = {
        "format_version": FORMAT_VERSION,
        "kind": "scores",
        "model": model,
        "model_sha256": f"{model}-{noise}",
        "input_id": f"{label}-{seed}",
    }
    with write_scores(path, provenance) as writer:
        writer.append(jets, np.full(N_EVENTS, 2), {"event": np.arange(N_EVENTS), **columns})
    return path


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A folder with score files of background and signal."""
    write_scored(tmp_path / "qcd.scores.root", label=0)
    write_scored(tmp_path / "top.scores.h5", label=1)
    return tmp_path


ROC = ("roc", "--signal", "top.scores.h5", "--background", "qcd.scores.root", "--bootstrap", "20")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_roc_writes_numbers_and_figures(scored: Path) -> None:
    result = jetnae(*ROC, "--format", "darkmachines", "--channel", "chan1", cwd=scored)
    assert (result.returncode, result.stderr) == (0, "")
    found = from_json(Roc, read(scored / "top_vs_qcd.roc.json"))
    assert [curve.label for curve in found.curves[:2]] == ["nae", "mass"]
    assert "sum_sq (reversed)" in [curve.label for curve in found.curves]
    assert (found.n_signal, found.n_background) == (2700, 2700)  # those in range
    assert "2700 top jets against 2700 qcd jets" in result.stdout
    assert f"{found.curves[0].auc.value:.4f} ± {found.curves[0].auc.error:.4f}" in result.stdout
    for figure in ("roc", "sic"):
        assert (scored / f"top_vs_qcd.{figure}.pdf").read_bytes().startswith(b"%PDF")
        assert (scored / f"top_vs_qcd.{figure}.png").read_bytes().startswith(b"\x89PNG")
    with (scored / "top_vs_qcd.darkmachines.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["Signal", "Model", "Chan", "AUC", "1e-2", "1e-3", "1e-4"]
    assert (rows[0]["Signal"], rows[0]["Model"], rows[0]["Chan"]) == ("top", "nae", "chan1")
    assert float(rows[0]["AUC"]) == pytest.approx(found.curves[0].auc.value, rel=1e-5)
    assert rows[0]["1e-4"] == ""  # 2700 jets cannot tell
    assert "1e-4" not in result.stdout.split("note")[0].split("eps_S(0.001)")[0]
    assert "note: background efficiency 0.0001 is less than one of 2700" in result.stdout


@pytest.mark.slow
def test_a_redrawn_figure_is_the_same_file(scored: Path) -> None:
    options = ("--title", "Simulation", "--style", "LHCb")
    for command, stem, kind in (
        (ROC, "top_vs_qcd", "roc"),
        (("workingpoints", "qcd.scores.root"), "qcd", "working_points"),
        (("sculpt", "qcd.scores.root"), "qcd", "sculpting"),
    ):
        drawn = jetnae(*command, *options, cwd=scored)
        assert (drawn.returncode, drawn.stderr) == (0, "")
        before = {path: path.read_bytes() for path in map(scored.joinpath, drawn.stdout.split()) if path.exists()}
        figures = [path for path in before if path.suffix in {".pdf", ".png"}]
        assert len(figures) >= 2
        assert "--force" in fails("plot", f"{stem}.{kind}.json", *options, cwd=scored)
        for path in figures:
            path.unlink()
        redrawn = jetnae("plot", f"{stem}.{kind}.json", *options, cwd=scored)
        assert [scored / line for line in redrawn.stdout.split()] == figures
        assert all(path.read_bytes() == content for path, content in before.items())


def test_labels_may_come_from_the_file(scored: Path) -> None:
    process = np.arange(N_EVENTS) % 2
    write_scored(scored / "mixed.scores.root", label=0, process=process)
    path = scored / "mixed.scores.root"
    # jets of events with a signal process that match no signal particle are left out
    assert len(read_sample(path)) == len(read_sample(path, all_jets=True)) * 0.9
    assert len(read_sample(path, all_jets=True)) == N_EVENTS
    both = jetnae("roc", "mixed.scores.root", "top.scores.h5", "--bootstrap", "10", cwd=scored)
    assert both.returncode == 0, both.stderr
    assert (scored / "mixed.roc.json").exists()
    assert "no signal among" in fails("roc", "qcd.scores.root", cwd=scored)
    write_scored(scored / "data.scores.root", label=None)
    message = fails("roc", "data.scores.root", cwd=scored)
    assert "--signal" in message
    assert "--background" in message
    given = jetnae(
        "roc", "--background", "data.scores.root", "--signal", "top.scores.h5", "--bootstrap", "10", cwd=scored
    )
    assert given.returncode == 0, given.stderr


def test_jets_that_were_cut_away_are_left_out(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("score", events_root, "--model", small_checkpoint, "--output")
    assert jetnae(*arguments, "all.root", cwd=tmp_path).returncode == 0
    assert jetnae(*arguments, "cut.root", "--select", "n_constituents > 6", cwd=tmp_path).returncode == 0
    everything, cut = (read_sample(tmp_path / name, label=0, all_jets=True) for name in ("all.root", "cut.root"))
    chosen = everything.column("n_constituents") > 6
    assert 0 < len(cut) == chosen.sum() < len(everything)
    np.testing.assert_array_equal(cut.column("score"), everything.column("score")[chosen])
    assert any("cut away" in note for note in cut.notes)


def test_weights_of_events_are_weights_of_their_jets(scored: Path) -> None:
    weight = np.random.default_rng(1).exponential(1, N_EVENTS)
    write_scored(scored / "weighted.scores.root", label=0, seed=2, jetnae_weight=weight)
    sample = read_sample(scored / "weighted.scores.root", all_jets=True)
    assert sample.weight is not None
    np.testing.assert_array_equal(sample.weight, np.repeat(weight, 2))
    joined = join([sample, read_sample(scored / "qcd.scores.root", all_jets=True)])
    assert joined.weight is not None
    assert joined.weight[len(sample) :].tolist() == [1.0] * len(sample)
    assert (np.diff(joined.event) >= 0).all()
    assert joined.event[-1] == 2 * N_EVENTS - 1
    arguments = (*ROC[:4], "weighted.scores.root", "--bootstrap", "10", "--output", "w")
    assert "effective 2700 and" in jetnae(*arguments, cwd=scored).stdout


@pytest.mark.slow
def test_several_models_are_curves_or_a_band(scored: Path) -> None:
    for noise in (1, 2, 3):
        write_scored(scored / f"qcd{noise}.scores.root", label=0, noise=noise)
        write_scored(scored / f"top{noise}.scores.h5", label=1, noise=noise)
    files = [f"{name}{noise}.scores.{kind}" for noise in (1, 2, 3) for name, kind in (("qcd", "root"), ("top", "h5"))]
    assert jetnae("roc", *files, "--bootstrap", "10", "--output", "apart", cwd=scored).returncode == 0
    apart = from_json(Roc, read(scored / "apart.roc.json"))
    assert apart.seeds is None
    assert [curve.name for curve in apart.curves[:3]] == ["nae nae-1", "nae nae-2", "nae nae-3"]
    result = jetnae("roc", *files, "--bootstrap", "10", "--output", "band", "--seeds", cwd=scored)
    assert "3 trainings: AUC" in result.stdout
    band = from_json(Roc, read(scored / "band.roc.json"))
    assert band.seeds is not None
    assert band.seeds.n_seeds == 3
    assert jetnae("plot", "band.roc.json", "--output", "again", cwd=scored).returncode == 0
    assert (scored / "again.roc.png").read_bytes() == (scored / "band.roc.png").read_bytes()
    other = write_scored(scored / "other.scores.root", label=0, seed=9, noise=1)
    with pytest.raises(Exception, match="different jets"):
        by_model([read_sample(path) for path in (scored / "qcd.scores.root", other)])
    assert "at least two" in fails(*ROC, "--seeds", cwd=scored)


def test_working_points_are_found_and_exported(scored: Path) -> None:
    arguments = ("workingpoints", "qcd.scores.root", "--bins", "pt:2", "--bins", "mass:0,80,400", "--bkg-eff", "0.1")
    result = jetnae(*arguments, "--bkg-eff", "0.001", cwd=scored)
    assert (result.returncode, result.stderr) == (0, "")
    assert "too few jets, down to" in result.stdout
    evaluate = correctionlib.CorrectionSet.from_file(str(scored / "qcd.correction.json"))["score_threshold"].evaluate
    jets = read_sample(scored / "qcd.scores.root")
    pt, mass = jets.column("pt"), jets.column("mass")
    passes = jets.column("score") > evaluate("bkg_eff_0.1", "nominal", pt, mass)
    assert passes.mean() == pytest.approx(0.1, abs=0.001)
    for bins, message in (("pt:x", "COLUMN:N"), ("pt:0", "1 to 1000"), ("girth:3", "no column 'girth'")):
        assert message in fails("workingpoints", "qcd.scores.root", "--bins", bins, "--force", cwd=scored)
    assert "--force" in fails(*arguments, cwd=scored)


def test_a_decorrelation_is_fitted_closed_and_applied(small_checkpoint: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    write_events(tmp_path / "events.root", rng.integers(2, 60, (1200, 2)).tolist())  # one jet of each label per event
    score = ("score", "events.root", "--model", small_checkpoint)
    assert jetnae(*score, cwd=tmp_path).returncode == 0
    result = jetnae(
        "sculpt", "events.scores.root", "--all", "--fit-decorrelation", "mass.decorrelation.safetensors", cwd=tmp_path
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "that no map was fitted on" in result.stdout
    found = from_json(Sculpting, read(tmp_path / "events.sculpting.json"))
    assert [each.name for each in found.scores] == ["score", "score_decorrelated"]
    assert found.scores[0].n_jets == found.scores[1].n_jets == 600
    before, after = (each.distance_correlation.value for each in found.scores)
    assert after < before
    again = jetnae(*score, "--force", "--decorrelate", "mass.decorrelation.safetensors", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    scores = read_scores(tmp_path / "events.scores.root")
    mapped = scores.jets["score_decorrelated"]
    assert mapped.dtype == np.float32
    assert np.nanmean(mapped) == pytest.approx(0.5, abs=0.05)
    assert np.isnan(mapped).tolist() == np.isnan(scores.jets["score"]).tolist()
    assert scores.provenance["decorrelated_from"] == ["mass"]
    # what sculpt measured is what score writes
    odd, weight = mapped[scores.jets["label"] == 0][1::2], np.asarray(scores.events["jetnae_weight"])[1::2]
    for cut in found.scores[1].cuts:
        assert np.average(odd > cut.threshold, weights=weight) == pytest.approx(cut.reached, abs=0.003)
    wrong = fails(*score[:2], "--decorrelate", "mass.decorrelation.safetensors", "--output", "x.root", cwd=tmp_path)
    assert "belongs to the model small" in wrong


def test_a_decorrelation_on_what_a_file_lacks_is_one_line(small_checkpoint: Path, tmp_path: Path) -> None:
    n_events = 300
    rng = np.random.default_rng(1)
    counts = rng.integers(2, 60, (n_events, 2)).tolist()
    write_events(tmp_path / "a.root", counts, mjj=rng.uniform(500, 900, n_events))
    write_events(tmp_path / "b.root", counts)
    score = ("score", "--model", small_checkpoint)
    assert jetnae(*score, "a.root", "--keep", "mjj", cwd=tmp_path).returncode == 0
    sculpt = ("sculpt", "a.scores.root", "--all", "--mass", "mjj", "--fit-decorrelation", "map.safetensors")
    assert jetnae(*sculpt, cwd=tmp_path).returncode == 0
    decorrelated = ("--decorrelate", "map.safetensors", "--force")
    assert jetnae(*score, "a.root", "--keep", "mjj", *decorrelated, cwd=tmp_path).returncode == 0
    assert "needs the column mjj" in fails(*score, "b.root", *decorrelated, cwd=tmp_path)


@pytest.mark.slow
def test_a_pseudo_bump_is_found_where_a_cut_makes_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mjj = 1000 * (1 - rng.random(N_EVENTS)) ** (-1 / 6.0)
    write_scored(tmp_path / "qcd.scores.root", label=0, mjj=mjj, near=-np.abs(mjj - 1250), chance=rng.random(N_EVENTS))
    arguments = ("sculpt", "qcd.scores.root", "--mass", "mjj", "--bkg-eff", "0.5", "--toys", "200", "--sqrt-s", "13000")
    found = {}
    for score in ("near", "chance"):
        result = jetnae(
            *arguments,
            "--score",
            score,
            "--bump-range",
            "1000:2000",
            "--bump-bins",
            "20",
            "--output",
            score,
            cwd=tmp_path,
        )
        assert (result.returncode, result.stderr) == (0, "")
        found[score] = from_json(Sculpting, read(tmp_path / f"{score}.sculpting.json")).pseudo_bumps[0]
    assert found["near"].global_p < 0.02
    assert found["chance"].global_p > found["near"].global_p
    assert found["chance"].global_p_low < found["chance"].global_p < found["chance"].global_p_high + 0.01
    for wrong in ("2000", "2000:1000", "a:b", "1000:20000"):
        assert "bump-range" in fails(*arguments, "--bump-range", wrong, cwd=tmp_path)


def test_what_is_wrong_is_one_line(scored: Path) -> None:
    (scored / "text.json").write_text("hello")
    (scored / "other.json").write_text(json.dumps({"kind": "reference_model", "format_version": 1}))
    (scored / "newer.roc.json").write_text(json.dumps({"kind": "roc", "format_version": 99}))
    cases = {
        (*ROC, "--style", "Belle"): "expected one of plain, CMS, ATLAS, LHCb",
        (*ROC, "--score", "nothing"): "no column 'nothing'",
        (*ROC, "--baseline", "nothing"): "no column 'nothing'",
        ("roc",): "no score files",
        ("roc", "text.json"): "not a score file",
        ("plot", "missing.json"): "No such file",
        ("plot", "text.json"): "not JSON",
        ("plot", "other.json"): "reference_model",
        ("plot", "newer.roc.json"): "update jetnae",
        ("plot", "newer.roc.json", "--all"): "--all is about score files",
        ("sculpt", "top.scores.h5", "--mass", "nothing"): "no column 'nothing'",
        ("sculpt", "qcd.scores.root", "--bkg-eff", "2"): "between 0 and 1",
    }
    for arguments, message in cases.items():
        assert message in fails(*arguments, cwd=scored), arguments


def test_no_jet_counts_twice(scored: Path) -> None:
    for command in ("sculpt", "workingpoints"):
        message = fails(command, "qcd.scores.root", "qcd.scores.root", cwd=scored)
        assert "qcd.scores.root: given more than once" in message
    sample = read_sample(scored / "qcd.scores.root")
    signal, background = (sample.select(sample.label == label) for label in (1, 0))
    assert len(join([signal, background])) == len(sample)


def test_options_without_effect_or_meaning_are_refused(scored: Path) -> None:
    expected = {
        ("sculpt", "qcd.scores.root", "--on", "pt"): "--fit-decorrelation",
        ("sculpt", "qcd.scores.root", "--seed", "-1"): "seed",
        ("workingpoints", "qcd.scores.root", "--bins", "pt:500,inf"): "finite edges",
        ("workingpoints", "qcd.scores.root", "--bins", "pt:2", "--bins", "pt:3"): "more than once",
    }
    for arguments, message in expected.items():
        assert message in fails(*arguments, cwd=scored)
