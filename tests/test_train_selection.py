"""The state that is kept follows from background alone, by the rule that is written down."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from safetensors.torch import load_file

from jetnae.checkpoint import load_checkpoint
from jetnae.training import RunConfig, TrainConfig, train, train_on
from jetnae.training.selection import Check, preference
from jetnae.training_data import DataConfig, TrainingData
from tests.conftest import write_events
from tests.training import AE, CPU, NAE, SPEC, fit, history, toy_data


def check(ratio: float, distance: float, mean_input: float = 0.3) -> Check:
    return Check(
        10, 1.0, 0.1, 5.0, mean_input, energy_negative=ratio, energy_negative_error=0.1, distance=distance, at_bounds=0
    )


def chosen(*candidates: tuple[Check, bool]) -> int:
    ranks = [preference(each, 0.9, burned_in=burned_in) for each, burned_in in candidates]
    return ranks.index(min(ranks))


def test_of_states_in_equilibrium_the_nearest_to_the_data_is_kept() -> None:
    assert chosen((check(0.9, 3.0), True), (check(1.1, 2.0), True), (check(1.3, 1.0), True)) == 1
    assert chosen((check(1.0, 1.0), False), (check(1.1, 2.0), True)) == 1  # before the burn-in
    assert chosen((check(1.0, 1.0, mean_input=0.95), True), (check(1.1, 2.0), True)) == 1  # collapsed
    assert chosen((check(float("nan"), 1.0), True), (check(9.0, 2.0), False)) == 1


def test_without_one_in_equilibrium_the_nearest_to_it_is_kept() -> None:
    assert chosen((check(0.5, 1.0), True), (check(1.9, 3.0), True)) == 1  # |log 0.5| > |log 1.9|
    assert preference(check(1.9, 3.0), 0.9, burned_in=True)[0] == 1
    assert chosen((check(1.0, 1.0), False), (check(1.9, 3.0), True)) == 1
    assert chosen((check(2.0, 1.0), False), (check(1.5, 3.0), False)) == 1


def test_without_a_density_the_lowest_energy_is_kept() -> None:
    plain = [Check(step, energy, 0.1, 5.0, 0.3) for step, energy in ((1, 2.0), (2, 1.0), (3, 1.5))]
    assert chosen(*((each, True) for each in plain)) == 1


@pytest.mark.parametrize("model", [AE, NAE])
def test_the_model_file_holds_the_state_that_was_selected(model: dict[str, object], tmp_path: Path) -> None:
    config = fit(model, n_steps=24, learning_rate=0.05)
    header = train_on(toy_data(), config, tmp_path / "run", device=CPU)
    selected = header.training["selected"]
    checks = {line["step"]: line for line in history(tmp_path / "run") if "check_energy_data" in line}
    assert set(checks) == {14, 18, 22, 26, 30, 34}
    assert selected["energy_data"] == checks[selected["step"]]["check_energy_data"]
    short = replace(config, train=replace(config.train, n_steps=selected["step"] - 10))
    stopped = train_on(toy_data(), short, tmp_path / "stopped", device=CPU)
    last = load_file(tmp_path / "stopped" / "state.safetensors")
    kept = load_checkpoint(tmp_path / "run" / "model.safetensors").model.state_dict()
    assert all(torch.equal(value, last[f"now.model.{key}"]) for key, value in kept.items())
    assert stopped.training["selected"]["step"] == selected["step"]
    if model is AE:
        assert selected["energy_data"] == min(line["check_energy_data"] for line in checks.values())
    else:
        assert {"ratio", "distance", "at_bounds", "weight_norm"} <= set(selected)


def test_a_training_without_a_state_in_equilibrium_says_so(tmp_path: Path) -> None:
    hot = {"n_steps": 2, "step_size": 0.5, "noise_std": 5.0}
    header = train_on(toy_data(), fit({**NAE, "visible": hot}), tmp_path / "run", device=CPU)
    assert header.training["selected"]["qualified"] is False
    assert "no checked state qualified: the one nearest to it was taken" in header.training["warnings"]


def test_how_often_is_checked_does_not_change_the_steps(tmp_path: Path) -> None:
    for every in (3, 100):
        train_on(toy_data(), fit(check_every=every), tmp_path / str(every), device=CPU)
    often, seldom = (history(tmp_path / name) for name in ("3", "100"))
    assert [line["loss"] for line in often] == [line["loss"] for line in seldom]


def test_no_label_reaches_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [field.name for field in fields(TrainingData) if "label" in field.name or "signal" in field.name]
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    counts = np.random.default_rng(1).integers(5, 40, (60, 2)).tolist()
    write_events(tmp_path / "as_is.root", counts)
    with uproot.open(tmp_path / "as_is.root") as file:
        tree = file["events"].arrays()
    jets = {name: tree[f"Jet_{name}"] for name in ("pt", "eta", "phi", "mass")}
    permuted = ak.unflatten(np.random.default_rng(2).permutation(ak.flatten(tree.Jet_label)), 2)
    write_events(tmp_path / "permuted.root", counts, Jet=ak.zip({**jets, "label": permuted}))
    write_events(tmp_path / "removed.root", counts, Jet=ak.zip(jets))
    headers = []
    for name in ("as_is", "permuted", "removed"):
        data = DataConfig((f"{name}.root",), n_jets=120, pt=(10.0, 5000.0), abs_eta=3.0, radius=0.8, label=None)
        config = RunConfig(data, NAE, TrainConfig(4, 1e-3, 4, batch_size=16, check_every=2, burn_in=0), features=SPEC)
        headers.append(train(config, tmp_path / name, device=CPU))
    assert len({header.sha256 for header in headers}) == 1
    assert history(tmp_path / "as_is") == history(tmp_path / "permuted") == history(tmp_path / "removed")
    assert len({str(header.training["selected"]) for header in headers}) == 1
