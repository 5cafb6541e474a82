"""Rates are counts of crossings, thresholds stay within their budget, intervals cover, and halves of a sample agree."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from jetnae.errors import InputError
from jetnae.intervals import LEVEL, clopper_pearson
from jetnae.plotting.rate import rate_against_figure, rate_figure, rate_sections_figure
from jetnae.plotting.rate_signals import rate_sig_eff_figure
from jetnae.rate import Rate, Signal, ZeroBias, closure, make_conditions, measure, parse_rate
from jetnae.rate.closure import ACCEPTED, agree, expected_share
from jetnae.rate.codes import make_codes
from jetnae.rate.conditions import Conditions
from jetnae.rate.dependence import Against, Where, bin_edges
from jetnae.rate.result import Thresholds
from jetnae.rate.thresholds import threshold
from jetnae.results import from_json, to_json

N = 20_000
RNG = np.random.default_rng(1)
NPV = RNG.poisson(40, N).astype(float)
SCORE = np.round(RNG.normal(NPV / 40, 1), 1)  # a score in steps, as of fixed-point numbers
SCORE[:50] = -np.inf  # crossings without a jet
ET = RNG.gamma(NPV, 10)
LUMI = np.arange(N) // 1000
TRIGGERS = {"L1_ET": ET > 600, "HLT_rare": RNG.random(N) < 0.01, "L1_ZeroBias": np.ones(N, dtype=bool)}
CONDITIONS = make_conditions()
BUDGETS = (30.0, 100.0, 1000.0)
EDGES = bin_edges(NPV, 5, "npv")
WHERE = Where(np.where(LUMI < 8, 1, 2), LUMI)
SIGNALS = {
    name: Signal({"score": RNG.normal(shift, 1, 3000), "et": RNG.gamma(45, 10, 3000)}, weight)
    for name, shift, weight in (("top", 3.0, None), ("svj", 2.0, RNG.exponential(1, 3000)))
}
SAMPLE = ZeroBias({"score": SCORE, "et": ET}, TRIGGERS, {"npv": Against(NPV, EDGES)}, WHERE)
FOUND = measure(SAMPLE, CONDITIONS, BUDGETS, signals=SIGNALS)


def test_rates_are_counts_of_crossings_at_a_threshold_or_above() -> None:
    for curve, score in zip(FOUND.curves, (SCORE, ET), strict=True):
        counts = np.array([(score >= cut).sum() for cut in curve.threshold])
        np.testing.assert_array_equal(curve.n_passing, counts)
        np.testing.assert_allclose(curve.rate, counts / N * 2544 * 11.2456)
        assert (np.diff(curve.threshold) < 0).all()
        assert (np.diff(curve.rate) > 0).all()
        assert (curve.rate_low < curve.rate).all()
        assert (curve.rate[:-1] < curve.rate_high[:-1]).all()  # the last may be all crossings
        assert curve.n_values == len(np.unique(score[score > -np.inf]))
        assert curve.pure_rate is not None
        taken = TRIGGERS["L1_ET"] | TRIGGERS["HLT_rare"]
        pure = [((score >= cut) & ~taken).mean() for cut in curve.threshold]
        np.testing.assert_allclose(curve.pure_rate, CONDITIONS.khz(np.array(pure)))
        for name, signal in SIGNALS.items():
            expected = [np.average(signal.scores[curve.name] >= cut, weights=signal.weight) for cut in curve.threshold]
            np.testing.assert_allclose(curve.sig_eff[name], expected, atol=1e-12)


def test_the_interval_is_that_of_a_count_out_of_a_fixed_number() -> None:
    curve, tail = FOUND.curves[0], (1 - LEVEL) / 2
    low, high = (each / CONDITIONS.khz(1.0) for each in (curve.rate_low, curve.rate_high))
    np.testing.assert_allclose(stats.binom.sf(curve.n_passing - 1, N, low), tail, rtol=1e-6)
    np.testing.assert_allclose(stats.binom.cdf(curve.n_passing, N, high), tail, rtol=1e-6)


def test_a_threshold_is_the_loosest_within_its_budget_and_says_what_ties_do() -> None:
    for curve, score in zip(FOUND.curves, (SCORE, ET), strict=True):
        for budget, found in zip(BUDGETS, curve.thresholds, strict=True):
            assert found is not None
            assert found.next_value is not None
            assert found.next_rate is not None
            assert found.looser_value is not None
            assert found.looser_rate is not None
            assert found.rate.value <= budget < found.looser_rate.value
            assert found.rate.value == pytest.approx(CONDITIONS.khz((score >= found.value).mean()))
            assert found.next_rate.value == pytest.approx(CONDITIONS.khz((score > found.value).mean()))
            assert found.n_tied == (score == found.value).sum()
            assert found.next_value == score[score > found.value].min()
            assert found.looser_value == score[score < found.value].max()
            assert found.low is not None
            assert found.high is not None
            assert found.low <= found.value <= found.high
    assert max(found.n_tied for found in FOUND.curves[0].thresholds if found is not None) > 10


def test_a_budget_that_is_a_rate_is_used_up() -> None:
    for n_passing in (3, 17, 100):
        found = threshold(make_codes(ET), CONDITIONS, float(CONDITIONS.khz(n_passing / N)))
        assert found is not None
        assert found.n_passing == n_passing


def test_a_prescale_divides_rates_and_multiplies_what_a_budget_buys() -> None:
    prescaled = make_conditions(prescale=7.0)
    scaled = measure(SAMPLE, prescaled, [each / 7 for each in BUDGETS])
    for one, other in zip(FOUND.curves, scaled.curves, strict=True):
        np.testing.assert_allclose(other.rate * 7, one.rate)
        np.testing.assert_allclose(other.rate_high * 7, one.rate_high)
        values = [[each.value for each in curve.thresholds if each is not None] for curve in (one, other)]
        assert values[0] == values[1]


def test_only_the_order_of_scores_counts() -> None:
    order = np.random.default_rng(2).permutation(N)
    rising = np.where(-np.inf < SCORE, np.exp(SCORE), -np.inf)
    other = measure(ZeroBias({"score": rising[order]}), CONDITIONS, BUDGETS)
    np.testing.assert_array_equal(other.curves[0].n_passing, FOUND.curves[0].n_passing)
    for one, each in zip(FOUND.curves[0].thresholds, other.curves[0].thresholds, strict=True):
        assert one is not None
        assert each is not None
        assert each.value == np.exp(one.value)


def test_conditions_are_filling_schemes_or_input_rates() -> None:
    assert make_conditions().input_rate == pytest.approx(28.61e6, rel=1e-3)
    assert make_conditions(n_bunches=3564).input_rate == pytest.approx(40.08e6, rel=1e-3)
    assert make_conditions(input_rate=parse_rate("40MHz")) == Conditions(40e6)
    both = make_conditions(n_bunches=3564, input_rate=40e6)  # the same in round numbers
    assert both == make_conditions(n_bunches=3564)
    for text, hertz in (("30 MHz", 3e7), ("100kHz", 1e5), ("1.1e4hz", 1.1e4)):
        assert parse_rate(text) == pytest.approx(hertz)
    for wrong in ("40", "MHz", "40 GeV", "-1 MHz", "..Hz", "1.2.3 Hz", ""):
        with pytest.raises(InputError, match="with its unit"):
            parse_rate(wrong)
    for given, message in (
        ({"prescale": -1.0}, "prescale -1"),
        ({"prescale": float("nan")}, "prescale nan"),
        ({"n_bunches": 3565}, "3565 bunches"),
        ({"orbit_frequency": 0.0}, "orbit frequency"),
        ({"input_rate": 0.0}, "input rate 0"),
        ({"n_bunches": 2544, "input_rate": 40e6}, "40 MHz, but 2544 bunches"),
    ):
        with pytest.raises(InputError, match=message):
            make_conditions(**given)  # type: ignore[arg-type]


def test_bins_share_the_crossings_and_average_to_the_rate() -> None:
    against, sections = FOUND.against[0], FOUND.sections
    assert sections is not None
    for i, found in enumerate(FOUND.curves[0].thresholds):
        assert found is not None
        passes = found.value <= SCORE
        for j, (low, high) in enumerate(itertools.pairwise(EDGES)):
            inside = (low <= NPV) & (high > NPV)
            assert (against.n_crossings[j], against.n_passing[i, j]) == (inside.sum(), (passes & inside).sum())
            assert against.center[j] == pytest.approx(NPV[inside].mean())
        for each in (against, sections):
            assert each.n_passing[i].sum() == found.n_passing
            assert np.average(each.rate[i], weights=each.n_crossings) == pytest.approx(found.rate.value)
            assert (each.rate_low[i] <= each.rate[i]).all()
            assert (each.rate[i] < each.rate_high[i]).all()
    assert sections.section.tolist() == list(range(20))
    assert sections.run.tolist() == [1] * 8 + [2] * 12
    assert against.rate[0, -1] > against.rate[0, 0]  # the score rises with pile-up


def test_edges_lie_between_whole_numbers_and_hold_everything() -> None:
    assert (EDGES % 1 == 0.5).all()
    assert np.histogram(NPV, EDGES)[0].sum() == N
    real = bin_edges(ET, 5, "et")
    assert np.histogram(ET, real)[0].tolist() == [N // 5] * 5
    assert bin_edges(np.full(10, 3.0), 5, "npv").tolist() == [2.5, 3.5]
    for values, wanted, message in (
        (np.array([1.0, np.nan]), 3, "1 of 2 crossings"),
        (NPV, (40.0, 30.0), "rising"),
        (NPV, (900.0, 1000.0), "crossings between"),
    ):
        with pytest.raises(InputError, match=message):
            bin_edges(values, wanted, "npv")


def test_triggers_that_take_everything_leave_nothing_pure_and_are_left_out() -> None:
    existing = FOUND.existing
    assert existing is not None
    assert existing.left_out == ("L1_ZeroBias",)
    assert existing.names == ("L1_ET", "HLT_rare")
    assert existing.rate.value == pytest.approx(CONDITIONS.khz((TRIGGERS["L1_ET"] | TRIGGERS["HLT_rare"]).mean()))
    only = measure(replace(SAMPLE, decisions={"L1_ZeroBias": TRIGGERS["L1_ZeroBias"]}), CONDITIONS, BUDGETS)
    assert only.curves[0].pure_rate is None


def test_what_a_threshold_keeps_of_a_signal_knows_both_samples() -> None:
    widened = []
    for curve in FOUND.curves:
        for found in curve.thresholds:
            assert found is not None
            eff, scores = found.sig_eff["top"], SIGNALS["top"].scores[curve.name]
            assert eff.value == pytest.approx((scores >= found.value).mean())
            low, high = clopper_pearson((scores >= found.value).sum(), len(scores))
            assert eff.low <= low + 1e-12
            assert high <= eff.high + 1e-12
            widened.append(eff.high - eff.low > high - low + 1e-12)
    assert any(widened)  # the threshold is uncertain, too, which shows where scores lie close enough
    assert FOUND.signals["top"] == 3000
    assert 1000 < FOUND.signals["svj"] < 2000  # exponential weights count half


def test_intervals_of_rates_and_thresholds_cover() -> None:
    rng, conditions = np.random.default_rng(3), Conditions(1e6)
    true, covered = 0.02, np.zeros(2)
    for _ in range(2000):
        codes = make_codes(rng.random(1000))
        found = threshold(codes, conditions, 1e3 * true)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        low, high = clopper_pearson(codes.n_passing[codes.value >= 1 - true][-1:].sum(), 1000)
        covered += [low <= true <= high, found.low <= 1 - true <= found.high]
    # exact intervals cover at least as often as they say; 0.01 is one standard deviation of the share
    assert (covered / 2000 > LEVEL - 0.03).all()
    assert (covered / 2000 < 0.8).all()


def test_budgets_out_of_reach_say_what_is_within() -> None:
    sample = ZeroBias({"score": SCORE})
    with pytest.raises(InputError, match=r"smallest rate they can set is 4.291 kHz .*; expected 85827 crossings"):
        measure(sample, CONDITIONS, [1.0])
    assert measure(sample, CONDITIONS, [4.3 * 30]).n_crossings == N
    enough = make_codes(np.arange(85827.0))
    assert threshold(enough, CONDITIONS, 1.0) is not None
    assert threshold(make_codes(np.arange(85826.0)), CONDITIONS, 1.0) is None
    saturated = np.minimum(SCORE, 2.5)
    with pytest.raises(InputError, match=r"share the largest score, 2.5, .* smallest rate above 0 is"):
        measure(ZeroBias({"score": saturated}), CONDITIONS, [100.0])
    for score, budgets, message in (
        (np.ones(N), [100.0], "1 different score"),
        (SCORE, [0.0], "more than 0"),
        (SCORE, [28609.0], "less than 28609 kHz"),
        (SCORE, [], "different ones"),
        (SCORE, [100.0, 100.0], "different ones"),
        (np.where(np.arange(N) == 7, np.nan, SCORE), [100.0], "1 of 20000 crossings"),
        (np.where(np.arange(N) == 7, np.inf, SCORE), [100.0], "no finite number"),
    ):
        with pytest.raises(InputError, match=message):
            measure(ZeroBias({"score": score}), CONDITIONS, budgets)
    with pytest.raises(InputError, match="weights of the signal"):
        measure(sample, CONDITIONS, [100.0], signals={"x": Signal({"score": np.ones(3)}, np.zeros(3))})


def test_what_is_compared_may_have_no_threshold() -> None:
    coarse = ZeroBias({"score": SCORE, "bit": (SCORE > 1).astype(float)})
    found = measure(coarse, CONDITIONS, BUDGETS)
    assert found.curves[1].thresholds == (None, None, None)
    assert any("bit: takes 2 values" in note for note in found.notes)


def test_halves_of_a_sample_agree_as_often_as_they_must() -> None:
    conditions = Conditions(28.6e6)
    scores = np.random.default_rng(4).gumbel(size=400_000)
    for seed in (1, 2):
        for values in (scores, np.round(scores * 16) / 16):
            found = closure(values, conditions, (10.0, 100.0), np.random.default_rng(seed), n_splits=500)
            assert (found.n_splits, found.accepted) == (500, (0.62, 0.76))
            assert found.passed(), found
            assert abs(found.share.value - found.expected) < 4 * np.sqrt(0.68 * 0.32 / 500)


def test_the_difference_of_halves_scatters_as_that_of_independent_samples() -> None:
    n, n_passing, rng = 20_000, 300, np.random.default_rng(5)
    first = rng.hypergeometric(n_passing, n - n_passing, n // 2, 40_000)
    halves = 2 * first - n_passing
    apart = rng.binomial(n // 2, n_passing / n, 40_000) - rng.binomial(n // 2, n_passing / n, 40_000)
    assert np.var(halves) == pytest.approx(np.var(apart), rel=0.03)  # 0.01 at one standard deviation
    likely = stats.hypergeom(n, n_passing, n // 2)
    assert likely.var() == pytest.approx(n_passing * (n - n_passing) / (n - 1) / 4)
    counts = np.arange(n_passing + 1)
    exact = likely.pmf(counts)[agree(counts, n // 2, n_passing - counts, n // 2)].sum()
    assert expected_share(n_passing, n // 2, n) == pytest.approx(exact, abs=1e-6)
    shares = [
        agree(first, n // 2, n_passing - first, n // 2).mean(),
        expected_share(n_passing, n // 2, n),
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)  # 0.0023 at one standard deviation


def test_the_expected_share_lies_where_it_is_accepted() -> None:
    """Averaged over neighboring counts, so for any set of thresholds, not for one that happens to suit."""
    n = 1_000_000
    for lowest in (100, 200, 500, 2000):
        shares = [expected_share(k, n // 2, n) for k in range(lowest, 2 * lowest, max(lowest // 50, 1))]
        assert ACCEPTED[0] < LEVEL - 0.01 < np.mean(shares) < 0.72 < ACCEPTED[1]


def test_samples_that_differ_do_not_agree() -> None:
    assert agree(np.array(1000), 10_000, np.array(1010), 10_000)
    assert not agree(np.array(1000), 10_000, np.array(1100), 10_000)
    assert agree(np.array(0), 100, np.array(0), 100)
    # too small an interval shows: halves of intervals at half the level would agree in half of the cases
    assert not agree(np.array(1100), 10_000, np.array(1000), 10_000)


def test_a_closure_test_needs_splits_and_crossings() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="expected 500 or more"):
        closure(SCORE, CONDITIONS, (100.0,), rng, n_splits=499)
    with pytest.raises(InputError, match="comparing halves needs 100: expected 95363 crossings"):
        closure(SCORE, CONDITIONS, (30.0,), rng)


def test_results_come_back_from_json_and_are_drawn() -> None:
    rng = np.random.default_rng(1)
    found = replace(FOUND, closure=closure(SCORE, CONDITIONS, BUDGETS, rng))
    for result in (found, found.chosen()):
        content = to_json(result)
        text = json.dumps(content, allow_nan=False)
        assert to_json(from_json(type(result), json.loads(text))) == content
    assert to_json(FOUND)["kind"] == "rate"
    assert to_json(FOUND.chosen())["kind"] == "thresholds"
    assert isinstance(FOUND.chosen(), Thresholds)
    bare = Rate(CONDITIONS, N, BUDGETS, FOUND.curves)
    assert rate_sig_eff_figure(bare) is rate_against_figure(bare) is rate_sections_figure(bare) is None
    axes = rate_figure(FOUND).axes[0]
    drawn = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    curve = FOUND.curves[0]
    for x, y in np.asarray(drawn["Anomaly score"]):
        assert y == pytest.approx(CONDITIONS.khz((x <= SCORE).mean()))
    assert len(np.asarray(drawn["Anomaly score"])) <= len(curve.threshold)
    points = [tuple(each.get_xydata()[0]) for each in axes.get_lines() if len(each.get_xydata()) == 1]
    assert {(each.value, each.rate.value) for each in curve.thresholds if each is not None} <= set(points)
    efficiencies = rate_sig_eff_figure(FOUND)
    assert efficiencies is not None
    assert efficiencies.axes[0].get_legend() is not None
    sections = rate_sections_figure(FOUND)
    assert sections is not None
    assert sections.axes[0].get_yscale() == "log"
