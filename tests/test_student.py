"""Laws of the student: it computes what firmware would, bit by bit, and comes back from a checkpoint so."""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, build_model, load_checkpoint, save_checkpoint
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.fixed_point import FixedFormat
from jetnae.images import ImageSpec
from jetnae.models import MODELS, SCORERS, Student, StudentConfig
from jetnae.models.student import LayerBits, StudentBits
from tests.test_fixed_point import expected_code

SHAPE = (4, 6)
BITS = StudentBits(
    FixedFormat(6, 4, signed=False),
    (
        LayerBits(FixedFormat(5, 1), FixedFormat(7, 2), FixedFormat(9, 5), FixedFormat(7, 4, signed=False)),
        LayerBits(FixedFormat(4, 0), FixedFormat(6, 1, rounding="TRN"), FixedFormat(8, 3), FixedFormat(6, 2, False)),
        LayerBits(FixedFormat(6, 1), FixedFormat(8, 3), FixedFormat(10, 3)),
    ),
)


def student(config: StudentConfig, shape: tuple[int, ...] = SHAPE, scale: float = 1.0) -> Student:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Student(shape, None, config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


def inputs(n: int = 40, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randint(0, 80, (n, *shape), generator=torch.Generator().manual_seed(1)) / 4.0


def rounded(value: Fraction, fmt: FixedFormat) -> Fraction:
    return expected_code(value, fmt) * Fraction(fmt.step)


def fractions(values: torch.Tensor) -> Any:
    return [fractions(value) for value in values] if values.dim() else Fraction(float(values.detach()))


def by_hand(model: Student, image: torch.Tensor, bits: StudentBits) -> Fraction:
    """The score of one image in exact arithmetic, number by number."""
    rows = [[rounded(value, bits.input) for value in row] for row in fractions(image)]
    values = [value for row in rows for value in row]
    for layer, formats in zip(model.sequence, bits.layers, strict=True):
        weights = [[rounded(w, formats.weight) for w in row] for row in fractions(layer.weight.flatten(1))]
        biases = [rounded(b, formats.bias) for b in fractions(layer.bias)]
        places = [values]
        if isinstance(layer, nn.Conv2d):
            corners = product(range(0, SHAPE[0], 2), range(0, SHAPE[1], 2))
            places = [[rows[i][j], rows[i][j + 1], rows[i + 1][j], rows[i + 1][j + 1]] for i, j in corners]
        values = [
            rounded(sum((w * x for w, x in zip(weight, place, strict=True)), bias), formats.result)
            for weight, bias in zip(weights, biases, strict=True)
            for place in places
        ]
        if formats.activation is not None:
            values = [rounded(max(value, Fraction(0)), formats.activation) for value in values]
    return values[0]


@pytest.mark.parametrize("scale", [1.0, 6.0])
@pytest.mark.parametrize("overflow", ["SAT", "WRAP"])
def test_fixed_point_scores_are_those_of_exact_arithmetic(scale: float, overflow: str) -> None:
    layers = [replace(each, result=replace(each.result, overflow=overflow)) for each in BITS.layers]
    bits = replace(BITS, layers=tuple(layers))
    model = student(StudentConfig((5,), channels=3, bits=bits), scale=scale)
    x = inputs()
    expected = [float(by_hand(model, image, bits)) for image in x]
    assert len(set(expected)) > 5
    assert model.score(x).tolist() == expected
    assert model.double().forward(x).tolist() == expected  # what is trained is what will run
    assert model(x).requires_grad
    assert not model.score(x).requires_grad


@pytest.mark.parametrize("bits", [None, BITS])
def test_gradients_reach_every_parameter(bits: StudentBits | None) -> None:
    model = student(StudentConfig((5,), channels=3, bits=bits))
    model(inputs()).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert float(parameter.grad.abs().sum()) > 0, key


def test_without_formats_it_is_the_network_of_torch() -> None:
    model = student(StudentConfig((5,), channels=3))
    convolution, *dense = model.sequence
    values = torch.relu(convolution(inputs()[:, None])).flatten(1)
    expected = dense[1](torch.relu(dense[0](values)))[:, 0]
    torch.testing.assert_close(model.score(inputs()), expected.detach())


def test_wide_formats_agree_with_floating_point() -> None:
    def wide(signed: bool = True) -> FixedFormat:
        return FixedFormat(24, 8, signed)

    layers = [LayerBits(FixedFormat(20, 1), FixedFormat(20, 1), wide(), None if i == 2 else wide()) for i in range(3)]
    floating = student(StudentConfig((5,), channels=3))
    fixed = student(StudentConfig((5,), channels=3, bits=StudentBits(wide(), tuple(layers))))
    torch.testing.assert_close(fixed.score(inputs()), floating.score(inputs()), rtol=0, atol=1e-2)
    assert not torch.equal(fixed.score(inputs()), floating.score(inputs()))


def test_sums_fit_their_accumulators() -> None:
    model = student(StudentConfig((5,), channels=3, bits=BITS))
    first, second, third = model.accumulators()
    assert (first.fraction, second.fraction, third.fraction) == (6, 7, 9)
    values = BITS.input
    for layer, formats, total in zip(model.sequence, BITS.layers, (first, second, third), strict=True):
        n = layer.weight[0].numel()
        lowest = n * values.high * formats.weight.low + formats.bias.low
        highest = n * values.high * formats.weight.high + formats.bias.high
        assert total.low <= lowest
        assert highest <= total.high
        assert lowest < total.low / 2 or highest > total.high / 2  # and no bit is wasted
        values = formats.activation or formats.result
    assert model.multiplications() == (3 * 4 * 6, 18 * 5, 5)


@pytest.mark.parametrize("bits", [None, BITS])
def test_it_comes_back_from_a_checkpoint_as_it_was(bits: StudentBits | None, tmp_path: Path) -> None:
    config = StudentConfig((5,), channels=3, offset=-3.5, slope=2.0, bits=bits)
    spec = ImageSpec(n_pixels=4, pixel_sum=None)
    model = student(config, spec.shape)
    header = Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name="small",
        model="student",
        config=asdict(config),
        image=spec,
        validity=Validity((50.0, 400.0), 2.0, 0.8),
        layout="jetnae",
    )
    save_checkpoint(tmp_path / "model.safetensors", model, header)
    again = load_checkpoint(tmp_path / "model.safetensors").model
    x = inputs(shape=spec.shape)
    assert isinstance(again, Student)
    assert again.config == config
    assert torch.equal(again.score(x), model.score(x))


def test_everything_that_learns_by_itself_can_be_scored_with_and_the_student_only_that() -> None:
    assert set(SCORERS) - set(MODELS) == {"student"}
    with pytest.raises(InputError, match="jetnae distill"):
        build_model("student", {}, FeatureSpec(("mass", "girth")))


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        (StudentConfig(channels=2), (9,), "expected even sides"),
        (StudentConfig(channels=2), (18, 13), "expected even sides"),
        (StudentConfig((5, 5), bits=BITS), SHAPE, "weights"),
        (StudentConfig((5,), bits=BITS), SHAPE, "formats of 3 layers, expected 2"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(config: StudentConfig, shape: tuple[int, ...], message: str) -> None:
    wide = replace(BITS.layers[0], weight=FixedFormat(25, 1))
    if message == "weights":
        config = replace(config, bits=replace(BITS, layers=(wide, *BITS.layers[1:])))
    with pytest.raises(InputError, match=message):
        Student(shape, None, config)


@pytest.mark.parametrize("settings", [{"hidden": (0,)}, {"hidden": (5,) * 5}, {"channels": -1}, {"slope": 0.0}])
def test_settings_without_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        StudentConfig(**settings)


def test_sums_too_long_for_a_double_are_refused() -> None:
    long = LayerBits(FixedFormat(24, 1), FixedFormat(24, 1), FixedFormat(24, 5))
    with pytest.raises(InputError, match="expected 1 to 53"):
        Student(SHAPE, None, StudentConfig((), bits=StudentBits(FixedFormat(40, 20), (long,))))
