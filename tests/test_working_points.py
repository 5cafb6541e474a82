"""Thresholds keep the share of the background they were made for, here and in correctionlib."""

from __future__ import annotations

import json

import correctionlib
import correctionlib.schemav2
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.results import from_json, to_json
from jetnae.roc.correction import NEVER, to_correction
from jetnae.roc.working_points import WorkingPoints, quantile_edges, working_points

RNG = np.random.default_rng(1)
PT = RNG.uniform(500, 600, 4000)
MASS = RNG.exponential(50, 4000)
SCORE = RNG.normal(MASS / 50, 1).astype(np.float32)
EDGES = {"pt": (500.0, 550.0, 600.0), "mass": (0.0, 40.0, 100.0, 1000.0)}
FOUND = working_points(SCORE, [0.1, 0.01, 1e-3], {"pt": PT, "mass": MASS}, EDGES)


def test_each_bin_keeps_what_was_asked() -> None:
    for each in FOUND.bins:
        (pt_low, pt_high), (mass_low, mass_high) = each.ranges
        inside = (pt_low <= PT) & (pt_high > PT) & (mass_low <= MASS) & (mass_high > MASS)
        assert each.n_jets == inside.sum()
        for eff, threshold in zip(FOUND.bkg_effs, each.thresholds, strict=True):
            if threshold is not None:
                kept = (SCORE[inside] > threshold.value).mean()
                assert kept == pytest.approx(threshold.bkg_eff)
                assert eff - 1 / inside.sum() <= kept <= eff
                assert threshold.low <= threshold.value <= threshold.high
    assert sum(each.n_jets for each in FOUND.bins) + FOUND.n_outside == 4000


def test_too_few_jets_are_said_with_what_is_possible() -> None:
    for each in FOUND.bins:
        assert each.thresholds[2] is None
        assert each.smallest_bkg_eff == pytest.approx(3 / each.n_jets)
        found = working_points(
            SCORE[: each.n_jets], [3 / each.n_jets], {"pt": np.ones(each.n_jets)}, {"pt": (0.0, 2.0)}
        ).bins[0]
        assert found.thresholds[0] is not None
    empty = working_points(SCORE, [0.1], {"pt": PT}, {"pt": (0.0, 1.0, 1000.0)}).bins[0]
    assert (empty.n_jets, empty.smallest_bkg_eff, empty.thresholds) == (0, None, (None,))


def test_intervals_of_thresholds_cover() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(1000):
        score = rng.random(300)
        threshold = working_points(score, [0.05], {"x": np.zeros(300)}, {"x": (-1.0, 1.0)}).bins[0].thresholds[0]
        assert threshold is not None
        covered += threshold.low <= 0.95 <= threshold.high
    assert 0.6827 - 0.045 < covered / 1000 < 0.8  # 0.015 at one standard deviation


def test_weights_are_repetitions() -> None:
    weight = RNG.integers(1, 4, 500)
    columns = {"pt": np.ones(500)}
    weighted = working_points(SCORE[:500], [0.1], columns, {"pt": (0.0, 2.0)}, weight=weight.astype(float))
    repeated = working_points(np.repeat(SCORE[:500], weight), [0.1], {"pt": np.ones(weight.sum())}, {"pt": (0.0, 2.0)})
    one, other = weighted.bins[0].thresholds[0], repeated.bins[0].thresholds[0]
    assert one is not None
    assert other is not None
    assert (one.value, one.bkg_eff) == pytest.approx((other.value, other.bkg_eff))


def test_correctionlib_gives_the_same_thresholds() -> None:
    content = to_correction(FOUND)
    correctionlib.schemav2.CorrectionSet.model_validate(content)
    read = correctionlib.CorrectionSet.from_string(json.dumps(content, allow_nan=False))["score_threshold"]
    for name, variation in (("value", "nominal"), ("low", "down"), ("high", "up")):
        for eff, working_point in zip((0.1, 0.01), ("bkg_eff_0.1", "bkg_eff_0.01"), strict=True):
            which = FOUND.bkg_effs.index(eff)
            for each in FOUND.bins:
                inside = [(low + high) / 2 for low, high in each.ranges]
                threshold = each.thresholds[which]
                expected = NEVER if threshold is None else getattr(threshold, name)
                assert read.evaluate(working_point, variation, *inside) == pytest.approx(expected, rel=1e-14)
    passes = read.evaluate("bkg_eff_0.1", "nominal", PT, MASS) < SCORE
    kept = sum(each.thresholds[0].bkg_eff * each.n_jets for each in FOUND.bins if each.thresholds[0] is not None)
    assert passes.sum() == round(kept)  # to the jet, though thresholds are scores of jets
    assert read.evaluate("bkg_eff_0.001", "nominal", 520.0, 50.0) >= NEVER
    assert read.evaluate("bkg_eff_0.1", "nominal", 499.0, 50.0) >= NEVER  # outside of the bins nothing passes
    with pytest.raises(IndexError):
        read.evaluate("bkg_eff_0.2", "nominal", 520.0, 50.0)


def test_quantile_edges_hold_all_jets() -> None:
    edges = quantile_edges(PT, 5)
    counts = np.histogram(PT, edges)[0]
    assert counts.tolist() == [800] * 5
    assert len(quantile_edges(np.ones(5), 3)) >= 1


def test_what_cannot_be_is_refused() -> None:
    columns = {"pt": PT}
    for bkg_effs, edges, message in (([1.5], (0, 1), "1.5"), ([0.1], (1, 0), "rising"), ([0.1], (1,), "rising")):
        with pytest.raises(InputError, match=message):
            working_points(SCORE, bkg_effs, columns, {"pt": edges})
    with pytest.raises(InputError, match="one for each"):
        working_points(SCORE, [0.1], {"pt": PT[:5]}, {"pt": (0, 1)})
    with pytest.raises(InputError, match="no columns"):
        working_points(SCORE, [0.1], {}, {})


def test_the_result_comes_back_from_json() -> None:
    text = json.dumps(to_json(FOUND), allow_nan=False)
    assert '"thresholds": [{' in text
    assert "null" in text
    assert from_json(WorkingPoints, json.loads(text)) == FOUND
