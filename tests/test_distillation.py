"""Laws of distillation: broadened inputs, what is learned, formats, agreement, and the choice of widths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from jetnae.distillation import DistillConfig, Lesson, compare, prepare, preset, recommend, view_of
from jetnae.distillation.agreement import threshold
from jetnae.distillation.broadening import grid_transplants, grid_turned
from jetnae.distillation.learning import learn, learn_fixed
from jetnae.distillation.lesson import Part, even_odds, tail_odds
from jetnae.distillation.run import student_scores
from jetnae.distillation.scan import Candidate
from jetnae.distillation.size import size_of
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.level1 import FIRST, KINDS, MAX_PT, ObjectSpec, RegionSpec
from jetnae.models import Scorer, Student
from tests.toy_crossings import ToyTeacher, device, toy_regions

REGIONS = view_of(RegionSpec())
QUICK = DistillConfig(hidden=(16,), n_steps=800, quantized_steps=200, batch_size=256, broadened=1.0)


def lesson(n: int = 8000, config: DistillConfig = QUICK) -> Lesson:
    return prepare(toy_regions(n), REGIONS, ToyTeacher(), config, device())


def correlation(student: Student, found: Lesson) -> float:
    scores = student_scores(student, found.held_out.raw, REGIONS, device())
    return float(spearmanr(scores, found.held_out.log_score.numpy()).statistic)


@pytest.mark.parametrize("way", REGIONS.ways)
def test_broadened_regions_are_ones_that_a_file_could_hold(way: str) -> None:
    raw = toy_regions(500)
    before = raw.copy()
    found = REGIONS.tidy(REGIONS.ways[way](raw, np.random.default_rng(1)))
    assert np.array_equal(raw, before)
    assert found.shape == raw.shape
    assert np.array_equal(found, np.rint(found))
    assert found.min() >= 0
    assert found.max() <= 1023
    assert (found != raw).any(axis=(1, 2)).mean() > 0.9
    again = REGIONS.tidy(REGIONS.ways[way](raw, np.random.default_rng(1)))
    assert np.array_equal(found, again)


def objects(n: int) -> np.ndarray:
    """Rows of objects with falling pt and zeros behind."""
    rng = np.random.default_rng(2)
    parts = []
    for name, number in KINDS.items():
        pt = -np.sort(-np.minimum(rng.exponential(60, (n, number)), MAX_PT[name]), axis=1)
        pt[rng.random((n, number)).cumsum(axis=1) > 2] = 0
        table = np.stack([np.rint(pt), rng.integers(-70, 71, pt.shape), rng.integers(-72, 72, pt.shape)], axis=2)
        parts.append(table * (table[:, :, :1] > 0))
    return np.concatenate(parts, axis=1).reshape(n, 57).astype(np.int16)


@pytest.mark.parametrize("way", view_of(ObjectSpec()).ways)
def test_broadened_objects_stay_ordered_and_within_their_range(way: str) -> None:
    view, raw = view_of(ObjectSpec()), objects(400)
    found = view.tidy(view.ways[way](raw, np.random.default_rng(1))).reshape(-1, 19, 3)
    assert np.array_equal(found, np.rint(found))
    for name, number in KINDS.items():
        kind = found[:, FIRST[name] : FIRST[name] + number]
        assert (np.diff(kind[:, :, 0], axis=1) <= 0).all()
        assert kind[:, :, 0].max() <= MAX_PT[name]
        assert (kind[kind[:, :, 0] == 0] == 0).all()
    assert np.abs(found[:, :, 1]).max() <= 70
    assert found[:, :, 2].min() >= -72
    assert found[:, :, 2].max() <= 71


@pytest.mark.parametrize("spec", [RegionSpec(), RegionSpec("log"), ObjectSpec()])
def test_what_a_student_sees_of_crossings_is_exact(spec: RegionSpec | ObjectSpec) -> None:
    view = view_of(spec)
    raw = toy_regions(50) if isinstance(spec, RegionSpec) else objects(50)
    x = view.student(torch.from_numpy(raw))
    assert view.input_format is not None
    assert torch.equal(x / view.input_format.step, torch.from_numpy(raw).float())
    assert torch.equal(x, torch.from_numpy(view.spec.from_raw(raw)))  # as `jetnae score` will make it
    assert float(x.max()) <= view.input_format.high
    torch.testing.assert_close(view.teacher(torch.from_numpy(raw)), torch.from_numpy(spec.from_raw(raw)))


def test_broadened_images_keep_their_sum() -> None:
    view = view_of(ImageSpec(n_pixels=8, pixel_sum=40.0))
    raw = np.random.default_rng(1).exponential(size=(50, 8, 8))
    for way in view.ways.values():
        found = view.tidy(way(view.tidy(raw), np.random.default_rng(2)))
        assert found.min() >= 0
        np.testing.assert_allclose(found.sum(axis=(1, 2)), 40.0, rtol=1e-9)


def test_a_linear_teacher_is_learned_by_a_linear_student() -> None:
    class Linear(Scorer):
        def score(self, x: Tensor) -> Tensor:
            return (x @ torch.tensor([0.5, -0.3, 0.1])).exp()

    view = view_of(FeatureSpec(("mass", "girth", "ptd"), center=(0.0,) * 3, scale=(1.0,) * 3))
    raw = np.random.default_rng(1).normal(size=(3000, 3)).astype(np.float32)
    config = DistillConfig(hidden=(), n_steps=1500, learning_rate=2e-2)
    found = prepare(raw, view, Linear((3,), None), config, device())
    student = learn(found, view, config, device(), None)
    (layer,) = student.sequence
    expected = found.slope * torch.tensor([[0.5, -0.3, 0.1]])
    torch.testing.assert_close(layer.weight.detach(), expected, rtol=0, atol=2e-3)
    assert float(layer.bias.detach()) == pytest.approx(-found.slope * found.offset, abs=2e-3)


def test_a_student_learns_a_teacher_of_regions_and_keeps_it_in_fixed_point() -> None:
    config = replace(QUICK, channels=4)
    found = lesson(config=config)
    floating = learn(found, REGIONS, config, device(), None)
    fixed = learn_fixed(floating, 8, found, REGIONS, config, report=None)
    assert correlation(floating, found) > 0.95
    assert correlation(fixed, found) > 0.95
    assert fixed.config.bits is not None
    assert [each.weight.width for each in fixed.config.bits.layers] == [8, 8, 8]
    for layer, formats in zip(fixed.sequence, fixed.config.bits.layers, strict=True):
        steps = layer.weight / formats.weight.step
        assert torch.equal(steps, steps.round())
    scores = student_scores(fixed, found.held_out.raw, REGIONS, device())
    assert (scores / fixed.config.bits.layers[-1].result.step % 1 == 0).all()


def test_the_same_seed_gives_the_same_student_and_no_global_generator_is_used() -> None:
    config = replace(QUICK, n_steps=20, quantized_steps=5)
    students = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  the law is that it does not matter
        found = lesson(1000, config)
        floating = learn(found, REGIONS, config, device(), None)
        students += [floating, learn_fixed(floating, 6, found, REGIONS, config, report=None)]
        expected = torch.manual_seed(seed).get_state()
        assert torch.equal(expected, torch.random.get_rng_state())
    x = REGIONS.student(torch.from_numpy(toy_regions(50)))
    assert torch.equal(students[0].score(x), students[2].score(x))
    assert torch.equal(students[1].score(x), students[3].score(x))


def as_they_may_be_turned(counts: torch.Tensor) -> set[tuple[float, ...]]:
    """Each of (n, rows, columns) in the one of its turned and reflected forms that comes first."""
    forms = [
        side.roll(turn, dims=1).flatten(1).tolist()
        for side in (counts, counts.flip(2))
        for turn in range(counts.shape[1])
    ]
    return {min(map(tuple, each)) for each in zip(*forms, strict=True)}


def test_no_held_out_input_is_learned_from() -> None:
    found = prepare(toy_regions(400), REGIONS, ToyTeacher(), QUICK, device())
    learned, held_out = (as_they_may_be_turned(part.raw) for part in (found.background, found.held_out))
    assert len(found.background) == 2 * len(learned)
    assert len(learned) + len(held_out) == 400
    assert not learned & held_out


def test_turned_crossings_are_the_same_crossings() -> None:
    counts = toy_regions(300)
    turned = grid_turned(counts, np.random.default_rng(2))
    assert as_they_may_be_turned(torch.from_numpy(turned)) == as_they_may_be_turned(torch.from_numpy(counts))
    assert (turned != counts).any(axis=(1, 2)).mean() > 0.9


def test_transplants_only_add() -> None:
    counts = toy_regions(300)
    added = grid_transplants(counts, np.random.default_rng(2)) - counts
    assert (added >= 0).all()
    assert ((added > 0).sum(axis=(1, 2)) <= 4 * 25).all()
    assert (added > 0).any(axis=(1, 2)).mean() > 0.9


def test_the_scale_of_the_answer_is_about_the_width_of_the_background() -> None:
    found = lesson(5000)
    target = found.slope * (found.background.log_score.double() - found.offset)
    assert float(target.median()) == pytest.approx(0, abs=1e-6)
    assert 0.7 < float(target.std()) < 1.42
    assert np.log2(found.slope) == round(np.log2(found.slope))


def test_odds_reach_the_tail_and_are_even() -> None:
    scores = torch.randn(10_000, generator=torch.Generator().manual_seed(1))
    odds = tail_odds(scores, 0.5)
    order = scores.argsort()
    assert bool((odds[order].diff() >= 0).all())
    assert float(odds.max() / odds.min()) == pytest.approx(100, rel=0.05)  # 1e-4 ** -0.5
    assert bool((tail_odds(scores, 0.0) == 1).all())
    uniform = torch.cat([torch.linspace(0, 1, 9000), torch.linspace(1, 2, 1000)])
    even = even_odds(uniform)
    assert float(even[:9000].sum() / even[9000:].sum()) == pytest.approx(1, rel=0.05)


def test_a_perfect_student_agrees_and_retains_everything() -> None:
    rng = np.random.default_rng(1)
    teacher, signal = rng.normal(size=50_000), rng.normal(3, 1, 1000)
    found = compare(teacher, 2 * teacher + 1, {"way": (signal, 2 * signal + 1)})
    assert found.correlation == pytest.approx(1)
    assert found.correlation_tail == pytest.approx(1)
    assert [point.agreement for point in found.points] == [1.0] * 4
    assert found.working_point == 3.5e-4
    assert found.retention == pytest.approx(1)
    assert found.ways["way"].auc_teacher == found.ways["way"].auc_student


def test_an_ignorant_student_agrees_by_chance() -> None:
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(size=(2, 50_000))
    found = compare(teacher, student, {"way": (teacher[:5000] + 3, student[:5000])})
    assert found.correlation == pytest.approx(0, abs=5 / 50_000**0.5)
    assert found.points[-1].agreement == pytest.approx(0.1, abs=5 * (0.09 / 5000) ** 0.5)
    assert found.retention is not None
    assert found.retention < 0.05


def test_equal_scores_never_pass_more_than_the_share() -> None:
    scores = np.array([0, 0, 1, 1, 1, 1, 2, 2, 3, 3], dtype=np.float64)
    assert (scores > threshold(scores, 0.2)).sum() == 2
    assert (scores > threshold(scores, 0.3)).sum() == 2
    assert (scores > threshold(scores, 0.4)).sum() == 4


def test_the_rule_takes_the_smallest_that_keeps_enough() -> None:
    rng = np.random.default_rng(1)
    student = learn(lesson(1000, replace(QUICK, n_steps=1)), REGIONS, replace(QUICK, n_steps=1), device(), None)
    agreement = compare(*[rng.normal(size=1000)] * 2, {})

    def candidate(bits: int | None, retention: float, operations: int) -> Candidate:
        size = replace(size_of(student), bit_operations=operations)
        return Candidate(bits, replace(agreement, retention=retention), size, (), {})

    floating = candidate(None, 0.9, 100)
    assert recommend([floating, candidate(8, 0.9, 50), candidate(6, 0.88, 30), candidate(4, 0.7, 10)]) == 6
    assert recommend([floating, candidate(8, 0.5, 50), candidate(6, 0.7, 30), candidate(4, 0.6, 10)]) == 6


def test_the_size_counts_weights_and_the_work_they_make() -> None:
    config = replace(QUICK, n_steps=2, quantized_steps=2, channels=2, hidden=(3,))
    found = lesson(1000, config)
    floating = learn(found, REGIONS, config, device(), None)
    fixed = learn_fixed(floating, 4, found, REGIONS, config, report=None)
    with torch.no_grad():
        fixed.sequence[0].weight[0, 0, 0, 0] = 0.0
        for layer in fixed.sequence:
            layer.weight[layer.weight == 0] = 1e-9  # rounds to zero too
    size = size_of(fixed)
    assert size.n_weights == 2 * 4 + 2 * 63 * 3 + 3
    assert size.weight_bits == 4 * size.n_weights
    assert size.n_zero >= 1
    assert size_of(floating).multiplications == 63 * 2 * 4 + 2 * 63 * 3 + 3
    assert size.multiplications <= size_of(floating).multiplications - 63
    assert preset(4).activations == 6


@pytest.mark.parametrize("scores", ["negative", "zero", "nan", "same"])
def test_scores_without_a_logarithm_are_refused(scores: str) -> None:
    class Odd(ToyTeacher):
        def score(self, x: Tensor) -> Tensor:
            factor = {"negative": -1.0, "zero": 0.0, "nan": float("nan")}.get(scores)
            return super().score(x) * factor if factor is not None else torch.ones(len(x))

    message = "same score" if scores == "same" else "expected a teacher with positive scores"
    with pytest.raises(InputError, match=message):
        prepare(toy_regions(400), REGIONS, Odd(), QUICK, device())


def test_a_score_of_zero_counts_as_the_smallest_other_one() -> None:
    class Rounding(ToyTeacher):
        def score(self, x: Tensor) -> Tensor:
            found = super().score(x)
            return torch.where(found < found.median(), 0.0, found)

    found = prepare(toy_regions(400), REGIONS, Rounding(), QUICK, device())
    assert bool(torch.isfinite(found.background.log_score).all())


def test_too_little_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="at least 334"):
        prepare(toy_regions(100), REGIONS, ToyTeacher(), QUICK, device())
    raw = np.full((400, 2), np.nan, dtype=np.float32)
    with pytest.raises(InputError, match="not finite"):
        prepare(raw, view_of(FeatureSpec(("mass", "girth"))), ToyTeacher(), QUICK, device())
    with pytest.raises(InputError, match="at least 100"):
        compare(np.arange(50.0), np.arange(50.0), {})


@pytest.mark.parametrize(
    "settings",
    [
        {"bits": 1},
        {"bits": 17},
        {"batch_size": 1},
        {"validation": 1.0},
        {"broadened": 0.0},
        {"tail": 2.0},
        {"seed": -1},
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        DistillConfig(**settings)


def test_a_part_knows_its_size_and_nothing_of_labels() -> None:
    assert set(Part.__dataclass_fields__) == {"raw", "log_score", "odds"}
    assert len(lesson(1000).held_out) == 300
