"""Laws of exported firmware: its C simulation is the student bit by bit, and nothing unchecked is written."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from jetnae.checkpoint import FORMAT_VERSION, Checkpoint, Header, Validity, build_model
from jetnae.errors import InputError, MissingExtraError, ParityError
from jetnae.export.fidelity import ScorePair, Tolerances, compare_bits
from jetnae.export.firmware import N_INPUTS, Sample, Trial, export_hls, random_inputs
from jetnae.export.hls import HlsSettings, configuration, require_hls4ml, require_student, write_project
from jetnae.export.report import HlsReport
from jetnae.export.simulation import Simulation, require_compiler
from jetnae.features import FeatureSpec
from jetnae.fixed_point import FixedFormat, quantize
from jetnae.images import ImageSpec
from jetnae.level1 import RegionSpec
from jetnae.models import MODELS, Student, StudentConfig
from jetnae.models.student import LayerBits, StudentBits
from jetnae.rate import make_conditions
from jetnae.results import from_json
from tests.conftest import SMALL_NETWORK

REGIONS = (18, 14)
PLAIN = {"rounding": "TRN", "overflow": "WRAP"}
INNER = LayerBits(FixedFormat(8, 2), FixedFormat(10, 3), FixedFormat(14, 9), FixedFormat(10, 6, signed=False))
LAST = LayerBits(FixedFormat(8, 2), FixedFormat(12, 4), FixedFormat(16, 8))
INPUT = FixedFormat(10, 10, signed=False)


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """What the conversion needs."""
    try:
        require_hls4ml()
        require_compiler()
    except InputError as error:
        pytest.skip(str(error))


def student(
    hidden: tuple[int, ...] = (16,),
    channels: int = 0,
    bits: StudentBits | None = None,
    shape: tuple[int, ...] = REGIONS,
    seed: int = 1,
) -> Student:
    n_layers = len(hidden) + 1 + (channels > 0)
    bits = bits or StudentBits(INPUT, (INNER,) * (n_layers - 1) + (LAST,))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Student(shape, None, StudentConfig(hidden, channels, bits=bits))


def checkpoint_of(
    model: Student | torch.nn.Module, shape: tuple[int, ...] = REGIONS, regions: RegionSpec | None = None
) -> Checkpoint:
    header = Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name="small",
        model="student",
        config={},
        features=FeatureSpec(names=("mass", "pt")) if len(shape) == 1 else None,
        image=ImageSpec(n_pixels=16) if len(shape) == 2 and regions is None else None,
        regions=regions,
        validity=Validity((50.0, 400.0), 2.0, 0.8),
        layout="jetnae",
        sha256="0" * 64,
    )
    return Checkpoint(model.eval(), header)  # type: ignore[arg-type]


def bits_of(model: Student) -> StudentBits:
    assert model.config.bits is not None
    return model.config.bits


def simulated(model: Student, folder: Path, reuse_factor: int = 1) -> Simulation:
    folder.mkdir()
    write_project(model, bits_of(model), folder, HlsSettings(reuse_factor=reuse_factor))
    return Simulation(folder, model.shape)


def awkward_inputs(fmt: FixedFormat, shape: tuple[int, ...], n: int) -> np.ndarray:
    """Numbers of a format, others between them, and others beyond its ends."""
    rng = np.random.default_rng(2)
    on_grid = random_inputs(fmt, (n, *shape), rng)
    off = on_grid + rng.uniform(-2, 2, on_grid.shape) * fmt.step * (rng.random(on_grid.shape) < 0.2)
    return np.asarray(np.where(rng.random(on_grid.shape) < 0.01, off * -3, off), dtype=np.float32)


@pytest.fixture(scope="module")
def convolution(tmp_path_factory: pytest.TempPathFactory) -> tuple[Student, Simulation]:
    model = student(channels=4)
    return model, simulated(model, tmp_path_factory.mktemp("hls") / "project")


def test_ten_thousand_scores_agree_in_every_bit(convolution: tuple[Student, Simulation]) -> None:
    model, simulation = convolution
    inputs = awkward_inputs(INPUT, REGIONS, N_INPUTS)
    expected = model.score(torch.from_numpy(inputs)).numpy()
    found = compare_bits(simulation.score(inputs), expected.astype(np.float64), "inputs")
    assert (found.n_inputs, found.n_different, found.largest_difference) == (10_000, 0, 0.0)
    assert found.n_scores > 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "reuse_factor"),
    [
        pytest.param(student((16,)), 1, id="252-16-1"),
        pytest.param(student((32, 16)), 4, id="252-32-16-1"),
        pytest.param(student((), 2), 1, id="convolution alone"),
        pytest.param(student((), shape=(57,), bits=StudentBits(FixedFormat(12, 10), (LAST,))), 1, id="57-1"),
        pytest.param(
            student(
                (8, 4),
                shape=(57,),
                bits=StudentBits(
                    FixedFormat(8, 6, **PLAIN),
                    (
                        LayerBits(
                            FixedFormat(6, 1, **PLAIN),
                            FixedFormat(7, 2, **PLAIN),
                            FixedFormat(8, 5, **PLAIN),
                            FixedFormat(6, 3, signed=False, **PLAIN),
                        ),
                        LayerBits(FixedFormat(4, -1), FixedFormat(4, 6), FixedFormat(9, 3), FixedFormat(7, 4)),
                        LayerBits(FixedFormat(6, 1), FixedFormat(8, 2), FixedFormat(8, 2, **PLAIN)),
                    ),
                ),
            ),
            1,
            id="wrapped and cut",
        ),
    ],
)
def test_every_kind_of_student_agrees_in_every_bit(model: Student, reuse_factor: int, tmp_path: Path) -> None:
    inputs = awkward_inputs(bits_of(model).input, model.shape, N_INPUTS)
    scores = simulated(model, tmp_path / "project", reuse_factor).score(inputs)
    np.testing.assert_array_equal(scores, model.score(torch.from_numpy(inputs)).numpy())
    assert len(np.unique(scores)) > 100


def test_one_step_of_one_weight_is_seen(convolution: tuple[Student, Simulation]) -> None:
    _, simulation = convolution
    changed = student(channels=4)
    step = INNER.weight.step
    with torch.no_grad():
        weight = changed.sequence[1].weight
        at = int(weight[0].abs().argmin())
        weight[0, at] = quantize(weight[0, at], INNER.weight) + step
    inputs = random_inputs(INPUT, (500, *REGIONS), np.random.default_rng(1))
    own = changed.score(torch.from_numpy(inputs)).numpy()
    assert compare_bits(simulation.score(inputs), own.astype(np.float64), "inputs").n_different > 0


def test_no_format_is_left_to_the_converter() -> None:
    model = student((8,), 2)
    layers = configuration(model, bits_of(model), HlsSettings())["LayerName"]
    assert set(layers) == {"inputs", "layer0", "relu0", "flatten", "layer1", "relu1", "layer2"}
    assert "auto" not in [value for layer in layers.values() for value in layer["Precision"].values()]


def test_weights_that_firmware_and_simulation_read_must_be_the_same(tmp_path: Path) -> None:
    model = student((4,), shape=(6,))
    write_project(model, bits_of(model), tmp_path, HlsSettings())
    header = tmp_path / "firmware" / "weights" / "w2.h"
    first = header.read_text().split("= {")[1].split(",")[0]
    header.write_text(header.read_text().replace(f"= {{{first},", "= {1.984375,", 1))
    with pytest.raises(ParityError, match=r"w2\.h and w2\.txt do not hold the same numbers"):
        Simulation(tmp_path, model.shape)


def test_damaged_code_does_not_compile(tmp_path: Path) -> None:
    model = student((4,), shape=(6,))
    write_project(model, bits_of(model), tmp_path, HlsSettings())
    (tmp_path / "firmware" / "defines.h").write_text("typedef nothing;\n")
    with pytest.raises(ParityError, match="does not compile"):
        Simulation(tmp_path, model.shape)


@pytest.mark.slow
def test_a_student_that_computes_otherwise_is_not_exported(tmp_path: Path) -> None:
    class Shifted(Student):
        def score(self, x: torch.Tensor) -> torch.Tensor:
            return super().score(x) + LAST.result.step

    model = student((4,), shape=(6,))
    shifted = Shifted((6,), None, model.config)
    with pytest.raises(ParityError, match=r"differs from the fixed-point student in 10000 of 10000 .* nothing was"):
        export_hls(checkpoint_of(shifted, (6,)), tmp_path / "out", Trial(), HlsSettings())
    assert not list(tmp_path.iterdir())


def sample(model: Student, name: str, n: int, shift: float) -> Sample:
    counts = np.random.default_rng(len(name)).poisson(20 + shift, (n, *model.shape))
    inputs = (counts * bits_of(model).input.step).astype(np.float32)
    twin = Student(model.shape, None, replace(model.config, bits=None))
    twin.load_state_dict(model.state_dict())
    scores = (each.score(torch.from_numpy(inputs)).numpy() for each in (twin, model))
    return Sample(name, inputs, ScorePair(*scores))


@pytest.mark.slow
def test_the_folder_tells_everything(tmp_path: Path) -> None:
    inner = replace(INNER, weight=FixedFormat(8, 1), result=FixedFormat(14, 3), activation=FixedFormat(12, 2, False))
    bits = StudentBits(FixedFormat(10, 0, signed=False), (inner, replace(LAST, result=FixedFormat(20, 3))))
    model = student((8,), bits=bits)
    checkpoint = checkpoint_of(model, regions=RegionSpec("linear", 1024.0))
    trial = Trial(
        sample(model, "zero_bias.h5", 20_000, 0),
        sample(model, "tops.h5", 3000, 3),
        make_conditions(),
        budget=300.0,
        tolerances=Tolerances(auc_loss=0.1, rate_loss=0.5, efficiency_loss=1.0),
    )
    folder = tmp_path / "new" / "out"
    report = export_hls(checkpoint, folder, trial, HlsSettings())
    content = json.loads((folder / "report.json").read_text())
    assert from_json(HlsReport, content).bits == report.bits
    assert report.bits.inputs == "4500 of zero_bias.h5, 3000 of tops.h5, 1000 random inputs"
    point = report.working_point
    assert point is not None
    assert report.separation is not None
    text = " ".join((folder / "README.txt").read_text().split())
    code = round(point.fixed.value / bits.layers[-1].result.step)
    for expected in ("AN ESTIMATE", f"code >= {code}.", "ap_ufixed<10,0,AP_RND,AP_SAT>", "8500 of 8500 inputs"):
        assert expected in text
    assert "the bits of an input are the count itself" in text
    assert not list(folder.glob("**/*.so"))
    assert str(tmp_path) not in "".join(each.read_text() for each in folder.glob("*.*"))
    vectors = np.loadtxt(folder / "tb_data" / "tb_input_features.dat", dtype=np.float64)
    expected_scores = np.loadtxt(folder / "tb_data" / "tb_output_predictions.dat")
    np.testing.assert_array_equal(Simulation(folder, REGIONS).score(vectors), expected_scores)
    with pytest.raises(InputError, match="exists already, use --force"):
        export_hls(checkpoint, folder, trial, HlsSettings())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_other_models_name_what_does_not_convert(name: str) -> None:
    config = SMALL_NETWORK if name != "pca" else {}
    model = build_model(name, config, ImageSpec(n_pixels=16, pixel_sum=16.0))
    with pytest.raises(InputError, match=r"does not convert to firmware: .* `jetnae distill`"):
        require_student(checkpoint_of(model))


def test_the_layer_that_does_not_convert_is_named() -> None:
    published = {"network": {"architecture": "published", "channels": [4, 4, 4], "spectral_norm": True}}
    for config, layer in (
        (SMALL_NETWORK, r"\(ConvTranspose2d\)|\(LeakyReLU\)"),
        (published, r"layers? encoder\..*\(Layer\)"),
    ):
        model = build_model("nae", config, ImageSpec(n_pixels=16, pixel_sum=16.0))
        with pytest.raises(InputError, match=layer):
            require_student(checkpoint_of(model))


def test_a_student_in_floating_point_is_refused() -> None:
    model = Student(REGIONS, None, StudentConfig((4,)))
    with pytest.raises(InputError, match=r"its layer layers\.0 \(Linear\) computes in floating point"):
        require_student(checkpoint_of(model))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "hls4ml", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'jetnae\[hls\]'"):
        require_hls4ml()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"needs g\+\+"):
        require_compiler()


@pytest.mark.parametrize("fmt", [INPUT, FixedFormat(8, 3), FixedFormat(1, 1, signed=False), FixedFormat(24, 4)])
def test_random_inputs_are_valid_and_reach_both_ends(fmt: FixedFormat) -> None:
    inputs = random_inputs(fmt, (4000, 40), np.random.default_rng(1))
    np.testing.assert_array_equal(quantize(torch.from_numpy(inputs), fmt).numpy(), inputs)
    assert inputs.max() > 0.999 * fmt.high
    assert inputs.min() <= 0.999 * fmt.low


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"part": "a chip; rm"}, "name of a chip"), ({"clock": 0.0}, "clock 0 ns"), ({"reuse_factor": 0}, "reuse factor")],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HlsSettings(**settings)  # type: ignore[arg-type]
