"""Memory is bounded by the chunk, not by the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jetnae.checkpoint import load_checkpoint
from jetnae.conversion import ConvertJob, convert_file
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


def in_clusters(path: Path, counts: np.ndarray) -> Path:
    """One jet per event, a thousand events to a cluster: a basket is read whole, however few rows are asked for."""
    written = write_events(path.with_name("written.root"), [[int(n)] for n in counts])
    convert_file(ConvertJob(written, path, ReadOptions(chunk_size=1000)))
    return path


def peak_megabytes(path: Path, *options: str) -> float:
    """The most memory that scoring a file took, in a process of its own."""
    code = (
        "from jetnae.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        # not ru_maxrss: that of the process which started this one counts there
        "print('peak', int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024)\n"
    )
    command = [sys.executable, "-c", code, "score", str(path), "--output", str(path.with_name("out")), "--force"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_file_twenty_times_as_long_takes_the_same_memory(small_checkpoint: Path, tmp_path: Path) -> None:
    """Both long enough to have whole chunks; and with chunks of the default size below a bound, and as allowed."""
    n_short = 3000
    counts = np.random.default_rng(1).poisson(50, 20 * n_short)
    short, long = (
        in_clusters(tmp_path / name, counts[:n]) for name, n in (("short.root", n_short), ("long.root", None))
    )
    model = ("--model", str(small_checkpoint))
    few, many = (peak_megabytes(path, *model, "--chunk-size", "1000") for path in (short, long))
    default = peak_megabytes(long, *model)
    limited = peak_megabytes(long, *model, "--skip-bad", "--memory-limit", "1GB")
    print(f"MB: short {few:.0f}, long {many:.0f}, default chunk {default:.0f}, 1 GB allowed {limited:.0f}")  # noqa: T201
    assert many < 1.1 * few
    assert default < 1430
    assert limited < 953
