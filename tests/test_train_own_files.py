"""One command on one's own files: what it chooses, that it can be repeated, and what it asks for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jetnae.checkpoint import build_model, load_checkpoint
from jetnae.errors import InputError
from jetnae.io import read_jets
from jetnae.io.scores import read_scores
from jetnae.models import MODELS
from jetnae.selection import Selection
from jetnae.training import Request, RunConfig, TrainConfig, configure, defaults, read_run_config, write_run_config
from jetnae.training.own_files import radius_of
from jetnae.training_data import load_training_data
from tests.conftest import write_events
from tests.test_cli import fails, jetnae


@pytest.fixture
def qcd(tmp_path: Path) -> Path:
    """Three hundred jets of which every second is background."""
    counts = np.random.default_rng(1).integers(5, 40, (150, 2)).tolist()
    return write_events(tmp_path / "qcd.root", counts)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps by default."""
    for name in ("DENSITY", "IMAGE_DENSITY"):
        monkeypatch.setattr(defaults, name, TrainConfig(2, 1e-4, 2, batch_size=8))
    monkeypatch.setattr(defaults, "TRAIN", {"ae": TrainConfig(2, 1e-3, batch_size=8)})


def test_the_range_holds_the_jets_and_can_be_read_back(qcd: Path, tmp_path: Path) -> None:
    config = configure([qcd], Request(radius=0.8))
    background = read_jets(qcd).pt[read_jets(qcd).label == 0]
    inside = (background >= config.data.pt[0]) & (background <= config.data.pt[1])
    assert 0.98 <= inside.mean() <= 1
    assert config.data.pt[0] <= np.quantile(background, 0.005) < np.quantile(background, 0.995) <= config.data.pt[1]
    assert config.image is not None
    assert config.image == replace(defaults.IMAGE, half_width=0.8)
    assert config.data.n_jets <= len(background)
    write_run_config(tmp_path / "config.toml", config)
    assert read_run_config(tmp_path / "config.toml") == config
    data = load_training_data(config.data, config.spec, seed=1)
    assert len(data.training) + len(data.validation) == config.data.n_jets


def test_everything_that_is_asked_for_survives_the_file(qcd: Path, tmp_path: Path) -> None:
    request = Request(
        model="ae",
        features=("mass", "girth"),
        n_jets=50,
        seed=7,
        radius=0.8,
        selection=Selection(("pt > 20 and |eta| < 2", "n_constituents > 6")),
        weights=False,
    )
    config = configure([qcd], request)
    write_run_config(tmp_path / "config.toml", config)
    again = read_run_config(tmp_path / "config.toml")
    assert again == config
    assert (again.train.seed, again.data.weights, again.model["name"]) == (7, False, "ae")
    assert again.data.n_jets <= 50
    assert again.data.selection.cuts == ("pt > 20 and |eta| < 2", "n_constituents > 6")


@pytest.mark.usefixtures("quick")
def test_one_command_trains_and_its_configuration_repeats_it(qcd: Path, tmp_path: Path) -> None:
    done = jetnae("train", qcd, "-o", "mine", "--radius", "0.8", "--n-jets", "60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "R = 0.8" in done.stdout
    again = jetnae("train", "mine/config.toml", "-o", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    first, second = (load_checkpoint(tmp_path / name / "model.safetensors") for name in ("mine", "again"))
    assert first.header.sha256 == second.header.sha256
    longer = jetnae("train", qcd, "-o", "mine", "--resume", cwd=tmp_path)
    assert longer.returncode == 0, longer.stderr
    scored = jetnae("score", qcd, "--model", "mine", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    assert np.isfinite(read_scores(tmp_path / "qcd.scores.root").jets["score"]).all()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("model", MODELS)
def test_every_model_can_be_had_by_name_on_features(model: str, qcd: Path, tmp_path: Path) -> None:
    options = ["--model", model, "--features", "mass,girth,ptd", "--radius", "0.8"]
    done = jetnae("train", qcd, "-o", "mine", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    header = load_checkpoint(tmp_path / "mine" / "model.safetensors").header
    assert (header.model, header.spec.names) == (model, ("mass", "girth", "ptd"))


@pytest.mark.usefixtures("quick")
def test_folds_from_the_command_line(qcd: Path, tmp_path: Path) -> None:
    options = ["--model", "ae", "--features", "mass,girth", "--radius", "0.8", "--folds", "2"]
    done = jetnae("train", qcd, "-o", "mine", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 2, by event" in done.stdout
    scored = jetnae("score", qcd, "--model", "mine", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    scores = read_scores(tmp_path / "qcd.scores.root")
    assert set(scores.jets["fold"].tolist()) == {0, 1}
    manifest = json.loads((tmp_path / "mine" / "folds.json").read_text(encoding="utf-8"))
    assert scores.provenance["folds"]["models"] == [model["sha256"] for model in manifest["models"]]
    assert "mine" in jetnae("models", "mine", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["qcd.root"], "give it with --radius"),
        (["qcd.root", "--radius", "0.8", "--model", "none"], "unknown model 'none', expected one of ae, nae"),
        (["qcd.root", "--radius", "0.8", "--select", "pt > 9000"], "0 jets pass the selection"),
        (["qcd.root", "--radius", "0.8", "--features", "mas"], "mas"),
        (["qcd.root", "--radius", "0.8", "--folds", "1"], "at least 2"),
        (["none.root"], "none.root"),
        (["x.toml", "qcd.root"], "expected one configuration"),
        (["x.toml", "--model", "ae"], "set them in this file"),
    ],
)
def test_what_is_missing_is_said_in_one_line(arguments: list[str], message: str, qcd: Path, tmp_path: Path) -> None:
    assert message in fails("train", *arguments, cwd=tmp_path)


def test_jets_of_two_radii_are_not_mixed() -> None:
    assert radius_of({0.8}, Request()) == 0.8
    assert radius_of({None}, Request(radius=1.0)) == 1.0
    with pytest.raises(InputError, match=r"radii 0\.4, 0\.8"):
        radius_of({0.4, 0.8}, Request())


def test_defaults_follow_seed_and_radius() -> None:
    assert defaults.default_steps("nae", 5, defaults.IMAGE).seed == 5
    assert defaults.default_image(0.4).half_width == pytest.approx(0.4)


def test_the_defaults_for_images_are_the_set_up_that_was_measured() -> None:
    config = read_run_config(Path(__file__).parents[1] / "analyses" / "jet_nae.toml")
    assert config.image is not None
    spec = replace(defaults.IMAGE, half_width=config.image.half_width)
    assert spec == config.image
    assert defaults.default_steps("nae", config.train.seed, spec) == config.train
    given, expected = (build_model("nae", each, spec) for each in (defaults.default_model("nae", spec), _rest(config)))
    assert given.config == expected.config


def _rest(config: RunConfig) -> dict[str, Any]:
    return {key: value for key, value in config.model.items() if key != "name"}
