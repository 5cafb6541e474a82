"""HDF5 files as a source of columns. Pickled attributes that pandas leaves behind are never touched."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import h5py
import hdf5plugin  # noqa: F401  registers the blosc, lz4 and zstd filters with h5py
import numpy as np

from jetnae.errors import InputError
from jetnae.io.assemble import MAX_ROW_BYTES, identity_of, ranges, reading, split_at
from jetnae.io.columns import has_part, is_numeric_part, pick, split

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from jetnae.io.source import Data, Rows

FLOATS, INTEGERS = "floats", "integers"
"""What a pandas table is read as: one matrix of its floats and one of its integers, whatever blocks it has."""

JAGGED = "jetnae_jagged"
"""Attribute of a group whose datasets `A_x` are flat lists, with their lengths per row in `nA`, as a tree has them."""


@dataclass(frozen=True)
class _Column:
    """Where a column lies: a dataset, a field of it (""), and the dataset with its list lengths (None)."""

    dataset: Any
    field: str = ""
    lengths: Any = None

    @property
    def dtype(self) -> Any:
        return self.dataset.dtype[self.field] if self.field else self.dataset.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row of the dataset."""
        return (*self.dataset.shape[1:], *(self.dtype.shape if self.field else ()))

    @property
    def n_rows(self) -> int:
        """Rows, with one list or number each."""
        return len(self.dataset if self.lengths is None else self.lengths)


@contextmanager
def open_source(path: Path) -> Iterator[Hdf5Source]:
    """Open an HDF5 file; raises `InputError` when it is none or is damaged."""
    with reading(path, "HDF5"):
        file = h5py.File(path, "r")
    with file:
        with reading(path, "HDF5"):
            source = Hdf5Source(file, path)
        yield source


