"""Fits of smooth functions: they recover what was thrown, no minimizer finds better, and bad spectra are refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import boost_histogram
import hist
import numpy as np
import pytest
import uproot
from iminuit import Minuit
from scipy.special import gammaln

from jetnae.bumphunt import (
    FAMILIES,
    NESTED,
    Family,
    Fit,
    Spectrum,
    choose_order,
    families_of,
    fit,
    from_hist,
    pseudo_data,
)
from jetnae.bumphunt.design import make_design, means
from jetnae.bumphunt.families import LOG_BASIS
from jetnae.bumphunt.newton import fit_many
from jetnae.bumphunt.order import f_test, fit_ladder, make_ladder
from jetnae.errors import InputError, NotConvergedError
from jetnae.io.spectra import read_csv_spectrum
from jetnae.results import from_json, to_json

SQRT_S = 13_000.0
EDGES = np.array([1000.0 * 1.04**i for i in range(41)])
FORMULAS = {
    "dijet2": lambda x, p: p[0] - p[1] * np.log(x),
    "dijet3": lambda x, p: p[0] + p[1] * np.log(1 - x) - p[2] * np.log(x),
    "dijet4": lambda x, p: p[0] + p[1] * np.log(1 - x) - (p[2] + p[3] * np.log(x)) * np.log(x),
    "dijet5": lambda x, p: p[0] + p[1] * np.log(1 - x) - (p[2] + p[3] * np.log(x) + p[4] * np.log(x) ** 2) * np.log(x),
    "ua2": lambda x, p: p[0] - p[1] * np.log(x) - p[2] * x - p[3] * x**2,
    "svj": lambda x, p: p[0] + p[1] * x + p[2] * (1 + p[3] / p[2] * np.log(x)) * np.log(x),
}
"""The functions as papers print them, written a second time."""


def truth(scale: float = 1.0) -> Fit:
    """A falling dijet spectrum of `scale` times 150,000 events."""
    x = (EDGES[:-1] + EDGES[1:]) / 2 / SQRT_S
    shape = (1 - x) ** 8 * x**-5.0 * np.diff(EDGES)
    return fit(Spectrum(150_000 * scale * shape / shape.sum(), EDGES), FAMILIES["dijet4"], sqrt_s=SQRT_S)


def integrals(name: str, parameters: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Expected counts by many thin slices."""
    fine = np.linspace(edges[:-1], edges[1:], 2001)
    center = (fine[1:] + fine[:-1]) / 2
    return np.sum(np.exp(FORMULAS[name](center / SQRT_S, parameters)) * np.diff(fine, axis=0), axis=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_expected_counts_are_integrals_of_the_formula(name: str) -> None:
    found = fit(Spectrum(np.rint(truth().expected), EDGES), FAMILIES[name], sqrt_s=SQRT_S)
    np.testing.assert_allclose(found.expected, integrals(name, found.parameters, EDGES), rtol=1e-6)
    assert set(FAMILIES[name].basis) <= set(LOG_BASIS)
    assert len(found.parameters) == len(found.parameter_names) == len(FAMILIES[name].basis)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_of_the_means_is_their_derivative(name: str) -> None:
    design = make_design(FAMILIES[name], EDGES, sqrt_s=SQRT_S, fitted=np.ones(40, dtype=bool))
    point = np.random.default_rng(1).normal(0, 1, (3, len(FAMILIES[name].basis)))
    _, gradient = means(design, point)
    for k in range(point.shape[1]):
        step = np.zeros_like(point)
        step[:, k] = 1e-6
        slope = (means(design, point + step).log - means(design, point - step).log) / 2e-6
        np.testing.assert_allclose(gradient[:, :, k], slope, atol=1e-7)


def test_parameters_errors_and_deviance_have_the_distribution_they_claim() -> None:
    rng = np.random.default_rng(1)
    nominal = truth()
    fits = [fit(pseudo_data(nominal, rng), FAMILIES["dijet4"], sqrt_s=SQRT_S) for _ in range(400)]
    pulls = np.array([(each.parameters - nominal.parameters) / each.parameter_errors for each in fits])
    assert np.abs(pulls.mean(axis=0)).max() < 4 / np.sqrt(400)
    assert pulls.std(axis=0) == pytest.approx(np.ones(4), abs=4 / np.sqrt(800))
    band = np.array([(each.expected - nominal.expected) / each.expected_error for each in fits])
    assert band.std(axis=0) == pytest.approx(np.ones(40), abs=4 / np.sqrt(800))
    assert np.mean([each.deviance for each in fits]) == pytest.approx(36, abs=4 * np.sqrt(72 / 400) + 0.5)
    assert np.mean([each.p_value for each in fits]) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 400) + 0.03)


