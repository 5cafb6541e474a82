"""Intervals cover as often as they say, and weights count as effective numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jetnae.intervals import LEVEL, clopper_pearson, effective_number, efficiency_interval, garwood


@pytest.mark.parametrize("n_all", [1, 5, 40, 300])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(n_all: int) -> None:
    passing = np.arange(n_all + 1)
    low, high = clopper_pearson(passing, n_all)
    for true in np.linspace(0.001, 0.999, 333):
        covers = (low <= true) & (true <= high)
        assert stats.binom.pmf(passing[covers], n_all, true).sum() >= LEVEL - 1e-9
    assert (np.diff(low) > 0).all()
    assert (low[0], high[-1]) == (0, 1)


def test_nothing_passing_gives_the_closed_form_bound() -> None:
    low, high = clopper_pearson(0, 2000)
    assert low == 0
    assert high == pytest.approx(1 - ((1 - LEVEL) / 2) ** (1 / 2000))
    assert 1 / high == pytest.approx(1086, abs=1)


def test_garwood_covers_at_least_as_often_as_it_says() -> None:
    counts = np.arange(200)
    low, high = garwood(counts)
    for true in np.geomspace(0.05, 60, 200):
        covers = (low <= true) & (true <= high)
        assert stats.poisson.pmf(counts[covers], true).sum() >= LEVEL - 1e-9


def test_equal_weights_change_nothing() -> None:
    low, high = clopper_pearson(7, 50)
    found = efficiency_interval(np.array(7 * 0.3), np.array(7 * 0.09), 50 * 0.3, 50 * 0.09)
    assert np.array(found) == pytest.approx(np.array([7 / 50, low, high]))
    assert effective_number(np.full(50, 0.3)) == pytest.approx(50)


def test_the_interval_of_weighted_jets_has_the_width_of_repetitions() -> None:
    rng = np.random.default_rng(1)
    widths, values = [], []
    for _ in range(2000):
        weight = rng.exponential(1.0, 400)
        passes = rng.random(400) < 0.1 + 0.4 * (weight > 2)  # heavy jets pass more often
        sums = weight[passes].sum(), np.sum(weight[passes] ** 2), weight.sum(), np.sum(weight**2)
        value, low, high = efficiency_interval(*sums)
        values.append(float(value))
        widths.append(float(high - low) / 2)
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.1)


def test_negative_weights_leave_the_interval_inside() -> None:
    value, low, high = efficiency_interval(np.array([-1.0, 12.0]), np.array([3.0, 30.0]), 10.0, 40.0)
    assert value.tolist() == [-0.1, 1.2]
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low < high).all()
