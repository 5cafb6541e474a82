"""Scoring of many files from the command line: the options of `jetnae score` for it, the progress, the summary."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jetnae.errors import InputError

if TYPE_CHECKING:
    from jetnae.batch.pools import Pool
    from jetnae.batch.report import BatchSummary, Progress
    from jetnae.batch.run import BatchJob

Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes on this machine, one thread each.")]
DaskAddress = Annotated[str, typer.Option("--dask", help="Address of a Dask scheduler, as HOST:8786.")]
JobQueue = Annotated[str, typer.Option("--dask-jobqueue", help="Batch system to run Dask workers on: htcondor, slurm.")]
DaskConfig = Annotated[
    Path | None, typer.Option("--dask-config", help="TOML file with `jobs` and the options of dask-jobqueue.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an earlier run ended, nothing is done twice.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be scored; exit code 3.")]
EngineName = Annotated[str, typer.Option("--engine", help="What runs the model: torch, or onnx where installed.")]
MemoryLimit = Annotated[str, typer.Option("--memory-limit", help="Of each process, as 2GB: adapts the chunks.")]

EVERY = 30.0
"""Seconds between lines of progress that do not go to a terminal."""


@dataclass(frozen=True)
class Where:
    """Where to work, as the options say: processes here, a Dask scheduler, or a batch system."""

    workers: int | None
    address: str
    system: str
    config: Path | None

    def pool(self) -> AbstractContextManager[Pool]:
        """The workers; raises `InputError` where the options contradict each other."""
        from jetnae.batch import pools

        chosen = [bool(self.workers), bool(self.address), bool(self.system)]
        if sum(chosen) > 1:
            raise InputError("--workers, --dask and --dask-jobqueue exclude each other, choose one")
        if bool(self.system) != (self.config is not None):
            raise InputError("--dask-jobqueue and --dask-config belong together, give both")
        if self.address:
            return pools.dask(self.address)
        if self.config is not None:
            return pools.jobqueue(self.system, self.config)
        return pools.here() if self.workers is None else pools.local(self.workers)

    @property
    def is_here(self) -> bool:
        """Whether the work is done in this process."""
        return not (self.workers or self.address or self.system)


def is_batch(files: list[Path], where: Where, *, resume: bool, skip_bad: bool) -> bool:
    """Whether a call asks for the ledger: many files as one, several workers, or going on after a failure."""
    from jetnae.batch.names import is_many

    return resume or skip_bad or not where.is_here or any(is_many(str(path)) for path in files)


def output_folder(output: Path | None, suffixes: tuple[str, ...]) -> Path:
    """The folder that outputs of many files go to; raises `InputError` where it looks like a file."""
    folder = output or Path()
    if folder.suffix in suffixes and not os.path.isdir(folder):
        raise InputError(f"{folder}: expected a folder for the scores of many files")
    return folder


def score_many(job: BatchJob, where: Where) -> None:
    """Score, with progress, and say what it came to; exit code 3 where inputs were skipped."""
    from jetnae.batch.run import run_batch

    try:
        with where.pool() as pool, _progress() as show:
            summary = run_batch(job, pool, show)
    except KeyboardInterrupt:
        print(f"what is done is kept in {job.setup.ledger}, go on with --resume", file=sys.stderr)
        raise
    _print(summary, job)
    if summary.skipped:
        raise typer.Exit(3)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on terminals, a plain line every half minute elsewhere."""
    from jetnae.cli.options import progress_bar

    if not sys.stderr.isatty():
        yield _Lines()
        return
    with progress_bar("events") as update:
        yield lambda progress: update(progress.events_done, progress.n_events, str(progress))


class _Lines:
    """Prints progress when enough time has passed."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            print(f"{time.strftime('%H:%M:%S')}  {progress}", file=sys.stderr, flush=True)


def _print(summary: BatchSummary, job: BatchJob) -> None:
    n_jets = summary.total("n_jets")
    out = summary.total("n_out_of_range")
    share = f" ({100 * out / n_jets:.0f} %)" if n_jets else ""
    lines = {
        "files": f"{len(summary.finished)} of {len(summary.outputs)}, {summary.n_resumed} of them before",
        "model": f"{job.settings['model']}  ({job.settings['model_sha256'][:12]}), engine {job.settings['engine']}",
        "events": f"{summary.total('n_events')}",
        "jets": f"{n_jets}",
        "out of range": f"{out}{share}",
        "no constituents": f"{summary.total('n_without_constituents')}",
        "retries": f"{len(summary.retries)}, {summary.n_deaths} deaths of workers",
        "time": f"{summary.seconds:.1f} s",
        "output": f"{job.folder}",
    }
    for name, value in lines.items():
        print(f"{name:>16}  {value}")
    for note in summary.notes:
        print(f"{'note':>16}  {note}")
    for each in summary.skipped:
        print(f"{'skipped':>16}  {each.reason}")
