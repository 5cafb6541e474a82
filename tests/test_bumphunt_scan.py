"""The BumpHunter scan: tails of the Poisson distribution, windows by hand, and the published answers."""

from __future__ import annotations

import contextlib
import io
import json
import math
from pathlib import Path

import numpy as np
import pyBumpHunter
import pytest
import uproot
from scipy.special import gammainc, gammaincc

from jetnae.bumphunt import Scan, scan
from jetnae.bumphunt.scan import largest_t
from jetnae.bumphunt.tails import calm, divergence, local_p, minus_log_p
from jetnae.bumphunt.windows import make_windows
from jetnae.errors import InputError
from jetnae.intervals import LEVEL
from jetnae.results import from_json, to_json

FALLING = 1e4 * np.exp(-np.arange(50) / 6)


def log_tail(count: int, expected: float) -> float:
    """-ln of the Poisson tail by summing its terms."""
    terms = [n * math.log(expected) - expected - math.lgamma(n + 1) for n in range(count, count + 2000)]
    return -float(np.logaddexp.reduce(terms))


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1e-9), (3, 0.2), (12, 10.0), (250, 0.3), (1500, 1000.0), (3000, 1000.0), (900, 1.0)]
)
def test_minus_log_p_is_the_sum_over_the_tail_however_small(count: int, expected: float) -> None:
    found = minus_log_p(np.array([float(count)]), np.array([expected]))[0]
    assert found == pytest.approx(log_tail(count, expected), rel=1e-9)


def test_there_is_no_excess_without_more_counts_than_expected() -> None:
    counts, expected = np.array([3.0, 3.0, 0.0, 0.0, 5.0]), np.array([3.0, 4.0, 0.0, 2.0, 0.0])
    np.testing.assert_array_equal(local_p(counts, expected), np.ones(5))
    np.testing.assert_array_equal(minus_log_p(counts, expected), np.zeros(5))


def test_the_tail_lies_between_the_normal_tails_that_the_scan_relies_on() -> None:
    rng = np.random.default_rng(1)
    b = 10 ** rng.uniform(-3, 6, 100_000)
    d = np.floor(b + 1 + np.abs(rng.normal(0, 5, len(b))) * np.sqrt(b))
    t = minus_log_p(d, b)
    smaller = np.array([0.5 * math.erfc(math.sqrt(x)) for x in np.maximum(divergence(d, b), 0)])
    larger = np.array([0.5 * math.erfc(math.sqrt(x)) for x in np.maximum(divergence(d - 1, b), 0)])
    assert np.all(np.exp(-t) >= smaller * (1 - 1e-6))
    assert np.all((np.exp(-t) <= larger * (1 + 1e-6)) | (d - 1 <= b))


def test_calm_sidebands_have_neither_excess_nor_deficit() -> None:
    rng = np.random.default_rng(1)
    b = 10 ** rng.uniform(-2, 5, 100_000)
    d = np.maximum(np.rint(b + 3 * rng.normal(0, 1, len(b)) * np.sqrt(b)), 0)
    p = np.where(d > b, gammainc(np.maximum(d, 1), b), gammaincc(d + 1, b))
    np.testing.assert_array_equal(calm(d, b), p > 1e-3)
    assert 0.1 < (p > 1e-3).mean() < 0.9
    assert calm(np.array([0.0, 4.0]), np.zeros(2)).all()


