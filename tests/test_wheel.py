"""What is shipped works where the repository is not."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jetnae.io.scores import read_scores

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(build, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = folder.glob("jetnae-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_scores_its_own_sample_outside_the_clone(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    code = "import jetnae.cli, sys; assert jetnae.cli.__file__.startswith(sys.argv.pop(1)); jetnae.cli.main()"
    for arguments in (["sample"], ["score", "events.root"]):
        command = [sys.executable, "-c", code, str(installed), *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    assert len(read_scores(tmp_path / "events.scores.root").jets["score"]) > 1000


def test_the_wheel_holds_the_package_and_nothing_else(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"jetnae"}
    assert (installed / "jetnae" / "py.typed").exists()
