"""Exported models: they score as torch does, and say all that is needed to fill their input."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest
import torch
from torch import nn

import jetnae
from jetnae.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    Header,
    Validity,
    build_model,
    bundled_models,
    load_checkpoint,
    load_model,
)
from jetnae.engines import RUN_VALUES, OnnxEngine
from jetnae.errors import InputError, ParityError
from jetnae.export.graph import GraphVersion, to_onnx
from jetnae.export.onnx import ExportJob, export_onnx
from jetnae.export.parity import check_parity, differences
from jetnae.export.preparation import graph_spec
from jetnae.features import FeatureSpec
from jetnae.folds import FoldedCheckpoint, FoldModel, Folds
from jetnae.images import ImageSpec
from jetnae.inputs import Spec, kind_of, make_inputs
from jetnae.jets import select
from jetnae.models import MODELS, Model
from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.scoring import score_jets
from tests.benchmarks.test_throughput import image_by_hand
from tests.conftest import jets_of, random_constituents, write_events
from tests.features import SAMPLE, simulated
from tests.test_cli import fails
from tests.test_cli import jetnae as command
from tests.test_models import INPUTS, inputs, learn, new_model

onnx = pytest.importorskip("onnx", reason="needs the extra jetnae[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra jetnae[onnx]")

RAW = FeatureSpec(("mass", "girth", "multiplicity", "ptd", "tau1", "tau2"))


def checkpoint_of(model: Model, spec: Spec, name: str = "ae") -> Checkpoint:
    header = Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name="small",
        model=name,
        config={},
        validity=Validity((50.0, 400.0), 2.0, 0.8),
        layout="jetnae",
        **{kind_of(spec): spec},  # type: ignore[arg-type]
    )
    return Checkpoint(model.eval(), header)


def trained(name: str, kind: str) -> Checkpoint:
    model = new_model(name, kind)
    model.finish(inputs(kind))
    return checkpoint_of(model, INPUTS[kind][0], name)


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_scores_the_same_as_a_graph(name: str, kind: str) -> None:
    checkpoint, x = trained(name, kind), inputs(kind)
    expected = checkpoint.model.score(x).numpy()
    engine = OnnxEngine(to_onnx(checkpoint))
    found = [engine.score(part.numpy()) for part in torch.split(x, [1, 5, 6])]  # traced with another number
    exact = copy.deepcopy(checkpoint.model).double().score(x.double()).numpy()
    # networks that have learned nothing may have hardly any spread to measure a distance in
    rounding, _ = differences(expected, exact)
    assert rounding <= 1e-4
    assert differences(np.concatenate(found), expected)[0] <= max(1e-5, 2 * rounding)


def test_a_latent_density_is_part_of_the_graph() -> None:
    spec, x = INPUTS["image"][0], inputs("image", 100)
    network = {"architecture": "dense", "hidden": 32, "latent_dim": 4}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build_model("nae", {"network": network, "latent_density": {"n_kernels": 5}}, spec)
    learn(model, x, "pretrain_loss", 200)
    model.begin(x, torch.Generator().manual_seed(1))
    found = OnnxEngine(to_onnx(checkpoint_of(model, spec, "nae"))).score(x.numpy())
    assert differences(found, model.score(x).numpy())[0] <= 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_features_go_in_with_their_units(name: str) -> None:
    jets = select(simulated(), slice(0, 200))
    spec = RAW.standardized(make_inputs(jets, RAW))
    checkpoint = checkpoint_of(new_model(name, "features"), spec, name)
    parity = check_parity(to_onnx(checkpoint, physics_units=True), checkpoint, jets, "some jets")
    assert graph_spec(spec) == RAW
    assert parity.n_jets == 200
    assert parity.difference <= 1e-5


@pytest.mark.parametrize("name", bundled_models())
class TestBundledModels:
    def test_real_jets_have_the_same_scores(self, name: str, tmp_path: Path) -> None:
        result = command("export", name, "--onnx", "model.onnx", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
        checkpoint, jets = load_model(name), jetnae.read_jets(SAMPLE)
        expected = score_jets(jets, checkpoint).score
        running = session(tmp_path / "model.onnx")
        (found,) = running.run(["scores"], {"inputs": make_inputs(jets, graph_spec(checkpoint.spec))})
        finite = np.isfinite(expected)
        assert finite.sum() > 1000
        relative, absolute = differences(found[finite], expected[finite])
        assert max(relative, absolute / max(1.0, expected[finite].max())) <= 1e-5  # single precision beyond scores of 1
        assert f"{finite.sum()} of events.root" in result.stdout

    def test_the_file_is_what_releases_of_experiments_read(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        export_onnx(ExportJob(load_model(name), path, SAMPLE))
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model, full_check=True)
        assert model.ir_version == 8
        assert {entry.domain: entry.version for entry in model.opset_import} == {"": 17}
        assert all(each.data_location == onnx.TensorProto.DEFAULT for each in model.graph.initializer)
        assert not any(node.doc_string for node in model.graph.node)
        (given,), (scores,) = session(path).get_inputs(), session(path).get_outputs()
        assert (given.name, given.type) == ("inputs", "tensor(float)")
        assert given.shape == ["n", *load_model(name).spec.shape]
        assert (scores.name, scores.type, scores.shape) == ("scores", "tensor(float)", ["n"])

    def test_two_exports_are_the_same_file(self, name: str, tmp_path: Path) -> None:
        for each in ("a.onnx", "b.onnx"):
            export_onnx(ExportJob(load_model(name), tmp_path / each, SAMPLE))
        assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_metadata_is_enough_to_score_a_jet_without_jetnae(tmp_path: Path) -> None:
    """Images made by other code, from what the file says."""
    path = tmp_path / "model.onnx"
    export_onnx(ExportJob(load_model("qcd_ak8_nae"), path, SAMPLE))
    said = metadata(path)
    spec = SimpleNamespace(**json.loads(said["jetnae.preprocessing"]), shape=json.loads(said["jetnae.input_shape"])[1:])
    assert spec.center
    assert spec.rotate
    assert spec.flip
    steps = json.loads(said["jetnae.steps"])
    assert [
        step
        for step in steps
        if "x -> -x" in step or f"Gaussian filter of {spec.smearing}" in step or "sum to 40.0" in step
    ]
    jets = select(jetnae.read_jets(SAMPLE), slice(0, 300))
    columns = zip(*(jets.stored_constituents[name] for name in ("pt", "eta", "phi")), strict=True)
    images = [image_by_hand(*(ak.to_numpy(column) for column in each), spec) for each in columns]
    (found,) = session(path).run(None, {said["jetnae.input_name"]: np.array(images, dtype=np.float32)})
    expected = score_jets(jets, load_model("qcd_ak8_nae")).score
    # but for the few jets where a pixel edge decides
    assert np.isclose(found, expected, rtol=1e-3).mean() > 0.98


def test_the_metadata_says_what_the_model_is(small_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(small_checkpoint)
    export_onnx(ExportJob(checkpoint, tmp_path / "model.onnx", SAMPLE))
    said = metadata(tmp_path / "model.onnx")
    assert said["jetnae.model_sha256"] == checkpoint.header.sha256
    assert said["jetnae.version"] == jetnae.__version__
    assert said["jetnae.input"] == "image"
    assert ImageSpec(**json.loads(said["jetnae.preprocessing"])) == checkpoint.spec
    assert json.loads(said["jetnae.validity"]) == {"pt": [50.0, 400.0], "abs_eta": 2.0, "radius": 0.8}
    assert json.loads(said["jetnae.parity"])["n_jets"] == 1665


def test_the_metadata_names_features_with_units(tmp_path: Path) -> None:
    spec = replace(RAW, center=(80.0, 0.1, 50.0, 0.3, 0.1, 0.1), scale=(40.0, 0.1, 20.0, 0.1, 0.1, 0.1))
    export_onnx(ExportJob(checkpoint_of(new_model("nae", "features"), spec), tmp_path / "model.onnx", SAMPLE))
    said = metadata(tmp_path / "model.onnx")
    table = json.loads(said["jetnae.features"])
    assert [entry["name"] for entry in table] == list(RAW.names)
    assert table[0]["unit"] == "GeV"
    assert json.loads(said["jetnae.preprocessing"])["center"] == list(spec.center)


@pytest.mark.parametrize(("opset", "ir"), [(13, 8), (18, 8), (20, 10)])
def test_other_versions_score_the_same(opset: int, ir: int) -> None:
    checkpoint, x = trained("nae", "image"), inputs("image")
    graph = to_onnx(checkpoint, GraphVersion(opset, ir))
    model = onnx.load_from_string(graph)
    assert (model.ir_version, model.opset_import[0].version) == (ir, opset)
    assert differences(OnnxEngine(graph).score(x.numpy()), checkpoint.model.score(x).numpy())[0] <= 1e-5


def test_models_in_folds_are_one_file_each(small_checkpoint: Path, tmp_path: Path) -> None:
    one = load_checkpoint(small_checkpoint)
    other = replace(trained("ae", "image"), header=replace(one.header, sha256="0" * 64))
    other = replace(other, header=replace(other.header, image=INPUTS["image"][0]))
    models = tuple(FoldModel(f"{k}.safetensors", each.header.sha256) for k, each in enumerate((one, other)))
    folded = FoldedCheckpoint((one, other), Folds(1, "folds", "event", models), "both")
    done = export_onnx(ExportJob(folded, tmp_path / "model.onnx", SAMPLE))
    assert [path.name for path in done] == ["model.fold0.onnx", "model.fold1.onnx"]
    for k, path in enumerate(done):
        said = metadata(path)
        assert json.loads(said["jetnae.folds"])["fold"] == k
        assert said["jetnae.model_sha256"] == models[k].sha256


class Odd(nn.Module):
    """A layer that ONNX has no operator for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.i0(x)


