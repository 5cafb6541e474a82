"""A pool of collisions in slices of the hardest scattering, simulated once, of which crossings are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError
from jetnae.files import atomic_path, refuse_existing
from jetnae.simulate.chunks import silence_stdout
from jetnae.simulate.collisions import FINE, Collisions, join, measure
from jetnae.simulate.generator import iter_events
from jetnae.simulate.processes import Process, hard, soft
from jetnae.version import __version__

KIND = "collisions"
FORMAT_VERSION = 1
EDGES = (15.0, 30.0, 60.0, 120.0)
"""GeV. Below the first, collisions are soft ones; from there on slices of hard scattering."""
PART = 20_000
"""Collisions of one generator: its start takes ten seconds for soft ones."""
NOTE = (
    "Pythia 8 with a parametrised calorimeter, no full simulation: no noise, no energy of other crossings (out of "
    "time), no magnetic bending beyond leaving out charged particles below 0.7 GeV"
)


@dataclass(frozen=True)
class Slice:
    """Collisions of one process; cross section in mb after a veto, `n_generated` before it."""

    name: str
    cross_section: float
    n_generated: int
    collisions: Collisions

    def half(self, which: int) -> Slice:
        """Every second collision, from the first or the second: nothing is in both halves."""
        return replace(self, collisions=self.collisions.take(slice(which, None, 2)))


@dataclass(frozen=True)
class Pool:
    """Slices that together make up inelastic collisions, or a single one of a signal; and how they were made."""

    slices: tuple[Slice, ...]
    provenance: dict[str, Any]

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """Probability of each slice in one collision."""
        sections = np.array([each.cross_section for each in self.slices])
        return np.asarray(sections / sections.sum())

    def half(self, which: int) -> Pool:
        """Half of the collisions of each slice, 0 or 1; raises `InputError` where a slice has only one."""
        short = [each.name for each in self.slices if len(each.collisions) < 2]
        if short:
            raise InputError(
                f"the slices {', '.join(short)} of the pool have less than 2 collisions: make a larger one"
            )
        return replace(self, slices=tuple(each.half(which) for each in self.slices))


@dataclass(frozen=True)
class Sampled:
    """How many collisions of a process to simulate; with a veto, so many before it."""

    process: Process
    number: int

    def __post_init__(self) -> None:
        if self.number < 2:
            raise InputError(f"{self.number} collisions of '{self.process.name}', expected at least 2")


def inelastic(n_soft: int, n_hard: Sequence[int]) -> tuple[Sampled, ...]:
    """Soft collisions, and hard ones in the four slices from `EDGES`; raises `InputError` for another number."""
    if len(n_hard) != len(EDGES):
        raise InputError(f"{len(n_hard)} numbers of hard collisions, expected {len(EDGES)}, from {EDGES} GeV on")
    windows = zip(EDGES, (*EDGES[1:], -1.0), strict=True)
    slices = [Sampled(hard(*window), number) for window, number in zip(windows, n_hard, strict=True)]
    return (Sampled(soft(veto=EDGES[0]), n_soft), *slices)


def make_pool(
    path: Path,
    sampled: Sequence[Sampled],
    seed: int,
    *,
    n_workers: int = 1,
    force: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Simulate a pool into an HDF5 file, atomically; the number of processes changes the speed only.

    `on_progress` is called with the number of collisions generated so far. Raises `InputError` for an existing file
    without `force`.
    """
    refuse_existing(path, force=force)
    tasks = [
        (each.process, min(PART, each.number - first), [seed, k, first])
        for k, each in enumerate(sampled)
        for first in range(0, each.number, PART)
    ]
    done, slices = 0, {each.process.name: list[Slice]() for each in sampled}
    for part in _run(tasks, n_workers):
        slices[part.name].append(part)
        done += part.n_generated
        if on_progress is not None:
            on_progress(done)
    provenance = {"seed": seed, "sampled": [asdict(each) for each in sampled]}
    with atomic_path(path, force=force) as temporary:
        _write(temporary, [_joined(parts) for parts in slices.values()], provenance)


def _run(tasks: Sequence[tuple[Process, int, list[int]]], n_workers: int) -> Iterator[Slice]:
    if n_workers == 1:
        yield from (simulate_part(*task) for task in tasks)
        return
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"), initializer=silence_stdout) as processes:
        yield from processes.map(simulate_part, *zip(*tasks, strict=True))


def simulate_part(process: Process, number: int, seed: Sequence[int]) -> Slice:
    """Generate and measure collisions of one generator; those that the process vetoes are left out."""
    for_generator, for_detector = np.random.SeedSequence(seed).spawn(2)
    pythia_seed = 1 + int(for_generator.generate_state(1, np.uint64)[0] % np.uint64(900_000_000))
    rng = np.random.default_rng(for_detector)
    parts, n_generated, section = [], 0, 0.0
    for events in iter_events(process, number, seed=pythia_seed):
        kept = events.pt_hat < (np.inf if process.veto is None else process.veto)
        parts.append(measure(events.particles, len(events), rng).take(kept))
        n_generated, section = n_generated + len(events), events.cross_section
    collisions = join(parts)
    return Slice(process.name, 1e-9 * section * len(collisions) / n_generated, n_generated, collisions)


def _joined(parts: Sequence[Slice]) -> Slice:
    generated = [part.n_generated for part in parts]
    section = float(np.average([part.cross_section for part in parts], weights=generated))
    return Slice(parts[0].name, section, sum(generated), join([part.collisions for part in parts]))


def _write(path: Path, slices: Sequence[Slice], provenance: dict[str, Any]) -> None:
    content = {"kind": KIND, "format_version": FORMAT_VERSION, "jetnae": __version__, "note": NOTE, **provenance}
    with h5py.File(path, "w") as file:
        file.attrs["provenance"] = json.dumps(content, default=str)
        file.attrs["gev_per_step"] = 1 / FINE
        for position, each in enumerate(slices):
            group = file.create_group(each.name)
            group.attrs.update(cross_section_mb=each.cross_section, n_generated=each.n_generated, position=position)
            for field in fields(Collisions):
                values = getattr(each.collisions, field.name)
                group.create_dataset(field.name, data=values, chunks=True, compression="gzip", shuffle=True)


def read_pool(path: Path) -> Pool:
    """A pool in memory; raises `InputError` for a file that holds none."""
    try:
        with h5py.File(path, "r") as file:
            provenance = json.loads(file.attrs.get("provenance", "{}"))
            if provenance.get("kind") != KIND or provenance.get("format_version") != FORMAT_VERSION:
                raise InputError(f"{path}: no pool of collisions of format {FORMAT_VERSION}, make one with the recipe")
            groups = sorted(file.values(), key=lambda group: int(group.attrs["position"]))
            return Pool(tuple(_read(group) for group in groups), provenance)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a pool of collisions ({error})") from error


def _read(group: Any) -> Slice:
    collisions = Collisions(*(group[field.name][:] for field in fields(Collisions)))
    section, number = float(group.attrs["cross_section_mb"]), int(group.attrs["n_generated"])
    return Slice(group.name.strip("/"), section, number, collisions)
