"""Several processes train one model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from jetnae.checkpoint import load_checkpoint
from jetnae.errors import InputError
from jetnae.training import Group, RunConfig, TrainConfig, train, write_run_config
from jetnae.training_data import DataConfig
from tests.conftest import write_events
from tests.test_cli import fails
from tests.training import AE, CPU, NAE, SPEC

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]
EACH_RANK = """
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from jetnae.training import join_group, read_run_config
from jetnae.training.loop import make_setup, take_steps
from jetnae.training.state import initial_state
from jetnae.training_data import load_training_data

torch.set_num_threads(1)
config = read_run_config("nae.toml")
with join_group(torch.device("cpu")) as (group, device):
    data = load_training_data(config.data, config.spec, config.train.seed)
    state = initial_state(config, data.spec, device, group, 0)
    for state, line in take_steps(make_setup(data, config, device, group), state):
        pass
    tensors = {**state.model.state_dict(), "replay": state.model.replay}
    save_file({key: value.contiguous() for key, value in tensors.items()}, f"rank{group.rank}.safetensors")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_events(tmp_path / "qcd.root", np.random.default_rng(1).integers(5, 40, (400, 2)).tolist())
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data = DataConfig(("qcd.root",), n_jets=400, pt=(1.0, 5000.0), abs_eta=3.0, radius=0.8)
    nae = RunConfig(data, NAE, TrainConfig(6, 1e-3, 6, batch_size=9, save_every=5), features=SPEC)
    write_run_config(tmp_path / "nae.toml", nae)
    write_run_config(tmp_path / "ae.toml", autoencoder(1, data))
    return tmp_path


def autoencoder(seed: int, data: DataConfig) -> RunConfig:
    return RunConfig(data, AE, TrainConfig(300, 1e-2, seed=seed, batch_size=32), features=SPEC)


def launch(folder: Path, *arguments: str) -> str:
    done = subprocess.run([*LAUNCH, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_processes_end_with_the_same_weights_and_chains_of_their_own(folder: Path) -> None:
    (folder / "each_rank.py").write_text(EACH_RANK, encoding="utf-8")
    launch(folder, "each_rank.py")
    first, second = (load_file(folder / f"rank{rank}.safetensors") for rank in (0, 1))
    assert not torch.equal(first.pop("replay"), second.pop("replay"))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.mark.slow
def test_two_processes_learn_what_one_does(folder: Path) -> None:
    """The energy of held-out jets after training lies within the spread of single processes with other seeds."""
    out = launch(folder, "-m", "jetnae", "train", "ae.toml", "-o", "two", "--device", "cpu")
    assert out.count("output") == 1
    together = load_checkpoint(folder / "two" / "model.safetensors").header.training["energy_data"]
    settings = DataConfig(("qcd.root",), n_jets=400, pt=(1.0, 5000.0), abs_eta=3.0, radius=0.8)
    alone = [
        train(autoencoder(seed, settings), folder / str(seed), device=CPU).training["energy_data"]
        for seed in range(2, 7)
    ]
    assert abs(np.log(together) - np.mean(np.log(alone))) < 5 * np.std(np.log(alone), ddof=1)
    assert "2 processes, here are 1" not in out
    assert "was made by 2 processes, here are 1" in fails(
        "train", "ae.toml", "-o", "two", "--resume", "--device", "cpu", cwd=folder
    )


def test_shares_of_a_batch_add_up() -> None:
    assert [Group(rank, 4).share(10) for rank in range(4)] == [3, 3, 2, 2]
    with pytest.raises(InputError, match="at least one input for each"):
        Group(0, 4).share(3)