def test_many_spectra_are_fitted_as_each_alone() -> None:
    rng = np.random.default_rng(1)
    nominal = truth(0.02)
    toys = rng.poisson(nominal.expected, (50, 40)).astype(float)
    design = make_design(FAMILIES["dijet4"], EDGES, sqrt_s=SQRT_S, fitted=np.ones(40, dtype=bool))
    together = fit_many(design, toys, start=nominal.orthonormal, precision=np.ones(40))
    assert together.converged.all()
    for toy, expected, deviance in zip(toys, together.expected, together.deviance, strict=True):
        alone = fit(Spectrum(toy, EDGES), FAMILIES["dijet4"], sqrt_s=SQRT_S)
        np.testing.assert_allclose(expected, alone.expected, rtol=1e-3, atol=1e-4)
        assert deviance == pytest.approx(alone.deviance, abs=1e-7)


def test_bins_left_out_are_predicted_and_have_no_say() -> None:
    nominal = truth()
    counts = pseudo_data(nominal, np.random.default_rng(1)).counts
    fitted = np.ones(40, dtype=bool)
    fitted[15:20] = False
    spoiled = np.where(fitted, counts, 12345.0)
    first, second = (
        fit(Spectrum(n, EDGES), FAMILIES["dijet4"], sqrt_s=SQRT_S, fitted=fitted) for n in (counts, spoiled)
    )
    assert to_json(first) == to_json(second)
    assert first.ndf == 31
    assert np.abs((first.expected - nominal.expected) / first.expected_error)[15:20].max() < 3
    whole = fit(Spectrum(counts, EDGES), FAMILIES["dijet4"], sqrt_s=SQRT_S)
    assert (first.expected_error[15:20] > whole.expected_error[15:20]).all()


def test_weights_that_are_all_alike_scale_the_fit_and_keep_relative_errors() -> None:
    counts = pseudo_data(truth(), np.random.default_rng(1)).counts
    plain = fit(Spectrum(counts, EDGES), FAMILIES["dijet3"], sqrt_s=SQRT_S)
    weighted = fit(Spectrum(0.1 * counts, EDGES, 0.01 * counts), FAMILIES["dijet3"], sqrt_s=SQRT_S)
    np.testing.assert_allclose(weighted.expected, 0.1 * plain.expected, rtol=1e-5)
    np.testing.assert_allclose(weighted.expected_error, 0.1 * plain.expected_error, rtol=1e-5)
    assert weighted.deviance == pytest.approx(plain.deviance, abs=1e-6)


