"""Training: what it needs, what it leaves behind, and that an interruption does not change the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from jetnae.checkpoint import load_checkpoint
from jetnae.errors import InputError, NotConvergedError
from jetnae.images import ImageSpec
from jetnae.training import RunConfig, TrainConfig, train
from jetnae.training_data import DataConfig, load_training_data
from tests.conftest import SMALL_NETWORK, write_events

CPU = torch.device("cpu")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """Sixty background jets, a few steps of everything."""
    write_events(tmp_path / "qcd.root", [[20, 25]] * 60)  # every second jet is labeled background
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    return RunConfig(
        data=DataConfig(("qcd.root",), n_jets=60, pt=(10.0, 5000.0), abs_eta=3.0, radius=0.8),
        model={"name": "nae", **SMALL_NETWORK, "replay_size": 50},
        train=TrainConfig(n_steps=6, learning_rate=1e-3, pretrain_steps=6, batch_size=8, save_every=4),
        image=ImageSpec(n_pixels=16, pixel_sum=16.0),
    )


class InterruptError(Exception):
    """Stands for the power cut."""


def stop_at(step: int) -> Callable[[int, int, dict[str, float]], None]:
    def report(now: int, total: int, logs: dict[str, float]) -> None:
        if now == step:
            raise InterruptError

    return report


def history(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("step", [5, 9, 11])
def test_an_interrupted_training_ends_where_an_undisturbed_one_does(
    step: int, config: RunConfig, tmp_path: Path
) -> None:
    whole = train(config, tmp_path / "whole", device=CPU)
    with pytest.raises(InterruptError):
        train(config, tmp_path / "cut", device=CPU, report=stop_at(step))
    resumed = train(config, tmp_path / "cut", device=CPU, resume=True)
    assert history(tmp_path / "cut") == history(tmp_path / "whole")
    for name in ("state", "model"):
        first, second = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("whole", "cut"))
        assert first.keys() == second.keys()
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert resumed.training["energy_ratio"] == whole.training["energy_ratio"]
    assert resumed.sha256 == whole.sha256


def test_what_a_training_leaves_behind(config: RunConfig, tmp_path: Path) -> None:
    header = train(config, tmp_path / "run", device=CPU)
    loaded = load_checkpoint(tmp_path / "run" / "model.safetensors")
    assert loaded.header == header
    assert (loaded.spec, loaded.validity.pt) == (config.image, config.data.pt)
    assert header.training["config"]["train"]["seed"] == config.train.seed
    assert header.training["temperature_latent"] == pytest.approx(1.96)
    steps = history(tmp_path / "run")
    assert [entry["step"] for entry in steps] == list(range(1, 13))
    assert ["energy_negative" in entry for entry in steps] == [False] * 6 + [True] * 6


def test_the_plain_autoencoder_takes_the_same_path(config: RunConfig, tmp_path: Path) -> None:
    header = train(replace(config, model={"name": "ae", **SMALL_NETWORK}), tmp_path / "run", device=CPU)
    assert header.training["energy_data"] > 0
    assert "energy_ratio" not in header.training


def test_only_selected_background_jets_are_used(config: RunConfig) -> None:
    data = load_training_data(config.data, config.spec, seed=1)
    assert (len(data.training), len(data.validation)) == (54, 6)
    with pytest.raises(InputError, match=r"60 jets pass the selection in qcd\.root, expected 61"):
        load_training_data(replace(config.data, n_jets=61), config.spec, seed=1)
    everything = load_training_data(replace(config.data, n_jets=120, label=None), config.spec, seed=1)
    assert len(everything.training) + len(everything.validation) == 120


def test_another_seed_is_another_training(config: RunConfig, tmp_path: Path) -> None:
    headers = [
        train(replace(config, train=replace(config.train, seed=seed)), tmp_path / str(seed), device=CPU)
        for seed in (1, 2)
    ]
    assert headers[0].training["energy_data"] != headers[1].training["energy_data"]


def test_nothing_is_trained_over_or_resumed_by_mistake(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no saved state to resume from"):
        train(config, tmp_path / "run", device=CPU, resume=True)
    train(config, tmp_path / "run", device=CPU)
    with pytest.raises(InputError, match="already holds a training"):
        train(config, tmp_path / "run", device=CPU)
    faster = replace(config, train=replace(config.train, learning_rate=9.0))
    with pytest.raises(InputError, match="another configuration"):
        train(faster, tmp_path / "run", device=CPU, resume=True)


def test_a_finished_training_can_be_made_longer(config: RunConfig, tmp_path: Path) -> None:
    longer = replace(config, train=replace(config.train, n_steps=9))
    whole = train(longer, tmp_path / "whole", device=CPU)
    train(config, tmp_path / "cut", device=CPU)
    assert train(longer, tmp_path / "cut", device=CPU, resume=True).sha256 == whole.sha256
    assert history(tmp_path / "cut") == history(tmp_path / "whole")


def test_a_training_without_history_or_with_a_damaged_state_is_an_input_error(
    config: RunConfig, tmp_path: Path
) -> None:
    train(config, tmp_path / "run", device=CPU)
    (tmp_path / "run" / "history.jsonl").unlink()
    train(config, tmp_path / "run", device=CPU, resume=True)
    state = load_file(tmp_path / "run" / "state.safetensors")
    with safe_open(tmp_path / "run" / "state.safetensors", framework="pt") as file:
        metadata = file.metadata()
    del state["rank0.generator"]
    save_file(state, tmp_path / "run" / "state.safetensors", metadata)
    with pytest.raises(InputError, match="is damaged"):
        train(config, tmp_path / "run", device=CPU, resume=True)


def test_a_missing_data_file_leaves_no_folder(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="looked up in JETNAE_DATA"):
        train(replace(config, data=replace(config.data, files=("none.root",))), tmp_path / "run", device=CPU)
    assert not (tmp_path / "run").exists()


def test_the_global_generator_is_left_alone(config: RunConfig, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train(config, tmp_path / "run", device=CPU)
    assert torch.equal(torch.rand(1), expected)


def test_a_training_that_runs_away_stops(config: RunConfig, tmp_path: Path) -> None:
    wild = replace(config, train=replace(config.train, pretrain_learning_rate=1e30))
    with pytest.raises(NotConvergedError, match="training diverged at step"):
        train(wild, tmp_path / "run", device=CPU)
