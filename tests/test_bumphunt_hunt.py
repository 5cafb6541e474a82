"""The whole search: coverage, blinding, signals, and what other programs read of it."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pyhf
import pytest
import yaml

from jetnae.bumphunt import FAMILIES, Hunt, HuntOptions, Spectrum, fit, hunt, pseudo_data
from jetnae.bumphunt.cuts import threshold_in_sidebands
from jetnae.bumphunt.export import hepdata, pyhf_workspace
from jetnae.bumphunt.limits import cls
from jetnae.bumphunt.signal import SignalFit, fit_signal, gaussian
from jetnae.bumphunt.validation import Bias, Coverage, Injection, bias, coverage, injection
from jetnae.errors import InputError, MissingExtraError
from jetnae.results import from_json, to_json
from tests.test_bumphunt_fit import EDGES, SQRT_S, truth

OPTIONS = HuntOptions(family="dijet4", sqrt_s=SQRT_S, max_width=10, n_toys=200)
NOMINAL = truth()
TEMPLATE = gaussian(EDGES, mean=2500, width=120)
PYHF_WARNS = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")


def background(seed: int = 1) -> Spectrum:
    return pseudo_data(NOMINAL, np.random.default_rng(seed))


def with_bump(n_signal: int = 600) -> Spectrum:
    rng = np.random.default_rng(2)
    return Spectrum(rng.poisson(NOMINAL.expected + n_signal * TEMPLATE), EDGES)


def searched(spectrum: Spectrum, **changes: object) -> Hunt:
    return hunt(spectrum, replace(OPTIONS, **changes), np.random.default_rng(1))


@pytest.mark.slow
def test_global_p_is_uniform_in_its_tail_only_with_refitted_toys() -> None:
    rng = np.random.default_rng(1)
    options = replace(OPTIONS, n_toys=300)
    refitted = coverage(NOMINAL, options, n_experiments=600, rng=rng)
    print("refitted", refitted.fractions, np.mean(refitted.p_values))  # noqa: T201
    assert refitted.n_not_converged == 0
    assert refitted.passed(2)
    frozen = coverage(NOMINAL, replace(options, refit=False), n_experiments=600, rng=rng)
    print("not refitted", frozen.fractions, np.mean(frozen.p_values))  # noqa: T201
    assert frozen.fractions[0] < 0.05 - 2 * frozen.deviations[0]
    assert np.mean(frozen.p_values) > 0.55


@pytest.mark.slow
def test_global_p_is_uniform_in_its_tail_when_the_order_is_chosen_too() -> None:
    found = coverage(
        NOMINAL, replace(OPTIONS, family="dijet", n_toys=300), n_experiments=600, rng=np.random.default_rng(1)
    )
    print("order chosen", found.fractions, np.mean(found.p_values))  # noqa: T201
    assert found.passed(2)


def test_coverage_counts_small_p_values() -> None:
    found = coverage(NOMINAL, replace(OPTIONS, n_toys=99), n_experiments=40, rng=np.random.default_rng(1))
    assert found.fractions == tuple(np.mean(found.p_values < size) for size in (0.05, 0.01))
    assert found.deviations[0] == pytest.approx(math.sqrt(0.05 * 0.95 / 40))
    assert to_json(from_json(Coverage, to_json(found))) == to_json(found)
    assert not replace(found, fractions=(0.5, 0.01)).passed()


def test_a_bump_is_found_where_it_is() -> None:
    found = searched(with_bump())
    low, high = (EDGES[i] for i in found.scan.window)
    assert low < 2500 < high
    assert found.scan.global_p == pytest.approx(1 / 201)
    assert searched(background()).scan.global_p > 0.01
    assert found.n_toys_not_converged == 0


def test_the_order_is_chosen_again_in_each_pseudo_experiment() -> None:
    found = searched(background(), family="dijet", n_toys=300)
    assert found.order is not None
    assert found.toy_orders is not None
    assert found.fit.family == found.order.families[found.order.chosen]
    assert sum(found.toy_orders.values()) == 300
    assert sum(n > 0 for n in found.toy_orders.values()) > 1
    assert searched(background()).toy_orders is None


def test_blinded_bins_are_neither_used_nor_shown() -> None:
    counts = background().counts
    hidden = np.flatnonzero(Spectrum(counts, EDGES).overlap(2000, 2500))
    spoiled = counts.copy()
    spoiled[hidden] = 987654
    options = replace(OPTIONS, blind=(2000.0, 2500.0))
    first, second = (hunt(Spectrum(n, EDGES), options, np.random.default_rng(1)) for n in (counts, spoiled))
    assert to_json(first) == to_json(second)
    assert "987654" not in json.dumps(to_json(second))
    assert [i for i, n in enumerate(first.counts) if n is None] == hidden.tolist()
    starts, stops = first.scan.window_first, first.scan.window_first + first.scan.window_width
    assert np.all((stops <= hidden[0]) | (starts > hidden[-1]))
    assert not first.fit.fitted[hidden].any()
    assert (first.fit.expected[hidden] > 0).all()


def test_results_come_back_from_json() -> None:
    for found in (searched(background(), family="dijet"), searched(background(), n_toys=0, sideband_criterion=True)):
        content = json.loads(json.dumps(to_json(found), allow_nan=False))
        assert to_json(from_json(Hunt, content)) == content
    content["counts"] = content["counts"][1:]
    with pytest.raises(InputError, match="does not fit together"):
        from_json(Hunt, content)


@pytest.mark.parametrize(
    ("spectrum", "changes", "message"),
    [
        (Spectrum(NOMINAL.expected, EDGES), {}, "throw pseudo-data"),
        (Spectrum(np.rint(NOMINAL.expected), EDGES, 2 * NOMINAL.expected), {}, "throw pseudo-data"),
        (Spectrum(np.zeros(40), EDGES), {}, "no events"),
        (background(), {"n_toys": -1}, "not negative"),
        (background(), {"blind": (100.0, 200.0)}, "holds no bin"),
        (background(), {"blind": (1000.0, 5000.0)}, "no events in the bins|0 bins"),
        (background(), {"blind": (1100.0, 4500.0), "min_width": 20, "max_width": 20}, "bins to fit|no window"),
        (background(), {"family": "cubic"}, "no family 'cubic'"),
        (background(), {"min_width": 50, "max_width": 60}, "windows of 50 to 60"),
        (background(), {"sqrt_s": 2000.0}, "sqrt"),
    ],
)
def test_what_cannot_be_searched_is_refused(spectrum: Spectrum, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        searched(spectrum, **changes)


def test_the_yield_of_a_signal_has_the_distribution_it_claims() -> None:
    found = injection(NOMINAL, TEMPLATE, yields=np.array([0.0, 300.0]), n_experiments=150, rng=np.random.default_rng(1))
    assert np.abs(found.pull) == pytest.approx([0, 0], abs=4 / math.sqrt(150))
    assert found.pull_width == pytest.approx([1, 1], abs=4 / math.sqrt(300))
    assert found.n_not_converged == (0, 0)
    assert found.passed()
    assert to_json(from_json(Injection, to_json(found))) == to_json(found)
    assert not replace(found, pull=np.array([0.0, 5.0])).passed()


def test_a_wrong_function_makes_a_spurious_signal_and_the_right_one_none() -> None:
    wrong = Spectrum(np.rint(NOMINAL.expected * (1 + 0.2 * gaussian(EDGES, mean=2500, width=400) * 5)), EDGES)
    curved = fit(wrong, FAMILIES["dijet5"], sqrt_s=SQRT_S)
    found = bias((NOMINAL, curved), TEMPLATE, "dijet2", n_experiments=20, rng=np.random.default_rng(1))
    assert not found.passed()
    right = bias((NOMINAL,), TEMPLATE, "dijet4", n_experiments=60, rng=np.random.default_rng(1))
    assert right.passed()
    assert abs(right.ratio[0]) < 4 / math.sqrt(60)
    assert to_json(from_json(Bias, to_json(found))) == to_json(found)


def test_significance_and_limit_of_a_signal_fit() -> None:
    found = fit_signal(with_bump(), TEMPLATE, "dijet4", sqrt_s=SQRT_S)
    assert found.n_signal == pytest.approx(600, abs=4 * found.n_signal_error)
    assert found.significance == pytest.approx(found.n_signal / found.n_signal_error, rel=0.15)
    low, high = found.n_signal_interval
    assert low < found.n_signal < high
    assert (high - low) / 2 == pytest.approx(found.n_signal_error, rel=0.1)
    assert found.upper_limit > found.n_signal
    assert found.expected_limits == tuple(sorted(found.expected_limits))
    # with many events the median limit without signal is 1.96 standard deviations
    without = fit_signal(Spectrum(np.rint(NOMINAL.expected), EDGES), TEMPLATE, "dijet4", sqrt_s=SQRT_S)
    assert without.expected_limits[2] == pytest.approx(1.96 * without.n_signal_error, rel=0.02)
    assert to_json(from_json(SignalFit, to_json(found))) == to_json(found)
    negative = fit_signal(background(4), TEMPLATE, "dijet4", sqrt_s=SQRT_S)
    assert (negative.n_signal < 0) == (negative.significance == 0)


def test_an_observed_limit_is_where_cls_is_five_percent_in_the_normal_limit() -> None:
    # without nuisance parameters to speak of, q and q_A are parabolas: the closed form of arXiv:1007.1727
    found = fit_signal(background(), TEMPLATE, "dijet4", sqrt_s=SQRT_S)
    sigma = found.expected_limits[2] / 1.95996
    best = found.n_signal
    assert best > -3 * sigma
    mu = found.upper_limit
    q = ((mu - best) ** 2 - min(best, 0) ** 2) / sigma**2
    assert cls(q, (mu / sigma) ** 2) == pytest.approx(0.05, abs=0.006)


@PYHF_WARNS
@pytest.mark.parametrize(("observed", "expected", "mu"), [(50.0, 50.0, 1.0), (60.0, 50.0, 2.0), (40.0, 50.0, 0.7)])
def test_cls_is_that_of_pyhf(observed: float, expected: float, mu: float) -> None:
    strength_of_signal = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": [10.0], "modifiers": [strength_of_signal]},
        {"name": "background", "data": [expected], "modifiers": []},
    ]
    model = pyhf.Model({"channels": [{"name": "bin", "samples": samples}]})
    reference = float(pyhf.infer.hypotest(mu, [observed], model, test_stat="qtilde"))

    def deviance(n: float, strength: float) -> float:
        mean = expected + 10 * strength
        return 2 * (mean - n + n * math.log(n / mean))

    best = max((observed - expected) / 10, 0.0)
    q = deviance(observed, mu) - deviance(observed, best) if best <= mu else 0.0
    assert cls(q, deviance(expected, mu)) == pytest.approx(reference, rel=2e-3)


def test_signals_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="positive"):
        gaussian(EDGES, mean=2000, width=0)
    for template in (np.zeros(40), np.ones(3), -TEMPLATE, TEMPLATE * np.nan):
        with pytest.raises(InputError, match="template"):
            fit_signal(background(), template, "dijet4", sqrt_s=SQRT_S)
    with pytest.raises(InputError, match="no family"):
        fit_signal(background(), TEMPLATE, "dijet", sqrt_s=SQRT_S)
    with pytest.raises(InputError, match="yields"):
        injection(NOMINAL, TEMPLATE, yields=np.array([-1.0]), n_experiments=5, rng=np.random.default_rng(1))
    with pytest.raises(InputError, match="at least two"):
        coverage(NOMINAL, OPTIONS, n_experiments=1, rng=np.random.default_rng(1))


def test_without_iminuit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iminuit", None)
    with pytest.raises(MissingExtraError, match=r"jetnae\[fit\]"):
        fit_signal(background(), TEMPLATE, "dijet4", sqrt_s=SQRT_S)


@PYHF_WARNS
def test_a_workspace_is_valid_and_its_limit_is_near_that_of_the_full_fit() -> None:
    spectrum = background()
    sidebands = ~spectrum.overlap(2000, 3000)
    fitted = fit(spectrum, FAMILIES["dijet4"], sqrt_s=SQRT_S, fitted=sidebands)
    content = pyhf_workspace(fitted, spectrum, TEMPLATE, n_signal=100.0)
    pyhf.schema.validate(content, "workspace.json")
    workspace = pyhf.Workspace(json.loads(json.dumps(content, allow_nan=False)))
    model, data = workspace.model(), workspace.data(workspace.model())
    limit = fit_signal(spectrum, TEMPLATE, "dijet4", sqrt_s=SQRT_S).upper_limit
    level = float(pyhf.infer.hypotest(limit / 100, data, model, test_stat="qtilde"))
    assert level == pytest.approx(0.05, abs=0.03)
    blinded = pyhf_workspace(fitted, None, TEMPLATE)
    assert blinded["observations"][0]["data"] == fitted.expected[~sidebands].tolist()


def test_a_workspace_never_counts_events_twice() -> None:
    whole = fit(background(), FAMILIES["dijet4"], sqrt_s=SQRT_S)
    with pytest.raises(InputError, match="sidebands"):
        pyhf_workspace(whole, background(), TEMPLATE)
    sidebands = fit(background(), FAMILIES["dijet4"], sqrt_s=SQRT_S, fitted=~background().overlap(4000, 4500))
    with pytest.raises(InputError, match="no signal"):
        pyhf_workspace(sidebands, background(), gaussian(EDGES, mean=1200, width=10))


def test_a_hepdata_submission_names_its_tables_and_hides_what_is_blinded() -> None:
    found = searched(background(), blind=(2000.0, 2500.0), n_toys=20)
    files = hepdata(found)
    documents = list(yaml.safe_load_all(files["submission.yaml"]))
    assert {each["data_file"] for each in documents[1:]} == set(files) - {"submission.yaml"}
    table = yaml.safe_load(files["spectrum.yaml"])
    data, expected = (each["values"] for each in table["dependent_variables"])
    assert [each["value"] for each in data] == ["-" if n is None else n for n in found.counts]
    assert [each["value"] for each in expected] == found.fit.expected.tolist()
    assert expected[0]["errors"][0]["symerror"] == found.fit.expected_error[0]
    assert table["independent_variables"][0]["values"][0] == {"low": EDGES[0], "high": EDGES[1]}
    windows = yaml.safe_load(files["windows.yaml"])
    assert len(windows["dependent_variables"][0]["values"]) == found.scan.n_windows


def test_a_cut_at_an_efficiency_knows_nothing_of_the_signal_region() -> None:
    rng = np.random.default_rng(1)
    mass, score = rng.uniform(0, 100, 5000), rng.normal(0, 1, 5000)
    cut = threshold_in_sidebands(score, mass, efficiency=0.1, mass_range=(0, 100), region=(40, 60))
    inside = (mass >= 40) & (mass < 60)
    assert np.mean(score[~inside] > cut) == pytest.approx(0.1, abs=1 / 4000)
    shifted = score + 100 * inside
    assert threshold_in_sidebands(shifted, mass, efficiency=0.1, mass_range=(0, 100), region=(40, 60)) == cut
    for efficiency, message in ((0.0, "between"), (1.0, "between"), (1e-3, "ten or more")):
        with pytest.raises(InputError, match=message):
            threshold_in_sidebands(score, mass, efficiency=efficiency, mass_range=(0, 100), region=(40, 60))
    for region in ((60.0, 40.0), (90.0, 110.0), (np.nan, 50.0)):
        with pytest.raises(InputError, match="lower end first"):
            threshold_in_sidebands(score, mass, efficiency=0.1, mass_range=(0, 100), region=region)


def test_a_cut_in_the_sidebands_keeps_its_share_of_the_weights() -> None:
    rng = np.random.default_rng(1)
    mass, score = rng.uniform(0, 100, 5000), rng.exponential(1, 5000)
    weight = rng.integers(1, 6, 5000).astype(float)
    options = {"efficiency": 0.1, "mass_range": (0.0, 100.0), "region": (40.0, 60.0)}
    cut = threshold_in_sidebands(score, mass, weight=weight, **options)
    outside = (mass < 40) | (mass >= 60)
    share = weight[outside & (score > cut)].sum() / weight[outside].sum()
    assert share == pytest.approx(0.1, abs=weight.max() / weight[outside].sum())
    repeated = [np.repeat(each, weight.astype(int)) for each in (score, mass)]
    assert cut == pytest.approx(threshold_in_sidebands(*repeated, **options), rel=0.01)
    few = np.where(score > cut, np.where(score == score.max(), 1000.0, 1e-3), 1.0)
    with pytest.raises(InputError, match="expected ten or more"):
        threshold_in_sidebands(score, mass, weight=few, **options)