def minus_two_ln_l(name: str, parameters: np.ndarray, spectrum: Spectrum) -> float:
    """The Poisson likelihood written a second time, with the integrals by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    half = np.diff(spectrum.edges) / 2
    masses = spectrum.edges[:-1] + half + nodes[:, None] * half
    with np.errstate(all="ignore"):
        means_ = np.sum(np.exp(FORMULAS[name](masses / SQRT_S, parameters)) * weights[:, None] * half, axis=0)
        value = -2 * np.sum(spectrum.counts * np.log(means_) - means_ - gammaln(spectrum.counts + 1))
    return float(value) if np.isfinite(value) else 1e15


@pytest.mark.parametrize("name", FAMILIES)
def test_no_minimizer_finds_a_better_fit_to_the_dijet_spectrum(real_data: Path, name: str) -> None:
    spectrum = read_csv_spectrum(real_data / "dijet" / "cms_dijet_137fb_ins1764471.csv")
    found = fit(spectrum, FAMILIES[name], sqrt_s=SQRT_S)
    rng = np.random.default_rng(1)
    best = np.inf
    for spread in (0.0, *(0.1,) * 4):
        start = found.parameters * (1 + spread * rng.normal(0, 1, len(found.parameters)))
        minimizer = Minuit(lambda p: minus_two_ln_l(name, p, spectrum), start)
        minimizer.errordef, minimizer.strategy = Minuit.LIKELIHOOD * 2, 2
        for _ in range(3):
            minimizer.simplex().migrad()
        best = min(best, minimizer.fval)
    assert found.minus_two_ln_l == pytest.approx(best, abs=0.01)
    assert found.ndf == 42 - len(found.parameters)


def test_the_dijet_spectrum_needs_three_parameters(real_data: Path) -> None:
    spectrum = read_csv_spectrum(real_data / "dijet" / "cms_dijet_137fb_ins1764471.csv")
    found, order = choose_order(spectrum, families_of("dijet"), sqrt_s=SQRT_S)
    assert found.family == "dijet3"
    assert order.families[order.chosen] == "dijet3"
    assert found.chi2 / found.ndf == pytest.approx(1, abs=3 * np.sqrt(2 / found.ndf))
    assert order.p_values[0] < 1e-6
    assert order.p_values[1] >= 0.05


def test_families_of_a_sequence_contain_each_other() -> None:
    for names in NESTED.values():
        for small, large in pairwise(names):
            assert set(FAMILIES[small].basis) < set(FAMILIES[large].basis)


@pytest.mark.parametrize("n_events", [100, 1000, 150_000])
def test_the_f_test_rejects_a_sufficient_family_no_more_often_than_it_says(n_events: int) -> None:
    rng = np.random.default_rng(1)
    x = (EDGES[:-1] + EDGES[1:]) / 2 / SQRT_S
    shape = (1 - x) ** 8 * x**-5.0 * np.diff(EDGES)
    nominal = fit(Spectrum(n_events * shape / shape.sum(), EDGES), FAMILIES["dijet3"], sqrt_s=SQRT_S)
    toys = rng.poisson(nominal.expected, (3000, 40)).astype(float)
    fits, order = fit_ladder(make_ladder(nominal, families_of("dijet")[1:]), toys)
    assert fits.converged.all()
    # a fluctuation of D2 / ndf2 above one costs power, below one it gains none
    assert 0.03 < np.mean(order > 0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)
    for toy, chosen in zip(toys[:20], order[:20], strict=True):
        _, alone = choose_order(Spectrum(toy, EDGES), families_of("dijet")[1:], sqrt_s=SQRT_S)
        assert alone.chosen == chosen


def test_the_f_test_has_the_f_distribution_where_counts_scatter_more_than_poisson() -> None:
    rng = np.random.default_rng(1)
    rest, gain = 4 * rng.chisquare(30, 20_000), 4 * rng.chisquare(2, 20_000)
    p = f_test(rest + gain, rest, 32, 30)
    for size in (0.01, 0.05, 0.5):
        assert np.mean(p < size) == pytest.approx(size, abs=4 * np.sqrt(size * (1 - size) / len(p)))
    assert f_test(3.0, 4.0, 5, 4) == 1


@pytest.mark.parametrize("name", ["dijet3", "dijet4", "dijet5", "ua2", "svj"])
def test_a_spectrum_that_determines_no_parameters_is_not_fitted(name: str) -> None:
    counts = np.zeros(40)
    counts[7] = 5
    with pytest.raises(NotConvergedError, match=f"{name} did not converge.*fewer parameters") as caught:
        fit(Spectrum(counts, EDGES), FAMILIES[name], sqrt_s=SQRT_S)
    assert isinstance(caught.value.last, Fit)
    assert caught.value.last.minus_two_ln_l > 0
    assert caught.value.exit_code == 4


def test_toys_that_do_not_converge_are_flagged_and_stay() -> None:
    counts = np.zeros((3, 40))
    counts[0, [3, 30]] = 3, 5  # the likelihood rises forever along a line
    counts[1] = np.rint(truth().expected)
    design = make_design(FAMILIES["dijet5"], EDGES, sqrt_s=SQRT_S, fitted=np.ones(40, dtype=bool))
    found = fit_many(design, counts, start=np.zeros(5), precision=np.ones(40))
    assert found.converged.tolist()[1:] == [True, True]
    assert found.n_iterations[0] == 100 or found.converged[0]
    assert np.isfinite(found.expected).all()
    assert found.expected[2].sum() == pytest.approx(0, abs=1e-6)


def test_an_order_that_is_not_needed_need_not_be_determined() -> None:
    counts = np.zeros(40)
    counts[:3] = 9, 4, 1
    found, order = choose_order(Spectrum(counts, EDGES), families_of("dijet"), sqrt_s=SQRT_S)
    assert found.family == "dijet2"
    assert order.chosen == 0


@pytest.mark.parametrize(
    ("counts", "family", "edges", "message"),
    [
        (np.zeros(40), "dijet4", EDGES, "no events"),
        (np.ones(3), "dijet4", EDGES[:4], "3 bins to fit with the 4 parameters"),
        (np.ones(40), "dijet4", EDGES * 10, "sqrt"),
        (np.ones(40), "dijet4", EDGES - 2000, "masses from 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(counts: np.ndarray, family: str, edges: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(Spectrum(counts, edges), FAMILIES[family], sqrt_s=SQRT_S)


def test_too_few_bins_for_any_order_and_unknown_families_are_refused() -> None:
    with pytest.raises(InputError, match="2 bins to fit"):
        choose_order(Spectrum(np.array([5.0, 3.0]), EDGES[:3]), families_of("dijet"), sqrt_s=SQRT_S)
    with pytest.raises(InputError, match="expected one of dijet2"):
        families_of("cubic")
    with pytest.raises(InputError, match="one per bin"):
        fit(Spectrum(np.ones(40), EDGES), FAMILIES["dijet2"], sqrt_s=SQRT_S, fitted=np.ones(3, dtype=bool))
    with pytest.raises(InputError, match="positive"):
        pseudo_data(truth(), np.random.default_rng(1), scale=0)


@pytest.mark.parametrize(
    ("counts", "edges", "variances", "message"),
    [
        ([1, np.nan], [0, 1, 2], None, "counts: nan in bin 1"),
        ([1, -1], [0, 1, 2], None, "counts: -1 in bin 1"),
        ([1, 1], [0, 1], None, "n counts and n"),
        ([], [0], None, "n counts and n"),
        ([1, 1], [0, 2, 1], None, "rising"),
        ([1, 1], [0, 1, np.inf], None, "rising"),
        ([1, 1], [0, 1, 2], [1], "one per bin"),
        ([1, 1], [0, 1, 2], [1, -1], "variances: -1 in bin 1"),
    ],
)
def test_what_is_no_spectrum_is_refused(counts: list, edges: list, variances: list | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Spectrum(np.array(counts), np.array(edges), variances)


def test_overlap_is_with_whole_bins() -> None:
    spectrum = Spectrum(np.ones(4), np.arange(5))
    assert spectrum.overlap(1, 2).tolist() == [False, True, False, False]
    assert spectrum.overlap(1.5, 2.5).tolist() == [False, True, True, False]
    for low, high in ((4, 5), (2, 2), (3, 1), (np.nan, 2)):
        with pytest.raises(InputError, match="holds no bin"):
            spectrum.overlap(low, high)


def test_histograms_of_every_origin_are_spectra(tmp_path: Path) -> None:
    values = np.random.default_rng(1).exponential(100, 1000)
    plain = boost_histogram.Histogram(boost_histogram.axis.Variable([0, 50, 100, 300]))
    weighted = hist.Hist(hist.axis.Variable([0, 50, 100, 300]), storage=hist.storage.Weight())
    plain.fill(values)
    weighted.fill(values, weight=0.5)
    with uproot.recreate(tmp_path / "h.root") as file:
        file["plain"] = plain
    with uproot.open(tmp_path / "h.root") as file:
        stored = from_hist(file["plain"])
    expected = np.histogram(values, [0, 50, 100, 300])[0]
    for spectrum in (from_hist(plain), stored):
        assert spectrum.counts.tolist() == expected.tolist()
        assert spectrum.edges.tolist() == [0, 50, 100, 300]
        assert not spectrum.weighted
    assert from_hist(weighted).weighted
    np.testing.assert_allclose(from_hist(weighted).variances, 0.25 * expected)
    with pytest.raises(InputError, match="2 axes"):
        from_hist(hist.Hist(hist.axis.Regular(2, 0, 1), hist.axis.Regular(2, 0, 1)))


def test_a_fit_comes_back_from_json() -> None:
    found = truth()
    content = json.loads(json.dumps(to_json(found), allow_nan=False))
    again = from_json(Fit, content)
    assert to_json(again) == content
    np.testing.assert_array_equal(again.expected, found.expected)


def test_a_further_family_is_one_entry() -> None:
    exponential = Family("exponential", "p0 exp(-p1 x)", ("1", "-x"), ("ln p0", "p1"))
    counts = -1000 * np.diff(np.exp(-EDGES / 500))
    found = fit(Spectrum(counts, EDGES), exponential, sqrt_s=SQRT_S)
    assert found.parameters[1] == pytest.approx(SQRT_S / 500, rel=1e-5)