def by_hand(counts: np.ndarray, background: np.ndarray, widths: range, *, sidebands: bool) -> tuple[float, int, int]:
    """The smallest p-value with its window, by loops."""
    best = (1.1, 0, 0)
    for width in widths:
        for first in range(len(counts) - width + 1):
            side = max(1, width // 2)
            parts = [slice(max(first - side, 0), first), slice(first + width, first + width + side)]
            quiet = True
            for part in parts if sidebands else []:
                d, b = counts[part].sum(), background[part].sum()
                quiet &= b == 0 or (gammainc(d, b) if d > b else gammaincc(d + 1, b)) > 1e-3
            d, b = counts[first : first + width].sum(), background[first : first + width].sum()
            p = gammainc(d, b) if d > b > 0 else 1.0
            if quiet and p < best[0]:
                best = (p, first, width)
    return best


@pytest.mark.parametrize("sidebands", [False, True])
def test_the_best_window_is_the_one_found_by_hand(sidebands: bool) -> None:
    rng = np.random.default_rng(1)
    widths = range(1, 7)
    windows = make_windows(np.ones(30, dtype=bool), min_width=1, max_width=6)
    background = 300 * np.exp(-np.arange(30) / 4)
    spectra = rng.poisson(background, (40, 30))
    spectra[:20, 8:18] += 40
    t = largest_t(spectra, background, windows, sideband_criterion=sidebands)
    for counts, value in zip(spectra, t, strict=True):
        p, first, width = by_hand(counts, background, widths, sidebands=sidebands)
        found = scan(counts, background, min_width=1, max_width=6, n_toys=0, sideband_criterion=sidebands)
        assert (found.first_bin, found.width) == (first, width)
        assert found.local_p == pytest.approx(p, rel=1e-9)
        assert value == pytest.approx(-np.log(p), abs=1e-9)
    if sidebands:
        without = largest_t(spectra, background, windows)
        assert (without >= t).all()
        assert (without > t).any()


def test_each_pseudo_experiment_may_have_a_background_of_its_own() -> None:
    rng = np.random.default_rng(1)
    windows = make_windows(np.ones(50, dtype=bool), min_width=2, max_width=10)
    backgrounds = FALLING * rng.uniform(0.9, 1.1, (30, 1))
    spectra = rng.poisson(FALLING, (30, 50))
    together = largest_t(spectra, backgrounds, windows)
    alone = [largest_t(n[None], b, windows)[0] for n, b in zip(spectra, backgrounds, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def published(real_data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with uproot.open(real_data / "bumphunt" / "data.root") as file:
        data, background = (file[name][name].array(library="np") for name in ("data", "bkg"))
    edges = np.linspace(0, 20, 61)
    return np.histogram(data, edges)[0], np.histogram(background, edges)[0], edges


def test_the_published_scan_is_reproduced(real_data: Path) -> None:
    counts, background, edges = published(real_data)
    found = scan(counts, background, min_width=2, max_width=6, n_toys=40_000, rng=np.random.default_rng(1))
    assert (found.n_windows, found.first_bin, found.width, found.excess) == (285, 16, 4, 208)
    assert edges[list(found.window)] == pytest.approx([5.33, 6.67], abs=0.005)
    assert found.local_p == pytest.approx(1.7341068e-4, rel=1e-7)
    assert found.t == pytest.approx(8.65985, abs=1e-5)
    # both are counts of pseudo-experiments, 40,000 each
    assert found.global_p == pytest.approx(0.0181, abs=3 * math.hypot(0.0007, 0.0007))
    assert found.global_p_interval is not None
    assert found.global_p_interval[0] < 0.0181 < found.global_p_interval[1] + 0.0014


def test_windows_and_p_values_are_those_of_pybumphunter() -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        background = 10 ** rng.uniform(1, 5) * np.exp(-np.arange(50) / rng.uniform(5, 20))
        counts = rng.poisson(background)
        other = pyBumpHunter.BumpHunter1D(
            width_min=2, width_max=10, width_step=1, scan_step=1, npe=1, nworker=1, seed=1
        )
        with contextlib.redirect_stdout(io.StringIO()):
            other.bump_scan(counts, background, is_hist=True)
        found = scan(counts, background, min_width=2, max_width=10, n_toys=0)
        np.testing.assert_allclose(found.window_p, np.concatenate(list(other.res_ar)), rtol=1e-9)
        assert (found.first_bin, found.width) == (other.min_loc_ar[0], other.min_width_ar[0])
        assert found.t == pytest.approx(other.t_ar[0], rel=1e-9)


def test_global_p_is_uniform_when_the_background_is_known() -> None:
    rng = np.random.default_rng(1)
    windows = make_windows(np.ones(50, dtype=bool), min_width=2, max_width=10)
    toys = np.sort(largest_t(rng.poisson(FALLING, (20_000, 50)), FALLING, windows))
    t = largest_t(rng.poisson(FALLING, (2_000, 50)), FALLING, windows)
    p = 1 - np.searchsorted(toys, t) / len(toys)
    for size in (0.01, 0.05, 0.5):
        assert np.mean(p < size) == pytest.approx(size, abs=3 * math.sqrt(size * (1 - size) / len(p)))


def test_a_bump_beyond_all_pseudo_experiments_has_a_p_value_above_zero() -> None:
    counts = np.rint(FALLING)
    counts[20:23] += 5 * np.sqrt(FALLING[20:23]).round() * 10
    found = scan(counts, FALLING, min_width=2, max_width=10, n_toys=99, rng=np.random.default_rng(1))
    assert (found.n_above, found.global_p) == (0, 0.01)
    assert found.global_p_interval == (0.0, pytest.approx(1 - ((1 - LEVEL) / 2) ** (1 / 99), rel=1e-6))
    huge = scan(counts + 1000 * (np.arange(50) == 40), FALLING, min_width=1, n_toys=0)
    assert huge.local_p == np.finfo(float).tiny
    assert 40 < huge.local_significance < np.inf
    assert 1000 < huge.t < np.inf


def test_the_same_generator_gives_the_same_result_and_json_keeps_it() -> None:
    counts = np.random.default_rng(3).poisson(FALLING)
    first, second = (scan(counts, FALLING, n_toys=200, rng=np.random.default_rng(5)) for _ in range(2))
    assert to_json(first) == to_json(second)
    assert to_json(from_json(Scan, json.loads(json.dumps(to_json(first))))) == to_json(first)
    assert first.n_toys == 200
    without = scan(counts, FALLING, n_toys=0)
    assert (without.global_p, without.global_p_interval, without.toy_t) == (None, None, None)


def test_windows_without_expected_background_are_left_out() -> None:
    background = np.array([5.0, 4.0, 0.0, 0.0, 3.0, 2.0])
    found = scan(np.array([5, 4, 9, 9, 3, 2]), background, min_width=2, max_width=2, n_toys=10)
    assert found.n_windows == 4
    assert (found.first_bin, found.counts, found.expected) == (3, 12, 3)


@pytest.mark.parametrize(
    ("counts", "background", "widths", "message"),
    [
        ([1, 2, np.nan], [1, 1, 1], (1, 2), "nan in bin 2"),
        ([1, -2, 3], [1, 1, 1], (1, 2), "-2 in bin 1"),
        ([1, 2, 3], [1, np.inf, 1], (1, 2), "background: inf in bin 1"),
        ([1, 2.5, 3], [1, 1, 1], (1, 2), "pseudo-data"),
        ([1, 2, 3], [1, 1], (1, 2), "one of each per bin"),
        ([1, 2, 3], [0, 0, 0], (1, 2), "no window with expected background"),
        ([1, 2, 3], [1, 1, 1], (0, 2), "windows of 0"),
        ([1, 2, 3], [1, 1, 1], (3, 2), "windows of 3 to 2"),
        ([1, 2, 3], [1, 1, 1], (1, 4), "1 to 4 bins on 3"),
    ],
)
def test_what_cannot_be_scanned_is_refused(
    counts: list[float], background: list[float], widths: tuple[int, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        scan(np.array(counts), np.array(background), min_width=widths[0], max_width=widths[1], n_toys=5)


def test_a_scan_of_far_too_many_windows_is_refused() -> None:
    with pytest.raises(InputError, match="windows, expected 1000000 at most"):
        scan(np.ones(100_000), np.ones(100_000), n_toys=0)


def test_a_spectrum_of_zeros_has_no_excess() -> None:
    found = scan(np.zeros(50), FALLING, n_toys=20, rng=np.random.default_rng(1))
    assert (found.local_p, found.t, found.global_p) == (1, 0, 1)


def test_a_p_value_is_never_zero() -> None:
    background = np.full(20, 10.0)
    counts = background.copy()
    counts[5] = 20_000
    found = scan(counts, background, min_width=1, max_width=3, n_toys=10, rng=np.random.default_rng(1))
    assert 0 < found.local_p < 1e-300
    assert (found.window_p > 0).all()
    assert found.t > 1e5
    with pytest.raises(InputError, match="expected 0 or more"):
        scan(counts, background, min_width=1, max_width=3, n_toys=-1)
