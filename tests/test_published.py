"""The published network, its spectral norm, and chains with fixed weights: fast, and the same numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, build_model, load_checkpoint, save_checkpoint
from jetnae.errors import InputError
from jetnae.images import ImageSpec
from jetnae.models import Autoencoder, NormalizedAutoencoder, lanes
from jetnae.models.networks import NetworkConfig
from jetnae.models.published import Layer, Pool, Upsample
from jetnae.models.spectral import SpectralNorm
from jetnae.sampling import sphere_points
from jetnae.sampling.langevin import gradient

PUBLISHED = {"architecture": "published", "channels": [8, 8, 8], "hidden": 100, "spectral_norm": True}
SMALL = ImageSpec(n_pixels=10, pixel_sum=10.0)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def new_model(spec: ImageSpec = SMALL, *, name: str = "nae", **network: Any) -> Autoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build_model(name, {"network": {**PUBLISHED, **network}}, spec)


def images(n: int, side: int = 10) -> torch.Tensor:
    x = torch.rand(n, side, side, generator=generator(2)) ** 8
    return side * x / x.sum(dim=(1, 2), keepdim=True)


def test_the_published_network_has_the_published_size() -> None:
    model = new_model(ImageSpec(n_pixels=40, pixel_sum=1.0), name="ae", output="sigmoid")
    assert sum(parameter.numel() for parameter in model.parameters()) == 84_442


@pytest.mark.parametrize("shape", [(30, 20), (8, 8, 3, 3), (1, 8, 3, 3)])
def test_the_spectral_norm_becomes_the_largest_singular_value(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=generator()) + 0.3
    norm = SpectralNorm(weight)
    for _ in range(300):
        normalized = norm(weight)
    assert float(norm.norm(weight)) == pytest.approx(float(torch.linalg.svdvals(weight.flatten(1))[0]), rel=1e-4)
    assert float(torch.linalg.svdvals(normalized.flatten(1))[0]) == pytest.approx(1, rel=1e-4)


def test_the_gradient_reaches_the_weight_through_its_norm() -> None:
    # a layer of norm 1 does not change when its weight is scaled: no gradient along the weight itself
    weight = torch.randn(6, 5, generator=generator(), requires_grad=True)
    direction = torch.randn(6, 5, generator=generator(2))
    (SpectralNorm(weight)(weight) * direction).sum().backward()
    assert weight.grad is not None
    assert float(weight.grad.norm()) > 0.01
    assert float((weight.grad * weight.detach()).sum()) == pytest.approx(0, abs=1e-4)


def test_only_updates_move_the_singular_vectors() -> None:
    model = new_model()
    model.begin(images(8), generator())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert isinstance(model, NormalizedAutoencoder)
    model.negative_samples(sphere_points(4, 3, generator()), generator())
    model.score(images(4))
    model.eval().energy(images(4))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    model.train().loss(images(4), generator())
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved  # not all: a weight of one row has its singular vectors from the start
    assert moved <= {key for key in before if key.endswith(("norm.left", "norm.right"))}


def test_scores_survive_a_checkpoint(tmp_path: Path) -> None:
    model = new_model(name="ae")
    config = {"network": PUBLISHED}
    validity = Validity((50.0, 400.0), 2.0, 0.8)
    header = Header(FORMAT_VERSION, "checkpoint", "p", "ae", config, validity, "jetnae", image=SMALL)
    save_checkpoint(tmp_path / "model.safetensors", model, header)
    again = load_checkpoint(tmp_path / "model.safetensors").model
    assert torch.equal(again.score(images(5)), model.eval().score(images(5)))


@pytest.mark.parametrize("n", [1, 16, 21])
@pytest.mark.parametrize("pair", [(8, 1), (1, 8), (8, 8), (16, 8), (3, 5)])
def test_convolutions_in_lanes_agree_with_the_library(pair: tuple[int, int], n: int) -> None:
    # one channel in and out, as a stack has it, with the pair between
    weights = [torch.randn(*shape, 3, 3, generator=generator()) for shape in ((pair[1], 1), pair, (1, pair[0]))]
    biases = [torch.randn(len(weight), generator=generator(2)) for weight in weights]
    slopes = (0.3, -0.2, None)
    stack = lanes.Stack([lanes.Convolution(*each) for each in zip(weights, biases, slopes, strict=True)], 7)

    def plain(x: torch.Tensor) -> torch.Tensor:
        y = x.unsqueeze(1)
        for weight, bias, slope in zip(weights, biases, slopes, strict=True):
            y = functional.conv2d(y, weight, bias, padding=1)
            y = y if slope is None else functional.prelu(y, torch.tensor(slope))
        return y.squeeze(1)

    agree(stack, plain, torch.randn(n, 7, 7, generator=generator(3)))


@pytest.mark.parametrize("slope", [0.25, -0.5, 1.5])
def test_pooling_and_interpolation_agree_with_the_library(slope: float) -> None:
    x = torch.randint(-3, 4, (5, 6, 6), generator=generator()).float()  # with ties
    for layer in (Pool(), Upsample()):
        torch.nn.init.constant_(layer[-1].weight, slope)  # type: ignore[arg-type]
        agree(lanes.Stack([layer.in_lanes()], 6), lambda x, layer=layer: layer(x.unsqueeze(1)).squeeze(1), x)


def agree(fast: Any, plain: Any, x: torch.Tensor) -> None:
    """Same outputs, and same gradients with respect to the input, up to rounding."""
    torch.testing.assert_close(fast(x), plain(x).detach(), rtol=1e-4, atol=1e-4)
    weights = torch.randn(plain(x).shape, generator=generator(9))
    found, expected = (gradient(lambda x, f=f: f(x) * weights, x) for f in (fast, plain))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("network", [PUBLISHED, {"architecture": "mirrored"}, {"architecture": "dense"}])
def test_chains_with_fixed_weights_end_where_plain_ones_do(network: dict[str, Any]) -> None:
    model = build_model("nae", {"network": network}, ImageSpec(n_pixels=12, pixel_sum=12.0))
    assert isinstance(model, NormalizedAutoencoder)
    model.begin(images(8, 12), generator())
    starts = sphere_points(20, 3, generator(5))
    fast = model.negative_samples(starts, generator(6))
    plain = PlainChains((12, 12), 12.0, model.config)
    plain.load_state_dict(model.state_dict())
    for found, expected in zip(fast, plain.eval().negative_samples(starts, generator(6)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


class PlainChains(NormalizedAutoencoder):
    """Chains on the layers as they are trained."""

    def frozen(self) -> Any:
        return self


def test_two_threads_change_nothing() -> None:
    model, x = new_model(name="ae").eval(), images(40)
    alone = gradient(model.frozen().energy, x)
    try:
        torch.set_num_threads(2)
        together = gradient(model.frozen().energy, x)
    finally:
        torch.set_num_threads(1)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-8)


def test_images_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of 2"):
        new_model(ImageSpec(n_pixels=11, pixel_sum=1.0))


@pytest.mark.parametrize("network", [{"architecture": "odd"}, {"output": "odd"}, {"spectral_norm": True}])
def test_networks_that_do_not_exist_are_refused(network: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(network))):
        NetworkConfig(**network)


def test_every_layer_learns() -> None:
    model = new_model(name="ae")
    before = {key: value.clone() for key, value in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        model.loss(images(16), generator())[0].backward()
        optimizer.step()
    assert all(not torch.equal(value, before[key]) for key, value in model.named_parameters())
    assert isinstance(model.config.network, NetworkConfig)
    assert asdict(model.config.network)["architecture"] == "published"
    assert all(layer.norm is not None for layer in model.modules() if isinstance(layer, Layer))
