"""Image making against the way it is done by hand. Run with `make benchmark`."""

from __future__ import annotations

from time import perf_counter

import awkward as ak
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from jetnae.images import ImageSpec, make_images
from jetnae.jets import Jets
from tests.conftest import jets_of, random_constituents

N_JETS = 4000  # 25 MB of images: far larger batches measure how fast the system hands out fresh memory


@pytest.fixture(scope="module")
def jets() -> Jets:
    counts = np.random.default_rng(1).poisson(50, N_JETS)
    return jets_of(random_constituents(counts))


def histogram_loop(jets: Jets, n_jets: int) -> float:
    """Seconds per jet of a bare loop of `numpy.histogram2d`: no centering, no rotation, no flips."""
    columns = [ak.to_list(jets.constituents[name][:n_jets]) for name in ("eta", "phi", "pt")]
    parts = [[np.array(values) for values in column] for column in columns]
    window = [[-0.6, 0.6], [-0.6, 0.6]]
    start = perf_counter()
    for eta, phi, pt in zip(*parts, strict=True):
        np.histogram2d(eta, phi, bins=40, range=window, weights=pt)
    return (perf_counter() - start) / n_jets


def seconds_per_jet(jets: Jets, spec: ImageSpec) -> float:
    """Seconds per jet of the full preprocessing."""
    start = perf_counter()
    make_images(jets, spec)
    return (perf_counter() - start) / len(jets)


@pytest.mark.parametrize("smearing", [0.0, 1.0, 2.0])
def test_full_preprocessing(benchmark: BenchmarkFixture, jets: Jets, smearing: float) -> None:
    spec = ImageSpec(smearing=smearing)
    make_images(jets, spec)  # compile
    benchmark.pedantic(make_images, args=(jets, spec), rounds=9)  # type: ignore[no-untyped-call]
    # turn by turn, so that a busy machine slows both alike
    ratio = float(np.median([histogram_loop(jets, 500) / seconds_per_jet(jets, spec) for _ in range(15)]))
    benchmark.extra_info["times_faster_than_a_loop"] = ratio
    print(f"\nsmearing {smearing:g}: {ratio:.0f} times a loop of numpy.histogram2d")  # noqa: T201
    assert smearing > 0 or ratio > 30
