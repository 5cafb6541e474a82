"""Memory is bounded by the chunk, not by the file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from jetnae.checkpoint import load_checkpoint
from jetnae.io import ReadOptions
from jetnae.scoring import ScoreJob, score_file
from tests.conftest import write_events


def resident_megabytes() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file(small_checkpoint: Path, tmp_path: Path) -> None:
    counts = np.random.default_rng(1).poisson(50, 60_000)
    path = write_events(tmp_path / "long.root", [[int(n)] for n in counts])
    memory: list[float] = []
    job = ScoreJob(path, tmp_path / "out.root", load_checkpoint(small_checkpoint), ReadOptions(chunk_size=2000))
    score_file(job, lambda done, total: memory.append(resident_megabytes()))
    early, late = np.median(memory[3:8]), np.median(memory[-5:])
    assert len(memory) == 30
    assert late - early < 0.05 * early
