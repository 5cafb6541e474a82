"""What a trigger sees of a crossing as input of models: integers as they are stored, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from jetnae.checkpoint import load_checkpoint
from jetnae.errors import InputError
from jetnae.inputs import Spec, kind_of, make_inputs, missing
from jetnae.io import ReadOptions, iter_jets, read_jets
from jetnae.io.scores import read_scores
from jetnae.jets import Jets, concatenate, select
from jetnae.level1 import N_OBJECTS, ObjectSpec, RegionSpec
from jetnae.models import MODELS
from jetnae.training import Request, configure, read_run_config, write_run_config
from tests.layout_files import write_crossings, write_toptag
from tests.test_cli import fails, jetnae

SPECS: dict[str, Spec] = {"regions": RegionSpec(), "objects": ObjectSpec()}


def crossings(path: Path, *names: str, chunk_size: int | None = None) -> Jets:
    return concatenate(list(iter_jets(path, ReadOptions(features=names, chunk_size=chunk_size))))


def test_a_window_averages_neighbors_around_the_circle() -> None:
    counts = np.random.default_rng(1).integers(0, 1024, (3, 18, 14))
    found = RegionSpec("linear", 1.0, window=3).from_raw(counts)
    for i, phi, eta in ((0, 0, 0), (1, 17, 13), (2, 9, 6)):
        near = [(phi + a, eta + b) for a in (-1, 0, 1) for b in (-1, 0, 1) if 0 <= eta + b < 14]
        assert found[i, phi, eta] == pytest.approx(sum(counts[i, p % 18, e] for p, e in near) / 9, rel=1e-6)
    turned = RegionSpec(window=5).from_raw(np.roll(counts, 4, axis=1))
    np.testing.assert_array_equal(turned, np.roll(RegionSpec(window=5).from_raw(counts), 4, axis=1))
    with pytest.raises(InputError, match="window = 2, expected 1, 3 or 5"):
        RegionSpec(window=2)


@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_a_file_gives_back_the_integers_that_were_written(chunk_size: int, tmp_path: Path) -> None:
    path = write_crossings(tmp_path)
    jets = crossings(path, "regions", "objects", chunk_size=chunk_size)
    assert (jets.layout, len(jets), jets.jets_per_event.tolist()) == ("crossings", 24, [1] * 24)
    with h5py.File(path) as file:
        stored = {name: dataset[:] for name, dataset in file["crossings"].items()}
    np.testing.assert_array_equal(RegionSpec().raw(jets), stored["regions"])
    np.testing.assert_array_equal(ObjectSpec().raw(jets), stored["objects"])
    assert jets.label is not None
    assert jets.label.tolist() == stored["label"].tolist()
    np.testing.assert_array_equal(jets.pt, stored["leading_jet_pt"])
    assert not jets.mass.any()
    for name in ("npv", "total_et", "leading_jet_pt", "luminosityBlock", "event"):
        np.testing.assert_array_equal(jets.events[name], stored[name])


def test_only_what_a_model_takes_is_read(tmp_path: Path) -> None:
    path = write_crossings(tmp_path)
    assert set(crossings(path, "objects").columns) == {"objects"}
    assert missing(RegionSpec(), crossings(path, "objects")) == ("regions",)
    assert missing(RegionSpec(), crossings(path, "regions")) == ()
    with pytest.raises(InputError, match="have no regions: expected a file of bunch crossings"):
        make_inputs(read_jets(path), RegionSpec())


def test_flat_arrays_of_other_containers_are_the_same_regions(tmp_path: Path) -> None:
    jets = crossings(write_crossings(tmp_path), "regions")
    flat = replace(jets, columns={"regions": jets.columns["regions"].reshape(24, 252)})
    np.testing.assert_array_equal(RegionSpec().make(flat), RegionSpec().make(jets))


@pytest.mark.parametrize("bad", [np.zeros((24, 18, 14)), np.zeros((24, 14, 14), dtype=np.int32)], ids=["real", "shape"])
def test_other_numbers_are_refused(bad: np.ndarray, tmp_path: Path) -> None:
    jets = crossings(write_crossings(tmp_path), "regions")
    with pytest.raises(InputError, match=r"expected integers of shape \(18, 14\)"):
        RegionSpec().raw(replace(jets, columns={"regions": bad}))


@pytest.mark.parametrize("transform", ["linear", "sqrt", "log"])
def test_regions_keep_their_order_and_stay_between_zero_and_one(transform: str) -> None:
    values = RegionSpec(transform=transform).from_raw(np.arange(1024).reshape(1, 32, 32))  # type: ignore[arg-type]
    flat = values.ravel()
    assert (np.diff(flat) > 0).all()
    assert (flat[0], flat[-1]) == (0.0, 1.0)


def test_a_linear_scale_of_a_power_of_two_is_exact() -> None:
    counts = np.random.default_rng(1).integers(0, 1024, (5, 18, 14))
    np.testing.assert_array_equal(RegionSpec("linear", 1024).from_raw(counts) * 1024, counts)
    objects = np.random.default_rng(2).integers(-72, 2048, (5, 57))
    objects[:, ::3] = abs(objects[:, ::3])
    np.testing.assert_array_equal(ObjectSpec("linear", 64, 64).from_raw(objects) * 64, objects)


def test_counts_beyond_the_range_saturate_and_selections_keep_rows(tmp_path: Path) -> None:
    jets = crossings(write_crossings(tmp_path), "regions")
    loud = replace(jets, columns={"regions": jets.columns["regions"].astype(np.int64) + 5000})
    assert (RegionSpec().raw(loud) == 1023).all()
    which = np.arange(24) % 3 == 0
    np.testing.assert_array_equal(RegionSpec().raw(select(jets, which)), RegionSpec().raw(jets)[which])


def test_absent_objects_are_zeros_and_names_say_what_each_value_is() -> None:
    spec = ObjectSpec()
    assert not spec.from_raw(np.zeros((2, 57), dtype=np.int64)).any()
    assert (len(spec.names), len(set(spec.names))) == (3 * N_OBJECTS, 57)
    assert (spec.names[0], spec.names[3], spec.names[15], spec.names[56]) == ("met_pt", "eg1_pt", "mu1_pt", "jet10_phi")


@pytest.mark.parametrize("kind", SPECS)
def test_scales_below_one_count_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match=f"{kind}: scale = 0"):
        replace(SPECS[kind], scale=0.0)


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_can_be_configured_for_crossings(model: str, kind: str, tmp_path: Path) -> None:
    path = write_crossings(tmp_path, n=60)
    config = configure([path], Request(model=model, input=kind))
    assert (kind_of(config.spec), config.data.n_jets) == (kind, 50)  # every sixth is signal
    write_run_config(tmp_path / "config.toml", config)
    assert read_run_config(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(), "holds bunch crossings, say what to train on with --input regions or objects"),
        (Request(input="towers"), "input 'towers', expected regions or objects"),
        (Request(input="regions", features=("mass",)), "both features and input regions"),
    ],
)
def test_what_to_train_on_has_to_be_said(request_: Request, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        configure([write_crossings(tmp_path, n=60)], request_)


def test_jets_are_no_crossings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no regions \(layout toptag\), expected a file of bunch crossings"):
        configure([write_toptag(tmp_path)], Request(input="regions"))


@pytest.mark.parametrize("kind", SPECS)
def test_a_model_of_crossings_is_trained_and_scores_them(kind: str, tmp_path: Path) -> None:
    """One command each; the hard crossings, which training does not see, score higher."""
    path = write_crossings(tmp_path, n=600)
    done = jetnae("train", path, "--input", kind, "--model", "pca", "-o", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    checkpoint = load_checkpoint(tmp_path / "mine/model.safetensors")
    assert checkpoint.spec == SPECS[kind]
    assert checkpoint.header.layout == "crossings"
    scored = jetnae("score", path, "--model", "mine", "--output", "scores.h5", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    scores = read_scores(tmp_path / "scores.h5")
    assert {"npv", "total_et", "leading_jet_pt", "luminosityBlock", "event"} <= set(scores.events)
    assert not scores.jets["status"].any()
    label, score = scores.jets["label"], scores.jets["score"]
    assert np.median(score[label == 1]) > np.quantile(score[label == 0], 0.9)
    expected = checkpoint.model.score(_tensor(make_inputs(crossings(path, kind), checkpoint.spec)))
    np.testing.assert_allclose(score, expected.numpy(), rtol=1e-4)


def _tensor(values: np.ndarray) -> object:
    import torch

    return torch.from_numpy(values)


def test_a_model_of_jets_says_what_crossings_lack(tmp_path: Path) -> None:
    path = write_crossings(tmp_path)
    message = fails("score", path, cwd=tmp_path)
    assert "no bundled model fits" in message
    assert "needs constituents" in message
    seen = jetnae("inspect", path, cwd=tmp_path)
    assert "crossing (regions, objects)" in seen.stdout
    assert "train with --input regions" in seen.stdout
