"""A decorrelated score knows nothing of the mass on jets the map has not seen, and keeps the order at each mass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jetnae.decorrelation import Decorrelation, FitOptions, apply, fit, load_decorrelation, save_decorrelation
from jetnae.errors import InputError
from jetnae.sculpting import SculptOptions, mass_dependence


def background(n_jets: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores whose mean, width and shape depend on mass and pT."""
    rng = np.random.default_rng(seed)
    mass, pt = rng.gamma(4.0, 20.0, n_jets), 500 + rng.exponential(80, n_jets)
    spread = rng.gamma(1 + mass / 100, 1.0)
    return np.log(mass) + 0.3 * spread * (mass / 80) ** 0.5 + pt / 400, {"mass": mass, "pt": pt}


SCORE, COLUMNS = background(40_000, 1)
TEST_SCORE, TEST_COLUMNS = background(10_000, 2)
MAP = fit(SCORE, {"mass": COLUMNS["mass"]})
MAPS = {"one column": MAP, "two columns": fit(SCORE, COLUMNS)}


@pytest.mark.parametrize("which", MAPS)
def test_nothing_of_the_mass_is_left_on_other_jets(which: str) -> None:
    mapped = apply(MAPS[which], TEST_SCORE, TEST_COLUMNS)
    options = SculptOptions(n_permutations=100, n_distance_permutations=30, max_distance_jets=10_000)
    before, after = (
        mass_dependence(score, TEST_COLUMNS["mass"], np.random.default_rng(1), options=options)
        for score in (TEST_SCORE, mapped)
    )
    for one, other in zip(before.cuts, after.cuts, strict=True):
        assert not one.jsd.compatible
        assert other.jsd.p_value > 0.005  # eight looks, and the map has fluctuations of its own
    assert before.distance_correlation.value > 0.5
    assert after.distance_correlation.p_value > 0.03
    assert after.distance_correlation.value < 0.05


def test_two_columns_leave_nothing_of_either() -> None:
    options = SculptOptions(n_permutations=100, n_distance_permutations=30, max_distance_jets=10_000)
    mapped = apply(MAPS["two columns"], TEST_SCORE, TEST_COLUMNS)
    by_pt = mass_dependence(mapped, TEST_COLUMNS["pt"], np.random.default_rng(1), options=options)
    assert min(cut.jsd.p_value for cut in by_pt.cuts) > 0.005
    only_mass = apply(MAP, TEST_SCORE, TEST_COLUMNS)
    by_pt = mass_dependence(only_mass, TEST_COLUMNS["pt"], np.random.default_rng(1), options=options)
    assert not by_pt.distance_correlation.compatible


