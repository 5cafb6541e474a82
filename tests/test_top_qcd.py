"""The study of QCD and top jets: what its numbers must obey, and that a small one is complete and repeats nothing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyses.top_qcd.baselines import baseline_scores, kernel_density
from analyses.top_qcd.reweighting import axes_of, reweight, reweighted
from analyses.top_qcd.samples import Sample, Wanted, join, mixture, prepare
from analyses.top_qcd.settings import FROZEN, Settings, read_settings
from analyses.top_qcd.tables import over_seeds, row
from analyses.top_qcd.tasks import Places, Task, check_settings, load_scores, missing, tasks_of
from jetnae.config import read_toml, to_toml
from jetnae.errors import InputError
from jetnae.roc import auc

ROOT = Path(__file__).parents[1]


def make_sample(n: int, seed: int, *, mass: float) -> Sample:
    """Jets of a mass that varies by 30 %, multiplicities that follow it, and images of chance."""
    rng = np.random.default_rng(seed)
    masses = np.abs(rng.normal(mass, 0.3 * mass, n))
    images = rng.dirichlet(np.full(400, 0.2), n).reshape(n, 20, 20).astype(np.float32) * 40
    return Sample(
        images=images,
        pt=rng.uniform(550, 650, n),
        mass=masses,
        multiplicity=np.round(rng.normal(30 + masses / 5, 8, n)),
        girth=rng.uniform(0, 0.4, n),
        ptd=rng.uniform(0.1, 0.5, n),
        squares=np.square(images, dtype=np.float64).sum(axis=(1, 2)),
    )


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Those of the study."""
    return read_settings()


@pytest.fixture(scope="module")
def pair() -> tuple[Sample, Sample]:
    """A heavy signal and a lighter background that overlap."""
    return make_sample(3000, 1, mass=150.0), make_sample(4000, 2, mass=100.0)


def test_reweighted_background_has_the_histogram_of_the_signal(pair: tuple[Sample, Sample], settings: Settings) -> None:
    signal, background = pair
    found = reweighted("mass_pt", signal, background, settings)
    edges = list(axes_of("mass_pt", settings).values())
    counts = [
        np.histogram2d(each.mass, each.pt, edges, weights=weight)[0]
        for each, weight in ((signal, found.signal), (background, found.background))
    ]
    np.testing.assert_allclose(*counts, atol=1e-9)
    raw = [np.histogram2d(each.mass, each.pt, edges)[0] for each in pair]
    assert (counts[0] > 0).sum() == found.bins_left < found.bins
    assert (np.minimum(*raw)[counts[0] > 0] >= settings.reweighting.fewest).all()
    assert found.as_json()["n_eff_background"] <= (found.background > 0).sum()


def test_a_reweighted_observable_tells_nothing_but_inside_of_its_bins(
    pair: tuple[Sample, Sample], settings: Settings
) -> None:
    signal, background = pair
    found = reweighted("mass_pt", signal, background, settings)
    masses = [(signal.mass, background.mass)]
    before = row(masses, (np.ones(len(signal)), np.ones(len(background))), 2)["auc"]["value"]
    after = row(masses, (found.signal, found.background), 50)["auc"]
    assert before > 0.75
    assert abs(after["value"] - 0.5) < 4 * after["error"] + 0.02
    narrow = reweight({"mass": signal.mass}, {"mass": background.mass}, {"mass": np.array([50.0, 150.0])}, 1)
    assert narrow.bins_left == 1
    np.testing.assert_array_equal(narrow.background > 0, (background.mass >= 50) & (background.mass < 150))


def test_a_kernel_density_integrates_to_one(pair: tuple[Sample, Sample]) -> None:
    background = pair[1]
    rng = np.random.default_rng(3)
    one = kernel_density(("mass",), background, 500, rng)
    two = kernel_density(("mass", "multiplicity"), background, 500, rng)
    mass, multiplicity = np.linspace(-100, 400, 401), np.linspace(-60, 160, 221)
    grid = np.stack(np.meshgrid(mass, multiplicity, indexing="ij"))
    assert np.trapezoid(one.kernels(mass), mass) == pytest.approx(1, abs=1e-4)
    density = two.kernels(grid.reshape(2, -1)).reshape(401, 221)
    assert np.trapezoid(np.trapezoid(density, multiplicity), mass) == pytest.approx(1, abs=1e-4)
    assert one.kernels.factor == pytest.approx(500 ** (-1 / 5))
    assert two.kernels.factor == pytest.approx(500 ** (-1 / 6))
    assert np.isfinite(one.score(replace(background, mass=background.mass + 1e6))).all()


