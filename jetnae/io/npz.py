"""NumPy archives (npz) as a source of columns: streamed member by member, nothing is unpickled."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from jetnae.errors import InputError
from jetnae.io.assemble import MAX_ROW_BYTES, identity_of, ranges, reading
from jetnae.io.columns import has_part, pick, split

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from jetnae.io.source import Data, Rows


@dataclass(frozen=True)
class _Member:
    """An array of the archive: its rows follow each other in the stream, whatever else the archive holds."""

    shape: tuple[int, ...]
    dtype: Any
    problem: str = ""

    @property
    def n_rows(self) -> int:
        return self.shape[0] if self.shape else 0

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * int(self.dtype.itemsize)


@contextmanager
def open_source(path: Path) -> Iterator[NpzSource]:
    """Open a NumPy archive; raises `InputError` when it is none, is damaged, or holds objects."""
    with reading(path, "NumPy archive"):
        file = zipfile.ZipFile(path)
    with file:
        with reading(path, "NumPy archive"):
            source = NpzSource(file, path)
        yield source


class NpzSource:
    """The arrays of the archive, a tree without a name."""

    def __init__(self, file: zipfile.ZipFile, path: Path) -> None:
        self._file = file
        self._path = path
        self._members = {}
        for name in file.namelist():
            if name.endswith(".npy"):
                with file.open(name) as stream:
                    self._members[name.removesuffix(".npy")] = _header(stream)
        if not self._members:
            raise ValueError("no arrays in it")
        self.trees = {"": max(member.n_rows for member in self._members.values())}
        self.identity = identity_of(path)

    def columns(self, tree: str) -> Collection[str]:
        """The arrays."""
        return self._members

    def has(self, tree: str, column: str) -> bool:
        """Whether there is an array, and the position or slice of its last axis."""
        name, part = split(column)
        member = self._members.get(name)
        return member is not None and (bool(member.problem) or has_part(member.shape[1:], member.dtype, part))

    def width(self, tree: str, column: str) -> int | None:
        """The length of the last axis of an array with several numbers per row."""
        del tree
        member = self._members.get(split(column)[0])
        return member.shape[-1] if member is not None and len(member.shape) > 1 else None

    def n_rows(self, tree: str, columns: Collection[str]) -> int:
        """The rows of these arrays; raises `InputError` where they differ."""
        del tree
        rows = {name: self._members[name].n_rows for name in {split(column)[0] for column in columns}}
        if len(set(rows.values())) > 1:
            several = ", ".join(f"{name} {count}" for name, count in sorted(rows.items()))
            raise InputError(f"{self._path}: arrays of different numbers of rows ({several})")
        return next(iter(rows.values()), 0)

    def is_numeric(self, tree: str, column: str) -> bool:
        """Whether a column holds a number, or one list of numbers, per row."""
        name, part = split(column)
        member = self._members[name]
        return has_part(member.shape[1:], member.dtype, part) and len(member.shape) <= 2

    def rows_for(self, tree: str, columns: Collection[str], n_bytes: int) -> int:
        """How many rows of these columns fill so many bytes, at least one."""
        names = {split(column)[0] for column in columns}
        return max(n_bytes // max(sum(self._members[name].row_bytes for name in names), 1), 1)

    def parts(self, tree: str, columns: Collection[str], n_rows: int) -> list[Rows]:
        """One part: what is compressed in one stream has to be read from its beginning."""
        del n_rows
        return [(0, self.n_rows(tree, columns))]

    def chunks(
        self, tree: str, columns: Collection[str], step: int, rows: Rows | None = None
    ) -> Iterator[tuple[int, int, Data]]:
        """First row, end, and columns of each chunk of `step` rows, in order; no rows give one empty chunk."""
        names = {split(column)[0] for column in columns}
        with ExitStack() as stack:
            with reading(self._path, "NumPy archive"):
                streams = {name: stack.enter_context(self._file.open(f"{name}.npy")) for name in names}
                for stream in streams.values():
                    if problem := _header(stream).problem:
                        raise ValueError(problem)
                for name in names:
                    _skip(streams[name], (rows or (0, 0))[0] * self._members[name].row_bytes)
            for start, stop in ranges(self.n_rows(tree, columns), step, rows):
                with reading(self._path, "NumPy archive"):
                    data = {name: _rows(streams[name], self._members[name], stop - start) for name in names}
                    picked = {column: pick(data[split(column)[0]], split(column)[1]) for column in columns}
                yield start, stop, picked


def _header(stream: Any) -> _Member:
    """Shape and type of the array that begins here; the stream stands at its first row afterwards.

    What cannot be read is said in `problem`, when it is asked for: other arrays of the archive may be fine.
    """
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_column, dtype = read(stream)
    if dtype.hasobject:
        return _Member(shape, dtype, "an array of Python objects, which are never loaded")
    if by_column and len(shape) > 1:
        return _Member(shape, dtype, "an array in column order: save it with numpy.ascontiguousarray")
    member = _Member(shape, dtype)
    if member.row_bytes > MAX_ROW_BYTES:
        return _Member(shape, dtype, f"rows of {member.row_bytes} bytes")
    return member


def _skip(stream: Any, n_bytes: int) -> None:
    while n_bytes > 0:
        found = len(stream.read(min(n_bytes, 1 << 24)))
        if not found:
            raise ValueError(f"{n_bytes} bytes are missing")
        n_bytes -= found


def _rows(stream: Any, member: _Member, n_rows: int) -> Any:
    wanted = n_rows * member.row_bytes
    content = stream.read(wanted)
    if len(content) != wanted:
        raise ValueError(f"{len(content)} of {wanted} bytes")
    return np.frombuffer(content, dtype=member.dtype).reshape(n_rows, *member.shape[1:])
