"""Models of features: trained, stored and applied like those of images, with or without constituents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from jetnae.checkpoint import load_checkpoint
from jetnae.errors import InputError
from jetnae.features import FeatureSpec, jet_features, make_features
from jetnae.io import ReadOptions, read_jets
from jetnae.io.scores import read_scores
from jetnae.models import MODELS
from jetnae.scored import NO_FEATURES, NOT_SELECTED
from jetnae.scoring import ScoreJob, score_file, score_jets
from jetnae.selection import Selection
from jetnae.training import RunConfig, TrainConfig, train
from jetnae.training_data import DataConfig, load_training_data
from tests.conftest import jets_of, random_constituents, write_events
from tests.test_cli import fails

CPU = torch.device("cpu")
SPEC = FeatureSpec(("mass", "girth", "multiplicity", "ptd"))


def run_config(model: str = "nae", **data: object) -> RunConfig:
    network = {"hidden": 16, "latent_dim": 3}
    settings = {"n_jets": 60, "pt": (10.0, 5000.0), "abs_eta": 3.0, "radius": 0.8} | data
    return RunConfig(
        data=DataConfig(("qcd.root",), **settings),
        model={"name": model, **({"n_components": 2} if model == "pca" else {"network": network})},
        train=TrainConfig(n_steps=20, learning_rate=1e-3, pretrain_steps=20, batch_size=16),
        features=SPEC,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty background jets in `qcd.root`."""
    rng = np.random.default_rng(1)
    write_events(tmp_path / "qcd.root", rng.integers(5, 40, (60, 2)).tolist())
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    return tmp_path


def without_constituents(path: Path, names: tuple[str, ...]) -> Path:
    """The same jets as a file that stores features instead of constituents."""
    jets = read_jets(path)
    columns = jet_features(jets, names) | {name: getattr(jets, name) for name in ("pt", "eta", "phi", "mass")}
    record = ak.unflatten(ak.zip(columns | {"label": jets.label}), jets.jets_per_event)
    bare = path.with_name("bare.root")
    with uproot.recreate(bare) as file:
        file.mktree("events", {"Jet": ak.type(record).content}, counter_name=lambda name: f"n{name}").extend(
            {"Jet": record}
        )
    return bare


@pytest.mark.parametrize("model", MODELS)
def test_scores_do_not_depend_on_where_features_come_from(model: str, folder: Path) -> None:
    train(run_config(model), folder / "run", device=CPU)
    checkpoint = load_checkpoint(folder / "run" / "model.safetensors")
    bare = without_constituents(folder / "qcd.root", SPEC.names)
    computed = score_jets(read_jets(folder / "qcd.root"), checkpoint)
    stored = score_jets(read_jets(bare), checkpoint)
    assert np.isfinite(computed.score).all()
    assert np.ptp(computed.score) > 0
    np.testing.assert_allclose(stored.score, computed.score, rtol=1e-4)
    assert computed.sum_sq is None


def test_features_are_centered_and_scaled_once_and_for_all(folder: Path) -> None:
    config = run_config(weights=False)
    data = load_training_data(config.data, SPEC, seed=1)
    values = torch.cat([data.training, data.validation]).numpy()
    np.testing.assert_allclose(np.median(values, axis=0), 0, atol=0.05)
    low, high = np.quantile(values, (0.16, 0.84), axis=0)
    np.testing.assert_allclose(high - low, 2, atol=0.1)
    header = train(config, folder / "run", device=CPU)
    assert header.features == data.spec
    assert load_checkpoint(folder / "run" / "model.safetensors").spec == data.spec
    again = load_training_data(config.data, data.spec, seed=1)
    torch.testing.assert_close(again.training, data.training, rtol=1e-4, atol=1e-5)


