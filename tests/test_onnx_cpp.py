"""The C++ example: compiled where ONNX Runtime has its headers, it scores as jetnae does."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import jetnae
from jetnae.checkpoint import load_model
from jetnae.inputs import make_inputs
from jetnae.jets import select
from jetnae.scoring import score_jets
from tests.features import SAMPLE

pytest.importorskip("onnxruntime", reason="needs the extra jetnae[onnx]")

from jetnae.export.onnx import ExportJob, export_onnx

SOURCE = Path(__file__).parent.parent / "examples" / "onnx_cpp" / "score.cpp"
HEADER = "onnxruntime_cxx_api.h"


def roots() -> list[Path]:
    """Where ONNX Runtime may be installed: by the variable, by pkg-config, by the system."""
    given = os.environ.get("ONNXRUNTIME_ROOT")
    if given:
        return [Path(given)]
    found = ["/usr", "/usr/local", "/opt/onnxruntime"]
    if shutil.which("pkg-config"):
        asked = ["pkg-config", "--variable=prefix", "libonnxruntime"]
        found.insert(0, subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "/usr")
    return [Path(root) for root in found]


def headers() -> Path | None:
    folders = ("include", "include/onnxruntime", "include/onnxruntime/core/session")
    places = (root / folder for root in roots() for folder in folders)
    return next((place for place in places if (place / HEADER).exists()), None)


def library() -> Path | None:
    """Where headers are but no library, that of the Python package will do."""
    spec = find_spec("onnxruntime")
    python = [] if spec is None or spec.origin is None else [Path(spec.origin).parent / "capi"]
    places = [root / folder for root in roots() for folder in ("lib", "lib/x86_64-linux-gnu", "lib64")]
    found = (path for place in (*places, *python) for path in sorted(place.glob("libonnxruntime.so*")))
    return next(found, None)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, compiled."""
    include, shared, compiler = headers(), library(), shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    if include is None or shared is None:
        pytest.skip(f"no {HEADER}: install ONNX Runtime for C++, and set ONNXRUNTIME_ROOT to its folder")
    folder = tmp_path_factory.mktemp("program")
    (folder / "libonnxruntime.so").symlink_to(shared)
    (folder / "libonnxruntime.so.1").symlink_to(shared)  # the name it asks for
    options = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-isystem", include, f"-L{folder}"]
    link = ["-lonnxruntime", f"-Wl,-rpath,{folder}", "-o", folder / "score"]
    subprocess.run([compiler, *options, SOURCE, *link], check=True)
    return folder / "score"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_onnx(ExportJob(load_model("qcd_ak8_nae"), path, SAMPLE))
    return path


def test_it_scores_a_file_as_jetnae_does(program: Path, model: Path, tmp_path: Path) -> None:
    checkpoint, jets = load_model("qcd_ak8_nae"), select(jetnae.read_jets(SAMPLE), slice(0, 500))
    make_inputs(jets, checkpoint.spec).astype("<f4").tofile(tmp_path / "inputs.f32")
    done = subprocess.run([program, model, "inputs.f32"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = np.array(done.stdout.split(), dtype=np.float32)
    expected = score_jets(jets, checkpoint).score
    assert len(found) == 500
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.quantile(expected, 0.9))
    assert "model qcd_ak8_nae" in done.stderr
    assert checkpoint.header.sha256[:12] in done.stderr


def test_it_says_what_is_wrong(program: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "short.f32").write_bytes(bytes(4 * 401))
    (tmp_path / "empty.f32").touch()
    wrong = {
        (): "usage",
        (model, "none.f32"): "cannot be read",
        (model, "short.f32"): "not a multiple of 400 numbers",
        (model, "empty.f32"): "holds no inputs",
        ("short.f32", "short.f32"): "failed",
        ("none.onnx", "short.f32"): "none.onnx",
    }
    for arguments, message in wrong.items():
        done = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
