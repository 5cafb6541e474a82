"""Failures that would be silent are noticed, mended where that is possible, and told."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jetnae.checkpoint import build_model
from jetnae.errors import NotConvergedError
from jetnae.models import MODELS, Autoencoder, AutoencoderConfig
from jetnae.models.chains import Chains
from jetnae.training import train_on
from jetnae.training.batches import make_inputs
from jetnae.training.recovery import (
    MAX_RESTARTS,
    MAX_ROLLBACKS,
    Watch,
    dead_latents,
    is_collapsed,
    make_baseline,
    stuck_chains,
)
from tests.training import AE, CPU, NETWORK, SPEC, fit, history, toy, toy_data


class Constant(Autoencoder):
    """An autoencoder whose decoder has forgotten the latent vector, whatever the seed."""

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return 0 * super().reconstruct(x) + self.offset

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: AutoencoderConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.offset = torch.nn.Parameter(torch.zeros(shape))


class FirstLost(Autoencoder):
    """An autoencoder that collapses with one seed only: its decoder starts, and stays, at zero."""

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: AutoencoderConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.register_buffer("gate", torch.tensor(0.0 if torch.initial_seed() == 1 else 1.0))

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return self.gate * super().reconstruct(x)


def constant_model(monkeypatch: pytest.MonkeyPatch, kind: type[Autoencoder]) -> dict[str, object]:
    monkeypatch.setitem(MODELS, "lost", (kind, AutoencoderConfig))
    return {"name": "lost", **NETWORK}


def test_a_collapse_begins_anew_with_another_seed_and_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fit(
        constant_model(monkeypatch, FirstLost), n_steps=300, pretrain_steps=0, check_every=50, learning_rate=1e-2
    )
    header = train_on(toy_data(), config, tmp_path / "run", device=CPU)
    (event,) = header.training["events"]
    assert (header.training["attempts"], event["kind"], event["attempt"]) == (2, "restart", 0)
    lines = history(tmp_path / "run")
    assert [line["attempt"] for line in lines] == [0] * 300 + [1] * 300
    assert lines[299]["collapsed"] == 1.0
    assert lines[299]["check_mean_input"] > 0.9 > lines[-1]["check_mean_input"]


def test_a_model_that_always_collapses_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = fit(constant_model(monkeypatch, Constant), n_steps=5, pretrain_steps=300, check_every=100)
    with pytest.raises(NotConvergedError, match=f"collapsed at step 300 .* in each of {MAX_RESTARTS + 1} attempts"):
        train_on(toy_data(), config, tmp_path / "run", device=CPU)


def test_a_slow_beginning_is_no_collapse_but_a_standstill_is() -> None:
    expected = {(299, 300, 0.99): False, (300, 300, 0.99): True, (1000, 4000, 0.99): False, (2000, 4000, 0.99): True}
    assert {
        (step, of, share): is_collapsed(share, share, 0.9, step=step, of=of) for step, of, share in expected
    } == expected
    assert not is_collapsed(0.95, 1.0, 0.9, step=2000, of=4000)
    assert not is_collapsed(None, None, 0.9, step=4000, of=4000)


def test_independent_features_with_tails_are_no_collapse_though_little_can_be_removed() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3000, 4, generator=generator)
    x[::500] *= 300  # six jets hold nearly all of the variance
    inputs = make_inputs(x, None)
    baseline = make_baseline(inputs)

    class KeepsOne(torch.nn.Module):
        def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x[:, :1], torch.zeros(len(x), 3)], dim=1).clamp(-5, 5)

    class KeepsNone(torch.nn.Module):
        def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x) + baseline.mean

    kept, lost = (baseline.share(model(), inputs) for model in (KeepsOne, KeepsNone))
    assert kept is not None
    assert kept < baseline.limit
    assert lost == pytest.approx(1)


def test_an_absurd_rate_is_halved_from_the_last_good_state_until_it_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(NotConvergedError, match=f"training diverged at step .* the {MAX_ROLLBACKS + 1}th time"):
        train_on(toy_data(), fit(AE, pretrain_steps=0, learning_rate=1e30), tmp_path / "run", device=CPU)


def test_a_rate_that_is_too_large_is_mended_and_told(tmp_path: Path) -> None:
    """The weights of this network have a norm of about 5; at this rate ten times as much comes in the first steps."""
    config = fit(AE, n_steps=40, pretrain_steps=0, learning_rate=8.0)
    header = train_on(toy_data(), config, tmp_path / "run", device=CPU)
    events = header.training["events"]
    assert 1 <= header.training["rollbacks"] == len(events) <= MAX_ROLLBACKS
    assert all("the weights grew" in event["text"] for event in events)
    assert sum(line.get("rolled_back", 0) for line in history(tmp_path / "run")) == len(events)
    assert math.isfinite(header.training["energy_data"])


def test_a_reconstruction_that_is_lost_in_the_second_phase_is_brought_back(tmp_path: Path) -> None:
    """After 300 steps most is reconstructed; at this rate of normalization it is lost, at a smaller one it is kept."""
    config = fit(pretrain_steps=300, pretrain_learning_rate=1e-2, n_steps=60, learning_rate=0.5, check_every=10)
    header = train_on(toy_data(), config, tmp_path / "run", device=CPU)
    lines = history(tmp_path / "run")
    assert lines[299]["check_mean_input"] < 0.5
    assert "worse than the mean input" in header.training["events"][0]["text"]
    assert header.training["selected"]["mean_input"] < 0.9
    again = replace(config, train=replace(config.train, n_steps=23))
    train_on(toy_data(), again, tmp_path / "cut", device=CPU)
    resumed = train_on(toy_data(), config, tmp_path / "cut", device=CPU, resume=True)
    assert (history(tmp_path / "cut"), resumed.sha256) == (lines, header.sha256)


@pytest.mark.parametrize(
    ("data", "negative", "said"),
    [
        ([1.0] * 300, [1.0 + 0.2 * (i % 5) for i in range(300)], None),
        ([1.0] * 300, [0.1 + i / 300 for i in range(300)], None),  # rises towards the data
        ([1.0] * 200, [1.0] * 100 + [50.0] + [1.0] * 99, None),  # one odd batch
        ([1.0] * 200, [1.0] * 100 + [50.0] * 100, "negative samples ran away"),
        ([1.0] * 100 + [50.0] * 100, [1.0] * 100 + [50.0] * 100, "energy of the data ran away"),
    ],
)
def test_energies_that_run_away_are_noticed_and_only_those(
    data: list[float], negative: list[float], said: str | None
) -> None:
    watch = Watch()
    found = [each for each in map(watch.add, data, negative) if each is not None]
    assert bool(found) == (said is not None)
    if said is not None:
        assert said in found[0]


def test_a_state_in_the_middle_of_running_away_is_not_one_to_go_back_to() -> None:
    watch = Watch([1.0] * 100, [])
    assert watch.quiet
    assert watch.add(50.0, None) is None
    assert not watch.quiet


def test_latents_that_do_not_vary_are_reported() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build_model("ae", {"network": {"hidden": 8, "latent_dim": 4}}, SPEC)
    held_out = make_inputs(toy(), None)
    assert dead_latents(model, held_out) is None
    last = [layer for layer in model.encoder.modules() if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight[2], last.bias[2] = 0, 0
    assert "dimensions 2 of 4" in str(dead_latents(model, held_out))


def test_chains_at_the_bounds_are_reported_unless_the_data_are_there_too() -> None:
    x = torch.ones(10, 4)
    chains = Chains(x, x, x, at_bounds=0.3)
    assert "30 % of the values" in str(stuck_chains(chains, make_inputs(x, None)))
    sparse = x.clone()
    sparse[:, :2] = 0
    assert stuck_chains(chains, make_inputs(sparse, None)) is None


def test_recovery_goes_on_in_the_same_way_after_an_interruption(tmp_path: Path) -> None:
    config = fit(AE, n_steps=40, pretrain_steps=0, learning_rate=8.0)
    whole = train_on(toy_data(), config, tmp_path / "whole", device=CPU)
    short = replace(config, train=replace(config.train, n_steps=7))
    train_on(toy_data(), short, tmp_path / "cut", device=CPU)
    resumed = train_on(toy_data(), config, tmp_path / "cut", device=CPU, resume=True)
    assert history(tmp_path / "cut") == history(tmp_path / "whole")
    assert (resumed.sha256, resumed.training["events"]) == (whole.sha256, whole.training["events"])
