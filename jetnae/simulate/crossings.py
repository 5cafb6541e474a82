"""From a pool of collisions to a file of bunch crossings, in chunks and in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError
from jetnae.files import atomic_path
from jetnae.level1 import COUNT, ETA_UNIT, FIRST, PHI_UNIT
from jetnae.simulate.overlay import Crossings, Overlay, PileUp
from jetnae.simulate.pool import NOTE, Pool
from jetnae.version import __version__

GROUP = "crossings"
CHUNK = 10_000
"""Crossings made at once, with random numbers of their own: 40 MB."""
STORED = 1000
"""Crossings in a chunk of the file."""
OBJECTS_NOTE = (
    "jets are 3 x 3 regions around a local maximum less 9 times the median region of the ring in phi; the missing "
    "momentum is that of the regions; electrons, photons and muons are those of single collisions, without isolation"
)


@dataclass(frozen=True)
class CrossingsRequest:
    """How many crossings to write; `process` is 0 for zero bias, else that of the signal, `run` names the sample."""

    path: Path
    number: int
    seed: int
    pile_up: PileUp = field(default_factory=PileUp)
    process: int = 0
    run: int = 1
    force: bool = False

    def __post_init__(self) -> None:
        if self.number < 1:
            raise InputError(f"{self.number} crossings, expected at least 1")


def write_crossings(
    request: CrossingsRequest,
    pool: Pool,
    signal: Pool | None = None,
    *,
    made_from: Mapping[str, Any] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Overlay crossings into an HDF5 file, atomically, label 1 where each holds a collision of a signal, else 0.

    The same request and pools give the same crossings. `made_from` is stored with them, `on_progress` called with the
    crossings done. Raises `InputError` for an existing file without `force`.
    """
    overlay = Overlay(pool, signal)
    with atomic_path(request.path, force=request.force) as temporary, h5py.File(temporary, "w") as file:
        group = file.create_group(GROUP)
        for number, start in enumerate(range(0, request.number, CHUNK)):
            row = np.arange(start, min(start + CHUNK, request.number))
            rng = np.random.default_rng(np.random.SeedSequence([request.seed, number]))
            section = request.pile_up.section(row, request.number)
            mean = request.pile_up.draw(section, rng)
            crossings = overlay.make(overlay.draw(mean, rng, start))
            _extend(group, _columns(request, row, section, crossings) | {"mu": mean.astype(np.float32)})
            if on_progress is not None:
                on_progress(len(row) + start)
        file.attrs["provenance"] = json.dumps(_provenance(request, pool, signal, made_from or {}), default=str)
        file.attrs["note"] = f"{NOTE}; {OBJECTS_NOTE}"
        group.attrs.update(gev_per_count=COUNT, eta_per_count=ETA_UNIT, phi_per_count=PHI_UNIT)


def _columns(
    request: CrossingsRequest, row: npt.NDArray[np.int64], section: npt.NDArray[np.int64], crossings: Crossings
) -> dict[str, npt.NDArray[Any]]:
    leading = crossings.objects.reshape(len(row), -1, 3)[:, FIRST["jet"]].astype(np.float32)
    return {
        "run": np.full(len(row), request.run, dtype=np.uint32),
        "luminosityBlock": section.astype(np.uint32),
        "event": (row + 1).astype(np.uint64),
        "process": np.full(len(row), request.process, dtype=np.int32),
        "label": np.full(len(row), int(request.process > 0), dtype=np.uint8),
        "npv": crossings.npv,
        "total_et": (COUNT * crossings.regions.sum(axis=(1, 2), dtype=np.int64)).astype(np.float32),
        "leading_jet_pt": COUNT * leading[:, 0],
        "leading_jet_eta": np.float32(ETA_UNIT) * leading[:, 1],
        "leading_jet_phi": np.float32(PHI_UNIT) * leading[:, 2],
        "regions": crossings.regions,
        "objects": crossings.objects,
    }


def _extend(group: Any, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    for name, values in columns.items():
        if name not in group:
            rest = values.shape[1:]
            group.create_dataset(
                name,
                (0, *rest),
                values.dtype,
                maxshape=(None, *rest),
                chunks=(STORED if rest else CHUNK, *rest),
                compression="gzip",
                compression_opts=2,
                shuffle=True,
            )
        dataset = group[name]
        dataset.resize(len(dataset) + len(values), axis=0)
        dataset[len(dataset) - len(values) :] = values


def _provenance(
    request: CrossingsRequest, pool: Pool, signal: Pool | None, made_from: Mapping[str, Any]
) -> dict[str, Any]:
    slices = {
        each.name: {"share": float(share), "collisions": len(each.collisions), "cross_section_mb": each.cross_section}
        for each, share in zip(pool.slices, pool.shares, strict=True)
    }
    return {
        "kind": "crossings",
        "format_version": 1,
        "jetnae": __version__,
        "request": {name: value for name, value in asdict(request).items() if name not in {"path", "force"}},
        "slices": slices,
        "pool": pool.provenance,
        "signal": None if signal is None else signal.provenance,
        **made_from,
    }
