"""A step of the published normalized autoencoder against a plain one. Run with `make benchmark`.

Both have 84,442 weights with spectral norm, images of 40 x 40 pixels, batches of 128 and 30 + 30 chain steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from jetnae.checkpoint import build_model
from jetnae.images import ImageSpec
from jetnae.models import NormalizedAutoencoder, lanes
from jetnae.sampling import sphere_points
from tests.benchmarks.plain_nae import PlainNae

BATCH, N_STEPS, ROUNDS = 128, 30, 3


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images() -> torch.Tensor:
    x = torch.rand(BATCH, 40, 40, generator=generator(2)) ** 8
    return x / x.sum(dim=(1, 2), keepdim=True)


def fast_model(n_steps: int) -> NormalizedAutoencoder:
    network = {"architecture": "published", "hidden": 100, "spectral_norm": True, "output": "sigmoid"}
    rules = {name: {"n_steps": n_steps, "step_size": 0.02, "noise_std": 0.1} for name in ("latent", "visible")}
    model = build_model("nae", {"network": network, **rules}, ImageSpec(pixel_sum=1.0))
    assert isinstance(model, NormalizedAutoencoder)
    model.begin(images(), generator())
    return model


def seconds(function: Callable[[], object]) -> float:
    start = perf_counter()
    function()
    return perf_counter() - start


def ratios(n_steps: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of plain and fast steps, turn by turn, so that a busy machine slows both alike."""
    plain, fast, x = PlainNae(), fast_model(n_steps), images()
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in fast.parameters()) == 84_442

    def fast_step() -> None:
        fast.zero_grad(set_to_none=True)
        fast.loss(x, generator())[0].backward()  # type: ignore[no-untyped-call]

    def plain_step() -> None:
        plain.step(x.unsqueeze(1), sphere_points(BATCH, 3, generator()), n_steps)

    fast.frozen().energy(x)  # compile
    pairs = [(seconds(plain_step), seconds(fast_step)) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def test_a_step_of_both_chains(benchmark: BenchmarkFixture, threads: int) -> None:
    plain, fast = benchmark.pedantic(ratios, args=(N_STEPS, ROUNDS), rounds=1)  # type: ignore[no-untyped-call]
    ratio = float(np.median(np.divide(plain, fast)))
    work = step_flop()
    benchmark.extra_info.update(times_faster=ratio, gflop_per_second=work / np.median(fast) / 1e9)
    print(  # noqa: T201
        f"\n{threads} threads: plain {np.median(plain):.2f} s, fast {np.median(fast):.2f} s, {ratio:.1f} times faster; "
        f"{work / 1e9:.0f} GFLOP, {work / np.median(fast) / 1e9:.0f} GFLOP/s"
    )
    assert ratio > 2.5


def step_flop() -> float:
    """Operations of a step; a gradient costs as much as the way forth for the input, and again for the weights."""
    model, x = PlainNae(), images()[:1].unsqueeze(1)
    encoder, decoder = flop(model.encoder, x), flop(model.decoder, torch.ones(1, 3))
    chains = N_STEPS * 2 * (encoder + 2 * decoder) + N_STEPS * 2 * (encoder + decoder)
    return float(BATCH * (chains + 6 * (encoder + decoder)))


def flop(network: torch.nn.Module, x: torch.Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops()


def test_where_the_time_goes(benchmark: BenchmarkFixture) -> None:
    rates = benchmark.pedantic(layer_rates, rounds=1)  # type: ignore[no-untyped-call]
    for name, (work, rate) in rates.items():
        print(f"\n{name:32s} {work / 1e6:8.0f} MFLOP {rate / 1e9:7.0f} GFLOP/s", end="")  # noqa: T201
    benchmark.extra_info.update({name: rate / 1e9 for name, (_, rate) in rates.items()})
    assert all(rate > 0 for _, rate in rates.values())


def layer_rates(rounds: int = 15) -> dict[str, tuple[float, float]]:
    """Operations of a batch and operations per second on one thread, of the layers and of what limits them."""
    matrix = torch.rand(1024, 1024)
    found = {"matrix product 1024": rate(2 * 1024**3, lambda: matrix @ matrix, rounds)}
    for side, n_in, n_out in ((40, 1, 8), (40, 8, 8), (40, 8, 1), (20, 1, 8), (20, 8, 8), (20, 8, 1)):
        weight, x = torch.rand(n_out, n_in, 3, 3), torch.rand(BATCH, n_in, side, side)
        work = 2 * 9 * n_in * n_out * side**2 * BATCH
        name = f"{n_in} to {n_out} channels, side {side}"
        found[f"library, {name}"] = rate(work, lambda x=x, w=weight: functional.conv2d(x, w, padding=1), rounds)
        layer, memory = lanes.Convolution(weight, torch.zeros(n_out), 0.25), np.empty(16 * 8 * side**2, np.float32)
        groups = np.random.default_rng(1).random((BATCH // 16, 1, side, side, n_in, 16), np.float32)

        def here(layer: lanes.Convolution = layer, groups: np.ndarray = groups, memory: np.ndarray = memory) -> None:
            for group in groups:
                layer.forth(group, memory)

        found[f"here, {name}"] = rate(work, here, rounds)
    return found


def rate(work: float, function: Callable[[], object], rounds: int) -> tuple[float, float]:
    function()
    return work, work / float(np.median([seconds(function) for _ in range(rounds)]))
