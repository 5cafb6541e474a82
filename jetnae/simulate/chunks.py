"""The simulation in chunks of a fixed number of events, each with its own seeds, on several processes."""

import os
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt

from jetnae.simulate.clustering import JetBatch, JetCuts, cluster, match, ranges
from jetnae.simulate.detector import Detector, Objects, reconstruct
from jetnae.simulate.generator import Events, FloatArray, IntArray, generate
from jetnae.simulate.processes import Process

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Job:
    """All that determines a sample: process, jets, detector, seed and chunk size (in generated events)."""

    process: Process
    cuts: JetCuts
    seed: int
    detector: Detector = field(default_factory=Detector)
    chunk_size: int = 2000


@dataclass(frozen=True)
class Chunk:
    """Kept events with their jets and constituents as columns.

    `event`, `jet`, `constituent`: columns of length n_events, n_jets, n_constituents; `n_jets` counts per
    event, `n_constituents` per jet. `generated_weight` holds one weight per generated event, kept or not, and
    `position` where each kept event stands among them. Cross section in pb.
    """

    event: Columns
    jet: Columns
    constituent: Columns
    n_jets: IntArray
    n_constituents: IntArray
    position: IntArray
    generated_weight: FloatArray
    cross_section: float

    def head(self, n_events: int) -> "Chunk":
        """The first `n_events` kept events; the generated ones are counted up to the last of them."""
        if n_events >= len(self.n_jets):
            return self
        n_jets = int(self.n_jets[:n_events].sum())
        n_constituents = int(self.n_constituents[:n_jets].sum())
        return Chunk(
            {name: values[:n_events] for name, values in self.event.items()},
            {name: values[:n_jets] for name, values in self.jet.items()},
            {name: values[:n_constituents] for name, values in self.constituent.items()},
            self.n_jets[:n_events],
            self.n_constituents[:n_jets],
            self.position[:n_events],
            self.generated_weight[: self.position[n_events - 1] + 1],
            self.cross_section,
        )


def simulate_chunk(job: Job, number: int) -> Chunk:
    """Generate, measure and cluster chunk `number` of a sample; depends on the job and the number only."""
    for_generator, for_detector = np.random.SeedSequence([job.seed, number]).spawn(2)
    # Pythia takes seeds from 1 to 900 million.
    pythia_seed = 1 + int(for_generator.generate_state(1, np.uint64)[0] % np.uint64(900_000_000))
    events = generate(job.process, job.chunk_size, seed=pythia_seed)
    objects = reconstruct(events.particles, job.detector, np.random.default_rng(for_detector))
    jets = cluster(objects, len(events), job.cuts)
    label, parton = match(jets, events.truth, job.cuts.radius)
    keep = label == 1 if job.cuts.matched_only else np.ones(len(label), dtype=bool)
    enough = np.bincount(jets.event[keep], minlength=len(events)) >= job.cuts.min_jets
    kept = np.flatnonzero(keep & enough[jets.event])
    truth = {"label": label[kept].astype(np.int32), "truth": parton[kept].astype(np.float32)}
    return _columns(job, number, events=events, objects=objects, jets=jets.select(kept), truth=truth)


def _columns(job: Job, number: int, *, events: Events, objects: Objects, jets: JetBatch, truth: Columns) -> Chunk:
    position, n_jets = np.unique(jets.event, return_counts=True)
    n_kept = len(position)
    met_pt, met_phi = objects.missing_momentum(len(events))
    event: Columns = {
        "run": np.ones(n_kept, dtype=np.uint32),
        "luminosityBlock": np.full(n_kept, number + 1, dtype=np.uint32),
        "event": (number * job.chunk_size + position).astype(np.uint64),
        "weight": events.weight[position],
        "process": np.full(n_kept, job.process.code, dtype=np.int32),
        "met_pt": met_pt[position].astype(np.float32),
        "met_phi": met_phi[position].astype(np.float32),
    }
    names = ("pt", "eta", "phi", "mass")
    jet = {name: getattr(jets, name).astype(np.float32) for name in names} | truth
    constituent: Columns = {name: getattr(objects, name)[jets.constituents].astype(np.float32) for name in names}
    in_event = ranges(np.zeros(n_kept, dtype=np.int64), n_jets)
    constituent["jetIdx"] = np.repeat(in_event, jets.n_constituents).astype(np.int32)
    return Chunk(event, jet, constituent, n_jets, jets.n_constituents, position, events.weight, events.cross_section)


def merge(chunks: Sequence[Chunk]) -> Chunk:
    """Several chunks as one (positions then run through all generated events)."""
    generated = [len(chunk.generated_weight) for chunk in chunks]
    offsets = np.cumsum(generated) - generated

    def joined(group: str) -> Columns:
        tables = [getattr(chunk, group) for chunk in chunks]
        return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}

    return Chunk(
        joined("event"),
        joined("jet"),
        joined("constituent"),
        np.concatenate([chunk.n_jets for chunk in chunks]),
        np.concatenate([chunk.n_constituents for chunk in chunks]),
        np.concatenate([chunk.position + offset for chunk, offset in zip(chunks, offsets, strict=True)]),
        np.concatenate([chunk.generated_weight for chunk in chunks]),
        float(np.average([chunk.cross_section for chunk in chunks], weights=generated)),
    )


def iter_chunks(job: Job, *, n_workers: int = 1) -> Generator[Chunk, None, None]:
    """Chunks 0, 1, 2, ... without end and in order; the number of processes changes the speed only."""
    if n_workers == 1:
        yield from (simulate_chunk(job, number) for number in count())
        return
    pool = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"), initializer=silence_stdout)
    try:
        # A few chunks ahead keep every process busy without piling up results.
        waiting: deque[Future[Chunk]] = deque()
        for number in count():
            waiting.append(pool.submit(simulate_chunk, job, number))
            if len(waiting) > 2 * n_workers:
                yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def silence_stdout() -> None:
    """Drop what libraries print: their banners would run through the progress bar once per process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
