"""Exported models of bunch crossings, and exported students: counts go in, and fixed point keeps every bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from jetnae.checkpoint import save_checkpoint
from jetnae.errors import InputError, ParityError
from jetnae.features import FeatureSpec
from jetnae.fixed_point import FixedFormat
from jetnae.inputs import kind_of, make_inputs
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import Jets, concatenate
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.models import Student, StudentConfig
from jetnae.models.student import LayerBits, StudentBits
from tests.conftest import SMALL_NETWORK
from tests.features import SAMPLE
from tests.layout_files import write_crossings
from tests.test_cli import jetnae as command

pytest.importorskip("onnx", reason="needs the extra jetnae[onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra jetnae[onnx]")

from jetnae.checkpoint import Checkpoint, build_model
from jetnae.engines import OnnxEngine
from jetnae.export.graph import GraphVersion, to_onnx
from jetnae.export.onnx import ExportJob, export_onnx
from jetnae.export.parity import check_parity, differences
from jetnae.export.preparation import graph_spec
from tests.test_export import checkpoint_of, metadata, session

Crossing = RegionSpec | ObjectSpec
SPECS: list[Crossing] = [
    RegionSpec(),
    RegionSpec("log", 300.0),
    RegionSpec("linear", 16.0),
    RegionSpec(window=3),
    RegionSpec("linear", 16.0, window=5),
    ObjectSpec(),
    ObjectSpec("sqrt", 77.0, 3.0),
    ObjectSpec("linear", 16.0, 16.0),
]
NARROW = StudentBits(
    FixedFormat(10, 6, signed=False),
    (
        LayerBits(FixedFormat(5, 1), FixedFormat(7, 2), FixedFormat(9, 5), FixedFormat(7, 4, signed=False)),
        LayerBits(FixedFormat(4, 0), FixedFormat(6, 1, rounding="TRN"), FixedFormat(8, 3), FixedFormat(6, 2, False)),
        LayerBits(FixedFormat(6, 1), FixedFormat(8, 3), FixedFormat(10, 3)),
    ),
)


def some_counts(spec: Crossing, n: int = 50) -> np.ndarray:
    """Counts all over their range, and beyond."""
    rng = np.random.default_rng(1)
    if isinstance(spec, RegionSpec):
        return rng.integers(0, 1024, (n, *spec.shape))
    return rng.integers(-72, 72, (n, 19, 3)).reshape(n, 57) + rng.integers(0, 4000, (n, 57)) * (np.arange(57) % 3 == 0)


def crossings(path: Path) -> Jets:
    return concatenate(list(iter_jets(path, ReadOptions(features=("regions", "objects")))))


def autoencoder(spec: Crossing) -> Checkpoint:
    network = {"network": {**SMALL_NETWORK["network"], "output": "sigmoid"}}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return checkpoint_of(build_model("ae", network, spec), spec)


def student(
    spec: Crossing | FeatureSpec, bits: StudentBits | None = None, *, channels: int = 0, overflow: str = "SAT"
) -> Checkpoint:
    if bits is not None:
        layers = tuple(replace(layer, result=replace(layer.result, overflow=overflow)) for layer in bits.layers)
        bits = StudentBits(bits.input, layers)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Student(spec.shape, None, StudentConfig((5,) if channels else (6, 5), channels, 2.0, 1.5, bits))
    made = checkpoint_of(model, spec, "student")
    return replace(made, header=replace(made.header, training={"teacher": "large", "teacher_sha256": "1" * 64}))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_counts_go_in_and_become_what_the_model_takes(spec: Crossing) -> None:
    """A model that gives back one of its values shows the input that the graph makes."""
    counts = some_counts(spec)
    expected = spec.from_raw(counts).reshape(len(counts), -1)
    for i in (0, 1, 2, 30, spec.shape[0] - 1):
        model = Student(spec.shape, None, StudentConfig(()))
        with torch.no_grad():
            model.layers[0].weight.copy_(torch.eye(model.n_values)[i : i + 1])
            model.layers[0].bias.zero_()
        graph = to_onnx(checkpoint_of(model, spec, "student"), physics_units=True)
        found = OnnxEngine(graph).score(counts.astype(np.float32))
        np.testing.assert_allclose(found, expected[:, i], rtol=2e-7)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_file_gives_the_counts_that_go_in(spec: Crossing, tmp_path: Path) -> None:
    jets = crossings(write_crossings(tmp_path))
    np.testing.assert_array_equal(make_inputs(jets, graph_spec(spec)), spec.raw(jets))
    checkpoint = autoencoder(spec)
    parity = check_parity(to_onnx(checkpoint, physics_units=True), checkpoint, jets, "some crossings")
    assert parity.n_jets == 24
    assert parity.difference <= 1e-5


def test_counts_beyond_the_range_saturate() -> None:
    spec = RegionSpec()
    engine = OnnxEngine(to_onnx(autoencoder(spec), physics_units=True))
    x = np.full((1, *spec.shape), 5, dtype=np.float32)
    low, high = x.copy(), x.copy()
    low[0, 3, 4], high[0, 3, 4] = 0, 1023
    for beyond, end in ((-7, low), (5000, high)):
        x[0, 3, 4] = beyond
        assert engine.score(x) == engine.score(end)


@pytest.mark.parametrize("spec", [RegionSpec(), ObjectSpec()], ids=kind_of)
def test_what_is_not_a_number_has_no_score(spec: Crossing) -> None:
    x = some_counts(spec, 3).astype(np.float32)
    x[1].flat[0] = np.nan
    for checkpoint in (autoencoder(spec), student(spec), student(spec, NARROW)):
        scores = OnnxEngine(to_onnx(checkpoint, physics_units=True)).score(x)
        assert np.isnan(scores).tolist() == [False, True, False]


@pytest.mark.parametrize("version", [(13, 8), (17, 8), (20, 10)], ids=str)
@pytest.mark.parametrize("overflow", ["SAT", "WRAP"])
@pytest.mark.parametrize("channels", [0, 3])
def test_a_student_in_fixed_point_keeps_every_bit(channels: int, overflow: str, version: tuple[int, int]) -> None:
    spec = RegionSpec("linear", 16.0)
    checkpoint, counts = student(spec, NARROW, channels=channels, overflow=overflow), some_counts(spec, 300)
    counts[:100] //= 20
    counts[100:200] //= 5
    expected = checkpoint.model.score(torch.from_numpy(spec.from_raw(counts))).numpy()
    assert len(np.unique(expected)) > 20
    graph = to_onnx(checkpoint, GraphVersion(*version), physics_units=True)
    np.testing.assert_array_equal(OnnxEngine(graph).score(counts.astype(np.float32)), expected)
    finished = OnnxEngine(to_onnx(checkpoint, GraphVersion(*version))).score(spec.from_raw(counts))
    np.testing.assert_array_equal(finished, expected)


@pytest.mark.parametrize("spec", [RegionSpec("linear", 16.0), FeatureSpec(("mass", "girth"))], ids=kind_of)
def test_a_student_in_floating_point_is_a_graph_like_any_model(spec: Crossing | FeatureSpec) -> None:
    checkpoint = student(spec)
    x = torch.randn(50, *spec.shape, generator=torch.Generator().manual_seed(2))
    found = OnnxEngine(to_onnx(checkpoint)).score(x.numpy())
    assert differences(found, checkpoint.model.score(x).numpy())[0] <= 1e-5


def test_one_step_of_one_weight_is_seen(tmp_path: Path) -> None:
    """As small as it is: a student in fixed point has no tolerance."""
    jets, checkpoint = crossings(write_crossings(tmp_path)), student(RegionSpec("linear", 16.0), NARROW)
    graph = to_onnx(checkpoint, physics_units=True)
    assert check_parity(graph, checkpoint, jets, "crossings").difference == 0
    with torch.no_grad():
        checkpoint.model.layers[-1].bias.add_(2.0**-5)  # type: ignore[operator, union-attr]
    with pytest.raises(ParityError, match="more than 0 "):
        check_parity(graph, checkpoint, jets, "crossings")


@pytest.mark.parametrize("bits", [None, NARROW], ids=["floating", "fixed"])
def test_the_command_writes_a_student_that_counts_go_into(bits: StudentBits | None, tmp_path: Path) -> None:
    spec = RegionSpec("linear", 16.0)
    jets = crossings(write_crossings(tmp_path))
    made = student(spec, bits)
    config = json.loads(json.dumps(made.model.config, default=vars))  # type: ignore[arg-type]
    save_checkpoint(tmp_path / "student.safetensors", made.model, replace(made.header, config=config))
    given = ["student.safetensors", "--onnx", "model.onnx", "--jets", "crossings.h5"]
    result = command("export", *given, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"expected up to {1e-5 if bits is None else 0:g}" in result.stdout
    (found,) = session(tmp_path / "model.onnx").run(None, {"inputs": spec.raw(jets).astype(np.float32)})
    expected = made.model.score(torch.from_numpy(spec.make(jets))).numpy()
    assert differences(found, expected)[0] <= (1e-5 if bits is None else 0)
    said = json.loads(metadata(tmp_path / "model.onnx")["jetnae.student"])
    assert (said["teacher"], said["offset"], said["slope"]) == ("large", 2.0, 1.5)
    assert said["formats"].get("input") == (None if bits is None else "ap_ufixed<10,6,AP_RND,AP_SAT>")
    assert said["arithmetic"].startswith("floating" if bits is None else "fixed")


def test_the_metadata_is_enough_to_fill_regions(tmp_path: Path) -> None:
    path = write_crossings(tmp_path)
    export_onnx(ExportJob(autoencoder(RegionSpec(window=3)), tmp_path / "model.onnx", path))
    said = metadata(tmp_path / "model.onnx")
    assert (said["jetnae.input"], json.loads(said["jetnae.input_shape"])) == ("regions", ["n", 18, 14])
    assert said["jetnae.input_units"] == "0.5 GeV"
    assert json.loads(said["jetnae.preprocessing"]) == {"transform": "sqrt", "scale": 1023.0, "window": 3}
    steps = " / ".join(json.loads(said["jetnae.steps"]))
    for part in (
        "row i of 18: phi",
        "column j of 14: eta",
        "rounded down",
        "0 to 1023",
        "averages 3 x 3",
        "sqrt(c) / sqrt(1023)",
    ):
        assert part in steps


def test_the_metadata_is_enough_to_fill_objects(tmp_path: Path) -> None:
    path = write_crossings(tmp_path)
    export_onnx(ExportJob(autoencoder(ObjectSpec()), tmp_path / "model.onnx", path))
    said = metadata(tmp_path / "model.onnx")
    names = json.loads(said["jetnae.values"])
    assert (said["jetnae.input"], len(names)) == ("objects", 57)
    assert (names[0], names[3], names[15], names[27], names[56]) == (
        "met_pt",
        "eg1_pt",
        "mu1_pt",
        "jet1_pt",
        "jet10_phi",
    )
    steps = " / ".join(json.loads(said["jetnae.steps"]))
    for part in ("1 met, 4 eg, 4 mu, 10 jet", "by falling pt", "0.5 GeV", "-72 to 71", "log(1 + c) / log(1 + 255)"):
        assert part in steps


def test_jets_are_no_crossings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs regions.*--jets"):
        export_onnx(ExportJob(autoencoder(RegionSpec()), tmp_path / "model.onnx", SAMPLE))
