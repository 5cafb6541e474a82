"""Figures show the numbers they were given."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.plotting import Style, save_figure
from jetnae.plotting.roc import roc_figure, sic_figure
from jetnae.plotting.scores import ScoreClass, score_classes, score_distribution
from jetnae.plotting.sculpting import divergence_figure, efficiency_figure, spectra_figure
from jetnae.roc import Roc, RocOptions, compare, make_samples
from jetnae.sculpting import Sculpting, SculptOptions, mass_dependence

RNG = np.random.default_rng(1)
BACKGROUND = ScoreClass("QCD", RNG.lognormal(0, 1, 500), RNG.uniform(0.5, 2, 500))
SIGNAL = ScoreClass("top", RNG.lognormal(1, 1, 80), np.ones(80))


def test_every_class_sums_to_one_with_weights() -> None:
    axes = score_distribution([BACKGROUND, SIGNAL]).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["QCD (500 jets)", "top (80 jets)"]
    for patch in axes.patches:
        assert patch.get_data().values.sum() == pytest.approx(1)
    assert axes.get_xscale() == "log"


def test_negative_and_constant_scores_have_an_axis_too() -> None:
    signed = ScoreClass("jets", RNG.normal(0, 1, 100), np.ones(100))
    constant = ScoreClass("jets", np.zeros(5), np.ones(5))
    for jets in (signed, constant):
        axes = score_distribution([jets]).axes[0]
        assert axes.get_xscale() == "linear"
        assert axes.get_xlim()[0] < axes.get_xlim()[1]


def test_classes_follow_process_then_label() -> None:
    jets = {
        "score": np.array([1.0, 2.0, 3.0, np.nan, 5.0]),
        "in_range": np.array([True, True, True, True, False]),
        "label": np.array([0, 1, 0, 1, 1]),
    }
    counts = np.array([1, 2, 2])
    events = {"process": np.array([0, 1, 2]), "jetnae_weight": np.array([1.0, 2.0, 3.0])}
    found = {
        each.name: (each.score.tolist(), each.weight.tolist())
        for each in score_classes(jets, counts, events, all_jets=True)
    }
    # the jet with score 3 stems from a top event but is no top
    assert found == {"QCD": ([1.0], [1.0]), "top": ([2.0], [2.0]), "semivisible": ([5.0], [3.0])}
    by_label = score_classes(jets, counts, {}, all_jets=False)
    assert [(each.name, each.score.tolist()) for each in by_label] == [("background", [1.0, 3.0]), ("signal", [2.0])]
    del jets["label"]
    assert [each.name for each in score_classes(jets, counts, {}, all_jets=False)] == ["jets"]


def test_figures_are_saved_once_and_leave_no_style_behind(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    figure = score_distribution([BACKGROUND, SIGNAL])
    assert [path.name for path in save_figure(figure, tmp_path / "score.v1")] == ["score.v1.pdf", "score.v1.png"]
    with pytest.raises(InputError, match="--force"):
        save_figure(figure, tmp_path / "score.v1")
    assert dict(mpl.rcParams) == before


@pytest.fixture(scope="module")
def roc() -> Roc:
    label = np.repeat([1, 0], [200, 300])
    score = np.random.default_rng(1).normal(label, 1)
    models = {"model": score, "other": score**3}
    return compare(
        models, {"pt": -score}, make_samples(label), np.random.default_rng(1), options=RocOptions(n_bootstrap=5)
    )


@pytest.fixture(scope="module")
def sculpting() -> Sculpting:
    rng = np.random.default_rng(1)
    mass = rng.gamma(4.0, 20.0, 3000)
    options = SculptOptions(n_permutations=20, n_distance_permutations=2, max_distance_jets=100)
    scores = {"score": mass + rng.normal(0, 20, 3000), "score_decorrelated": rng.random(3000)}
    found = [mass_dependence(score, mass, rng, names=(name, "mass"), options=options) for name, score in scores.items()]
    return Sculpting(tuple(found))


@pytest.mark.parametrize("look", Style)
def test_the_same_result_gives_the_same_bytes_in_every_style(look: Style, roc: Roc, tmp_path: Path) -> None:
    paths = [save_figure(sic_figure(roc, look=look), tmp_path / name, look=look) for name in ("first", "second")]
    for first, second in zip(*paths, strict=True):
        assert first.read_bytes() == second.read_bytes()
    pdf = paths[0][0].read_bytes()
    assert b"/Type3" not in pdf  # editors of journals refuse fonts of this type
    assert b"/CIDFontType" in pdf
    assert b"CreationDate" not in pdf


def test_a_roc_figure_shows_its_result(roc: Roc) -> None:
    axes, ratio = roc_figure(roc, title="Simulation").axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        *(f"{curve.name}, AUC {curve.auc.value:.3f}" for curve in roc.curves[:2]),
        f"Jet $p_\\mathrm{{T}}$ (reversed), AUC {roc.curves[2].auc.value:.3f}",
        "Random",
    ]
    assert axes.get_title(loc="left") == "Simulation"
    for line, curve in zip(axes.lines, roc.curves, strict=False):
        some = curve.bkg_eff > 0
        np.testing.assert_array_equal(line.get_xdata(), curve.sig_eff[some])
        np.testing.assert_array_equal(line.get_ydata(), 1 / curve.bkg_eff[some])
    first, second = (np.asarray(line.get_ydata(), dtype=float) for line in ratio.lines[:2])
    assert set(first[np.isfinite(first)]) == {1.0}
    # a monotone change of a score does not change its curve
    np.testing.assert_allclose(second[np.isfinite(second)], 1)


def test_sculpting_figures_show_their_result(sculpting: Sculpting) -> None:
    axes = divergence_figure(sculpting).axes[0]
    for line, found in zip(axes.lines, sculpting.scores, strict=False):
        np.testing.assert_array_equal(line.get_xdata(), 1 / found.scan_bkg_eff)
        np.testing.assert_array_equal(line.get_ydata(), 1 / found.scan_jsd)
    figures = [spectra_figure(sculpting), efficiency_figure(sculpting)]
    assert [len(figure.axes) for figure in figures] == [4, 2]
    for axes in [*figures[0].axes[2:], *figures[1].axes]:
        assert axes.get_xlabel() == "Jet mass [GeV]"
    spectra = figures[0].axes[0].patches
    for patch, cut in zip(spectra[1:], sculpting.scores[0].cuts, strict=True):
        merged = cut.counts.reshape(-1, 2).sum(axis=1) / cut.counts.sum()
        np.testing.assert_allclose(patch.get_data().values, merged)


@pytest.mark.parametrize(
    ("look", "written"), [("plain", []), ("CMS", ["CMS"]), ("ATLAS", ["ATLAS"]), ("LHCb", ["LHCb"])]
)
def test_an_experiment_is_named_only_where_a_label_is_asked_for(look: str, written: list[str], roc: Roc) -> None:
    def texts(label: str) -> list[str]:
        axes = sic_figure(roc, look=Style(look), title="Simulation", label=label).axes[0]
        found = [text.get_text() for text in axes.findobj(mpl.text.Text)]
        return [text for text in found if text in {"CMS", "ATLAS", "LHCb", "Private work", "Simulation"}]

    assert texts("") == ["Simulation"]
    assert sorted(texts("Private work")) == sorted([*written, "Private work", "Simulation"])
