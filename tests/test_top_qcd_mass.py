"""Tops in the mass of QCD jets: a map leaves nothing of the mass, and a search is wrong as often as it says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analyses.top_qcd.mass_search import (
    BKG_EFFS,
    Effort,
    Search,
    background_only,
    choose_family,
    known_signal,
    make_search,
    measure_mass,
)
from analyses.top_qcd.sculpting import FLAT, MAP_OPTIONS, Freed, MassJets, free_of_mass, measure_sculpting
from jetnae.decorrelation import apply, fit
from jetnae.errors import InputError

N = 40_000
"""Jets of a toy; each map learns from half of them."""


def toy(n_jets: int, seed: int, *, signal: bool = False, correlated: bool = True) -> MassJets:
    """Jets whose score rises with the mass, with a width and a shape that do too; tops score higher at each mass."""
    rng = np.random.default_rng(seed)
    mass = rng.normal(173, 12, n_jets) if signal else rng.gamma(2.5, 30.0, n_jets)
    shape = 1 + mass / 100 if correlated else np.ones(n_jets)
    score = rng.gamma(shape) + (1.5 if signal else 0.0)
    if correlated:
        score = np.log(mass + 1) + 0.3 * score * (mass / 80) ** 0.5
    return MassJets(mass, rng.uniform(550, 650, n_jets), {"model": {1: score}})


def freed_toy(*, correlated: bool) -> Freed:
    return free_of_mass(
        toy(N, 1, correlated=correlated), toy(5000, 2, signal=True, correlated=correlated), ("model", 1)
    )


@pytest.fixture(scope="module")
def sculpted() -> dict[str, Any]:
    """What is measured of a strong dependence."""
    return measure_sculpting(freed_toy(correlated=True), 50)


@pytest.fixture(scope="module")
def search() -> Search:
    background, signal = toy(200_000, 3), toy(5000, 4, signal=True)
    return make_search((background.mass, len(background.mass)), (signal.mass, len(signal.mass)))


def test_a_score_that_does_not_know_the_mass_is_at_the_floor_before_any_map() -> None:
    found = measure_sculpting(freed_toy(correlated=False), 100)
    for cut in found["before"]:
        assert cut["jsd"]["p_value"] > 0.01  # three looks, at best 1 / 101
        assert cut["chi2"] < 31.3  # one in a thousand for 11 degrees of freedom


def test_after_the_map_nothing_is_left_of_a_strong_dependence(sculpted: dict[str, Any]) -> None:
    for before, after in zip(sculpted["before"][:2], sculpted["after"][:2], strict=True):
        assert abs(before["largest"]) > 0.9
        assert not before["jsd"]["compatible"]
        assert after["flat"]
        assert abs(after["largest"]) <= FLAT
        assert after["jsd"]["value"] < 0.02 * before["jsd"]["value"]
    for whole, *halves in zip(sculpted["after"], *sculpted["after_by_half"], strict=True):
        assert whole["reached"] == pytest.approx(whole["bkg_eff"], abs=1 / N)
        for half in halves:
            # of half the jets each, map and test fluctuate alike: twice the variance of a known background
            assert half["chi2"] < 2 * 31.3
            assert half["reached"] == pytest.approx(half["bkg_eff"], abs=1 / (N // 2))


def test_every_jet_is_measured_with_the_map_of_the_other_half() -> None:
    background, signal = toy(N, 1), toy(100, 2, signal=True)
    found = free_of_mass(background, signal, ("model", 1))
    assert np.bincount(found.half).tolist() == [N // 2, N // 2]
    one = found.half == 1
    learned = fit(background.scores["model"][1][one], {"mass": background.mass[one]}, options=MAP_OPTIONS)
    expected = apply(learned, background.scores["model"][1], {"mass": background.mass})
    np.testing.assert_array_equal(found.freed[0][~one], expected[~one])
    assert (found.freed[0][one] != expected[one]).mean() > 0.9


def test_the_rejection_that_is_retained_is_that_of_both_scores(sculpted: dict[str, Any]) -> None:
    for row in sculpted["rejection"][:2]:
        assert row["retained"] == pytest.approx(row["after"]["value"] / row["before"]["value"])
        assert 0 < row["retained_error"] < 0.3 * row["retained"]
        assert row["before"]["low"] <= row["before"]["value"] <= row["before"]["high"]


def test_a_smooth_function_is_chosen_on_the_background_alone(search: Search) -> None:
    known = replace(search, signal=1e-6 * search.signal)  # hardly a top anywhere
    assert choose_family(known.background, known.template)[0] == search.family
    assert abs(search.spurious) < 0.1
    power_law = 4e6 * np.arange(102.5, 240, 5.0) ** -2.0
    assert choose_family(power_law, search.template)[0] == "dijet2"


def test_a_known_signal_is_found_as_large_as_it_is(search: Search) -> None:
    found = known_signal(search, 40, np.random.default_rng(1))
    assert found["n_failed"] == 0
    assert abs(found["pull"]) < 0.2 + 3 * found["pull_error"]
    assert found["pull_width"] == pytest.approx(1, abs=4 / np.sqrt(2 * 40))
    nothing = known_signal(replace(search, signal=1e-6 * search.signal), 40, np.random.default_rng(2))
    assert nothing["significance"] < found["significance"]


@pytest.mark.slow
def test_pulls_are_within_a_fifth(search: Search) -> None:
    found = known_signal(search, 400, np.random.default_rng(3))
    assert abs(found["pull"]) < 0.2
    assert found["pull_width"] == pytest.approx(1, abs=4 / np.sqrt(2 * 400))


@pytest.mark.parametrize("n_searches", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_background_alone_looks_like_a_signal_as_often_as_it_should(search: Search, n_searches: int) -> None:
    found = background_only(search, Effort(n_searches=n_searches, n_toys=99), np.random.default_rng(4))
    rows = zip(found["fractions"], found["sizes"], found["deviations"], strict=True)
    assert all(abs(fraction - size) <= 3 * deviation for fraction, size, deviation in rows)
    assert found["deviations"][0] == pytest.approx(np.sqrt(0.05 * 0.95 / n_searches))


def test_everything_is_measured_and_is_json() -> None:
    background, signal = toy(20_000, 5), toy(3000, 6, signal=True)
    seeds = {1: background.scores["model"][1], 2: background.scores["model"][1] ** 3}
    both = replace(background, scores={"model": seeds})
    tops = replace(signal, scores={"model": {seed: signal.scores["model"][1] ** (2 * seed - 1) for seed in (1, 2)}})
    found = measure_mass(both, tops, Effort(n_permutations=5, n_fits=4, n_searches=2, n_toys=10, n_shown=10))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["sculpting"]["model"]) == {"1", "2"}
    assert set(found["search"]["mean"]["model"]) == {f"{eff:g}" for eff in BKG_EFFS}
    for cut, mean in found["search"]["mean"]["model"].items():
        assert mean["background_efficiency"] == pytest.approx(float(cut), rel=0.5)
    assert found["search"]["without"]["expected_signal"] <= found["share"] * found["n_jets"]
    shown = found["shown"]
    counts = [np.array(shown[kind]["hunt"]["counts"]) for kind in ("without", "with")]
    assert (counts[0] >= counts[1]).all()


def test_columns_of_different_lengths_are_refused() -> None:
    jets = toy(100, 7)
    with pytest.raises(InputError, match="expected the same everywhere"):
        replace(jets, pt=jets.pt[:50])


def test_too_little_signal_is_refused() -> None:
    background = toy(20_000, 8)
    with pytest.raises(InputError, match="signal jets in the range"):
        make_search((background.mass, len(background.mass)), (np.full(30, 20.0), 30))
