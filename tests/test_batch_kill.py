"""Killed workers, killed drivers, full disks: the run goes on, or can, and the outputs are the same."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from jetnae.batch import pools
from jetnae.batch.ledger import NAME
from jetnae.batch.report import Progress
from jetnae.batch.run import run_batch
from tests.conftest import write_events
from tests.test_batch import assert_same, content, make_job, run

COMMAND = [sys.executable, "-c", "from jetnae.cli import main; main()", "score"]


def children_of(pid: int) -> list[psutil.Process]:
    """The workers of a driver: the processes below it that are not there to look after the others."""
    below = psutil.Process(pid).children(recursive=True)
    return [process for process in below if "spawn_main" in command_of(process)]


def command_of(process: psutil.Process) -> str:
    """The command of a process; empty for one that was killed and is still listed."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Thirty files of different sizes."""
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(5)
    return [
        write_events(folder / f"{i:03d}.root", [[int(n) for n in rng.poisson(8, 2)] for _ in range(1 + i % 7)], seed=i)
        for i in range(30)
    ]


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(files: list[Path], small_checkpoint: Path, tmp_path: Path) -> None:
    """A worker is killed at two moments: while files are planned, and while they are scored."""
    run(files, tmp_path / "whole", small_checkpoint)
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        moments = [progress.files_done + progress.events_done >= 0, progress.files_done >= 5]
        workers = children_of(os.getpid())
        if len(killed) < 2 and moments[len(killed)] and workers and workers[0].pid not in killed:
            killed.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)

    job = make_job(files, tmp_path / "out", small_checkpoint)
    with pools.local(2) as pool:
        summary = run_batch(job, pool, kill)
    assert summary.n_deaths == len(killed) == 2
    assert len(summary.finished) == 30
    for path in (tmp_path / "whole").glob("*.root"):
        assert_same(content(path), content(tmp_path / "out" / path.name))
    assert not children_of(os.getpid())


@pytest.mark.slow
def test_workers_end_with_a_killed_driver(files: list[Path], small_checkpoint: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "in", "--workers", "2", "--model", small_checkpoint, "--output", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as driver:
        while driver.poll() is None and not list((tmp_path / "out").glob("*.root")):
            time.sleep(0.02)
        workers = children_of(driver.pid)
        driver.kill()
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def damage(files: list[Path]) -> None:
    """Five files are damaged in five ways."""
    data = files[0].read_bytes()
    bad = [b"", data[: len(data) // 2], data[:100], b"hello", data[:300] + bytes(len(data) - 300)]
    for path, broken in zip(files[3::40], bad, strict=True):
        path.write_bytes(broken)


@pytest.fixture(scope="module")
def two_hundred(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("many") / "in"
    folder.mkdir()
    rng = np.random.default_rng(7)
    paths = [
        write_events(folder / f"{i:03d}.root", [[int(n) for n in rng.poisson(6, 2)] for _ in range(1 + i % 11)], seed=i)
        for i in range(200)
    ]
    damage(paths)
    return paths


def check_against(reference: Path, folder: Path, files: list[Path]) -> None:
    """Exactly the five bad ones are reported, and all others have the scores of an undisturbed run."""
    report = json.loads((folder / "scores.report.json").read_text())
    assert [each["input"] for each in report["skipped"]] == [str(path) for path in files[3::40]]
    names = sorted(path.name for path in reference.glob("*.root"))
    assert names == sorted(path.name for path in folder.glob("*.root"))
    assert len(names) == 195
    for name in names:
        assert_same(content(reference / name), content(folder / name))
    assert not list(folder.glob(f"{NAME}/*/*.part"))


@pytest.mark.slow
def test_killed_ten_times_and_resumed_the_outputs_are_the_same(
    two_hundred: list[Path], small_checkpoint: Path, tmp_path: Path
) -> None:
    run(two_hundred, tmp_path / "whole", small_checkpoint, skip_bad=True, chunk_size=None)
    command = [*COMMAND, two_hundred[0].parent, "--workers", "2", "--model", small_checkpoint]
    command += ["--skip-bad", "--output", tmp_path / "out"]
    rng = np.random.default_rng(11)
    n_kills = 0
    for attempt in range(60):
        resume = ["--resume"] if attempt else []
        with subprocess.Popen([*command, *resume], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as driver:
            if n_kills < 10:
                n_kills += killed_at_random(driver, tmp_path / "out", rng)
            driver.wait(timeout=300)
        if driver.returncode == 3:
            break
        assert driver.returncode == -signal.SIGKILL
    assert n_kills == 10
    check_against(tmp_path / "whole", tmp_path / "out", two_hundred)


def killed_at_random(driver: subprocess.Popen[bytes], folder: Path, rng: np.random.Generator) -> int:
    """Kill a driver a random moment after it has finished a few more files; 0 where it was quicker."""
    goal = len(list(folder.glob("*.root"))) + int(rng.integers(1, 12))
    while driver.poll() is None and len(list(folder.glob("*.root"))) < goal:
        time.sleep(0.01)
    time.sleep(float(rng.uniform(0, 0.2)))
    if driver.poll() is not None:
        return 0
    driver.kill()
    return 1


@pytest.fixture
def cluster() -> Iterator[object]:
    distributed = pytest.importorskip("distributed", reason="needs the extra jetnae[dask]")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as found:
        yield found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what Dask says when a worker is killed
def test_a_dask_worker_that_is_killed_loses_nothing(
    cluster: object, two_hundred: list[Path], small_checkpoint: Path, tmp_path: Path
) -> None:
    run(two_hundred, tmp_path / "whole", small_checkpoint, skip_bad=True, chunk_size=None)
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if not killed and progress.files_done >= 40:
            killed.append(next(iter(cluster.workers.values())).pid)  # type: ignore[attr-defined]
            os.kill(killed[0], signal.SIGKILL)

    job = make_job(two_hundred, tmp_path / "out", small_checkpoint, skip_bad=True, chunk_size=None)
    with pools.dask(cluster.scheduler_address) as pool:  # type: ignore[attr-defined]
        run_batch(job, pool, kill)
    assert len(killed) == 1
    check_against(tmp_path / "whole", tmp_path / "out", two_hundred)


@pytest.mark.parametrize("workers", [(), pytest.param(("--workers", "1"), marks=pytest.mark.slow)])
def test_a_full_disk_ends_the_run_and_can_go_on(
    workers: tuple[str, ...], files: list[Path], small_checkpoint: Path, tmp_path: Path
) -> None:
    command = [*COMMAND, "in", *workers, "--model", small_checkpoint, "--output", "out", "--skip-bad", "--force"]
    limit = small_checkpoint.stat().st_size + 1000  # the model fits, the scores of larger files do not
    small_disk = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, preexec_fn=small_disk
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    again = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, check=False, timeout=300)
    assert again.returncode == 0, again.stderr
    assert len(list((tmp_path / "out").glob("*.scores.root"))) == 30
