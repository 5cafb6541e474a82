"""Jets to files of our own layout, ROOT or HDF5: flat four-vectors, one entry per event, streaming."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import awkward as ak
import h5py
import hdf5plugin
import numpy as np
import uproot

from jetnae.errors import InputError
from jetnae.files import atomic_path
from jetnae.io.assemble import RADIUS
from jetnae.io.hdf5 import JAGGED
from jetnae.jets import FOUR_VECTOR, WEIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jetnae.jets import Jets

    Columns = dict[str, Any]

FORMAT_VERSION = 1
TREE = "events"
MIN_FREE = 4
"""How often a chunk must fit on the disk before it is written: HDF5 takes the process down where one is full."""


class JetWriter(Protocol):
    """Receives jets batch by batch."""

    def append(self, jets: Jets) -> None:
        """Add the events of a batch, with their jets and constituents."""


@contextmanager
def write_jets(path: Path, provenance: Mapping[str, Any], *, force: bool = False) -> Iterator[JetWriter]:
    """Open a file in our own layout, ROOT or HDF5 by its suffix, that appears under its name once it is complete.

    Raises `InputError` for another suffix, when it exists and `force` is not set, and when it cannot be written.
    """
    if path.suffix not in WRITERS:
        raise InputError(f"{path}: jets are written as {' or '.join(WRITERS)}, name it so")
    content = {"format_version": FORMAT_VERSION, "kind": "jets", **provenance}
    with atomic_path(path, force=force) as temporary, WRITERS[path.suffix](temporary, content) as writer:
        yield writer


def _columns(jets: Jets) -> Columns:
    """Columns of a tree: numbers of events, and records `Jet` and `Constituent` per event."""
    events = {"weight" if name == WEIGHT else name: column for name, column in jets.events.items()}
    if jets.radius is not None:
        events[RADIUS] = np.full(jets.n_events, jets.radius)
    of_jets = {name: getattr(jets, name).astype(np.float32) for name in FOUR_VECTOR}
    of_jets |= {name: np.asarray(column) for name, column in jets.columns.items()}
    if jets.label is not None:
        of_jets["label"] = jets.label.astype(np.int32)
    columns = {**events, "Jet": ak.unflatten(ak.zip(of_jets), jets.jets_per_event)}
    return columns if jets.constituents is None else columns | {"Constituent": _constituents(jets)}


def _constituents(jets: Jets) -> ak.Array:
    row = jets.event_index - jets.first_event
    in_event = np.arange(len(jets)) - np.searchsorted(row, row)  # rows are in order
    flat = ak.flatten(jets.constituents, axis=1)
    records = {name: ak.values_astype(flat[name], np.float32) for name in FOUR_VECTOR}
    records["jetIdx"] = np.repeat(in_event, jets.n_constituents).astype(np.int32)
    per_event = np.bincount(row, weights=jets.n_constituents, minlength=jets.n_events).astype(np.int64)
    return ak.unflatten(ak.zip(records), per_event)


class _RootWriter:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._tree: Any = None

    def append(self, jets: Jets) -> None:
        columns = _columns(jets)
        if self._tree is None:
            types = {
                name: column.dtype if isinstance(column, np.ndarray) else ak.type(column).content
                for name, column in columns.items()
            }
            self._tree = self._file.mktree(TREE, types, counter_name=lambda name: f"n{name}")
        if jets.n_events:
            self._tree.extend(columns)


@contextmanager
def _root_writer(path: Path, provenance: Mapping[str, Any]) -> Iterator[JetWriter]:
    with uproot.recreate(path, compression=uproot.ZSTD(3)) as file:
        yield _RootWriter(file)
        file["provenance"] = json.dumps(dict(provenance))


class _Hdf5Writer:
    """The columns of the tree as flat datasets `Jet_pt`, ... with the lengths of their lists in `nJet`, ..."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._group = file.create_group(TREE)
        self._group.attrs[JAGGED] = 1

    def append(self, jets: Jets) -> None:
        columns: Columns = {}
        for name, column in _columns(jets).items():
            columns |= {name: column} if isinstance(column, np.ndarray) else _flat(name, column)
        size = sum(column.nbytes for column in columns.values())
        free = shutil.disk_usage(self._path.parent).free
        if free < MIN_FREE * size:
            raise InputError(f"{self._path.parent}: {free / 1e6:.0f} MB are free, not enough to go on writing")
        for name, column in columns.items():
            self._extend(name, column)

    def _extend(self, name: str, values: Any) -> None:
        if name not in self._group:
            self._group.create_dataset(
                name, shape=(0,), maxshape=(None,), chunks=(65536,), dtype=values.dtype, **hdf5plugin.Zstd(3)
            )
        dataset = self._group[name]
        dataset.resize(len(dataset) + len(values), axis=0)
        dataset[len(dataset) - len(values) :] = values


def _flat(name: str, column: ak.Array) -> Columns:
    lengths = {f"n{name}": ak.to_numpy(ak.num(column, axis=1)).astype(np.int32)}
    flat = ak.flatten(column, axis=1)
    fields = {f"{name}_{field}": flat[field] for field in flat.fields} or {name: flat}
    return lengths | {key: ak.to_numpy(values) for key, values in fields.items()}


@contextmanager
def _hdf5_writer(path: Path, provenance: Mapping[str, Any]) -> Iterator[JetWriter]:
    with h5py.File(path, "w") as file:
        file.attrs["provenance"] = json.dumps(dict(provenance))
        yield _Hdf5Writer(path, file)


WRITERS = {".root": _root_writer, ".h5": _hdf5_writer}
