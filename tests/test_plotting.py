"""Figures show the numbers they were given."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.plotting import save_figure
from jetnae.plotting.scores import ScoreClass, score_classes, score_distribution

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
