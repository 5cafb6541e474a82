"""The verdict on real models: one that is exactly right passes, and everything that only looks so does not."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from jetnae.checkpoint import build_model
from jetnae.diagnostics import Diagnosis, Verdict, judge, measure
from jetnae.diagnostics.comparison import distances, pca_energy, principal_axes, repeated_share
from jetnae.diagnostics.latent import on_sphere
from jetnae.diagnostics.measurement import require_density
from jetnae.errors import InputError
from jetnae.images import ImageSpec
from jetnae.models import Autoencoder, NormalizedAutoencoder
from jetnae.models.chains import Chains
from jetnae.results import from_json, to_json
from jetnae.sampling import sphere_points
from tests.conftest import SMALL_NETWORK
from tests.ring import EXACT, RADIUS, WIDTH, at_rest, exact_model, generator, ring

FEW = 400
SHORT = {"latent": {"n_steps": 1, "step_size": 0.02, "noise_std": 0.28}}


def diagnose(model: NormalizedAutoencoder, data: Tensor, n_chains: int = FEW) -> Diagnosis:
    return measure(model, data, data.mean(dim=0), generator(3), n_chains=n_chains)


def verdict(model: NormalizedAutoencoder, data: Tensor, n_chains: int = FEW) -> Verdict:
    return judge(diagnose(model, data, n_chains))


def says(found: Verdict, *parts: str) -> bool:
    return all(any(part in reason for reason in found.reasons) for part in parts)


@cache
def exact() -> Diagnosis:
    """The diagnosis of the exact model on data from its own density, in the usual size."""
    return diagnose(exact_model(), ring(4000), n_chains=2000)


def test_a_model_that_is_the_density_of_the_data_has_converged() -> None:
    found = exact()
    assert judge(found).kind == "converged", judge(found).reasons
    assert found.energies.ratio.value == pytest.approx(1, abs=3 * found.energies.ratio.error)
    assert found.energies.stability.value == pytest.approx(1, abs=3 * found.energies.stability.error)
    # the mean energy is that of one direction across the ring, half a temperature
    assert found.energies.samples["negative"].mean.value == pytest.approx(WIDTH**2 / 2, rel=0.15)
    assert found.reconstruction.mean_image == pytest.approx((RADIUS**2 + 3 * WIDTH**2) / 2, rel=0.05)
    assert found.chains.temperatures == pytest.approx({"latent": WIDTH**2, "visible": WIDTH**2}, rel=0.1)


def test_the_floor_is_small_against_the_data_in_the_usual_size() -> None:
    found = exact().distances
    assert (found.n, found.n_projections) == (2000, 200)
    assert found.floor.value < 0.1 * found.data_width
    assert found.data_width == pytest.approx(((RADIUS**2 + 3 * WIDTH**2) / 2) ** 0.5, rel=0.05)


def test_too_few_data_or_chains_are_never_enough() -> None:
    assert says(verdict(exact_model(), ring(60), 2000), "are too few, use more")
    assert says(verdict(exact_model(), ring(4000), 100), "too large to see a change")


def test_an_untrained_model_has_not_converged() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = NormalizedAutoencoder((2,), None, EXACT)
    data = ring(800)
    model.begin(data, generator())
    assert verdict(model, data).kind in {"collapsed", "not equilibrated"}


def test_an_untrained_model_of_images_has_collapsed() -> None:
    found = diagnose(image_model(), images(100), n_chains=40)
    assert judge(found).kind == "collapsed"
    assert found.features == ()
    assert found.examples is not None
    assert found.examples.data.shape == (8, 16, 16)
    assert found.latent is not None
    assert found.latent.data is not None
    assert found.latent.data.sum() == pytest.approx(1)


def test_a_constant_model_has_collapsed() -> None:
    data = ring(800, around=0.5)
    model = exact_model()
    last = list(model.decoder.parameters())
    with torch.no_grad():
        last[-2].zero_()
        last[-1].copy_(data.mean(dim=0))
    model.begin(data, generator())
    found = diagnose(model, data)
    assert judge(found).kind == "collapsed"
    assert says(judge(found), "hardly better than the mean image")


class Copying(NormalizedAutoencoder):
    """The exact model, but with chains that end in copies of a few stored data."""

    stored: Tensor

    def chains(self, n: int, generator: torch.Generator, *, length: int = 1) -> Chains:
        samples = self.stored[torch.randint(len(self.stored), (n,), generator=generator)]
        return Chains(samples, samples, samples, 0.0, {})


@pytest.mark.parametrize("n_copied", [5, 250])
def test_chains_that_copy_data_have_collapsed(n_copied: int) -> None:
    model = exact_model(kind=Copying)
    assert isinstance(model, Copying)
    model.stored = ring(n_copied, seed=7)
    found = diagnose(model, ring(2000), n_chains=1000)
    assert judge(found).kind == "collapsed"
    assert says(judge(found), "repeat others")


def test_chains_near_a_few_data_are_far_from_all_of_them() -> None:
    class Near(Copying):
        def chains(self, n: int, generator: torch.Generator, *, length: int = 1) -> Chains:
            found = super().chains(n, generator, length=length)
            return replace(found, samples=found.samples + 0.02 * torch.randn(n, 2, generator=generator))

    model = exact_model(kind=Near)
    assert isinstance(model, Near)
    model.stored = ring(5, seed=7)
    found = verdict(model, ring(2000), 1000)
    assert found.kind == "not equilibrated"
    assert says(found, "floors from the data")


def trained(model: Autoencoder, data: Tensor, n_steps: int = 300) -> None:
    """Reconstruction only."""
    optimizer, source = torch.optim.Adam(model.parameters(), 5e-3), generator()
    for _ in range(n_steps):
        batch = data[torch.randint(len(data), (64,), generator=source)]
        optimizer.zero_grad()
        model.pretrain_loss(batch, source)[0].backward()
        optimizer.step()


def test_a_plain_autoencoder_is_no_density() -> None:
    # data on half of the ring: an autoencoder reconstructs them, and its chains know nothing of the other half
    data = ring(2000, around=1.0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = NormalizedAutoencoder((2,), None, replace(EXACT, network=replace(EXACT.network, hidden=32)))
    trained(model, data)
    model.begin(data, generator())
    found = diagnose(model, data, n_chains=1000)
    assert found.reconstruction.model is not None
    assert found.reconstruction.model < 0.2 * found.reconstruction.mean_image  # it has learned what it can
    assert judge(found).kind == "not equilibrated"
    assert says(judge(found), "floors from the data")


def test_an_autoencoder_of_everything_is_no_density_either() -> None:
    # reconstructs each data point of the ring, and data elsewhere: the model of the full ring, data on a part of it
    found = verdict(exact_model(), ring(2000, around=1.0), 1000)
    assert found.kind == "not equilibrated"
    assert says(found, "floors from the data")


def test_chains_that_only_run_downhill_are_not_equilibrated() -> None:
    found = verdict(exact_model(at_rest()), ring(800))
    assert found.kind == "not equilibrated"
    assert says(found, "E-/E+ on fresh chains is 0.0")


def test_chains_that_have_not_arrived_change_when_they_run_longer() -> None:
    slow = replace(EXACT, features=replace(EXACT.features, n_steps=4, step=0.2))
    found = diagnose(exact_model(slow), ring(4000), n_chains=1000)
    assert found.energies.stability.value > 1.2
    assert judge(found).kind == "not equilibrated"
    assert says(judge(found), "changes by a factor")


def test_chains_at_the_bounds_are_not_equilibrated() -> None:
    model = image_model(visible={"n_steps": 2, "step_size": 0.0125, "noise_std": 3.0})
    data = images(100)
    trained(model, data, 150)
    found = diagnose(model, data, n_chains=40)
    assert found.chains.at_bounds > 0.3
    assert found.chains.data_at_bounds == 0
    assert judge(found).kind == "not equilibrated"
    assert says(judge(found), "the chains are at the bounds")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_a_model_that_ran_away_has_diverged(value: float) -> None:
    model = exact_model()
    with torch.no_grad():
        list(model.decoder.parameters())[-1].fill_(value)
    found = verdict(model, ring(400))
    assert found.kind == "diverged"


def image_model(**config: object) -> NormalizedAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build_model("nae", {**SMALL_NETWORK, **SHORT, **config}, ImageSpec(n_pixels=16, pixel_sum=16.0))
    assert isinstance(model, NormalizedAutoencoder)
    model.begin(images(20), generator())
    return model


def images(n: int) -> Tensor:
    """A bright spot somewhere on the diagonal, the sum of the pixels as the models expect."""
    place = 4 + 8 * torch.rand(n, 1, 1, generator=generator(5))
    axis = torch.arange(16.0)
    spots = torch.exp(-((axis[:, None] - place) ** 2 + (axis - place) ** 2) / 8) + 1e-3
    return 16 * spots / spots.sum(dim=(1, 2), keepdim=True)


def test_a_diagnosis_read_back_is_the_one_that_was_written() -> None:
    for found in (exact(), diagnose(image_model(), images(30), n_chains=20)):
        text = json.dumps(to_json(found), allow_nan=False)
        again = from_json(Diagnosis, json.loads(text))
        assert json.dumps(to_json(again)) == text
        assert judge(again) == judge(found)
        assert json.loads(text)["kind"] == "diagnosis"


def test_the_same_seed_is_the_same_diagnosis() -> None:
    first, second = (diagnose(exact_model(), ring(200), n_chains=50) for _ in range(2))
    assert json.dumps(to_json(first)) == json.dumps(to_json(second))


def test_weights_count_as_repetitions() -> None:
    data = ring(600)
    weight = torch.randint(0, 4, (600,), generator=generator(9)).float()
    model, mean = exact_model(), torch.zeros(2)
    weighted = measure(model, data, mean, generator(), weight, n_chains=50)
    repeated = measure(model, data.repeat_interleave(weight.long(), dim=0), mean, generator(), n_chains=50)
    for name in ("model", "mean_image"):
        of_weights, of_copies = (getattr(each.reconstruction, name) for each in (weighted, repeated))
        assert of_weights == pytest.approx(of_copies, rel=1e-5)
    first, second = (each.energies.samples["data"].mean.value for each in (weighted, repeated))
    assert first == pytest.approx(second, rel=1e-5)
    # half of the events without weight: what they look like does not matter
    far = torch.where(weight[:, None] == 0, 50.0, data)
    assert measure(model, far, mean, generator(), weight, n_chains=50).distances.floor.value < 0.3


@pytest.mark.parametrize(
    "weight", [torch.full((100,), -1.0), torch.zeros(100), torch.ones(50), torch.full((100,), torch.nan)]
)
def test_weights_that_cannot_be_drawn_by_are_refused(weight: Tensor) -> None:
    with pytest.raises(InputError, match="weights of held-out inputs"):
        measure(exact_model(), ring(100), torch.zeros(2), generator(), weight, n_chains=20)


def test_models_without_chains_and_hardly_any_data_are_refused() -> None:
    with pytest.raises(InputError, match="has no density"):
        require_density(build_model("ae", SMALL_NETWORK, ImageSpec(n_pixels=16)))
    with pytest.raises(InputError, match="3 held-out inputs, expected at least 4"):
        measure(exact_model(), ring(3), torch.zeros(2), generator())


def test_principal_axes_and_their_error_are_those_of_the_covariance() -> None:
    source = generator()
    data = torch.randn(4000, 5, generator=source) * torch.tensor([1.0, 4.0, 2.0, 0.5, 3.0])
    _, variances, axes = principal_axes(data, torch.ones(4000))
    np.testing.assert_allclose(variances, [16, 9, 4, 1, 0.25], rtol=0.1)
    np.testing.assert_allclose(axes.abs().numpy()[[1, 4, 2, 0, 3], range(5)], 1, atol=0.02)
    error = pca_energy(data, torch.ones(4000), 2)
    assert error == pytest.approx((4 + 1 + 0.25) / 5, rel=0.1)
    assert pca_energy(data, torch.ones(4000), 5) is None


def test_data_are_one_floor_from_data() -> None:
    data = torch.randn(4000, 3, generator=generator())
    other = torch.randn(2000, 3, generator=generator(2))
    found = distances(data, torch.ones(4000), {"same": other, "shifted": other + 0.5}, generator())
    assert found.samples["same"].value == pytest.approx(found.floor.value, rel=0.4)
    assert found.samples["shifted"].value == pytest.approx(0.5, rel=0.1)
    assert found.data_width == pytest.approx(1, rel=0.05)


def test_copies_are_repeated_and_independent_samples_are_not() -> None:
    data = torch.randn(500, 3, generator=generator())
    fresh = torch.randn(500, 3, generator=generator(2))
    assert repeated_share(data, fresh) < 0.01
    assert repeated_share(data, fresh[:100].repeat(5, 1)) == 1


def test_an_even_sphere_has_even_cells() -> None:
    cells = on_sphere(sphere_points(100_000, 3, generator()).numpy())
    np.testing.assert_allclose(cells * cells.size, 1, atol=5 * (cells.size / 100_000) ** 0.5)
