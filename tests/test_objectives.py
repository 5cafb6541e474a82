"""What every model with a density does with its chains, for images and for features, and the laws of each objective."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from jetnae.checkpoint import build_model
from jetnae.distances import exact
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.models import (
    MODELS,
    Chains,
    NormalizedAutoencoder,
    RecoveredAutoencoder,
    RecoveredScalar,
    WassersteinNormalizedAutoencoder,
)
from tests.conftest import SMALL_NETWORK

DENSITIES = [name for name, (kind, _) in MODELS.items() if hasattr(kind, "chains")]
SIDE, PIXEL_SUM = 16, 16.0
SPECS = {
    "images": ImageSpec(n_pixels=SIDE, pixel_sum=PIXEL_SUM),
    "features": FeatureSpec(("mass", "girth", "multiplicity", "ptd")),
}


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def inputs(kind: str, n: int = 24) -> torch.Tensor:
    if kind == "features":
        return torch.randn(n, 4, generator=generator(2))
    x = torch.rand(n, SIDE, SIDE, generator=generator(2)) ** 8
    return PIXEL_SUM * x / x.sum(dim=(1, 2), keepdim=True)


def new_model(name: str, kind: str, **settings: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_model(name, {**SMALL_NETWORK, **settings}, SPECS[kind])
    model.begin(inputs(kind), generator())
    return model


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("name", DENSITIES)
class TestEveryDensity:
    def test_fresh_chains_live_where_the_inputs_do(self, name: str, kind: str) -> None:
        chains = new_model(name, kind).chains(10, generator())
        assert isinstance(chains, Chains)
        for x in (chains.starts, chains.latent_ends, chains.samples):
            assert x.shape == (10, *inputs(kind).shape[1:])
            assert not x.requires_grad
            assert bool(torch.isfinite(x).all())
        assert 0 <= chains.at_bounds <= 1
        assert all(each > 0 for each in chains.temperatures.values())
        if kind == "images":
            assert float(chains.samples.min()) >= 0
            torch.testing.assert_close(chains.samples.sum(dim=(1, 2)), torch.full((10,), PIXEL_SUM))

    def test_fresh_chains_know_neither_data_nor_replay_buffer(self, name: str, kind: str) -> None:
        model = new_model(name, kind)
        before = model.chains(10, generator(5))
        model.load_training_state({key: value + 1 for key, value in model.training_state().items()})
        assert torch.equal(before.samples, model.chains(10, generator(5)).samples)

    def test_longer_chains_begin_at_the_same_place_and_go_on(self, name: str, kind: str) -> None:
        model = new_model(name, kind)
        usual, long = (model.chains(10, generator(5), length=length) for length in (1, 3))
        assert torch.equal(usual.starts, long.starts)
        assert not torch.equal(usual.samples, long.samples)

    def test_the_loss_reaches_what_the_score_depends_on(self, name: str, kind: str) -> None:
        model, x = new_model(name, kind), inputs(kind)
        loss, logs = model.loss(x, generator())
        assert {"energy_data", "energy_negative"} <= set(logs)
        loss.backward()
        score = model.energy(x).mean()
        learning = {key: each for key, each in model.named_parameters() if each.requires_grad}
        needed = torch.autograd.grad(score, list(learning.values()), allow_unused=True)
        for (key, parameter), grad in zip(learning.items(), needed, strict=True):
            if grad is not None and float(grad.abs().sum()) > 0:
                assert parameter.grad is not None, key

    def test_training_goes_on_where_it_stopped(self, name: str, kind: str) -> None:
        first, second = (new_model(name, kind) for _ in range(2))
        first.loss(inputs(kind), generator(4))
        second.load_state_dict(first.state_dict())
        second.load_training_state({key: value.clone() for key, value in first.training_state().items()})
        losses = [float(model.loss(inputs(kind), generator(6))[0].detach()) for model in (first, second)]
        assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("start", ["on_manifold", "persistent", "contrastive"])
class TestStarts:
    def test_negative_samples_live_where_the_inputs_do(self, start: str, kind: str) -> None:
        model, x = new_model("nae", kind, start=start), inputs(kind)
        negatives = model.draw(x, generator())
        assert negatives.shape == x.shape
        if kind == "images":
            torch.testing.assert_close(negatives.sum(dim=(1, 2)), torch.full((24,), PIXEL_SUM))
        else:
            low, high = model.bounds.tolist()
            assert low <= float(negatives.min()) <= float(negatives.max()) <= high

    def test_only_what_has_to_remember_does(self, start: str, kind: str) -> None:
        model = new_model("nae", kind, start=start, replay_size=50)
        shapes = {key: tuple(value.shape) for key, value in model.training_state().items()}
        if start == "persistent":
            assert shapes == {"replay": (50, *inputs(kind).shape[1:])}
        elif start == "on_manifold" and kind == "images":
            assert shapes == {"replay": (50, 3)}
        else:
            assert shapes == {}


def test_contrastive_chains_without_steps_stay_at_the_data() -> None:
    model = new_model("nae", "features", start="contrastive", features={"n_steps": 0})
    torch.testing.assert_close(model.draw(inputs("features"), generator()), inputs("features"))
    assert float(model.loss(inputs("features"), generator())[0].detach()) == pytest.approx(0, abs=1e-6)


def test_persistent_chains_go_on_in_their_slots() -> None:
    model = new_model("nae", "features", start="persistent", replay_size=30, replay_ratio=1.0)
    before = model.replay.clone()
    negatives = model.draw(inputs("features"), generator())
    changed = (model.replay != before).any(dim=1)
    assert int(changed.sum()) <= 24
    assert {tuple(row) for row in negatives.tolist()} <= {tuple(row) for row in model.replay.tolist()}


def test_a_stated_temperature_is_that_of_the_chains_and_not_learned() -> None:
    model = new_model("nae", "features", features={"temperature": 0.3})
    expected = 0.3 * float(model.score(inputs("features")).mean())
    assert float(model.temperature()) == pytest.approx(expected, rel=1e-5)
    assert model.chains(5, generator()).temperatures == pytest.approx({"latent": expected, "visible": expected})
    assert "log_temperature" not in dict(model.named_parameters())


def test_the_learned_temperature_begins_by_equipartition() -> None:
    # four features, a manifold of two dimensions: E = T (4 - 2) / 2
    model = new_model("nae", "features")
    expected = float(model.score(inputs("features")).mean())
    assert float(model.temperature().detach()) == pytest.approx(expected, rel=1e-5)
    assert model.bounds.tolist() == pytest.approx(
        [-v for v in (1.1 * float(inputs("features").abs().max()),)] * 1 + [1.1 * float(inputs("features").abs().max())]
    )


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("nae", {"features": {"temperature": 0.0}}, "temperature"),
        ("nae", {"features": {"bounds": [2, 1]}}, "low < high"),
        ("nae", {"features": {"step": 0.0}}, "step"),
        ("nae", {"features": {"n_candidates": 0}}, "n_candidates"),
        ("nae", {"network": {"depth": -1}}, "depth"),
        ("wnae", {"bounds": [2, 1]}, "low < high"),
        ("wnae", {"n_projections": 0}, "n_projections"),
        ("wnae", {"transport": "teleport"}, "transport"),
        ("wnae", {"replay_ratio": 2.0}, "replay_ratio"),
        ("wnae", {"visible": {"n_steps": 1, "step_size": 0.5, "noise_std": 1.0, "metropolis": 1.0}}, "metropolis"),
        ("mpdr_r", {"perturbation": [0.0, 0.3]}, "perturbation"),
        ("mpdr_s", {"regularization": -1.0}, "regularization"),
    ],
)
def test_settings_without_sense_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model(name, settings, SPECS["features"])


@pytest.mark.parametrize("transport", ["exact", "sinkhorn", "sliced"])
def test_every_transport_pulls_the_chains_to_the_data(transport: str) -> None:
    x = inputs("features", 48) * 0.3 + 1
    model = new_model("wnae", "features", transport=transport, bounds=[-3, 3])
    assert isinstance(model, WassersteinNormalizedAutoencoder)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    before = float(exact(x, model.chains(48, generator(), length=5).samples))
    for _ in range(40):
        optimizer.zero_grad()
        model.loss(x, generator())[0].backward()
        optimizer.step()
    assert float(exact(x, model.chains(48, generator(), length=5).samples)) < 0.6 * before


def test_the_transport_is_exact_in_few_dimensions_and_sliced_in_many() -> None:
    assert new_model("wnae", "features").transport == "exact"
    assert new_model("wnae", "images").transport == "sliced"


def test_the_gradient_goes_through_the_chain() -> None:
    # the loss at fixed random numbers, against finite differences of one weight
    model = new_model("wnae", "features", start="contrastive", transport="sliced", bounds=[-9, 9]).double()
    x = inputs("features", 40).double()
    model.load_training_state({"replay": model.replay.double()})
    weight = model.decoder.dense[-1].bias
    loss, _ = model.loss(x, generator(3))
    (grad,) = torch.autograd.grad(loss, weight)
    step, values = 1e-5, []
    for sign in (1, -1):
        with torch.no_grad():
            weight[1] += sign * step
            values.append(float(model.loss(x, generator(3))[0].detach()))
            weight[1] -= sign * step
    assert float(grad[1]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)


def test_the_second_autoencoder_begins_as_a_copy_of_the_manifold() -> None:
    model = new_model("mpdr_r", "features")
    assert isinstance(model, RecoveredAutoencoder)
    x = inputs("features")
    torch.testing.assert_close(model.energy(x), model.manifold_error(x))
    assert float(model.energy_scale) == pytest.approx(float(model.score(x).mean()), rel=1e-5)


@pytest.mark.parametrize("name", ["mpdr_r", "mpdr_s"])
def test_the_manifold_rests_while_the_energy_learns(name: str) -> None:
    model = new_model(name, "features")
    model.loss(inputs("features"), generator())[0].backward()
    for key, parameter in model.named_parameters():
        assert (parameter.grad is None) == key.startswith(("encoder", "decoder")), key


def test_small_errors_are_hardly_regularized() -> None:
    model = new_model("mpdr_r", "features")
    assert isinstance(model, RecoveredAutoencoder)
    unit = float(model.energy_scale)
    errors = unit * torch.tensor([0.5, 2.0, 4.0])
    found = unit * float(model.squares(errors / unit, errors / unit))
    assert found == pytest.approx(float(errors.square().mean()), rel=1e-5)  # beside the mean error, in the same unit


@pytest.mark.parametrize("name", ["mpdr_r", "mpdr_s"])
def test_without_chains_the_negative_samples_are_perturbed_projections(name: str) -> None:
    still = {"n_steps": 0, "step_size": 0.1, "noise_std": 0.0, "normalized": True}
    near, far = (new_model(name, "features", latent=still, visible=still, perturbation=[s, s]) for s in (1e-4, 0.3))
    x = inputs("features")
    projected = near.decoder(near.encoder(x)).detach()
    assert float((near.draw(x, generator()) - projected).norm()) < 1e-2 * float(projected.norm())
    assert float((far.draw(x, generator()) - projected).norm()) > 0.1 * float((projected - projected.mean(0)).norm())


def test_the_scalar_energy_is_bounded_everywhere() -> None:
    model = new_model("mpdr_s", "features")
    assert isinstance(model, RecoveredScalar)
    far = 1e6 * torch.randn(200, 4, generator=generator())
    largest = model.energy_head.weight.norm() + model.energy_head.bias.abs().sum()
    assert float(model.score(far).abs().max()) <= float(largest.detach())


@pytest.mark.parametrize("name", ["mpdr_r", "mpdr_s"])
def test_a_learned_recovery_scores_what_lies_off_the_data_higher(name: str) -> None:
    angle = 6.28 * torch.rand(512, generator=generator())
    ring = torch.stack([angle.cos(), angle.sin(), 0 * angle, 0 * angle], dim=1)
    model = new_model(name, "features", network={"hidden": 32, "latent_dim": 2}, learn_scale=name == "mpdr_r")
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(300):
        if step == 150:
            model.begin(ring, generator())
        loss, _ = (model.pretrain_loss if step < 150 else model.loss)(ring, generator(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    off = ring + 0.5 * torch.randn(ring.shape, generator=generator(9))
    higher = (model.score(off)[:, None] > model.score(ring)).double().mean()
    assert float(higher) > 0.9


def test_without_begin_there_are_no_chains_of_features() -> None:
    for name in ("nae", "wnae"):
        with pytest.raises(InputError, match="call begin"):
            build_model(name, SMALL_NETWORK, SPECS["features"]).chains(3, generator())


def test_a_model_in_use_keeps_its_temperature_and_bounds() -> None:
    model = new_model("nae", "features")
    assert isinstance(model, NormalizedAutoencoder)
    copy = build_model("nae", SMALL_NETWORK, SPECS["features"])
    copy.load_state_dict(model.state_dict())
    assert torch.equal(copy.chains(5, generator()).samples, model.chains(5, generator()).samples)  # type: ignore[attr-defined]
