"""Published figures can be drawn from the results that are kept, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "plots").glob("*.py"))


def draw(script: Path, folder: Path) -> set[str]:
    """Run a script where there are results only; the names of the PNG files it makes."""
    shutil.copytree(ROOT / "analyses" / "results", folder / "analyses" / "results")
    (folder / "plots").mkdir()
    shutil.copy(script, folder / "plots")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, folder / "plots" / script.name], cwd=folder, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return {path.name for path in (folder / "plots").glob("*.png")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_published_figure_is_drawn_from_its_result(script: Path, tmp_path: Path) -> None:
    drawn = draw(script, tmp_path)
    assert drawn
    assert all((ROOT / "plots" / name).exists() for name in drawn)


def test_results_are_small() -> None:
    for path in (ROOT / "analyses" / "results").glob("*.json"):
        assert path.stat().st_size < 300_000, path.name
