"""`jetnae export --hls` as a user meets it: what it writes, what it says, and the exit codes of its checks."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, save_checkpoint
from jetnae.fixed_point import FixedFormat
from jetnae.images import ImageSpec
from jetnae.models import Student, StudentConfig
from jetnae.models.student import LayerBits, StudentBits
from tests.conftest import write_events
from tests.test_cli import jetnae
from tests.test_hls import tools

__all__ = ["tools"]

INNER = LayerBits(FixedFormat(8, 1), FixedFormat(8, 1), FixedFormat(12, 3), FixedFormat(10, 2, signed=False))
LAST = LayerBits(FixedFormat(8, 1), FixedFormat(10, 1), FixedFormat(16, 3))
FINE = StudentBits(FixedFormat(12, 4, signed=False), (INNER, INNER, LAST))


def saved(folder: Path, bits: StudentBits | None) -> Path:
    image = ImageSpec(n_pixels=16, pixel_sum=16.0)
    config = StudentConfig((8,), channels=2, bits=bits)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = Student(image.shape, image.pixel_sum, config)
    header = Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name="small_student",
        model="student",
        config=asdict(config),
        image=image,
        validity=Validity((0.0, 4000.0), 5.0, 0.8),
        layout="jetnae",
    )
    save_checkpoint(folder / "student.safetensors", model, header)
    return folder / "student.safetensors"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Background with few constituents in a jet, signal with many; one jet in each event."""
    few = [[3 + i % 4] for i in range(600)]
    many = [[20 + i % 20] for i in range(300)]
    return write_events(tmp_path / "few.root", few), write_events(tmp_path / "many.root", many, seed=2)


@pytest.mark.slow
def test_a_student_becomes_firmware(tmp_path: Path, files: tuple[Path, Path]) -> None:
    model = saved(tmp_path, FINE)
    background, signal = files
    told = ["--jets", background, "--signal", signal, "--budget", 100, "--input-rate", "1MHz", "--max-rate-loss", 0.5]
    done = jetnae("export", model, "--hls", "firmware", *told, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for line in (
        "1900 of 1900 scores of the C simulation equal: 600 of few.root, 300 of many.root, 1000 random inputs",
    ):
        assert line in done.stdout
    assert "rules of thumb, no synthesis" in done.stdout
    assert "Interpreting Model" not in done.stdout + done.stderr
    content = json.loads((tmp_path / "firmware" / "report.json").read_text())
    assert content["bits"]["n_different"] == 0
    assert content["working_point"]["fixed"]["rate"]["value"] <= 100
    again = jetnae("export", model, "--hls", "firmware", *told, cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert jetnae("export", model, "--hls", "firmware", "--force", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "firmware" / "report.json").read_text())["bits"]["inputs"] == "10000 random inputs"
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "few.root",
        "firmware",
        "many.root",
        "student.safetensors",
    ]


def test_too_few_bits_are_a_failed_check(tmp_path: Path, files: tuple[Path, Path]) -> None:
    coarse = replace(FINE, layers=(INNER, INNER, replace(LAST, result=FixedFormat(4, 8))))
    told = ["--jets", files[0], "--budget", 100, "--input-rate", "1MHz"]
    done = jetnae("export", saved(tmp_path, coarse), "--hls", "out", *told, cwd=tmp_path)
    assert done.returncode == 4
    assert "600 of 600 crossings share the largest score, 0, which is too many" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hls", "out", "--onnx", "model.onnx"], "one of --onnx model.onnx and --hls FOLDER"),
        ([], "one of --onnx model.onnx and --hls FOLDER"),
        (["--onnx", "model.onnx", "--budget", "3"], "belong to --hls"),
        (["--hls", "out", "--budget", "3"], "give them with --jets"),
        (["--hls", "out", "--part", "no chip"], "expected the name of a chip"),
        (["--hls", "."], "exists already"),
    ],
)
def test_options_without_sense_are_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    done = jetnae("export", saved(tmp_path, FINE), *options, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_models_that_do_not_convert_are_one_line(tmp_path: Path) -> None:
    done = jetnae("export", "qcd_ak8_nae", "--hls", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "does not convert to firmware: it has the layer" in done.stderr
    assert "make a student of it with `jetnae distill`" in done.stderr
    floating = jetnae("export", saved(tmp_path, None), "--hls", "out", cwd=tmp_path)
    assert floating.returncode == 2
    assert "layers.0 (Conv2d) computes in floating point" in floating.stderr
    assert not (tmp_path / "out").exists()
