"""The study of semivisible jets: what its numbers must obey, and that a small one is complete and repeats itself."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from analyses.semivisible.events import mt_map
from analyses.semivisible.jet_level import BIN, auc_replicas, evaluate, match_pt
from analyses.semivisible.samples import Sample
from analyses.semivisible.search import EDGES, SQRT_S, background_fit, expected_counts
from analyses.semivisible.settings import FROZEN, read_settings
from analyses.semivisible.summary import difference, mean_of
from analyses.semivisible.tasks import check_settings
from jetnae.bumphunt import FAMILIES
from jetnae.config import read_toml, to_toml
from jetnae.decorrelation import apply
from jetnae.errors import InputError
from jetnae.roc import auc

ROOT = Path(__file__).parents[1]


def make_sample(n: int, seed: int, *, slope: float, label: int) -> Sample:
    """Events with a falling spectrum of pt, and of M_T that follows it; features and R_T of pure chance."""
    rng = np.random.default_rng(seed)
    pt = 300 * (1 + rng.pareto(slope, (n, 2)))
    return Sample(
        row=np.arange(n),
        weight=rng.uniform(0.5, 1.5, n) if label == 0 else np.full(n, 1 / n),
        searched=rng.random(n) < 0.5,
        mt=1000 * (1 + rng.pareto(7.0, n)),
        rt=rng.random(n),
        dphi_min=rng.uniform(0, np.pi, n),
        deta_jj=rng.uniform(0, 1.5, n),
        met_pt=rng.exponential(100.0, n),
        pt=pt,
        label=np.full((n, 2), label),
        features=rng.normal(size=(n, 2, 3)),
        images=np.zeros((0, 2, 2, 2)),
        image_index=np.zeros(0, dtype=np.int64),
    )


@pytest.fixture(scope="module")
def pair() -> tuple[Sample, Sample]:
    """A signal whose jets fall less steeply than those of the background."""
    return make_sample(3000, 1, slope=3.0, label=1), make_sample(4000, 2, slope=6.0, label=0)


def test_matched_spectra_are_the_same_and_pt_tells_nothing(pair: tuple[Sample, Sample]) -> None:
    matched = match_pt(*pair)
    weights = matched.signal_weight, matched.background_weight
    edges = np.exp(BIN * np.arange(np.floor(np.log(300) / BIN), np.ceil(np.log(1e7) / BIN) + 1))
    spectra = [
        np.histogram(each.pt.ravel(), edges, weights=weight.ravel())[0]
        for each, weight in zip(pair, weights, strict=True)
    ]
    np.testing.assert_allclose(*spectra, atol=1e-9 * spectra[1].max())
    pts = pair[0].pt, pair[1].pt
    before = auc(pts[0].ravel(), pts[1].ravel()).value
    found = evaluate(pts, matched, pts, 5)["auc_of_pt"]
    assert before > 0.6  # there was something to match
    assert abs(found - 0.5) < BIN  # less than what is left inside of one bin


def test_jets_of_no_dark_quark_and_background_without_signal_do_not_count(pair: tuple[Sample, Sample]) -> None:
    label = pair[0].label.copy()
    label[:, 1] = 0
    narrow = replace(pair[0], label=label, pt=np.clip(pair[0].pt, 300, 500))
    matched = match_pt(narrow, pair[1])
    assert not matched.signal_weight[:, 1].any()
    assert not matched.background_weight[pair[1].pt > 500 * np.exp(BIN)].any()
    assert matched.shared == pytest.approx(matched.background_weight.sum() / (2 * pair[1].weight.sum()), rel=1e-12)


def test_too_little_signal_is_refused(pair: tuple[Sample, Sample]) -> None:
    with pytest.raises(InputError, match="too few jets"):
        match_pt(replace(pair[0], label=np.zeros_like(pair[0].label)), pair[1])


def test_replicas_scatter_as_delong_says_and_are_common_to_all_scores() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(0.5, 1, (800, 1)), rng.normal(0, 1, (900, 1))
    weights = np.ones((800, 1)), np.ones((900, 1))
    found, expected = auc_replicas(scores, weights, 400), auc(scores[0].ravel(), scores[1].ravel())
    assert abs(found.mean() - expected.value) < 4 * expected.error / np.sqrt(400)
    assert found.std(ddof=1) == pytest.approx(expected.error, rel=0.15)  # four times 1 / sqrt(2 * 400)
    np.testing.assert_allclose(auc_replicas(tuple(np.exp(each) for each in scores), weights, 400), found)  # type: ignore[arg-type]


def test_two_jets_of_an_event_stay_together() -> None:
    rng = np.random.default_rng(4)
    scores = tuple(np.repeat(rng.normal(shift, 1, (500, 1)), 2, axis=1) for shift in (0.5, 0.0))
    single = auc(scores[0][:, 0], scores[1][:, 0])
    found = auc_replicas(scores, (np.ones((500, 2)), np.ones((500, 2))), 400)  # type: ignore[arg-type]
    assert found.std(ddof=1) == pytest.approx(single.error, rel=0.15)


def test_a_difference_knows_what_both_share_and_the_scatter_of_seeds() -> None:
    rng = np.random.default_rng(5)
    common = rng.normal(0, 0.02, 200)
    first, second = (
        [
            {"auc": {"value": value + shift}, "replicas": (value + shift + common).tolist()}
            for shift in (-0.01, 0.0, 0.01)
        ]
        for value in (0.65, 0.6)
    )
    found = difference(first, second)
    assert found["value"] == pytest.approx(0.05)
    assert found["error"] == pytest.approx(0.0, abs=1e-12)
    shuffled = difference(first, second[::-1])
    assert shuffled["error"] == pytest.approx(0.02 / np.sqrt(3))
    points = {"n_eff": {}, "points": []}
    alone = mean_of([{**each, **points} for each in first])
    assert alone["error"] == pytest.approx(np.hypot(0.01 / np.sqrt(3), np.std(common, ddof=1)))


def test_a_freed_score_keeps_the_same_share_of_background_at_every_mt() -> None:
    background = make_sample(20_000, 6, slope=6.0, label=0)
    rng = np.random.default_rng(7)
    score = np.log(background.mt / 1000) * 3 + rng.normal(size=len(background))
    learned = mt_map(score, background)
    half = ~background.trains
    passes = apply(learned, score[half], {"mt": background.mt[half]}) > 0.9
    raw = score[half] > np.quantile(score[half], 0.9)
    high = background.mt[half] > 1300
    n = int(high.sum())
    assert raw[high].mean() > 0.15  # the score did know M_T
    assert abs(passes[high].mean() - 0.1) < 4 * np.sqrt(0.09 / n) + 0.01


def test_the_expected_background_is_the_integral_of_the_fit_times_the_luminosity() -> None:
    settings = read_settings()
    background = make_sample(20_000, 8, slope=6.0, label=0)
    shape, behind = background_fit(background, settings)
    expected = expected_counts(shape, 138.0)
    family = FAMILIES[shape.family]

    def density(m: float) -> float:
        return float(np.exp(family.log_basis(np.array([m / SQRT_S])) @ shape.parameters)[0])

    whole = quad(density, EDGES[0], EDGES[-1], epsrel=1e-10)[0]
    assert expected.sum() == pytest.approx(138e3 * whole, rel=1e-4)
    passing = (background.rt > 0.15) & (background.dphi_min < 0.8)
    assert behind["events"] == passing.sum()
    truth = background.weight[passing & (background.mt > EDGES[0])].sum() * 138e3
    n_eff = behind["n_eff"] * np.mean(background.mt[passing] > EDGES[0])
    assert expected.sum() == pytest.approx(truth, rel=4 / np.sqrt(n_eff))


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    settings = read_settings()
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"settings": settings.as_json()}))
    other_images = replace(settings, image=replace(settings.image, smearing=1.0))
    other_model = replace(settings, models={**settings.models, "ae_images": settings.models["nae_images"]})
    for model in ("ae_features", "ae_images", "ceiling"):
        check_settings(path, model, settings)
        with pytest.raises(InputError, match="other settings"):
            check_settings(path, model, replace(settings, luminosity=1.0))
        for other in (other_images, other_model):
            if model == "ae_images":
                with pytest.raises(InputError, match="other settings"):
                    check_settings(path, model, other)
            else:
                check_settings(path, model, other)


def small_settings(path: Path) -> Path:
    """The frozen settings with one signal, two seeds, three models and hardly any steps, and a search without R_T."""
    found = read_toml(FROZEN)
    found |= {"mediators": [2000], "invisible": [0.3], "seeds": [1, 2]}
    found["selection"]["search"] = ["mt > 1500", "rt > 0.001"]
    found["sizes"] = {"image_training": 200, "image_events": 60, "replicas": 20}
    found["models"] = {name: found["models"][name] for name in ("nae_features", "ae_features", "nae_images")}
    for model in found["models"].values():
        model["train"] |= {"n_steps": 40, "check_every": 20, "burn_in": 20}
        model["train"] |= {"pretrain_steps": 200} if "pretrain_steps" in model["train"] else {"n_steps": 240}
    found["ceiling"]["n_steps"] = 50
    path.write_text(to_toml(found))
    return path


def without_times(content: dict[str, Any]) -> dict[str, Any]:
    """A result but for how long it took."""
    return {name: each for name, each in content.items() if name != "seconds"}


def run(folder: Path, settings: Path) -> dict[str, Any]:
    """Run the study as a user does; all results by name."""
    environment = {**os.environ, "JETNAE_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "analyses.semivisible", "--settings", settings, "--runs", folder / "runs"]
    command += ["--results", folder / "results", "--effort", "6", "3", "20", "5"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {path.stem: json.loads(path.read_text()) for path in (folder / "results").glob("*.json")}


@pytest.mark.slow
def test_a_small_study_is_complete_goes_on_and_repeats_itself(tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc")
    for process, n_events, seed in (("signal", 400, 3), ("qcd", 2000, 4)):
        command = [sys.executable, ROOT / "data_recipes" / "semivisible.py", "--process", process]
        command += ["--n-events", str(n_events), "--seed", str(seed), "--output-dir", tmp_path / "data"]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    settings = small_settings(tmp_path / "settings.toml")
    found = run(tmp_path, settings)
    trainings = [
        f"{name}_{seed}" for name in ("nae_features", "ae_features", "nae_images", "ceiling") for seed in (1, 2)
    ]
    assert set(found) == {*trainings, "summary", "cut_flow", "events", "search"}
    check_contents(found, trainings, tmp_path / "data")

    (tmp_path / "results" / "ae_features_1.json").unlink()
    for path in (tmp_path / "runs" / "ae_features_1").iterdir():
        path.unlink()
    kept = tmp_path / "results" / "nae_features_1.json"
    before = kept.stat().st_mtime_ns
    again = run(tmp_path, settings)
    assert kept.stat().st_mtime_ns == before
    assert without_times(again["ae_features_1"]) == without_times(found["ae_features_1"])
    assert without_times(again["summary"]) == without_times(found["summary"])
    assert again["search"] == found["search"]


def check_contents(found: dict[str, Any], trainings: list[str], data: Path) -> None:
    """Results carry label, seeds, versions and checksums, and obey what holds for any jets."""
    checksums = {path.stem: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in data.glob("*.root")}
    assert {each["label"] for each in found.values()} == {"QCD only"}
    for name in trainings:
        result, point = found[name], found[name]["grid"]["semivisible_2000_20_03"]
        assert result["inputs"] == checksums
        assert result["versions"]["jetnae"]
        assert f"{result['model']}_{result['seed']}" == name
        assert 0 <= point["auc"]["value"] <= 1
        assert abs(point["auc_of_pt"] - 0.5) < BIN
        assert point["n_eff"]["background"] > 10
    for sample in found["cut_flow"]["samples"].values():
        cuts = sample["cuts"]
        assert all(after["n_events"] <= before["n_events"] for before, after in pairwise(cuts))
        assert all(each["n_effective"] <= each["n_events"] * (1 + 1e-9) for each in cuts)
    search = found["search"]
    point = search["grid"]["semivisible_2000_20_03"]
    assert search["luminosity"] == 138.0
    assert {each["n"] for each in search["background_only"].values()} == {5}
    assert point["without"]["background"] == pytest.approx(sum(search["expected"]))
    assert len(point["ae_features"]["seeds"]) == 2
    for cut in point["ae_features"]["seeds"]:
        if cut["significance"] is not None:
            assert cut["background"] == pytest.approx(cut["background_efficiency"]["value"] * sum(search["expected"]))
            assert cut["signal"] <= point["without"]["signal"]
    assert found["summary"]["trainings"] == sorted(trainings)