def test_standardized_features_are_linear_in_the_plain_ones() -> None:
    jets = jets_of(random_constituents([9, 20, 30, 12]))
    plain = make_features(jets, SPEC)
    spec = SPEC.standardized(plain)
    np.testing.assert_allclose(
        make_features(jets, spec), (plain - np.array(spec.center)) / np.array(spec.scale), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("model", MODELS)
def test_an_interrupted_training_on_features_ends_where_an_undisturbed_one_does(model: str, folder: Path) -> None:
    config = run_config(model)
    train(replace(config, train=replace(config.train, n_steps=7)), folder / "cut", device=CPU)
    resumed = train(config, folder / "cut", device=CPU, resume=True)
    assert resumed.sha256 == train(config, folder / "whole", device=CPU).sha256


def test_cuts_choose_the_jets_of_a_training(folder: Path) -> None:
    jets = read_jets(folder / "qcd.root")
    girth = jet_features(jets, ["girth"])["girth"]
    n_narrow = int(np.sum((girth < np.median(girth)) & (jets.label == 0)))
    selection = Selection((f"girth < {np.median(girth)}",))
    config = run_config(n_jets=n_narrow, selection=selection)
    data = load_training_data(config.data, SPEC, seed=1)
    assert len(data.training) + len(data.validation) == n_narrow
    with pytest.raises(InputError, match=f"{n_narrow} jets pass the selection"):
        load_training_data(replace(config.data, n_jets=n_narrow + 1), SPEC, seed=1)


def test_jets_that_are_cut_away_keep_their_place(folder: Path) -> None:
    train(run_config("ae"), folder / "run", device=CPU)
    checkpoint = load_checkpoint(folder / "run" / "model.safetensors")
    options = ReadOptions(selection=Selection(("girth > 0.2", "event > 110")))
    everything = score_jets(read_jets(folder / "qcd.root"), checkpoint)
    summary = score_file(ScoreJob(folder / "qcd.root", folder / "cut.root", checkpoint, options))
    scores = read_scores(folder / "cut.root")
    girth = jet_features(everything.jets, ["girth"])["girth"]
    event = everything.jets.events["event"][everything.jets.event_index]
    passing = (girth > 0.2) & (event > 110)
    assert 0 < passing.sum() < len(passing)
    assert (scores.jets["status"] == np.where(passing, 0, NOT_SELECTED)).all()
    np.testing.assert_allclose(scores.jets["score"], np.where(passing, everything.score, np.nan), rtol=1e-5)
    assert [row.n_jets for row in summary.flow.rows] == [120, int(np.sum(girth > 0.2)), int(passing.sum())]


def test_a_jet_with_a_feature_that_is_no_number_has_no_score(folder: Path) -> None:
    train(run_config("ae"), folder / "run", device=CPU)
    checkpoint = load_checkpoint(folder / "run" / "model.safetensors")
    jets = jets_of(random_constituents([20, 0, 30]))
    scored = score_jets(jets, checkpoint)
    assert scored.status.tolist() == [0, NO_FEATURES, 0]
    assert np.isnan(scored.score).tolist() == [False, True, False]


def test_a_model_that_does_not_fit_says_what_it_lacks(folder: Path) -> None:
    train(run_config("ae"), folder / "run", device=CPU)
    bare = without_constituents(folder / "qcd.root", ("girth", "multiplicity"))
    message = fails("score", bare, "--model", folder / "run", cwd=folder)
    assert "needs ptd, which the jets 'Jet' (layout jetnae) do not have" in message
    assert "girth" in message
    assert "needs constituents" in fails("score", bare, "--model", "qcd_ak8_nae", cwd=folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ()}, "expected at least one"),
        ({"names": ("girth", "mess")}, "unknown feature mess"),
        ({"names": ("girth",), "scale": (0.0,), "center": (1.0,)}, "positive scale"),
        ({"names": ("girth",), "center": (1.0,)}, "expected a center and a positive scale"),
    ],
)
def test_a_wrong_choice_of_features_is_said(change: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureSpec(**change)


def test_images_and_features_at_once_are_refused() -> None:
    from jetnae.images import ImageSpec

    with pytest.raises(InputError, match=r"both \[image\] and \[features\]"):
        _ = replace(run_config(), image=ImageSpec()).spec
