"""A training that is killed at any moment goes on to the bit-identical result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from jetnae.checkpoint import load_checkpoint
from jetnae.training import RunConfig, TrainConfig, write_run_config
from jetnae.training_data import DataConfig
from tests.conftest import write_events
from tests.test_cli import jetnae
from tests.training import NAE, SPEC, history

RATE = 1.0
"""So large that the training has to go back now and then."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with both phases, checks and recovery."""
    write_events(tmp_path / "qcd.root", np.random.default_rng(1).integers(5, 40, (60, 2)).tolist())
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    data = DataConfig(("qcd.root",), n_jets=60, pt=(1.0, 5000.0), abs_eta=3.0, radius=0.8)
    steps = TrainConfig(60, RATE, 200, batch_size=16, save_every=3, check_every=10, burn_in=10, average=0.9)
    write_run_config(tmp_path / "run.toml", RunConfig(data, NAE, steps, features=SPEC))
    return tmp_path


def kill_after(n_states: int, delay: float, folder: Path, *, resume: bool) -> bool:
    """Start the command, wait until it has saved so many states and a moment longer, kill it; whether it was alive."""
    command = [sys.executable, "-m", "jetnae", "train", "run.toml", "-o", "cut", "--device", "cpu"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, *["--resume"] * resume], cwd=folder, stdout=log, stderr=log)
    state, seen, last = folder / "cut" / "state.safetensors", 0, None
    end = time.monotonic() + 120
    while process.poll() is None and seen < n_states and time.monotonic() < end:
        now = state.stat().st_mtime_ns if state.exists() else None
        seen, last = seen + (now != last), now
        time.sleep(0.001)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return alive


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_where_an_undisturbed_training_does(folder: Path) -> None:
    assert jetnae("train", "run.toml", "-o", "whole", "--device", "cpu", cwd=folder).returncode == 0
    rng = np.random.default_rng(os.getpid())  # another moment every time: there must be no bad one
    moments = [(int(rng.integers(2, 25)), float(rng.uniform(0, 0.05))) for _ in range(3)]
    killed = 0
    for n_states, delay in moments:
        resume = (folder / "cut" / "state.safetensors").exists()
        killed += kill_after(n_states, delay, folder, resume=resume)
    assert killed >= 1, (folder / "log").read_text()
    end = jetnae("train", "run.toml", "-o", "cut", "--resume", "--device", "cpu", cwd=folder)
    assert end.returncode == 0, end.stderr
    assert history(folder / "cut") == history(folder / "whole"), moments
    for name in ("state", "model"):
        first, second = (load_file(folder / run / f"{name}.safetensors") for run in ("whole", "cut"))
        assert first.keys() == second.keys()
        assert all(torch.equal(value, second[key]) for key, value in first.items()), moments
    headers = [load_checkpoint(folder / run / "model.safetensors").header.training for run in ("whole", "cut")]
    assert [header["selected"] for header in headers] == [headers[0]["selected"]] * 2
    assert [header["events"] for header in headers] == [headers[0]["events"]] * 2
    assert headers[0]["rollbacks"] >= 1
    assert not list((folder / "cut").glob(".*"))
