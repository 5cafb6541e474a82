"""How fast what learns, and the mean of the weights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jetnae.errors import InputError
from jetnae.training import TrainConfig, train_on
from tests.training import CPU, fit, toy_data


def test_rates_follow_the_phases() -> None:
    settings = TrainConfig(
        100, 1e-4, pretrain_steps=10, pretrain_learning_rate=1e-2, pretrain_decay=0.1, decoder_rate=0.5
    )
    rates = [settings.rate(step) for step in range(12)]
    assert rates[0] == pytest.approx(1e-2)
    assert rates[5] == pytest.approx(0.55e-2)  # half a cosine, half way
    assert all(late < early for early, late in pairwise(rates[:10]))
    assert rates[10:] == [1e-4, 1e-4]
    assert settings.rate(10, decoder=True) == pytest.approx(0.5e-4)
    assert settings.rate(3, decoder=True) == rates[3]


@pytest.mark.parametrize("settings", [{"pretrain_decay": 0.0}, {"average": 1.0}, {"decoder_rate": -1.0}])
def test_rates_without_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected pretrain_decay"):
        TrainConfig(10, 1e-3, **settings)


def test_a_decoder_at_rest_does_not_move_after_pretraining(tmp_path: Path) -> None:
    train_on(toy_data(), fit(n_steps=0), tmp_path / "before", device=CPU)
    train_on(toy_data(), fit(n_steps=8, decoder_rate=0.0), tmp_path / "after", device=CPU)
    before, after = (load_file(tmp_path / name / "state.safetensors") for name in ("before", "after"))
    moved = {key for key in before if key.startswith("now.model.") and not torch.equal(before[key], after[key])}
    assert any("encoder" in key for key in moved)
    assert not any("decoder" in key for key in moved)


def test_the_mean_of_the_weights_is_what_is_shipped(tmp_path: Path) -> None:
    """With a memory of everything, the mean of the weights after each step, reconstructed from trainings that stop."""
    n_steps, decay = 4, 0.999
    mean: dict[str, torch.Tensor] = {}
    for step in range(1, n_steps + 1):
        folder = tmp_path / str(step)
        settings = fit(n_steps=step, average=decay, check_every=1000, burn_in=0)
        train_on(toy_data(), settings, folder, device=CPU)
        state = load_file(folder / "state.safetensors")
        weights = {key.removeprefix("now.model."): value for key, value in state.items() if "now.model." in key}
        k = step - 1
        share = min(decay, k / (k + 10))
        mean = weights if not mean else {key: mean[key].lerp(weights[key], 1 - share) for key in mean}
    shipped = load_file(tmp_path / str(n_steps) / "model.safetensors")
    for key in (key for key in shipped if "coder" in key):
        torch.testing.assert_close(shipped[key], mean[key])
        assert not torch.equal(shipped[key], weights[key])