def test_with_a_reach_the_ends_are_not_told_by_jets_far_away() -> None:
    rng = np.random.default_rng(1)

    def sample(place: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Scores whose shape changes where the few jets of the largest mass are."""
        return place + 0.3 * rng.gamma(np.exp(1.5 * np.maximum(place, 0))), {"mass": 80 * np.exp(0.6 * place)}

    learned, end = sample(rng.normal(size=40_000)), sample(2 + rng.exponential(0.4, 20_000))
    options = {"share": FitOptions(), "reach": FitOptions(reach=(0.3, 0.4), fewest=(200, 500))}
    mapped = {name: apply(fit(*learned, options=each), *end) for name, each in options.items()}
    n_learned = np.count_nonzero(learned[1]["mass"] > 80 * np.exp(0.6 * 2))
    for eff in (0.1, 0.2):
        off = {name: abs(np.mean(each > 1 - eff) - eff) for name, each in mapped.items()}
        error = np.sqrt(eff * (1 - eff) / n_learned)
        assert off["reach"] < 3 * error < off["share"]


def test_background_becomes_uniform_far_into_the_tail() -> None:
    score, columns = background(100_000, 3)
    mapped = apply(MAP, score, columns)
    assert mapped.min() >= 0
    assert mapped.max() <= 1
    for eff in (0.5, 0.1, 0.01, 1e-3):
        # both samples fluctuate; the fit holds 2.5 times fewer jets
        error = np.sqrt(eff * (1 - eff) * (1 / 100_000 + 1 / 40_000))
        assert np.mean(mapped > 1 - eff) == pytest.approx(eff, abs=4 * error)
    assert len(np.unique(mapped[mapped > 0.999])) == np.count_nonzero(mapped > 0.999)  # no ties among the last


def test_the_order_at_each_mass_stays() -> None:
    scores = np.linspace(SCORE.min() - 5, SCORE.max() + 5, 500)
    for name, quantile_map in MAPS.items():
        for mass in (1.0, 30.0, 80.0, 400.0, 2000.0):
            columns = {"mass": np.full(500, mass), "pt": np.full(500, 600.0)}
            assert (np.diff(apply(quantile_map, scores, columns)) >= 0).all(), (name, mass)


def test_a_monotone_change_of_the_score_changes_little() -> None:
    other = fit(np.exp(SCORE), {"mass": COLUMNS["mass"]})
    difference = apply(other, np.exp(TEST_SCORE), TEST_COLUMNS) - apply(MAP, TEST_SCORE, TEST_COLUMNS)
    assert np.quantile(np.abs(difference), 0.99) < 0.005


def test_weights_are_repetitions() -> None:
    weight = np.random.default_rng(5).integers(1, 4, 5000)
    columns = {"mass": COLUMNS["mass"][:5000]}
    options = FitOptions(n_nodes=(15, 15))
    weighted = fit(SCORE[:5000], columns, weight=weight.astype(float), options=options)
    repeated = fit(np.repeat(SCORE[:5000], weight), {"mass": np.repeat(columns["mass"], weight)}, options=options)
    difference = apply(weighted, TEST_SCORE, TEST_COLUMNS) - apply(repeated, TEST_SCORE, TEST_COLUMNS)
    assert np.quantile(np.abs(difference), 0.95) < 0.02  # windows hold equally many jets, not equally much weight


def test_odd_jets_stay_odd_and_harm_nobody() -> None:
    score, mass = TEST_SCORE[:5].copy(), TEST_COLUMNS["mass"][:5].copy()
    expected = apply(MAP, score, {"mass": mass})
    score[0], mass[1], mass[2] = np.nan, np.nan, 1e9
    found = apply(MAP, score, {"mass": mass})
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2])
    assert found[3:].tolist() == expected[3:].tolist()
    assert apply(MAP, score[:0], {"mass": mass[:0]}).shape == (0,)


@pytest.mark.parametrize(
    ("score", "mass"),
    [
        (COLUMNS["mass"], COLUMNS["mass"]),  # nothing is left
        (SCORE.round(0), COLUMNS["mass"]),
        (SCORE, COLUMNS["mass"].round(-2)),
        (np.where(SCORE > 5, 5.0, SCORE), COLUMNS["mass"]),
    ],
)
def test_ties_give_numbers(score: np.ndarray, mass: np.ndarray) -> None:
    mapped = apply(fit(score, {"mass": mass}), score, {"mass": mass})
    assert np.isfinite(mapped).all()
    assert ((mapped >= 0) & (mapped <= 1)).all()


def test_what_cannot_be_fitted_or_applied_is_refused() -> None:
    cases: dict[str, Callable[[], Any]] = {
        "one or two": lambda: fit(SCORE, {}),
        "100 or more": lambda: fit(SCORE[:50], {"mass": COLUMNS["mass"][:50]}),
        "mass is the same": lambda: fit(SCORE, {"mass": np.ones(len(SCORE))}),
        "one per jet": lambda: fit(SCORE, {"mass": np.ones(3)}),
        "needs the column mass": lambda: apply(MAP, SCORE, {"pt": COLUMNS["pt"]}),
    }
    for message, call in cases.items():
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("which", MAPS)
def test_a_map_comes_back_from_its_file(which: str, tmp_path: Path) -> None:
    path = tmp_path / "qcd.decorrelation.safetensors"
    saved = Decorrelation(MAPS[which], "qcd", "abc", 40_000, {"inputs": "qcd.root"})
    save_decorrelation(path, saved)
    found = load_decorrelation(path)
    np.testing.assert_array_equal(
        apply(found.quantile_map, TEST_SCORE, TEST_COLUMNS), apply(MAPS[which], TEST_SCORE, TEST_COLUMNS)
    )
    assert (found.model, found.model_sha256, found.n_jets) == ("qcd", "abc", 40_000)
    assert found.provenance == {"inputs": "qcd.root"}
    with pytest.raises(InputError, match="--force"):
        save_decorrelation(path, saved)


def test_files_that_are_no_maps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "qcd.decorrelation.safetensors"
    save_decorrelation(path, Decorrelation(MAP, "qcd", "abc", 40_000))
    arrays = load_file(path)
    header = {
        "format_version": 1,
        "kind": "decorrelation",
        "columns": ["mass"],
        "model": "qcd",
        "model_sha256": "abc",
        "n_jets": 40_000,
        "provenance": {},
    }
    nan = {**arrays, "width": arrays["width"] * np.nan}
    falling = {**arrays, "nodes_0": arrays["nodes_0"][::-1].copy()}
    cases = {
        "update jetnae": (arrays, {**header, "format_version": 2}),
        "holds a checkpoint": (arrays, {**header, "kind": "checkpoint"}),
        "unknown key": (arrays, {**header, "more": 1}),
        "not finite": (nan, header),
        "does not rise": (falling, header),
        "missing or unknown": (arrays, {**header, "columns": ["mass", "pt"]}),
        "expected \\(41,\\)": ({**arrays, "location": arrays["location"][:-1]}, header),
        "do not fit together": ({**arrays, "width": -arrays["width"]}, header),
    }
    for message, (changed, content) in cases.items():
        save_file(changed, path, metadata={"jetnae": json.dumps(content)})
        with pytest.raises(InputError, match=message):
            load_decorrelation(path)
    for data in (b"", b"hello", path.read_bytes()[:100]):
        path.write_bytes(data)
        with pytest.raises(InputError, match="not a decorrelation"):
            load_decorrelation(path)
    with pytest.raises(InputError, match="not a decorrelation"):
        load_decorrelation(tmp_path / "missing")
