"""`jetnae diagnose` from outside: exit codes, messages, files, figures that show their numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, save_checkpoint
from jetnae.diagnostics import Diagnosis
from jetnae.diagnostics.history import read_history
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.plotting.negatives import components_figure, features_figure, samples_figure, sphere_figure
from jetnae.plotting.training import energies_figure, history_figure
from jetnae.results import from_json
from jetnae.training import RunConfig, TrainConfig, train
from jetnae.training_data import DataConfig
from tests.conftest import SMALL_NETWORK, write_events
from tests.ring import EXACT, exact_model, ring
from tests.test_cli import fails, jetnae

SHORT = {"latent": {"n_steps": 1, "step_size": 0.02, "noise_std": 0.28}}
DATA = DataConfig(("qcd.root",), n_jets=60, pt=(10.0, 5000.0), abs_eta=3.0, radius=0.8, validation=0.4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small trainings and their data: `images` and `plain`, an autoencoder without chains."""
    folder = tmp_path_factory.mktemp("runs")
    write_events(folder / "qcd.root", [[20, 25]] * 60)  # every second jet is labeled background
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JETNAE_DATA", str(folder))
        config = RunConfig(
            data=DATA,
            model={"name": "nae", **SMALL_NETWORK, **SHORT, "replay_size": 50},
            train=TrainConfig(n_steps=3, learning_rate=1e-3, pretrain_steps=4, batch_size=8),
            image=ImageSpec(n_pixels=16, pixel_sum=16.0),
        )
        train(config, folder / "images", device=CPU)
        train(replace(config, model={"name": "ae", **SMALL_NETWORK}), folder / "plain", device=CPU)
    return folder