class Hdf5Source:
    """The groups of an HDF5 file with datasets as columns; a pandas table has the columns `floats` and `integers`."""

    def __init__(self, file: Any, path: Path) -> None:
        self._path = path
        self._columns = {name: found for name, found in _groups(file) if found}
        self.trees = {name: max(each.n_rows for each in found.values()) for name, found in self._columns.items()}
        self.identity = identity_of(path)

    def columns(self, tree: str) -> Collection[str]:
        """The datasets of a group."""
        return self._columns[tree]

    def has(self, tree: str, column: str) -> bool:
        """Whether a group has a dataset, and in it the field, position or slice."""
        name, part = split(column)
        found = self._columns[tree].get(name)
        return found is not None and has_part(found.shape, found.dtype, part)

    def width(self, tree: str, column: str) -> int | None:
        """The length of the last axis of a dataset with several numbers per row."""
        found = self._columns[tree].get(split(column)[0])
        return found.shape[-1] if found is not None and found.shape else None

    def n_rows(self, tree: str, columns: Collection[str]) -> int:
        """The rows of these datasets; raises `InputError` where they differ."""
        rows = {name: self._columns[tree][name].n_rows for name in {split(column)[0] for column in columns}}
        if len(set(rows.values())) > 1:
            several = ", ".join(f"{name} {count}" for name, count in sorted(rows.items()))
            raise InputError(f"{self._path}: datasets of one group have different numbers of rows ({several})")
        return next(iter(rows.values()), 0)

    def is_numeric(self, tree: str, column: str) -> bool:
        """Whether a column holds a number, or one list of numbers, per row."""
        name, part = split(column)
        found = self._columns[tree][name]
        depth = len(found.shape) - (bool(part) and is_numeric_part(part) and ":" not in part)
        return has_part(found.shape, found.dtype, part) and depth <= 1

    def rows_for(self, tree: str, columns: Collection[str], n_bytes: int) -> int:
        """How many rows of these columns fill so many bytes, at least one."""
        size = 0.0
        for name in {split(column)[0] for column in columns}:
            found = self._columns[tree][name]
            per_row = len(found.dataset) / max(len(found.lengths), 1) if found.lengths is not None else 1.0
            size += per_row * found.dataset.dtype.itemsize * float(np.prod(found.dataset.shape[1:], dtype=float))
        return max(int(n_bytes / max(size, 1.0)), 1)

    def parts(self, tree: str, columns: Collection[str], n_rows: int) -> list[Rows]:
        """Parts that begin and end where the chunks of the largest do."""
        found = [self._columns[tree][name] for name in {split(column)[0] for column in columns}]
        stored = [each.dataset.chunks[0] for each in found if each.lengths is None and each.dataset.chunks]
        step = max([1, *stored])
        total = self.n_rows(tree, columns)
        return split_at([*range(0, total, max(n_rows // step, 1) * step), total], n_rows)

    def chunks(
        self, tree: str, columns: Collection[str], step: int, rows: Rows | None = None
    ) -> Iterator[tuple[int, int, Data]]:
        """First row, end, and columns of each chunk of `step` rows, in order; no rows give one empty chunk."""
        found = {name: self._columns[tree][name] for name in {split(column)[0] for column in columns}}
        with reading(self._path, "HDF5"):
            _check_sizes(found)
            position = _positions(found, 0 if rows is None else rows[0])
        for start, stop in ranges(self.n_rows(tree, columns), step, rows):
            with reading(self._path, "HDF5"):
                data = _read(found, position, start, stop)
                picked = {column: pick(data[split(column)[0]], split(column)[1]) for column in columns}
            yield start, stop, picked


def _positions(found: Mapping[str, _Column], first: int) -> dict[str, int]:
    """Where the lists of row `first` begin in each dataset of lists."""
    jagged = {column.dataset.name: column.lengths for column in found.values() if column.lengths is not None}
    return {name: int(lengths[:first].sum(dtype=np.int64)) for name, lengths in jagged.items()} if first else {}


def _read(found: Mapping[str, _Column], position: dict[str, int], start: int, stop: int) -> Data:
    """The rows of each column; every dataset is read once, though several columns may be fields of it."""
    read: dict[str, Any] = {}
    data: Data = {}
    for name, column in found.items():
        key = column.dataset.name
        if key not in read:
            if column.lengths is None:
                read[key] = column.dataset[start:stop]
            else:
                lengths = column.lengths[start:stop].astype(np.int64)
                first = position.get(key, 0)
                position[key] = first + int(lengths.sum())
                read[key] = ak.unflatten(column.dataset[first : position[key]], lengths)
        data[name] = read[key][column.field] if column.field else read[key]
    return data


def _check_sizes(columns: Mapping[str, _Column]) -> None:
    """Raises `ValueError` for what no jet can be, and for lists that do not add up."""
    totals: dict[str, int] = {}
    for name, column in columns.items():
        size = int(np.prod(column.dataset.shape[1:], dtype=object)) * column.dataset.dtype.itemsize
        if size > MAX_ROW_BYTES:
            raise ValueError(f"{name} has rows of {size} bytes")
        _require_stored(name, column.dataset)
        if column.lengths is None:
            continue
        if column.lengths.name not in totals:
            totals[column.lengths.name] = int(column.lengths[:].sum(dtype=np.int64))
        if totals[column.lengths.name] != len(column.dataset):
            raise ValueError(f"the lists of {name} do not add up to its {len(column.dataset)} entries")


def _require_stored(name: str, dataset: Any) -> None:
    """Raises `ValueError` where less or more is stored than the shape says, which the library fills up or hides."""
    if not dataset.size:
        return
    if dataset.chunks is None:
        stored, expected, what = dataset.id.get_storage_size(), dataset.nbytes, "bytes"
    else:
        counts = (-(-length // step) for length, step in zip(dataset.shape, dataset.chunks, strict=True))
        stored, expected, what = dataset.id.get_num_chunks(), math.prod(counts), "chunks"
    if stored != expected:
        raise ValueError(f"{stored} {what} of {name} are stored, its shape {dataset.shape} has {expected}")


def _groups(file: Any) -> Iterator[tuple[str, dict[str, _Column]]]:
    """The root group ("") and those below it, down to two levels; what pandas wrote is one table each."""
    waiting = [("", file, 0)]
    while waiting:
        path, group, depth = waiting.pop(0)
        table = _pandas(group)
        yield path, table if table is not None else _datasets(group)
        if table is None and depth < 2:
            below = [(name, each) for name, each in _members(group).items() if isinstance(each, h5py.Group)]
            waiting += [(f"{path}/{name}".lstrip("/"), each, depth + 1) for name, each in below]


def _members(group: Any) -> dict[str, Any]:
    """What a group holds itself and can be read.

    No links to elsewhere, which may run in circles or lead out of the file, and no numbers of unknown kinds.
    """
    names = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
    found = {name: group[name] for name in names}
    return {name: each for name, each in found.items() if not _is_elsewhere(each) and _has_type(each)}


def _has_type(member: Any) -> bool:
    """Whether the type of a dataset is one that NumPy has; damaged files say anything."""
    try:
        return not isinstance(member, h5py.Dataset) or member.dtype is not None
    except (ValueError, TypeError):
        return False


def _is_elsewhere(member: Any) -> bool:
    """Whether the numbers of a dataset lie in other files."""
    return isinstance(member, h5py.Dataset) and (member.is_virtual or bool(member.external))


def _datasets(group: Any) -> dict[str, _Column]:
    """The datasets of a group that have rows; those of a jagged group with the lengths of their lists."""
    members = _members(group)
    found = {name: each for name, each in members.items() if isinstance(each, h5py.Dataset) and each.shape}
    if JAGGED not in group.attrs:
        return {name: _Column(dataset) for name, dataset in found.items()}
    lengths = {name: found.get(f"n{name}", found.get(f"n{name.partition('_')[0]}")) for name in found}
    return {name: _Column(each, lengths=lengths[name]) for name, each in found.items()}


def _pandas(group: Any) -> dict[str, _Column] | None:
    """The float and the integer block of a pandas table (a compound `table`) or fixed frame, None for anything else.

    The blocks are told apart by their types: their number and order follow those, and what pandas says of them is
    pickled. Two blocks of floats would make the columns ambiguous, the wider one is taken.
    """
    members = _members(group)
    table = members.get("table")
    blocks: list[_Column] = []
    if isinstance(table, h5py.Dataset) and table.dtype.names:
        names = [name for name in table.dtype.names if name.startswith("values_block_")]
        blocks = [_Column(table, name) for name in names if table.dtype[name].shape]
    else:
        names = [name for name in members if name.startswith("block") and name.endswith("_values")]
        blocks = [_Column(members[name]) for name in names if len(members[name].shape) == 2]
    if not blocks:
        return None
    found = {}
    for key, kinds in ((FLOATS, "f"), (INTEGERS, "iu")):
        fitting = [(each.shape[-1], each) for each in blocks if _kind(each) in kinds]
        if fitting:
            found[key] = max(fitting, key=lambda pair: pair[0])[1]
    return found


def _kind(column: _Column) -> str:
    return str(column.dtype.base.kind)
