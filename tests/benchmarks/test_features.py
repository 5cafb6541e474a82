"""How many jets get their features per second on one core. Run with `make benchmark`."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import jetnae
from jetnae.features import jet_features
from jetnae.jets import Jets
from tests.features import SAMPLE


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="module")
def jets() -> Jets:
    """The simulated jets of the bundled sample: 51 constituents on average, at most 159."""
    return jetnae.read_jets(SAMPLE)


@pytest.mark.usefixtures("one_thread")
def test_all_features_without_reclustering(benchmark: BenchmarkFixture, jets: Jets) -> None:
    jet_features(jets)  # compile
    benchmark.pedantic(jet_features, args=(jets,), rounds=9)  # type: ignore[no-untyped-call]
    rate = len(jets) / benchmark.stats.stats.min
    benchmark.extra_info["jets_per_second"] = rate
    print(f"\n{rate:.0f} jets per second and core")  # noqa: T201
    assert rate > 5000


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("names", [("sd_mass",), ("tau1", "tau2", "tau3", "tau4")])
def test_reclustering(benchmark: BenchmarkFixture, jets: Jets, names: tuple[str, ...]) -> None:
    pytest.importorskip("fastjet", reason="needs the extra jetnae[cluster]")
    found = benchmark.pedantic(jet_features, args=(jets, names), rounds=1)  # type: ignore[no-untyped-call]
    rate = len(jets) / benchmark.stats.stats.min
    benchmark.extra_info["jets_per_second"] = rate
    print(f"\n{', '.join(names)}: {rate:.0f} jets per second and core")  # noqa: T201
    assert all(np.isfinite(values).all() for values in found.values())
