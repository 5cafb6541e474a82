"""The AUC is a count of pairs, efficiencies are counts of jets, and errors are those of repeated experiments."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import norm

from jetnae.errors import InputError
from jetnae.results import from_json, to_json
from jetnae.roc import Roc, RocCurve, RocOptions, auc, compare, make_samples, roc_curve
from jetnae.roc.seeds import seed_band

QUICK = RocOptions(n_bootstrap=20)


def two_samples(n_signal: int = 300, n_background: int = 500, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores, Gaussian and one standard deviation apart, and labels."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.ones(n_signal), np.zeros(n_background)])
    return rng.normal(label, 1), label


def curve_of(score: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None, **options: bool) -> RocCurve:
    return roc_curve(score, make_samples(label, weight), np.random.default_rng(0), options=QUICK, **options)


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    signal, background = rng.integers(0, 20, 83).astype(float), rng.integers(0, 17, 71).astype(float)
    above = (signal[:, None] > background).mean() + 0.5 * (signal[:, None] == background).mean()
    assert auc(signal, background).value == pytest.approx(above, abs=1e-12)
    assert auc(background, signal).value == pytest.approx(1 - above, abs=1e-12)
    assert auc(np.exp(signal), np.exp(background)) == auc(signal, background)
    curve = curve_of(np.concatenate([signal, background]), np.repeat([1, 0], [83, 71]))
    assert curve.auc.value == pytest.approx(above, abs=1e-12)
    assert curve.auc_reversed == pytest.approx(1 - above, abs=1e-12)
    assert curve.auc_error_delong == auc(signal, background).error


def test_weighted_auc_counts_pairs_with_weights() -> None:
    rng = np.random.default_rng(2)
    score, label = rng.integers(0, 9, 150).astype(float), rng.integers(0, 2, 150)
    weight = rng.normal(1.0, 0.8, 150)  # some of them negative
    s, b = score[label == 1], score[label == 0]
    pairs = weight[label == 1][:, None] * weight[label == 0]
    counted = (pairs * ((s[:, None] > b) + 0.5 * (s[:, None] == b))).sum() / pairs.sum()
    assert curve_of(score, label, weight).auc.value == pytest.approx(counted, abs=1e-12)


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(3)
    score, label = rng.integers(0, 30, 200).astype(float), rng.integers(0, 2, 200)
    weight = rng.integers(0, 4, 200)
    weighted, repeated = (
        curve_of(score, label, weight.astype(float)),
        curve_of(np.repeat(score, weight), np.repeat(label, weight)),
    )
    assert weighted.auc.value == pytest.approx(repeated.auc.value, abs=1e-12)
    for name in ("sig_eff", "bkg_eff"):
        np.testing.assert_allclose(
            np.unique(getattr(weighted, name).round(12)), np.unique(getattr(repeated, name).round(12))
        )
    for one, other in zip(weighted.points, repeated.points, strict=True):
        assert (one.sig_eff.value, one.bkg_eff.value) == pytest.approx((other.sig_eff.value, other.bkg_eff.value))


def test_thresholds_cut_as_the_curve_says() -> None:
    score, label = two_samples()
    score = score.round(1)
    for reverse in (False, True):
        curve = curve_of(score, label, reverse=reverse)
        for i, threshold in enumerate(curve.threshold):
            passes = score < threshold if reverse else score > threshold
            assert curve.sig_eff[i] == pytest.approx(passes[label == 1].mean())
            assert curve.bkg_eff[i] == pytest.approx(passes[label == 0].mean())
        for point in curve.points:
            passes = score < point.threshold if reverse else score > point.threshold
            assert point.sig_eff.value == pytest.approx(passes[label == 1].mean())
            kept = point.sig_eff.value if point.fixed == "sig_eff" else point.bkg_eff.value
            assert kept >= point.target if point.fixed == "sig_eff" else kept <= point.target


def test_the_delong_error_is_the_scatter_of_repetitions() -> None:
    rng = np.random.default_rng(2)
    found = [auc(rng.normal(1, 1, 200), rng.normal(0, 1, 300)) for _ in range(1000)]
    scatter = np.std([each.value for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(scatter, rel=0.1)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_bootstrap_error_is_that_of_delong(weighted: bool) -> None:
    score, label = two_samples(400, 600)
    samples = make_samples(label, np.ones(1000) if weighted else None)
    curve = roc_curve(score, samples, np.random.default_rng(5), options=RocOptions(n_bootstrap=1000))
    expected = auc(score[label == 1], score[label == 0]).error
    assert curve.auc.error == pytest.approx(expected, rel=0.1)  # 1000 resamplings: 2.2 % at one standard deviation


def test_intervals_of_operating_points_cover() -> None:
    true = {
        ("sig_eff", 0.5): norm.sf(1.0),
        ("sig_eff", 0.3): norm.sf(1.0 + norm.isf(0.3)),
        ("bkg_eff", 1e-2): norm.sf(norm.isf(0.01) - 1),
    }
    covered = dict.fromkeys(true, 0)
    n_experiments = 500
    for seed in range(n_experiments):
        score, label = two_samples(200, 1500, seed)
        curve = roc_curve(
            score, make_samples(label), np.random.default_rng(0), options=RocOptions(bkg_effs=(1e-2,), n_bootstrap=2)
        )
        for point in curve.points:
            eff = point.bkg_eff if point.fixed == "sig_eff" else point.sig_eff
            covered[point.fixed, point.target] += eff.low <= true[point.fixed, point.target] <= eff.high
    # 500 experiments: 0.021 at one standard deviation; discrete counts make intervals a little too long
    for key, n_covered in covered.items():
        assert 0.6827 - 0.063 < n_covered / n_experiments < 0.85, key


def test_no_passing_background_is_a_bound() -> None:
    score = np.concatenate([np.full(10, 2.0), np.linspace(0, 1, 2000)])
    points = curve_of(score, np.repeat([1, 0], [10, 2000])).points
    rejection = points[0].bkg_rej
    assert (rejection.value, rejection.high) == (None, None)
    assert rejection.low == pytest.approx(1086, abs=1)
    assert not points[0].resolved
    smallest = points[-1]
    assert (smallest.target, smallest.resolved, smallest.sig_eff.value) == (1e-4, False, 1.0)


def test_jets_without_a_score_never_pass_and_always_count() -> None:
    score, label = two_samples()
    missing = np.arange(len(score)) % 5 == 0
    found = curve_of(np.where(missing, np.nan, score), label)
    lowest = curve_of(np.where(missing, -1e6, score), label)
    assert found.auc.value == pytest.approx(lowest.auc.value, abs=1e-12)
    assert found.sig_eff[-1] == pytest.approx(1 - missing[label == 1].mean())
    assert "60 signal and 100 background jets have no score" in found.notes[0]
    # in the other direction they pass no more than before
    other = curve_of(np.where(missing, np.nan, score), label, reverse=True)
    assert other.sig_eff[-1] == found.sig_eff[-1]


def test_significance_improvement_needs_background_to_tell() -> None:
    score, label = two_samples(300, 500)
    curve = curve_of(score, label)
    known = np.isfinite(curve.sic)
    assert (curve.bkg_eff[known] * 500 >= 25 - 1e-9).all()
    assert (curve.bkg_eff[~known] * 500 < 25).all()
    cuts = np.sort(score)
    best = max(
        (score > cut)[label == 1].mean() / np.sqrt((score > cut)[label == 0].mean())
        for cut in cuts
        if (score > cut)[label == 0].sum() >= 25
    )
    assert curve.max_sic is not None
    assert curve.max_sic.value == pytest.approx(best)
    few = curve_of(*two_samples(300, 20))
    assert few.max_sic is None
    assert any("no significance improvement" in note for note in few.notes)


def test_a_score_that_is_worse_than_nothing_is_shown_both_ways() -> None:
    score, label = two_samples()
    found = compare({"model": -score}, {"mass": -score}, make_samples(label), np.random.default_rng(1), options=QUICK)
    assert [curve.label for curve in found.curves] == ["model", "model (reversed)", "mass (reversed)"]
    as_such, turned, baseline = found.curves
    assert as_such.auc.value < 0.5 < turned.auc.value
    assert turned.auc.value == as_such.auc_reversed == baseline.auc.value


def test_equal_and_infinite_scores_and_negative_weights_have_finite_results() -> None:
    label = np.repeat([1, 0], 50)
    equal = curve_of(np.ones(100), label)
    assert equal.auc.value == 0.5
    assert any("all scores are equal" in note for note in equal.notes)
    infinite = curve_of(np.where(np.arange(100) < 5, np.inf, np.arange(100.0)), label)
    rng = np.random.default_rng(1)
    negative = curve_of(rng.normal(label, 1), label, rng.choice([1.0, -0.3], 100))
    assert any("negative weights" in note for note in negative.notes)
    for curve in (equal, infinite, negative):
        ends = [curve.threshold, curve.bkg_eff_low, curve.bkg_eff_high]
        ends += [[p.bkg_rej.low, p.sig_eff.low, p.sig_eff.high, p.bkg_eff.high, p.threshold] for p in curve.points]
        assert all(np.isfinite(end).all() for end in ends)


@pytest.mark.parametrize(("signal", "background"), [([1.0], [1.0, 2.0]), ([1.0, np.nan], [1.0, 2.0])])
def test_what_has_no_auc_is_refused(signal: list[float], background: list[float]) -> None:
    with pytest.raises(InputError, match="AUC"):
        auc(np.array(signal), np.array(background))


def test_samples_without_both_classes_are_refused() -> None:
    for label, message in (([0, 0], "--signal"), ([1, 1], "no background"), ([0, 2], "label 2"), ([], "no signal")):
        with pytest.raises(InputError, match=message):
            make_samples(label)
    with pytest.raises(InputError, match="sum to"):
        make_samples([0, 1], [1.0, -1.0])
    with pytest.raises(InputError, match="weights"):
        make_samples([0, 1], [1.0, np.nan])
    with pytest.raises(InputError, match="none of 2 jets has a score"):
        curve_of(np.array([np.nan, np.nan]), np.array([0, 1]))


def test_a_band_is_the_scatter_of_trainings() -> None:
    score, label = two_samples()
    rng = np.random.default_rng(4)
    curves = [curve_of(score + rng.normal(0, 1, len(score)), label) for _ in range(5)]
    band = seed_band(curves, name="model")
    values = [curve.auc.value for curve in curves]
    assert band.auc.median == pytest.approx(np.median(values))
    assert min(values) < band.auc.low < band.auc.median < band.auc.high < max(values)
    assert (band.bkg_eff_low <= band.bkg_eff_median).all()
    assert (band.bkg_eff_median <= band.bkg_eff_high).all()
    known = np.isfinite(band.sic_median)
    np.testing.assert_array_equal(known, np.isfinite(band.sic_low))
    assert (band.sic_low <= band.sic_median)[known].all()
    assert band.max_sic is not None
    assert band.sic_median[known].max() <= band.max_sic.high
    with pytest.raises(InputError, match="at least two"):
        seed_band(curves[:1], name="model")


def test_a_result_comes_back_from_json() -> None:
    score, label = two_samples()
    models = {"one": score, "two": score**3}
    found = compare(models, {"pt": -score}, make_samples(label), np.random.default_rng(1), seeds="m", options=QUICK)
    text = json.dumps(to_json(found), allow_nan=False)
    again = from_json(Roc, json.loads(text))
    assert json.dumps(to_json(again)) == text
    np.testing.assert_array_equal(again.curves[0].sic, found.curves[0].sic)


def test_the_seed_decides() -> None:
    score, label = two_samples()
    first, second, other = (
        roc_curve(score, make_samples(label), np.random.default_rng(seed), options=QUICK) for seed in (1, 1, 2)
    )
    assert first.auc == second.auc
    assert first.auc.error != other.auc.error
