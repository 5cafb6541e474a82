"""Laws of what fixed point does to a score: counting by hand, invariance, and checks that fail when they should."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from jetnae.errors import InputError, OutputError, ParityError
from jetnae.export.estimate import estimate, signed_digits
from jetnae.export.fidelity import (
    ScorePair,
    Tolerances,
    compare_bits,
    require_bits,
    require_separation,
    require_working_point,
    separation,
    working_point,
)
from jetnae.export.hls import HlsSettings
from jetnae.files import atomic_folder
from jetnae.fixed_point import FixedFormat, codes
from jetnae.models import Student, StudentConfig
from jetnae.models.student import LayerBits, StudentBits
from jetnae.rate import make_conditions
from jetnae.roc import auc, auc_difference

MHZ = make_conditions(input_rate=1e6)


def scores(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, n)


def coarse(score: np.ndarray, step: float) -> ScorePair:
    return ScorePair(score, np.round(score / step) * step)


def test_bits_differ_where_numbers_do_and_nothing_is_like_nan() -> None:
    own = np.array([1.0, 2.0, 2.0, -1.0])
    found = compare_bits(np.array([1.0, 2.0 + 2**-40, np.nan, -1.0]), own, "four inputs")
    assert (found.n_inputs, found.n_different, found.n_scores) == (4, 2, 3)
    with pytest.raises(ParityError, match=r"in 2 of 4 scores.*\(four inputs\)"):
        require_bits(found)
    require_bits(compare_bits(own, own, "four inputs"))


def test_decisions_are_those_of_counting() -> None:
    background, signal = coarse(scores(4000, 1), 0.25), coarse(scores(500, 2, 1.0), 0.25)
    found = working_point(background, MHZ, 25.0, signal)
    most = 0.025 * 4000
    for at, score in ((found.floating, background.floating), (found.fixed, background.fixed)):
        allowed = [value for value in np.unique(score) if np.count_nonzero(score >= value) <= most]
        assert at.value == min(allowed)
        assert at.n_tied == np.count_nonzero(score == at.value)
        assert at.rate.value == pytest.approx(1000 * np.mean(score >= at.value))
    for pair, agreement in ((background, found.background), (signal, found.signal)):
        assert agreement is not None
        before, after = pair.floating >= found.floating.value, pair.fixed >= found.fixed.value
        assert agreement.n_both == np.count_nonzero(before & after)
        assert agreement.n_floating_only == np.count_nonzero(before & ~after)
        assert agreement.n_fixed_only == np.count_nonzero(after & ~before)
        assert agreement.share == pytest.approx(np.sum(before & after) / np.sum(before | after))


def test_a_score_that_keeps_the_order_decides_the_same() -> None:
    background = ScorePair(scores(2000, 3), np.exp(scores(2000, 3)) - 7)
    signal = ScorePair(scores(300, 4, 2.0), np.exp(scores(300, 4, 2.0)) - 7)
    found = working_point(background, MHZ, 30.0, signal)
    assert found.floating.n_passing == found.fixed.n_passing
    assert found.background.share == 1
    assert found.signal is not None
    assert found.signal.share == 1
    assert separation(signal, background).change.value == pytest.approx(0, abs=1e-12)
    require_working_point(found, Tolerances(0, 0, 0))


def test_ties_that_leave_the_rate_below_the_budget_are_an_error() -> None:
    background = coarse(scores(20_000, 5), 0.5)
    found = working_point(background, MHZ, 60.0)
    assert found.fixed.looser_rate is not None
    assert found.fixed.rate.value < 60 < found.fixed.looser_rate.value
    with pytest.raises(ParityError, match="give the output more bits"):
        require_working_point(found, Tolerances())
    require_working_point(found, Tolerances(rate_loss=1.0))


def test_a_score_that_saturates_is_an_error() -> None:
    background = ScorePair(scores(2000, 6), np.minimum(scores(2000, 6), 1.0))
    with pytest.raises(ParityError, match="share the largest score, 1, which is too many: the score saturates"):
        working_point(background, MHZ, 10.0)


def test_too_few_crossings_for_the_budget_are_an_error_of_the_input() -> None:
    with pytest.raises(InputError, match="too few, the smallest rate they can set"):
        working_point(coarse(scores(100, 7), 0.01), MHZ, 1.0)


def test_what_is_lost_of_the_signal_is_an_error() -> None:
    # in fixed point the signal scatters by so much more that half of it is lost, the background does not
    background = ScorePair(scores(20_000, 8), scores(20_000, 8))
    high = scores(5000, 9, 3.0)
    signal = ScorePair(high, np.where(np.arange(5000) % 2 == 0, high, 0.0))
    with pytest.raises(ParityError, match=r"AUC .* a loss of"):
        require_separation(separation(signal, background), Tolerances())
    with pytest.raises(ParityError, match="signal efficiency"):
        require_working_point(working_point(background, MHZ, 10.0, signal), Tolerances())
    with pytest.raises(InputError, match="expected 0 to 1"):
        Tolerances(auc_loss=-0.1)


def test_the_change_of_an_auc_is_the_difference_and_scatters_as_its_error_says() -> None:
    rng = np.random.default_rng(10)
    found, errors, alone = [], [], []
    for _ in range(400):
        signal, background = rng.normal(1, 1, 150), rng.normal(0, 1, 250)
        rough = [values + rng.normal(0, 0.5, len(values)) for values in (signal, background)]
        change = auc_difference((signal, background), (rough[0], rough[1]))
        assert change.value == pytest.approx(auc(rough[0], rough[1]).value - auc(signal, background).value)
        found.append(change.value)
        errors.append(change.error)
        alone.append(auc(signal, background).error)
    # the standard deviation of 400 numbers is known to 1 / sqrt(800) = 3.5 %
    assert np.std(found) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.12)
    assert np.mean(errors) < np.mean(alone)


def test_signed_digits_are_the_fewest() -> None:
    fewest = {}
    for digits in product((-1, 0, 1), repeat=7):
        value, count = sum(digit * 2**i for i, digit in enumerate(digits)), sum(map(abs, digits))
        fewest[value] = min(count, fewest.get(value, 99))
    values = np.arange(-64, 65)
    np.testing.assert_array_equal(signed_digits(values), [fewest[value] for value in values])


def test_the_estimate_follows_its_formula() -> None:
    inner = LayerBits(FixedFormat(6, 2), FixedFormat(8, 3), FixedFormat(12, 8), FixedFormat(8, 5, signed=False))
    bits = StudentBits(FixedFormat(10, 10, signed=False), (inner, LayerBits(*[FixedFormat(12, 4)] * 3)))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Student((20,), None, StudentConfig((5,), bits=bits))
    one, four = (estimate(model, bits, HlsSettings(reuse_factor=reuse)) for reuse in (1, 4))
    weights = [
        codes(layer.weight.detach(), each.weight) for layer, each in zip(model.sequence, bits.layers, strict=True)
    ]
    assert [layer.products for layer in one.layers] == [int((each != 0).sum()) for each in weights]
    assert [layer.multipliers for layer in four.layers] == [math.ceil(layer.products / 4) for layer in one.layers]
    assert one.dsp == four.dsp == 0  # 6 bits and 8 bits are too few for a slice
    assert (one.interval, four.interval, one.every_crossing) == (6.25, 25.0, True)
    assert four.latency - one.latency == pytest.approx(2 * 3 * 6.25)
    # five levels of the tree of 20 products and a bias fit in two periods, three of the second layer in one
    assert one.cycles == (1 + 2 + 1) + (1 + 1 + 1) + 2
    assert one.is_estimate
    with torch.no_grad():
        model.sequence[0].weight.zero_()
    assert estimate(model, bits, HlsSettings()).layers[0].products == 0


def _fail_in(target: Path) -> None:
    with atomic_folder(target, "report.json") as folder:
        (folder / "half").touch()
        raise ParityError("as an example")


def test_a_folder_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    with pytest.raises(ParityError):
        _fail_in(target)
    assert not list(tmp_path.iterdir())
    with atomic_folder(target, "report.json") as folder:
        (folder / "report.json").write_text("1")
    with pytest.raises(InputError, match="exists already"), atomic_folder(target, "report.json"):
        pass
    with pytest.raises(KeyboardInterrupt), atomic_folder(target, "report.json", force=True):
        raise KeyboardInterrupt
    assert (target / "report.json").read_text() == "1"
    with atomic_folder(target, "report.json", force=True) as folder:
        (folder / "report.json").write_text("2")
    assert [each.name for each in target.iterdir()] == ["report.json"]
    assert (target / "report.json").read_text() == "2"
    assert [each.name for each in target.parent.iterdir()] == ["out"]


def test_a_folder_with_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="--force does not replace it"), atomic_folder(tmp_path, "x.json", force=True):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="does not replace"), atomic_folder(tmp_path / "file", "x", force=True):
        pass
    with pytest.raises(OutputError, match="nothing was kept"), atomic_folder(tmp_path / "file" / "in", "x"):
        pass
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "thesis.tex"]
