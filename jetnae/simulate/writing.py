"""Simulated jets to ROOT and, in the layout of the top-tagging reference set, to HDF5."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import awkward as ak
import h5py
import hdf5plugin
import numpy as np
import uproot

from jetnae.simulate.chunks import Chunk
from jetnae.simulate.clustering import ranges
from jetnae.simulate.generator import FloatArray, IntArray

N_PADDED = 200
_BLOCK_0 = [f"{name}_{i}" for i in range(N_PADDED) for name in ("E", "PX", "PY", "PZ")]
_BLOCK_0 += ["truthE", "truthPX", "truthPY", "truthPZ"]
_BLOCK_1 = ["ttv", "is_signal_new"]
_ROW = np.dtype([("index", "<i8"), ("values_block_0", "<f4", (804,)), ("values_block_1", "<i8", (2,))])


class RootWriter:
    """Tree `events` with grouped `Jet` and `Constituent` branches; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = uproot.recreate(path, compression=uproot.ZSTD(5))
        kinematics = "pt: float32, eta: float32, phi: float32, mass: float32"
        self._tree = self._file.mktree(
            "events",
            {
                "run": "uint32",
                "luminosityBlock": "uint32",
                "event": "uint64",
                "weight": "float64",
                "process": "int32",
                "met_pt": "float32",
                "met_phi": "float32",
                "Jet": f"var * {{{kinematics}, label: int32}}",
                "Constituent": f"var * {{{kinematics}, jetIdx: int32}}",
            },
            counter_name=lambda collection: f"n{collection}",
            title="simulated jets",
        )

    def __enter__(self) -> "RootWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, chunk: Chunk) -> None:
        """Append the events of a chunk as one basket per branch."""
        jets = {name: values for name, values in chunk.jet.items() if name != "truth"}
        first_jet = np.cumsum(chunk.n_jets) - chunk.n_jets
        per_event = np.add.reduceat(chunk.n_constituents, first_jet) if len(first_jet) else chunk.n_jets
        jet, constituent = ak.unflatten(ak.zip(jets), chunk.n_jets), ak.unflatten(ak.zip(chunk.constituent), per_event)
        self.extend(chunk.event | {"Jet": jet, "Constituent": constituent})

    def extend(self, events: Mapping[str, Any]) -> None:
        """Append events given as columns, with the records `Jet` and `Constituent` per event."""
        self._tree.extend(dict(events))

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        """Store how the sample was made as a JSON string named `provenance`."""
        self._file["provenance"] = json.dumps(provenance, indent=1)


class Hdf5Writer:
    """`/table/table` of the top-tagging reference set, readable by pandas (key "table"); a context manager.

    Beside it `/weight` and `/event` repeat the weight and event number of each jet, which that layout has no
    place for. The column `ttv` splits by event number into training (0), test (1) and validation (2), three
    to one to one.
    """

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "w")
        blosc = hdf5plugin.Blosc(cname="blosclz", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
        group = self._file.create_group("table")
        self._table = group.create_dataset("table", (0,), _ROW, maxshape=(None,), chunks=(128,), **blosc)
        self._weight = self._file.create_dataset("weight", (0,), "f8", maxshape=(None,), chunks=(8192,))
        self._event = self._file.create_dataset("event", (0,), "u8", maxshape=(None,), chunks=(8192,))
        _pandas_attributes(self._file, group, self._table)

    def __enter__(self) -> "Hdf5Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table.attrs["NROWS"] = np.int64(len(self._table))
        self._file.close()

    def write(self, chunk: Chunk) -> None:
        """Append one row per jet: leading 200 constituents as E, px, py, pz, matched parton, label."""
        event = np.repeat(chunk.event["event"], chunk.n_jets)
        rows = np.zeros(len(event), dtype=_ROW)
        start = len(self._table)
        rows["index"] = np.arange(start, start + len(rows))
        rows["values_block_0"][:, :-4] = _padded(chunk)
        rows["values_block_0"][:, -4:] = chunk.jet["truth"]
        rows["values_block_1"][:, 0] = np.array([0, 0, 0, 1, 2])[event % 5]
        rows["values_block_1"][:, 1] = chunk.jet["label"]
        weight = np.repeat(chunk.event["weight"], chunk.n_jets)
        for dataset, values in ((self._table, rows), (self._weight, weight), (self._event, event)):
            dataset.resize(start + len(rows), axis=0)
            dataset[start:] = values

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        """Store how the sample was made as a JSON string, attribute `provenance` of the file."""
        self._file.attrs["provenance"] = json.dumps(provenance, indent=1)


def _padded(chunk: Chunk) -> FloatArray:
    counts = chunk.n_constituents
    jet = np.repeat(np.arange(len(counts)), counts)
    place: IntArray = ranges(np.zeros(len(counts), dtype=np.int64), counts)
    keep = place < N_PADDED
    pt, eta, phi, mass = (chunk.constituent[name][keep].astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
    energy = np.hypot(pt * np.cosh(eta), mass)
    padded = np.zeros((len(counts), N_PADDED, 4))
    padded[jet[keep], place[keep]] = np.stack([energy, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
    return padded.reshape(len(counts), -1)


def _pandas_attributes(file: h5py.File, group: h5py.Group, table: h5py.Dataset) -> None:
    # What PyTables and pandas look for. They store lists as pickles (of text, protocol 0), so these are
    # written; nothing here ever reads one.
    def stored(value: object) -> np.bytes_:
        return np.bytes_(pickle.dumps(value, protocol=0))

    empty = h5py.Empty("S1")
    file.attrs.update(CLASS=b"GROUP", PYTABLES_FORMAT_VERSION=b"2.1", TITLE=empty, VERSION=b"1.0")
    group.attrs.update(
        CLASS=np.bytes_(b"GROUP"),
        TITLE=empty,
        VERSION=np.bytes_(b"1.0"),
        data_columns=stored([]),
        encoding=np.bytes_(b"UTF-8"),
        errors=np.bytes_(b"strict"),
        index_cols=stored([(0, "index")]),
        info=stored({1: {"names": [None], "type": "Index"}, "index": {}}),
        levels=np.int64(1),
        nan_rep=np.bytes_(b"nan"),
        non_index_axes=stored([(1, _BLOCK_0 + _BLOCK_1)]),
        pandas_type=np.bytes_(b"frame_table"),
        pandas_version=np.bytes_(b"0.15.2"),
        table_type=np.bytes_(b"appendable_frame"),
        values_cols=stored(["values_block_0", "values_block_1"]),
    )
    table.attrs.update(
        CLASS=np.bytes_(b"TABLE"), TITLE=empty, VERSION=np.bytes_(b"2.7"), index_kind=np.bytes_(b"integer")
    )
    for i, (name, dtype) in enumerate([("index", ""), ("values_block_0", "float32"), ("values_block_1", "int64")]):
        table.attrs[f"FIELD_{i}_NAME"] = np.bytes_(name.encode())
        table.attrs[f"FIELD_{i}_FILL"] = np.float32(0) if dtype == "float32" else np.int64(0)
        if dtype:
            table.attrs[f"{name}_dtype"] = np.bytes_(dtype.encode())
            table.attrs[f"{name}_kind"] = stored(_BLOCK_0 if dtype == "float32" else _BLOCK_1)
            table.attrs[f"{name}_meta"] = stored(None)