def test_a_density_tags_what_it_has_not_learned_in_both_directions(
    pair: tuple[Sample, Sample], settings: Settings
) -> None:
    small = replace(settings, sizes=replace(settings.sizes, kernels=500), components=(0, 3))
    jets = {"top": pair[0], "qcd": pair[1]}
    for trained, signal in (("qcd", "top"), ("top", "qcd")):
        found = baseline_scores(make_sample(2000, 5, mass={"qcd": 100.0, "top": 150.0}[trained]), jets, small)
        assert auc(found["kde_mass"][signal], found["kde_mass"][trained]).value > 0.6
        mean = np.square(jets[signal].images - jets[signal].images.mean(axis=0)).mean(axis=(1, 2))
        assert np.corrcoef(found["pca_0"][signal], mean)[0, 1] > 0.99
        assert found["pca_3"][trained].mean() < found["pca_0"][trained].mean()


def test_mixtures_hold_their_share_and_at_both_ends_one_class(pair: tuple[Sample, Sample]) -> None:
    top, qcd = pair
    np.testing.assert_array_equal(mixture(qcd, top, 0.0, 1000).mass, qcd.mass[:1000])
    np.testing.assert_array_equal(mixture(qcd, top, 1.0, 1000).mass, top.mass[:1000])
    mixed = mixture(qcd, top, 0.03, 1000)
    np.testing.assert_array_equal(mixed.mass, np.concatenate([qcd.mass[:970], top.mass[:30]]))
    with pytest.raises(InputError, match="simulate more jets"):
        mixture(qcd, top, 0.9, 4000)


def test_both_signs_of_a_score_sum_to_one_and_seeds_scatter(pair: tuple[Sample, Sample]) -> None:
    scores = [(pair[0].mass, pair[1].mass), (pair[0].multiplicity, pair[1].multiplicity)]
    found = row(scores, (np.ones(len(pair[0])), np.ones(len(pair[1]))), 20)
    expected = [auc(*each) for each in scores]
    assert found["auc"]["value"] + found["auc_reversed"] == pytest.approx(1)
    np.testing.assert_allclose(found["auc"]["seeds"], [each.value for each in expected])
    assert found["auc"]["of_jets"] == pytest.approx(np.mean([each.error for each in expected]), rel=0.5)
    assert found["rejections"][0]["value"] > 1 > found["rejections_reversed"][0]["value"] * 0.5
    known = over_seeds([(0.5, 0.01), (0.6, 0.01)])
    assert known["error"] == pytest.approx(np.hypot(np.sqrt(0.005) / np.sqrt(2), 0.01))


def test_all_models_share_one_set_up(settings: Settings) -> None:
    nae, ae = (settings.configuration("headline", name, 1) for name in ("nae", "ae"))
    assert nae.fit.model == settings.setup.model
    assert ae.fit.model == {"name": "ae", "network": settings.setup.model["network"]}
    assert (ae.image, ae.fit.train, ae.n_jets) == (nae.image, nae.fit.train, nae.n_jets)
    vae = settings.configuration("variants", "vae", 1)
    assert vae.fit.train.total == settings.configuration("variants", "nae", 1).fit.train.total
    assert vae.fit.train.pretrain_steps == 0
    assert vae.fit.model["network"] == {**settings.setup.model["network"], "latent": "flat"}
    power = settings.configuration("variants", "nae_power_1", 1)
    assert power.image == replace(nae.image, smeared_power=1.0)


def test_unknown_models_and_data_are_refused(tmp_path: Path) -> None:
    content = read_toml(FROZEN) | {"setup": str(FROZEN.parent.parent / "jet_nae.toml")}
    content["headline"]["models"] = ["nae", "mystery"]
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(content))
    with pytest.raises(InputError, match="mystery"):
        read_settings(path)
    with pytest.raises(InputError, match="simulated, reference"):
        read_settings(FROZEN, "elsewhere")


