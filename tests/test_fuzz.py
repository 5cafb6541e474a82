"""Hundreds of damaged files, read in a process of their own so that a crash is seen as one; longer by `make fuzz`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_damaged_files_are_input_errors_and_nothing_worse(seed: int) -> None:
    """No hang, no crash, no wrong number of rows: see `tests.fuzz`, which also says what a failure was."""
    command = [sys.executable, "-m", "tests.fuzz", "--count", "250", "--seconds", "120", "--seed", str(seed)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\nlast: {done.stderr[-2000:]}"
    assert "damaged files, 0 read wrongly" in done.stdout
