"""An independent score sculpts no more than chance, the mass itself is found out, and sums over pairs are right."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from jetnae.errors import InputError
from jetnae.results import from_json, to_json
from jetnae.sculpting import Sculpting, SculptOptions, distance_correlation, jensen_shannon, mass_dependence
from jetnae.sculpting.divergence import kolmogorov_smirnov

QUICK = SculptOptions(scan=(0.5, 0.1), n_permutations=100, n_distance_permutations=40, max_distance_jets=2000)


def masses(n_jets: int = 4000, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4.0, 20.0, n_jets)


def by_pairs(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Distance correlation from all pairs, as its definition has it (arXiv:0803.4101)."""
    share = weight / weight.sum()
    centered = []
    for values in (x, y):
        distance = np.abs(values[:, None] - values)
        mean = distance @ share
        centered.append(distance - mean[:, None] - mean + share @ mean)
    pairs = np.outer(share, share)
    covariance, *variances = ((pairs * a * b).sum() for a, b in (centered, centered[:1] * 2, centered[1:] * 2))
    return float(np.sqrt(covariance / np.sqrt(np.prod(variances))))


@pytest.mark.parametrize("n", [2, 3, 7, 64, 65, 300])
def test_distance_correlation_is_the_sum_over_pairs(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(size=n).round(1)  # with ties
    y = (x**2 + rng.normal(size=n)).round(1)
    for weight in (np.ones(n), rng.uniform(0.1, 2, n)):
        assert distance_correlation(x, y, weight) == pytest.approx(by_pairs(x, y, weight), rel=1e-10)


def test_distance_correlation_knows_its_limits() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=500)
    assert distance_correlation(x, 3 - 2 * x) == pytest.approx(1)
    assert distance_correlation(x, np.ones(500)) == 0
    # uncorrelated but dependent
    assert distance_correlation(x, np.abs(x)) > 3 * distance_correlation(x, rng.permutation(x))
    for bad in (x[:1], np.where(x > 2, np.nan, x)):
        with pytest.raises(InputError, match="finite"):
            distance_correlation(bad, bad)


def test_weights_are_repetitions_for_the_distance_correlation() -> None:
    rng = np.random.default_rng(2)
    x, y, weight = rng.normal(size=80), rng.normal(size=80), rng.integers(0, 4, 80)
    repeated = distance_correlation(np.repeat(x, weight), np.repeat(y, weight))
    assert distance_correlation(x, y, weight.astype(float)) == pytest.approx(repeated, rel=1e-10)


def test_divergence_has_its_closed_forms() -> None:
    assert jensen_shannon(np.array([3.0, 1.0]), np.array([6.0, 2.0])) == pytest.approx(0, abs=1e-15)
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 5.0])) == pytest.approx(1)
    # half of the one is all of the other: (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2
    expected = (np.log2(4 / 3) + (np.log2(2 / 3) + 1) / 2) / 2
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(expected)
    many = jensen_shannon(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([1.0, 1.0]))
    assert many == pytest.approx([expected, 0])


def test_kolmogorov_smirnov_is_that_of_the_textbook() -> None:
    rng = np.random.default_rng(3)
    mass, passes = rng.normal(size=900).round(2), rng.random(900) < 0.3
    distance, p_value = kolmogorov_smirnov(mass, np.ones(900), passes)
    expected = stats.ks_2samp(mass[passes], mass[~passes])
    assert distance == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=0.15)
    assert kolmogorov_smirnov(mass, np.ones(900), np.zeros(900, dtype=bool)) == (0, 1)


def test_an_independent_score_sculpts_no_more_than_chance() -> None:
    mass = masses(2000)
    rng = np.random.default_rng(4)
    options = SculptOptions(
        bkg_effs=(0.5, 0.1, 0.01), scan=(0.5,), n_permutations=99, n_distance_permutations=1, max_distance_jets=10
    )
    p_values = np.array(
        [
            [cut.jsd.p_value for cut in mass_dependence(rng.normal(size=2000), mass, rng, options=options).cuts]
            for _ in range(100)
        ]
    )
    for each in p_values.T:
        assert stats.kstest(each, "uniform").pvalue > 0.001
        assert np.mean(each <= 0.05) < 0.05 + 3 * 0.022


