"""The contract of every model, and the laws of the normalized autoencoder."""

from __future__ import annotations

import pytest
import torch

from jetnae.checkpoint import build_model
from jetnae.errors import InputError
from jetnae.images import ImageSpec
from jetnae.models import MODELS, Autoencoder, NormalizedAutoencoder
from jetnae.sampling import sphere_points
from tests.conftest import SMALL_NETWORK

SIDE, PIXEL_SUM = 16, 16.0
IMAGE = ImageSpec(n_pixels=SIDE, pixel_sum=PIXEL_SUM)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def new_model(name: str, output: str = "softmax") -> Autoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_model(name, {"network": {**SMALL_NETWORK["network"], "output": output}}, IMAGE)
    model.begin(images(), generator())
    return model


def images(n: int = 12) -> torch.Tensor:
    x = torch.rand(n, SIDE, SIDE, generator=generator(2)) ** 8
    return PIXEL_SUM * x / x.sum(dim=(1, 2), keepdim=True)


@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_scores_are_finite_one_per_image(self, name: str) -> None:
        score = new_model(name).score(images())
        assert score.shape == (12,)
        assert bool(torch.isfinite(score).all())
        assert not score.requires_grad

    def test_the_score_does_not_depend_on_the_batch(self, name: str) -> None:
        model, x = new_model(name), images(9)
        together = model.score(x)
        alone = torch.cat([model.score(x[i : i + 1]) for i in range(9)])
        torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-7)

    def test_the_two_losses_reach_every_parameter(self, name: str) -> None:
        model = new_model(name)
        for loss in (model.pretrain_loss, model.loss):
            value, logs = loss(images(), generator())
            value.backward()
            assert value.shape == ()
            assert "energy_data" in logs
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None, key
            assert float(parameter.grad.abs().sum()) > 0, key

    def test_the_loss_repeats_with_its_generator(self, name: str) -> None:
        values = [float(new_model(name).loss(images(), generator(7))[0].detach()) for _ in range(2)]
        assert values[0] == values[1]

    def test_learning_lowers_the_reconstruction_error(self, name: str) -> None:
        model, x = new_model(name), images()
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            loss, _ = model.pretrain_loss(x, generator())
            losses.append(float(loss.detach()))
            loss.backward()
            optimizer.step()
        assert losses[-1] < 0.9 * losses[0]

    def test_images_of_another_size_are_refused(self, name: str) -> None:
        with pytest.raises(InputError, match="multiple of 4"):
            build_model(name, {}, ImageSpec(n_pixels=18))

    def test_unnormalized_images_are_refused(self, name: str) -> None:
        with pytest.raises(InputError, match="pixel_sum"):
            build_model(name, {}, ImageSpec(pixel_sum=None))


def nae() -> NormalizedAutoencoder:
    model = new_model("nae")
    assert isinstance(model, NormalizedAutoencoder)
    return model


def test_the_latent_space_is_the_unit_sphere() -> None:
    torch.testing.assert_close(nae().encoder(images()).norm(dim=1), torch.ones(12))


def test_softmax_reconstructions_live_where_the_images_do() -> None:
    reconstruction = nae().reconstruct(images())
    assert float(reconstruction.detach().min()) >= 0
    torch.testing.assert_close(reconstruction.sum(dim=(1, 2)), torch.full((12,), PIXEL_SUM))


@pytest.mark.parametrize("output", ["softmax", "softplus", "linear"])
def test_negative_samples_live_where_the_images_do(output: str) -> None:
    model = new_model("nae", output)
    assert isinstance(model, NormalizedAutoencoder)
    negatives, latent = model.negative_samples(sphere_points(10, 3, generator()), generator())
    assert negatives.shape == (10, SIDE, SIDE)
    assert float(negatives.min()) >= 0
    torch.testing.assert_close(negatives.sum(dim=(1, 2)), torch.full((10,), PIXEL_SUM))
    torch.testing.assert_close(latent.norm(dim=1), torch.ones(10))
    assert not negatives.requires_grad


@pytest.mark.parametrize("regularization", [0.0, 1e6])
def test_the_loss_is_the_regularized_energy_difference_in_units_of_the_scale(regularization: float) -> None:
    model = build_model("nae", {**SMALL_NETWORK, "regularization": regularization}, IMAGE)
    typical = float(model.score(images()).mean())
    model.begin(images(), generator())
    value, logs = model.loss(images(), generator(4))
    difference = (logs["energy_data"] - logs["energy_negative"]) / typical
    square = (logs["energy_negative"] / typical) ** 2
    assert float(value.detach()) >= (difference + regularization * square) * (1 - 1e-4)
    if regularization == 0:
        assert float(value.detach()) == pytest.approx(difference, rel=1e-4)


def test_the_chains_end_where_the_next_ones_start() -> None:
    model = nae()
    assert model.replay is not None
    before = model.replay.clone()
    model.loss(images(), generator(4))
    changed = (model.replay != before).any(dim=1)
    assert 1 <= int(changed.sum()) <= 12
    torch.testing.assert_close(model.replay.norm(dim=1), torch.ones(len(before)))


def test_without_a_replay_buffer_there_is_no_loss() -> None:
    with pytest.raises(InputError, match="replay buffer is empty"):
        build_model("nae", SMALL_NETWORK, IMAGE).loss(images(), generator())


@pytest.mark.parametrize("key", ["replay_ratio", "replay_size", "regularization"])
def test_settings_without_sense_are_refused(key: str) -> None:
    with pytest.raises(InputError, match=key):
        build_model("nae", {key: -1}, IMAGE)