def test_results_of_other_settings_are_refused(settings: Settings, tmp_path: Path) -> None:
    places = Places(FROZEN, "simulated", tmp_path, tmp_path, tmp_path)
    task = Task("headline", "ae", "qcd", 1)
    configuration = settings.configuration(task.group, task.model, task.seed).as_json()
    places.result(task.name).write_text(json.dumps({"configuration": configuration}))
    check_settings(task, settings, places)
    assert task in missing(settings, places)  # the scores are not there
    other = replace(settings, headline=replace(settings.headline, n_jets=7))
    with pytest.raises(InputError, match="other settings"):
        check_settings(task, other, places)


def test_names_of_trainings_are_their_own(settings: Settings) -> None:
    tasks = [task for group in ("headline", "contamination", "variants") for task in tasks_of(group, settings)]
    assert len({task.name for task in tasks}) == len(tasks)
    assert {task.share for task in tasks} == set(settings.contamination.shares)


def test_the_reference_set_is_read_by_label(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top_tagging").mkdir()
    for split in ("train", "val", "test"):
        (tmp_path / "top_tagging" / f"{split}.h5").symlink_to(real_data / "toptag" / "sample_blosc.h5")
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    settings = read_settings(FROZEN, "reference")
    assert settings.signals == ()
    found = {
        (name, part): prepare(Wanted(name, part, settings.image, 10_000), settings, tmp_path / "prepared")[0]
        for name in ("qcd", "top")
        for part in ("train", "measure")
    }
    for name in ("qcd", "top"):
        trained, measured = found[name, "train"], found[name, "measure"]
        assert len(measured) > 100
        np.testing.assert_array_equal(trained.mass, join([measured, measured]).mass)  # two files, and one
        assert ((measured.pt > 550) & (measured.pt < 650)).all()
        np.testing.assert_allclose(measured.images.sum(axis=(1, 2)), settings.image.pixel_sum, rtol=1e-4)
    assert np.median(found["top", "measure"].mass) > 1.5 * np.median(found["qcd", "measure"].mass)
    again = prepare(Wanted("top", "measure", settings.image, 10_000), settings, tmp_path / "prepared")[0]
    np.testing.assert_array_equal(again.images, found["top", "measure"].images)


def small_settings(folder: Path) -> Path:
    """The frozen settings with a small network, hardly any steps, and mixtures of the size of the headline."""
    found = read_toml(FROZEN)
    setup = read_toml(FROZEN.parent / found["setup"])
    setup["model"]["network"] |= {"hidden": 32, "second": 16}
    setup["model"]["latent_density"]["n_kernels"] = 8
    (folder / "setup.toml").write_text(to_toml(setup))
    found["setup"] = "setup.toml"
    found["data"]["simulated"]["qcd"] |= {"train": ["qcd.root"], "measure": ["qcd_small.root"]}
    found["data"]["simulated"]["top"] |= {"train": ["top.root"], "measure": ["top_small.root"]}
    found["sizes"] = {"measuring": 200, "kernels": 100, "bootstrap": 10}
    found["reweighting"]["fewest"] = 1
    small: dict[str, Any] = {"n_jets": 300, "pretrain_steps": 60, "n_steps": 20}
    found["headline"] |= {**small, "seeds": [1, 2]}
    found["contamination"] |= {**small, "seeds": [1], "shares": [0.0, 0.5, 1.0]}
    found["variants"] |= {**small, "models": ["vae", "mpdr_r", "nae_smearing_0"]}
    path = folder / "settings.toml"
    path.write_text(to_toml(found))
    return path


def simulate(data: Path) -> None:
    """Some jets of every class by the recipes."""
    wanted = [("qcd", "qcd", 300), ("qcd", "qcd_small", 200), ("top", "top", 300), ("top", "top_small", 200)]
    commands = [
        ["qcd_top.py", "--process", process, "--name", name, "--n-jets", str(n), "--seed", str(seed)]
        for seed, (process, name, n) in enumerate([*wanted, ("w", "w", 100)], start=1)
    ]
    commands.append(["semivisible.py", "--process", "signal", "--n-events", "300", "--seed", "9"])
    for script, *options in commands:
        command = [sys.executable, ROOT / "data_recipes" / script, *options, "--output-dir", data]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def run(folder: Path, settings: Path) -> tuple[dict[str, Any], str]:
    """Run the study as a user does; all results by name, and what it printed."""
    environment = {**os.environ, "JETNAE_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "analyses.top_qcd", "--settings", settings, "--runs", folder / "runs"]
    command += ["--results", folder / "results"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {
        path.stem: json.loads(path.read_text()) for path in (folder / "results").glob("*.json")
    }, done.stdout.decode()


@pytest.mark.slow
def test_a_small_study_is_complete_and_does_nothing_twice(tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc")
    simulate(tmp_path / "data")
    path = small_settings(tmp_path)
    settings = read_settings(path)
    found, _ = run(tmp_path, path)
    tasks = [task for group in ("headline", "contamination", "variants") for task in tasks_of(group, settings)]
    measured = {"headline", "contamination", "variants", "figures", "new_signals"}
    assert set(found) == {task.name for task in tasks} | measured
    check_trainings(found, tasks, tmp_path)
    check_tables(found, settings)
    for class_ in ("qcd", "top"):  # a mixture of one class is a training on that class
        pure, mixed = (
            load_scores(tmp_path / "runs" / "scores" / name / "top.npz")
            for name in (f"nae_{class_}_1", f"mix_nae_{int(class_ == 'top')}_1")
        )
        np.testing.assert_array_equal(pure, mixed)

    before = {each.name: each.stat().st_mtime_ns for each in (tmp_path / "results").iterdir()}
    again, printed = run(tmp_path, path)
    assert again == found
    assert printed == "mass: not measured with 200 QCD jets, fewer than 5000\n"
    assert before == {each.name: each.stat().st_mtime_ns for each in (tmp_path / "results").iterdir()}


def check_trainings(found: dict[str, Any], tasks: list[Task], folder: Path) -> None:
    """Results carry seeds, versions, checksums and settings; only models with a density have a verdict."""
    files = (folder / "data").glob("*.root")
    checksums = {path.name: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files}
    for task in tasks:
        result = found[task.name]
        assert (result["seed"], result["model"], result["share"]) == (task.seed, task.model, task.share)
        used = {"qcd.root": task.share < 1, "top.root": task.share > 0, "qcd_small.root": True, "top_small.root": True}
        assert result["inputs"] == {name: checksums[name] for name, is_used in used.items() if is_used}
        assert result["versions"]["jetnae"]
        assert 0 <= result["auc"]["model"]["value"] <= 1
        assert (result["background_only"]["verdict"] is not None) == (task.model.split("_")[0] in {"nae", "mpdr"})
        scores = load_scores(folder / "runs" / "scores" / task.name / f"{task.signal}.npz")
        assert len(scores) == result["n_signal"]


def check_tables(found: dict[str, Any], settings: Settings) -> None:
    """Every table has models and baselines, with both signs."""
    baselines = {"mass", "girth", "multiplicity", "ptd", "squares", "kde_mass", "kde_mass_multiplicity"}
    baselines |= {f"pca_{n}" for n in settings.components}
    tables = [
        *(table["rows"] for each in found["headline"]["trained"].values() for table in each["tables"].values()),
        *(each["rows"] for each in found["contamination"]["shares"].values()),
        *(each["rows"] for each in found["new_signals"]["signals"].values()),
    ]
    assert len(tables) == 6 + 3 + 2
    for table in tables:
        assert set(table) == {"ae", "nae", *baselines}
        for each in table.values():
            assert each["auc"]["value"] + each["auc_reversed"] == pytest.approx(1)
    headline = found["headline"]["trained"]["qcd"]["tables"]
    one = np.mean([found[f"nae_qcd_{seed}"]["auc"]["model"]["value"] for seed in (1, 2)])
    assert headline["none"]["rows"]["nae"]["auc"]["value"] == pytest.approx(one)
    assert headline["mass_pt"]["bins_left"] <= headline["mass_pt"]["bins"]
    shares = found["contamination"]["shares"]
    assert shares["1"]["rows"]["mass"]["auc"] == shares["0"]["rows"]["mass"]["auc"]  # it learns nothing
