"""HDF5 tables to chunks of `Jets`, streaming. Pickled attributes that pandas leaves behind are never touched."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin  # noqa: F401  registers the blosc, lz4 and zstd filters with h5py
import numpy as np

from jetnae.errors import InputError
from jetnae.io.assemble import (
    TARGET_BYTES,
    Constituents,
    JetFile,
    Rows,
    build_jets,
    fitting,
    momenta,
    ranges,
    reading,
)
from jetnae.io.layouts import LAYOUTS, Match, find_layout, match_layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jetnae.io.options import ReadOptions
    from jetnae.jets import Jets

TRUTH_COLUMNS = 4
"""The reference table ends its floats with truthE, truthPX, truthPY, truthPZ."""


@contextmanager
def open_jets(path: Path, options: ReadOptions) -> Iterator[JetFile]:
    """Open an HDF5 file for reading its jets once, in chunks of rows; raises `InputError` if no layout fits."""
    with reading(path, "HDF5"):
        file = h5py.File(path, "r")
    with file:
        with reading(path, "HDF5"):
            found = _match(file, path, options)
            table = file[found.layout.tree]
        if options.keep:
            raise InputError(f"{path}: the layout '{found.layout.name}' has no columns to keep")
        yield JetFile(
            found, len(table), _identity(path), _chunks(table, found, path=path, chunk_size=options.chunk_size)
        )


def _chunks(table: Any, found: Match, *, path: Path, chunk_size: int | None) -> Iterator[Jets]:
    """The jets in order; an empty table gives one empty chunk."""
    step = chunk_size or max(TARGET_BYTES // table.dtype.itemsize, 1)
    for start, stop in ranges(len(table), step):
        with reading(path, "HDF5"):
            data = table[start:stop]
        with fitting(path, found):
            jets = _padded(data, Rows(stop - start, start, {}), found)
        yield jets


def _identity(path: Path) -> str:
    """A stand-in for a file uuid, which HDF5 lacks: a hash of the size and the first megabyte."""
    with path.open("rb") as file:
        head = file.read(1_000_000)
    return hashlib.sha256(f"{path.stat().st_size}".encode() + head).hexdigest()[:32]


def _match(file: Any, path: Path, options: ReadOptions) -> Match:
    names: dict[str, set[str]] = {}
    candidates = [layout for layout in LAYOUTS.values() if layout.container == "hdf5"]
    if options.layout is not None:
        candidates = [find_layout(options.layout, "hdf5")]
    for layout in candidates:
        table = file.get(layout.tree)
        if isinstance(table, h5py.Dataset):
            names[layout.tree] = _column_names(table)
    if not names:
        names.update({str(key): set() for key in file})
    return match_layout(names, candidates, options.collection, path=str(path))


def _column_names(table: Any) -> set[str]:
    """The columns a pandas table must hold, judged by the widths of its blocks, not by pickled metadata."""
    floats, integers = _blocks(table.dtype)
    names = {"E", "PX", "PY", "PZ"} if floats else set()
    return names | ({"is_signal_new"} if integers else set())


def _blocks(dtype: Any) -> tuple[str, str]:
    """The names of the block with the four-vectors and of the one with the labels; "" where there is none."""
    floats = integers = ""
    for name in dtype.names or ():
        kind, shape = dtype[name].base.kind, dtype[name].shape
        if kind == "f" and len(shape) == 1 and shape[0] >= 4 and shape[0] % 4 == 0:
            floats = name
        elif kind in "iu" and len(shape) == 1:
            integers = name
    return floats, integers


def _padded(data: Any, rows: Rows, found: Match) -> Jets:
    floats, integers = _blocks(data.dtype)
    values = data[floats]
    n_slots = (values.shape[1] - TRUTH_COLUMNS) // 4
    values = values[:, : 4 * n_slots].reshape(len(values), n_slots, 4)
    used = values[..., 0] != 0  # NaN counts as used, so that it is reported and not passed over
    energy, px, py, pz = (values[..., i][used] for i in range(4))
    columns = {"px": px, "py": py, "pz": pz, "energy": energy}
    return build_jets(
        Constituents(momenta(columns), np.count_nonzero(used, axis=1)),
        rows,
        found,
        np.arange(rows.first_event, rows.first_event + rows.n_events),
        jets={},
        label=data[integers][:, -1] if integers else None,
    )
