"""The scan against pyBumpHunter, and whole searches with refitted pseudo-experiments. Run with `make benchmark`."""

from __future__ import annotations

import contextlib
import io
from time import perf_counter

import numpy as np
import pyBumpHunter
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from jetnae.bumphunt import FAMILIES, HuntOptions, Spectrum, fit, hunt, pseudo_data, scan

N_TOYS = 10_000
EDGES = np.array([1000.0 * 1.04**i for i in range(51)])


def background() -> np.ndarray:
    return 20_000 * np.exp(-np.arange(50) / 6.0) + 0.1


def seconds_of_pybumphunter(counts: np.ndarray) -> float:
    other = pyBumpHunter.BumpHunter1D(
        width_min=2, width_max=10, width_step=1, scan_step=1, npe=N_TOYS, nworker=1, seed=1
    )
    start = perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        other.bump_scan(counts, background(), is_hist=True)
    return perf_counter() - start


def seconds_of_scan(counts: np.ndarray) -> float:
    start = perf_counter()
    scan(counts, background(), min_width=2, max_width=10, n_toys=N_TOYS, rng=np.random.default_rng(1))
    return perf_counter() - start


def test_scan_of_a_known_background(benchmark: BenchmarkFixture) -> None:
    counts = np.random.default_rng(1).poisson(background())
    benchmark.pedantic(seconds_of_scan, args=(counts,), rounds=5)  # type: ignore[no-untyped-call]
    # turn by turn, so that a busy machine slows both alike
    ratio = float(np.median([seconds_of_pybumphunter(counts) / seconds_of_scan(counts) for _ in range(5)]))
    benchmark.extra_info["times_faster_than_pybumphunter"] = ratio
    print(f"\n{ratio:.1f} times as fast as pyBumpHunter")  # noqa: T201
    assert ratio > 8


@pytest.mark.parametrize("family", ["dijet4", "dijet"])
def test_search_with_refitted_pseudo_experiments(benchmark: BenchmarkFixture, family: str) -> None:
    rng = np.random.default_rng(1)
    smooth = fit(Spectrum(background(), EDGES), FAMILIES["dijet4"], sqrt_s=13_000.0)
    spectrum = pseudo_data(smooth, rng)
    options = HuntOptions(family=family, max_width=10, n_toys=N_TOYS)
    benchmark.pedantic(hunt, args=(spectrum, options, rng), rounds=3)  # type: ignore[no-untyped-call]
    assert benchmark.stats.stats.median < 3