@pytest.fixture(scope="module")
def diagnosed(runs: Path) -> Path:
    """The diagnosis of `images`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JETNAE_DATA", str(runs))
        result = jetnae("diagnose", "images", "--n", 20, "--title", "Simulation", cwd=runs)
    assert (result.returncode, result.stderr) == (4, "")
    assert "verdict  collapsed\n" in result.stdout
    assert "Reconstructions are hardly better than the mean image" in result.stdout
    assert "24 held-out jets of qcd.root" in result.stdout
    for word in ("E data", "E-/E+", "4x steps", "floor", "clamped", "3 dimensions"):
        assert word in result.stdout, word
    return runs / "images" / "diagnosis.json"


def test_an_unfinished_training_is_called_so_with_its_files(diagnosed: Path) -> None:
    names = {path.name for path in diagnosed.parent.glob("diagnosis*")}
    stems = ["diagnosis", *(f"diagnosis.{each}" for each in ("history", "samples", "components", "sphere"))]
    assert names == {"diagnosis.json", *(f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png"))}
    found = from_json(Diagnosis, json.loads(diagnosed.read_text()))
    assert found.model == "images"
    assert found.history is not None
    assert found.history.step.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert np.isnan(found.history.energy_negative).tolist() == [True] * 4 + [False] * 3


def test_the_same_command_gives_the_same_result(diagnosed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = diagnosed.parents[1]
    monkeypatch.setenv("JETNAE_DATA", str(folder))
    arguments = ("--n", 20, "--no-figures", "--output", "again")
    assert jetnae("diagnose", "images/model.safetensors", *arguments, cwd=folder).returncode == 4
    assert (folder / "again.json").read_bytes() == diagnosed.read_bytes()


def test_other_jets_may_be_given(runs: Path, tmp_path: Path) -> None:
    write_events(tmp_path / "other.root", [[22, 18]] * 30, seed=5)
    options = ("--n", 10, "--no-figures", "--output", tmp_path / "found")
    result = jetnae("diagnose", runs / "images", "--data", "other.root", *options, cwd=tmp_path)
    assert result.returncode == 4
    assert "30 jets of other.root" in result.stdout
    assert "warning" not in result.stdout
    result = jetnae("diagnose", runs / "images", "--data", runs / "qcd.root", "--force", *options, cwd=tmp_path)
    assert "warning: qcd.root has the name and size of a file that was trained on" in result.stdout


def test_what_cannot_be_diagnosed_says_why(
    runs: Path, diagnosed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = runs / "images"
    assert "exists already, use --force" in fails("diagnose", images, cwd=tmp_path)
    monkeypatch.setenv("JETNAE_DATA", str(runs))
    assert "has no density" in fails("diagnose", runs / "plain", cwd=tmp_path)
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    message = fails("diagnose", images, "--output", "new", cwd=tmp_path)
    assert "no such file" in message
    assert message.endswith("give held-out jets with --data")
    assert "neither a file" in fails("diagnose", "nowhere", cwd=tmp_path)
    write_events(tmp_path / "qcd.root", [[20, 25]] * 61)
    assert "qcd.root changed since the training" in fails("diagnose", images, "--output", "new", cwd=tmp_path)


def write_ring(path: Path) -> Path:
    """Jets whose mass and pt are a ring around 100 and 600 GeV."""
    mass, pt = 50 * ring(4000).numpy().T + np.array([[100], [600]])
    columns = {"pt": pt, "eta": np.zeros(4000), "phi": np.zeros(4000), "mass": mass, "label": np.zeros(4000, dtype=int)}
    jets = ak.unflatten(ak.zip(columns), np.ones(4000, dtype=int))
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {"Jet": ak.type(jets).content}, counter_name=lambda name: f"n{name}")
        tree.extend({"Jet": jets})
    return path


def test_a_converged_model_of_features_ends_well(tmp_path: Path) -> None:
    header = Header(
        FORMAT_VERSION,
        "checkpoint",
        "ring",
        "nae",
        asdict(EXACT),
        Validity((10.0, 5000.0), 3.0, 0.8),
        "jetnae",
        features=FeatureSpec(("mass", "pt"), center=(100.0, 600.0), scale=(50.0, 50.0)),
        training={"config": {"data": asdict(DATA), "train": {"seed": 1}}},
    )
    save_checkpoint(tmp_path / "ring" / "model.safetensors", exact_model(), header)
    write_ring(tmp_path / "ring.root")
    result = jetnae("diagnose", "ring", "--data", "ring.root", "--n", 2000, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "verdict  converged\n" in result.stdout
    assert "inside 0.85 to 1.15" in result.stdout
    found = from_json(Diagnosis, json.loads((tmp_path / "ring" / "diagnosis.json").read_text()))
    assert [each.name for each in found.features] == ["mass", "pt"]
    assert (tmp_path / "ring" / "diagnosis.features.png").exists()
    assert not (tmp_path / "ring" / "diagnosis.samples.png").exists()


def test_figures_show_their_result(diagnosed: Path) -> None:
    found = from_json(Diagnosis, json.loads(diagnosed.read_text()))
    axes = energies_figure(found, title="Simulation").axes[0]
    assert axes.get_title(loc="left") == "Simulation"
    for patch, name in zip(axes.patches, found.energies.samples, strict=True):
        np.testing.assert_array_equal(patch.get_data().values, found.energies.samples[name].shares)
    history = history_figure(found)
    assert history is not None
    np.testing.assert_array_equal(history.axes[0].lines[0].get_ydata(), found.history.energy_data)
    samples = samples_figure(found)
    assert samples is not None
    images = [axes.images[0] for axes in samples.axes if axes.images and len(axes.images[0].get_array()) == 16]
    assert len(images) == 16
    assert len({(image.norm.vmin, image.norm.vmax) for image in images}) == 1
    for axes, component in zip(components_figure(found).axes, found.components, strict=True):
        np.testing.assert_array_equal(axes.patches[0].get_data().values, component.data)
        np.testing.assert_array_equal(axes.patches[1].get_data().values, component.negative)
    sphere = sphere_figure(found)
    assert sphere is not None
    shown = sphere.axes[0].collections[0].get_array()
    np.testing.assert_allclose(np.ma.filled(shown, 0).ravel() / shown.size, found.latent.data.ravel())
    assert features_figure(found) is None


def test_figures_are_drawn_again_from_what_a_result_holds(diagnosed: Path, tmp_path: Path) -> None:
    content = json.loads(diagnosed.read_text())
    content["history"] = content["examples"] = content["latent"] = None
    (tmp_path / "diagnosis.json").write_text(json.dumps(content))
    result = jetnae("plot", "diagnosis.json", "--title", "Simulation", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    stems = ("diagnosis", "diagnosis.components")
    assert result.stdout.split() == [f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png")]
    for stem in stems:
        assert (tmp_path / f"{stem}.png").read_bytes() == diagnosed.with_name(f"{stem}.png").read_bytes()


def test_a_history_is_averaged_over_neighboring_steps(tmp_path: Path) -> None:
    lines = [{"step": i, "loss": 1.0, "energy_data": float(i % 2), "energy_negative": 2.0} for i in range(1000)]
    lines[200] |= {"ratio": 1.25, "distance": 0.5}
    lines.append({"step": 999, "ratio": 1.0})
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 1000, "ener'
    (tmp_path / "history.jsonl").write_text(text)
    found = read_history(tmp_path / "history.jsonl", n_points=100)
    assert found is not None
    np.testing.assert_array_equal(found.step, np.arange(100) * 10 + 4.5)
    np.testing.assert_array_equal(found.energy_data, 0.5)
    np.testing.assert_array_equal(found.energy_negative, 2)
    np.testing.assert_array_equal(found.check_steps, [200, 999])
    np.testing.assert_array_equal(found.ratio, [1.25, 1.0])
    np.testing.assert_array_equal(found.distance, [0.5, np.nan])
    assert read_history(tmp_path / "none.jsonl") is None