def test_a_layer_that_does_not_convert_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = Autoencoder((6,), None, AutoencoderConfig())
    model.encoder.dense = nn.Sequential(nn.Linear(6, 4), nn.Sequential(nn.ReLU(), Odd()), nn.Linear(4, 3))
    job = ExportJob(checkpoint_of(model, RAW), tmp_path / "model.onnx", SAMPLE)
    with pytest.raises(InputError, match=r"layer 'encoder\.dense\.1\.1' \(Odd\).*aten::i0.*`jetnae distill`"):
        export_onnx(job)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_score_that_does_not_convert_is_named() -> None:
    class Strange(Autoencoder):
        def score(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.i0(self.energy(x))

    with pytest.raises(InputError, match=r"the score of Strange.*aten::i0"):
        to_onnx(checkpoint_of(Strange((6,), None, AutoencoderConfig()), RAW))


def test_a_score_that_is_not_the_same_is_found() -> None:
    """What depends on a value while a graph is traced is written down for that value alone."""

    class Turning(Autoencoder):
        def score(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return self.energy(x) if float(x.abs().sum()) == 0 else 2 * self.energy(x)

    checkpoint = checkpoint_of(Turning((6,), None, AutoencoderConfig()), RAW)
    with pytest.raises(ParityError, match="more than 1e-05"):
        check_parity(to_onnx(checkpoint, physics_units=True), checkpoint, simulated(), "some jets")


def test_a_failed_check_leaves_no_file(small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jetnae.export.parity.TOLERANCE", -1.0)
    result = command("export", small_checkpoint, "--onnx", "model.onnx", cwd=tmp_path)
    assert result.returncode == 4
    assert "nothing was written" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_differences_are_those_that_move_cuts() -> None:
    expected = np.append(np.full(5, 1e-4), np.full(5, 1.0)).astype(np.float32)
    assert differences(expected, expected) == (0.0, 0.0)
    quiet, loud = expected.copy(), expected.copy()
    quiet[0] += 1e-5
    loud[9] += 1e-3
    assert differences(quiet, expected)[0] == pytest.approx(1e-5, rel=1e-2)
    assert differences(loud, expected)[0] == pytest.approx(1e-3, rel=1e-2)
    assert differences(10 * expected, expected)[0] == pytest.approx(9, rel=1e-2)
    assert differences(np.full(10, np.nan, dtype=np.float32), expected)[0] == np.inf
    assert differences(expected[:9], expected)[0] == np.inf


def test_what_cannot_be_exported_says_so(small_checkpoint: Path, tmp_path: Path) -> None:
    write_events(tmp_path / "empty.root", [])
    (tmp_path / "there.onnx").write_text("precious")
    wrong = {
        (): "nothing to write, expected one of --onnx model.onnx and --hls FOLDER",
        ("--onnx", "model.onnx", "--hls", "firmware"): "two forms to write, expected one of",
        ("--onnx", "there.onnx"): "--force",
        ("--onnx", "model.onnx", "--opset", "25"): "opset 25, expected 13 to 20",
        ("--onnx", "model.onnx", "--ir-version", "7"): "expected 8 to",
        ("--onnx", "model.onnx", "--jets", "none.root"): "none.root",
        ("--onnx", "model.onnx", "--jets", "empty.root"): "none of 0 jets can be scored",
    }
    for options, message in wrong.items():
        assert message in fails("export", small_checkpoint, *options, cwd=tmp_path)
    assert (tmp_path / "there.onnx").read_text() == "precious"
    assert command("export", small_checkpoint, "--onnx", "there.onnx", "--force", cwd=tmp_path).returncode == 0


def test_jets_that_do_not_fit_the_model(tmp_path: Path) -> None:
    model = new_model("nae", "features")
    spec = FeatureSpec((*RAW.names[:5], "photon_fraction"))
    with pytest.raises(InputError, match=r"needs photon_fraction.*--jets"):
        export_onnx(ExportJob(checkpoint_of(model, spec), tmp_path / "model.onnx", SAMPLE))


def test_without_the_extra_it_says_what_to_install(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for arguments in (["export", small_checkpoint, "--onnx", "model.onnx"], ["score", SAMPLE, "--engine", "onnx"]):
        assert "pip install 'jetnae[onnx]'" in fails(*arguments, cwd=tmp_path)


def test_runs_of_a_few_inputs_change_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = load_model("qcd_ak8_nae")
    engine = OnnxEngine(to_onnx(checkpoint))
    images = make_inputs(jets_of(random_constituents([10, 20, 30, 5, 50, 1, 2])), checkpoint.spec)
    whole = engine.score(images)
    for n_images in (1, 3):
        monkeypatch.setitem(RUN_VALUES, "onnx", images[0].size * n_images)
        np.testing.assert_allclose(engine.score(images), whole, rtol=1e-5)
    assert engine.score(images[:0]).shape == (0,)
