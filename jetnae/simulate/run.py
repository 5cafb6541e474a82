"""From a simulation job to finished files, in one pass and in constant memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jetnae.errors import InputError
from jetnae.files import atomic_path
from jetnae.simulate.chunks import Chunk, Job, iter_chunks, merge
from jetnae.simulate.writing import Hdf5Writer, RootWriter

# Enough for baskets of some megabytes, little enough to hold in memory.
JETS_PER_WRITE = 10_000

# A sample without a single jet after so many chunks will never be finished.
MAX_EMPTY_CHUNKS = 10


@dataclass(frozen=True)
class Request:
    """What to write: `number` of `unit`, in `folder` as `name`.root and `name`.h5."""

    folder: Path
    name: str
    number: int
    unit: Literal["jets", "events"] = "jets"
    n_workers: int = 1
    force: bool = False


@dataclass(frozen=True)
class Summary:
    """Counts of a finished sample, its generated weight, its cross section (pb), and medians over its jets.

    Medians: pT and mass in GeV, number of constituents; missing pT in GeV over events.
    """

    n_generated: int
    sum_weights: float
    cross_section: float
    n_events: int
    n_jets: int
    n_matched: int
    median_pt: float
    median_mass: float
    median_constituents: float
    median_met: float


def produce(job: Job, request: Request, *, on_progress: Callable[[int], None] | None = None) -> Summary:
    """Simulate a sample and write it to ROOT and HDF5.

    Events stay whole, so there may be a jet or so more than asked for. `on_progress` is called with the
    number of jets (or events) finished so far. Raises `InputError` for a request that makes no
    sense, and for an existing output without `force`.
    """
    _check(request)
    tally = _Tally()
    with ExitStack() as stack:
        root, hdf5 = (
            stack.enter_context(atomic_path(_path(request, suffix), force=request.force)) for suffix in ("root", "h5")
        )
        writers = (stack.enter_context(RootWriter(root)), stack.enter_context(Hdf5Writer(hdf5)))
        chunks = stack.enter_context(closing(iter_chunks(job, n_workers=request.n_workers)))
        wanted = _limited(chunks, request, on_progress or (lambda done: None))
        for block in _blocks(wanted):
            tally.add(block)
            for writer in writers:
                writer.write(block)
        summary = tally.summary()
        for writer in writers:
            writer.write_provenance(_provenance(job, summary))
    return summary


def _check(request: Request) -> None:
    if request.number < 1 or request.n_workers < 1:
        raise InputError(
            f"need at least 1 of {request.unit} and 1 worker, found {request.number} and {request.n_workers}"
        )


def _path(request: Request, suffix: str) -> Path:
    return request.folder / f"{request.name}.{suffix}"


def _limited(chunks: Iterator[Chunk], request: Request, on_progress: Callable[[int], None]) -> Iterator[Chunk]:
    done = 0
    for tried, chunk in enumerate(chunks, start=1):
        sizes = chunk.n_jets if request.unit == "jets" else np.ones_like(chunk.n_jets)
        reached = done + np.cumsum(sizes)
        part = chunk.head(int(np.searchsorted(reached, request.number)) + 1)
        done += int(sizes[: len(part.n_jets)].sum())
        if done == 0 and tried == MAX_EMPTY_CHUNKS:
            raise InputError(
                f"none of the first {tried} chunks of events holds a jet within the cuts: "
                f"lower the pT threshold, or raise the pTHat or the mediator mass"
            )
        on_progress(min(done, request.number))
        yield part
        if done >= request.number:
            return


def _blocks(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    waiting: list[Chunk] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(len(part.n_constituents) for part in waiting) >= JETS_PER_WRITE:
            yield merge(waiting)
            waiting = []
    if waiting:
        yield merge(waiting)


class _Tally:
    """Running counts; histograms give the medians, so that memory does not grow with the sample."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, float, float, int, int, int]] = []
        # Bins of 1 GeV (or one constituent) up to 10 TeV are fine enough for a summary.
        self._bins = np.arange(10_001)
        self._counts = {name: np.zeros(10_000) for name in ("pt", "mass", "constituents", "met")}

    def add(self, block: Chunk) -> None:
        n_generated = len(block.generated_weight)
        labels = int(block.jet["label"].sum())
        sizes = (len(block.n_jets), len(block.n_constituents), labels)
        weighted = n_generated * block.cross_section
        self._blocks.append((n_generated, float(block.generated_weight.sum()), weighted, *sizes))
        values = {
            "pt": block.jet["pt"],
            "mass": block.jet["mass"],
            "constituents": block.n_constituents,
            "met": block.event["met_pt"],
        }
        for name, column in values.items():
            self._counts[name] += np.histogram(column, self._bins)[0]

    def summary(self) -> Summary:
        n_generated, sum_weights, weighted, n_events, n_jets, n_matched = np.sum(self._blocks, axis=0)
        medians = [self._median(name) for name in ("pt", "mass", "constituents", "met")]
        counts = (int(n_events), int(n_jets), int(n_matched))
        return Summary(int(n_generated), float(sum_weights), float(weighted / n_generated), *counts, *medians)

    def _median(self, name: str) -> float:
        below = np.cumsum(self._counts[name])
        return float(self._bins[int(np.searchsorted(below, below[-1] / 2))])


def _provenance(job: Job, summary: Summary) -> dict[str, Any]:
    versions = {}
    for package in ("jetnae", "pythia8mc", "fastjet", "numpy", "awkward", "uproot", "h5py"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "kind": "simulated-jets",
        "format_version": 1,
        "job": asdict(job),
        "summary": asdict(summary),
        "versions": versions,
    }
