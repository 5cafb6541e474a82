"""`jetnae distill` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, build_model, load_checkpoint, save_checkpoint
from jetnae.distillation.scan import BitScan
from jetnae.folds import FoldModel, write_folds
from jetnae.images import ImageSpec
from jetnae.inputs import Spec, kind_of, make_inputs
from jetnae.io import read_jets
from jetnae.io.scores import read_scores
from jetnae.level1 import RegionSpec
from jetnae.models import Student
from jetnae.results import from_json
from tests.conftest import write_events
from tests.test_cli import fails, jetnae
from tests.toy_crossings import toy_regions, write_crossings

QUICK = ("--steps", 60, "--hidden", "8", "--seed", 3)


def write_teacher(path: Path, spec: Spec, x: torch.Tensor) -> Header:
    """A model of principal components, in closed form."""
    model = build_model("pca", {"n_components": 4}, spec)
    model.finish(x)
    header = Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name="teacher",
        model="pca",
        config={"n_components": 4},
        **{kind_of(spec): spec},  # type: ignore[arg-type]
        validity=Validity((0.0, 5000.0), 10.0, 0.6 if isinstance(spec, RegionSpec) else 0.8),
        layout="",
    )
    return save_checkpoint(path, model, header)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crossings of background and of a signal, and a teacher that was fitted to such background."""
    folder = tmp_path_factory.mktemp("distill")
    write_crossings(folder / "zero_bias.h5", 1500)
    write_crossings(folder / "signal.h5", 400, seed=2, label=1)
    regions = torch.from_numpy(RegionSpec().from_raw(toy_regions(1000)))
    (folder / "run").mkdir()
    write_teacher(folder / "run" / "model.safetensors", RegionSpec(), regions)
    return folder


def test_a_student_is_written_that_scores_like_any_model(folder: Path) -> None:
    done = jetnae("distill", "run", "zero_bias.h5", "-o", "student.safetensors", *QUICK, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "rank correlation" in done.stdout
    assert "floating point" in done.stdout
    checkpoint = load_checkpoint(folder / "student.safetensors")
    teacher = load_checkpoint(folder / "run" / "model.safetensors")
    assert isinstance(checkpoint.model, Student)
    assert checkpoint.header.training["teacher_sha256"] == teacher.header.sha256
    assert checkpoint.header.training["files"].keys() == {"zero_bias.h5"}
    done = jetnae("score", "signal.h5", "--model", "student.safetensors", "--output", "scores.h5", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert np.isfinite(read_scores(folder / "scores.h5").jets["score"]).sum() > 300


def test_the_student_is_the_same_where_there_are_no_labels(folder: Path, tmp_path: Path) -> None:
    students = []
    for name in ("labelled", "bare"):
        path = write_crossings(tmp_path / f"{name}.h5", 1500)
        if name == "bare":
            with h5py.File(path, "r+") as file:
                del file["crossings/label"]
        done = jetnae("distill", folder / "run", path, "-o", f"{name}.safetensors", *QUICK, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        students.append(load_checkpoint(tmp_path / f"{name}.safetensors").model.state_dict())
    for key, value in students[0].items():
        assert np.array_equal(value.numpy(), students[1][key].numpy())


def test_fixed_point_is_said_and_stored(folder: Path) -> None:
    done = jetnae("distill", "run", "zero_bias.h5", "-o", "six.safetensors", "--bits", 6, *QUICK, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "fixed point, weights of 6 bits" in done.stdout
    model = load_checkpoint(folder / "six.safetensors").model
    assert isinstance(model, Student)
    assert model.config.bits is not None
    assert {each.weight.width for each in model.config.bits.layers} == {6}


def test_a_scan_writes_its_table_and_the_student_it_recommends(folder: Path) -> None:
    command = ("distill", "run", "zero_bias.h5", "-o", "best.safetensors", "--scan", "--bits", "8,3", *QUICK)
    done = jetnae(*command, "--signal", "signal.h5", cwd=folder)
    assert done.returncode == 0, done.stderr
    result = from_json(BitScan, json.loads((folder / "best.json").read_text()))
    assert [each.bits for each in result.candidates] == [None, 8, 3]
    assert result.recommended in (8, 3)
    assert all("signal.h5" in each.signal for each in result.candidates)
    assert "recommended" in done.stdout
    model = load_checkpoint(folder / "best.safetensors").model
    assert isinstance(model, Student)
    assert model.config.bits is not None
    assert model.config.bits.layers[0].weight.width == result.recommended
    assert "exists already" in fails(*command, cwd=folder)


def test_a_model_of_jet_images_has_students_too(tmp_path: Path) -> None:
    counts = np.random.default_rng(1).integers(5, 40, (400, 2)).tolist()
    path = write_events(tmp_path / "qcd.root", counts)
    spec = ImageSpec(n_pixels=8, half_width=0.6)
    write_teacher(tmp_path / "teacher.safetensors", spec, torch.from_numpy(make_inputs(read_jets(path), spec)))
    options = ("-o", "student.safetensors", "--bits", 8, "--channels", 2, *QUICK)
    done = jetnae("distill", "teacher.safetensors", path, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_checkpoint(tmp_path / "student.safetensors").header.image is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bits", "99"), "expected 2 to 16"),
        (("--bits", "8,6"), "--scan"),
        (("--bits", "eight"), "whole numbers"),
        (("--hidden", "0"), "hidden = 0"),
        (("--channels", "100"), "channels = 100"),
        (("--signal", "signal.h5"), "--scan"),
    ],
)
def test_options_without_sense_are_one_line(folder: Path, options: tuple[str, ...], message: str) -> None:
    found = fails("distill", "run", "zero_bias.h5", "-o", "never.safetensors", *options, cwd=folder)
    assert message in found
    assert not (folder / "never.safetensors").exists()


def test_what_cannot_be_learned_from_is_one_line(folder: Path, tmp_path: Path) -> None:
    write_crossings(tmp_path / "few.h5", 50)
    write_crossings(tmp_path / "empty.h5", 0)
    write_crossings(tmp_path / "signal.h5", 300, label=1)
    cases = {"few.h5": "at least 334", "empty.h5": "no jet of label 0", "signal.h5": "no jet of label 0"}
    for name, message in cases.items():
        assert message in fails("distill", folder / "run", name, "-o", "never.safetensors", cwd=tmp_path)
    regions = torch.from_numpy(RegionSpec().from_raw(toy_regions(300)))
    hashes = [write_teacher(tmp_path / "folds" / f"{k}.safetensors", RegionSpec(), regions).sha256 for k in (0, 1)]
    write_folds(tmp_path / "folds", "event", tuple(FoldModel(f"{k}.safetensors", hashes[k]) for k in (0, 1)))
    assert "folds" in fails("distill", "folds", folder / "zero_bias.h5", "-o", "never.safetensors", cwd=tmp_path)
    assert not (tmp_path / "never.safetensors").exists()
