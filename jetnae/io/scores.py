"""Score files: one entry per input event, in order, so that they can be a friend of the input."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import awkward as ak
import h5py
import numpy as np
import uproot

from jetnae.errors import InputError
from jetnae.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jetnae.jets import IntArray

    Columns = Mapping[str, Any]

FORMAT_VERSION = 1
TREE = "scores"
PREFIX = "jetnae"
COUNTER = f"{PREFIX}_nJet"
_BRACKETS = re.compile(r"\[([^\[\]]*[^\W\d][^\[\]]*)\]\s*$")
"""A unit at the end of a title; those of arrays end with a type."""


@dataclass(frozen=True)
class Scores:
    """A score file in memory.

    jets : flat per-jet columns, each (n_jets,). counts : (n_events,) jets per event. events : per-event columns.
    provenance : how the file was made.
    """

    jets: Columns
    counts: IntArray
    events: Columns
    provenance: Mapping[str, Any]


class ScoreWriter(Protocol):
    """Receives the scores chunk by chunk."""

    def append(self, jets: Columns, counts: IntArray, events: Columns) -> None:
        """Add a chunk: flat per-jet columns, jets per event, per-event columns."""


@contextmanager
def write_scores(path: Path, provenance: Mapping[str, Any], *, force: bool = False) -> Iterator[ScoreWriter]:
    """Open a score file, ROOT or HDF5 by its suffix, that appears under its name only once it is complete.

    Raises `InputError` when it exists and `force` is not set, and when it cannot be written.
    """
    with atomic_path(path, force=force) as temporary, _WRITERS[path.suffix](temporary, provenance) as writer:
        yield writer


def read_scores(path: Path) -> Scores:
    """Read a whole score file; raises `InputError` when it is not one, or of a newer format."""
    try:
        scores = _read_hdf5(path) if path.suffix == ".h5" else _read_root(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected a score file made by `jetnae score`") from error
    except Exception as error:
        raise InputError(f"{path}: not a score file, expected one made by `jetnae score`") from error
    version = scores.provenance.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(f"{path}: score format {version!r}, this version knows up to {FORMAT_VERSION}: update jetnae")
    return scores


def read_header(path: Path) -> tuple[Mapping[str, Any], int, int]:
    """How a score file was made, and its numbers of events and jets; empty and zero for any other file."""
    try:
        if path.suffix == ".h5":
            with h5py.File(path, "r") as file:
                counts = file["events"][COUNTER][:]
                provenance = json.loads(file.attrs["provenance"])
        else:
            with uproot.open(path) as file:
                counts = ak.to_numpy(file[TREE][COUNTER].array())
                provenance = json.loads(str(file["provenance"]))
    except Exception:  # whatever a file of something else makes the libraries say
        return {}, 0, 0
    return (provenance, len(counts), int(counts.sum())) if isinstance(provenance, dict) else ({}, 0, 0)


def read_units(path: Path) -> dict[str, str]:
    """Units of columns of events, as far as a score file says: the attribute `unit` or `units` of a dataset, or what
    stands in brackets in the title of a branch."""
    if path.suffix == ".h5":
        with h5py.File(path, "r") as file:
            said = {name: each.attrs.get("unit", each.attrs.get("units")) for name, each in file["events"].items()}
        return {name: unit.strip() for name, unit in said.items() if isinstance(unit, str)}
    with uproot.open(path) as file:
        titles = {branch.name: _BRACKETS.search(branch.title) for branch in file[TREE].branches}
    return {name: found[1].strip() for name, found in titles.items() if found}


class _RootWriter:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._known = False

    def append(self, jets: Columns, counts: IntArray, events: Columns) -> None:
        data = {PREFIX: ak.unflatten(ak.zip(dict(jets)), counts), **events}
        if not self._known:
            self._file.mktree(
                TREE, {name: _branch_type(column) for name, column in data.items()}, counter_name=_counter
            )
            self._known = True
        if len(counts):
            self._file[TREE].extend(data)


def _branch_type(column: Any) -> Any:
    return column.dtype if isinstance(column, np.ndarray) else ak.type(column).content


def _counter(name: str) -> str:
    return COUNTER if name == PREFIX else f"n{name}"


@contextmanager
def _root_writer(path: Path, provenance: Mapping[str, Any]) -> Iterator[ScoreWriter]:
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        yield _RootWriter(file)
        file["provenance"] = json.dumps(dict(provenance))


class _Hdf5Writer:
    """`jets/` holds flat per-jet columns, `events/` per-event ones; `jetnae_nJet` says how many jets an event has."""

    def __init__(self, file: Any) -> None:
        self._jets, self._events = file.create_group("jets"), file.create_group("events")

    def append(self, jets: Columns, counts: IntArray, events: Columns) -> None:
        for name, column in jets.items():
            _extend(self._jets, f"{PREFIX}_{name}", column)
        for name, column in {COUNTER: counts.astype(np.int32), **events}.items():
            _extend(self._events, name, column)


def _extend(group: Any, name: str, column: Any) -> None:
    values = np.asarray(column)
    if name not in group:
        group.create_dataset(name, shape=(0,), maxshape=(None,), chunks=(8192,), dtype=values.dtype, compression="gzip")
    dataset = group[name]
    dataset.resize(len(dataset) + len(values), axis=0)
    dataset[len(dataset) - len(values) :] = values


@contextmanager
def _hdf5_writer(path: Path, provenance: Mapping[str, Any]) -> Iterator[ScoreWriter]:
    # In memory until it is complete (some 40 bytes per jet): on a full disk the library cannot let go of what it
    # could not write, and takes the process with it.
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        file.attrs["provenance"] = json.dumps(dict(provenance))
        yield _Hdf5Writer(file)
        file.flush()
        path.write_bytes(file.id.get_file_image())


_WRITERS = {".root": _root_writer, ".h5": _hdf5_writer}


def _read_root(path: Path) -> Scores:
    with uproot.open(path) as file:
        data = file[TREE].arrays(how=dict)
        provenance = json.loads(str(file["provenance"]))
    counts = ak.to_numpy(data.pop(COUNTER)).astype(np.int64)
    jets = {
        name.removeprefix(f"{PREFIX}_"): ak.to_numpy(ak.flatten(column, axis=1))
        for name, column in data.items()
        if name.startswith(PREFIX) and column.ndim == 2
    }
    events = {name: _plain(column) for name, column in data.items() if name.removeprefix(f"{PREFIX}_") not in jets}
    return Scores(jets, counts, events, provenance)


def _plain(column: Any) -> Any:
    with suppress(ValueError):
        return ak.to_numpy(column)
    return column


def _read_hdf5(path: Path) -> Scores:
    with h5py.File(path, "r") as file:
        provenance = json.loads(file.attrs["provenance"])
        events = {name: column[:] for name, column in file["events"].items()}
        jets = {name.removeprefix(f"{PREFIX}_"): column[:] for name, column in file["jets"].items()}
    counts = events.pop(COUNTER).astype(np.int64)
    return Scores(jets, counts, events, provenance)
