"""What a user waits for before anything happens: the help, and the scores of ten jets; medians of wall time.

Run with `make benchmark` on a machine with nothing else to do.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_events

N_ROUNDS = 5


@pytest.mark.parametrize(("arguments", "most"), [(["--help"], 0.5), (["score", "ten.root", "--force"], 5.0)])
def test_the_start_does_not_keep_anybody_waiting(
    arguments: list[str], most: float, benchmark: Any, tmp_path: Path
) -> None:
    write_events(tmp_path / "ten.root", [[30, 40]] * 5)
    command = [sys.executable, "-c", "from jetnae.cli import main; main()", *arguments]

    def call() -> float:
        started = time.perf_counter()
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        return time.perf_counter() - started

    call()  # what was compiled is kept from here on
    seconds = [call() for _ in range(N_ROUNDS)]
    benchmark.extra_info["seconds"] = seconds
    benchmark.pedantic(call, rounds=1)
    print(f"\njetnae {arguments[0]}: {statistics.median(seconds):.2f} s")  # noqa: T201
    assert statistics.median(seconds) < most