def test_an_independent_score_is_compatible_with_its_floor() -> None:
    rng = np.random.default_rng(6)
    found = mass_dependence(rng.normal(size=4000), masses(), rng, options=QUICK)
    assert [cut.jsd.compatible for cut in found.cuts] == [True] * 4
    assert found.distance_correlation.compatible


@pytest.mark.parametrize("sign", [1, -1])
def test_a_score_that_is_the_mass_is_found_out(sign: int) -> None:
    mass = masses()
    found = mass_dependence(sign * mass, mass, np.random.default_rng(1), options=QUICK)
    for cut in found.cuts:
        assert not cut.jsd.compatible
        assert cut.jsd.value > 0.9
        assert cut.ks == pytest.approx(1)
        assert cut.ks_p_value < 1e-10
        assert {*cut.eff[1:-1].round(6)} & {0.0, 1.0}
    assert found.distance_correlation.value > 0.9
    assert not found.distance_correlation.compatible


def test_counts_and_efficiencies_are_those_of_the_cut() -> None:
    mass, rng = masses(), np.random.default_rng(7)
    score = rng.normal(mass / 100, 1).round(2)
    score[:40] = np.nan
    mass[40:50] = np.nan
    found = mass_dependence(score, mass, rng, options=QUICK)
    assert found.n_jets == 3990
    assert len(found.notes) == 2
    kept = np.isfinite(mass)
    for cut in found.cuts:
        passes = score[kept] > cut.threshold
        assert cut.counts.sum() == passes.sum()
        assert cut.reached == pytest.approx(passes.mean())
        assert cut.bkg_eff * 0.8 < cut.reached <= cut.bkg_eff
        assert (cut.eff_low <= cut.eff).all()
        assert (cut.eff <= cut.eff_high).all()
        counts = np.histogram(mass[kept], found.eff_edges)[0]
        np.testing.assert_allclose(cut.eff * counts, np.histogram(mass[kept][passes], found.eff_edges)[0])
    assert found.counts.sum() == 3990


def test_weights_are_repetitions() -> None:
    mass, rng = masses(600), np.random.default_rng(8)
    score, weight = rng.normal(mass / 50, 1), rng.integers(1, 4, 600)
    weighted = mass_dependence(score, mass, rng, weight=weight.astype(float), options=QUICK)
    assert weighted.counts.sum() == weight.sum()
    for cut in weighted.cuts:
        passes = score > cut.threshold
        assert cut.counts.sum() == weight[passes].sum()
        assert cut.squares.sum() == (weight[passes] ** 2).sum()
        repeated = np.repeat(np.stack([mass, passes]), weight, axis=1)
        spectra = [
            np.histogram(np.clip(part, *weighted.edges[[0, -1]]), weighted.edges)[0]
            for part in (repeated[0][repeated[1] == 1], repeated[0][repeated[1] == 0])
        ]
        assert cut.jsd.value == pytest.approx(float(jensen_shannon(*spectra)))


def test_what_cannot_be_measured_is_refused() -> None:
    rng = np.random.default_rng(1)
    for score, mass in (([1.0, 2.0], [3.0, 3.0]), ([1.0], [2.0]), ([1.0, 2.0], [np.nan, 1.0])):
        with pytest.raises(InputError, match="different mass"):
            mass_dependence(np.array(score), np.array(mass), rng)
    with pytest.raises(InputError, match="one of each"):
        mass_dependence(np.ones(3), np.ones(2), rng)


def test_the_result_comes_back_from_json() -> None:
    rng = np.random.default_rng(9)
    found = Sculpting((mass_dependence(rng.normal(size=4000), masses(), rng, options=QUICK),))
    text = json.dumps(to_json(found), allow_nan=False)
    assert json.dumps(to_json(from_json(Sculpting, json.loads(text)))) == text
