"""Damaged files, files that lie, and files that mean harm."""

from __future__ import annotations

import os
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.io import open_source, read_jets
from tests.layout_files import (
    COUNTS,
    CROSSINGS,
    EVENTS,
    FEATURES_ONLY,
    WRITERS,
    write_toptag,
)

ALL = WRITERS | FEATURES_ONLY | EVENTS | CROSSINGS


@pytest.mark.parametrize("layout", ["jetnae", "toptag", "jetclass (Parquet)", "energyflow"])
def test_a_truncated_file_is_an_input_error(layout: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    size = path.stat().st_size
    for share in (0.05, 0.3, 0.6, 0.9, 0.99):
        cut = tmp_path / f"cut{path.suffix}"
        cut.write_bytes(path.read_bytes()[: int(share * size)])
        with pytest.raises(InputError, match=r"cut\."):
            read_jets(cut)


class Hostile:
    """Unpickling this would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_pickled_attributes_are_never_opened(tmp_path: Path) -> None:
    import pickle

    path = write_toptag(tmp_path)
    trap = tmp_path / "trap"
    with h5py.File(path, "a") as file:
        hostile = np.bytes_(pickle.dumps(Hostile(trap), protocol=0))
        for name in ("values_block_0_kind", "values_block_1_kind"):
            file["table/table"].attrs[name] = hostile
        file["table"].attrs["non_index_axes"] = hostile
    assert len(read_jets(path)) == len(COUNTS)
    assert not trap.exists()


def test_pickled_attributes_of_a_fixed_frame_are_never_opened(tmp_path: Path) -> None:
    import pickle

    path = WRITERS["toptag (fixed)"](tmp_path)
    trap = tmp_path / "trap"
    with h5py.File(path, "a") as file:
        for group in (file["df"], file["df/block0_values"], file["df/axis1"]):
            group.attrs["name"] = np.bytes_(pickle.dumps(Hostile(trap), protocol=0))
    assert len(read_jets(path)) == len(COUNTS)
    assert not trap.exists()


def test_archives_of_objects_are_refused(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    hostile = np.array([Hostile(trap)], dtype=object)
    np.savez(tmp_path / "hostile.npz", X=hostile, y=np.zeros(1))
    with pytest.raises(InputError, match="Python objects, which are never loaded"):
        read_jets(tmp_path / "hostile.npz")
    assert not trap.exists()


def test_tables_of_other_things_are_not_taken_for_jets(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["df/block0_values"] = np.ones((6, 24))
        file["df/block1_values"] = np.zeros((6, 1), dtype=int)
    np.savez(tmp_path / "images.npz", X=np.ones((6, 28, 28)), y=np.zeros(6))
    np.savez(tmp_path / "plain.npz", jets=np.zeros((5, 4)), constituents=np.zeros((5, 4)))
    for name in ("features.h5", "images.npz", "plain.npz"):
        with pytest.raises(InputError, match="no known jet layout fits"):
            read_jets(tmp_path / name)


def test_links_of_hdf5_lead_nowhere(tmp_path: Path) -> None:
    """Links may run in circles, dangle, or lead to other files: none is followed."""
    path = WRITERS["jetnet"](tmp_path)
    (tmp_path / "secret.bin").write_bytes(b"\1" * 6 * 40 * 4 * 8)
    with h5py.File(path, "a") as file:
        for i in range(300):
            file[f"loop{i}"] = h5py.SoftLink("/")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["outside"] = h5py.ExternalLink(str(tmp_path / "toptag.h5"), "/")
    assert len(read_jets(path)) == len(COUNTS)
    with open_source(path) as source:
        assert list(source.trees) == [""]
    with h5py.File(path, "a") as file:
        del file["particle_features"]
        outside = [(str(tmp_path / "secret.bin"), 0, 6 * 40 * 4 * 8)]
        file.create_dataset("particle_features", shape=(6, 40, 4), dtype="f8", external=outside)
    with pytest.raises(InputError, match="lacks particle_features@0"):
        read_jets(path)


@pytest.mark.parametrize("rows", [1, 7, 65, 1000 + 2**16, 2**40])
@pytest.mark.parametrize("chunks", [None, (16, 4)])
def test_a_dataset_of_another_length_than_is_stored_is_refused(
    chunks: tuple[int, int] | None, rows: int, tmp_path: Path
) -> None:
    """The number of rows in the file is changed, as flipped bits do; the library itself would fill up or hide rows."""
    path = tmp_path / "table.h5"
    table = np.ones((1000, 4))
    with h5py.File(path, "w") as file:
        file.create_dataset("table", data=table, chunks=chunks)
    with open_source(path) as source:
        assert sum(len(data["table"]) for _, _, data in source.chunks("", {"table"}, 300)) == 1000
    size = np.array([1000, 4], dtype="<u8").tobytes()
    data = path.read_bytes()
    assert data.count(size) == 2  # the shape, and how far it may grow
    path.write_bytes(data.replace(size, np.array([rows, 4], dtype="<u8").tobytes()))
    with pytest.raises(InputError, match=r"table\.h5: not a complete HDF5 file"), open_source(path) as source:
        list(source.chunks("", {"table"}, 300))


def test_numbers_in_the_other_byte_order_are_read(tmp_path: Path) -> None:
    path = WRITERS["structured"](tmp_path)
    before = read_jets(path)
    with h5py.File(path, "a") as file:
        for name in ("jets", "constituents"):
            table = file[name][:]
            del file[name]
            file[name] = table.astype(table.dtype.newbyteorder(">"))
    after = read_jets(path)
    assert after.pt.tolist() == before.pt.tolist()
    assert ak.to_list(after.constituents) == ak.to_list(before.constituents)


def test_absurd_sizes_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("particle_features", shape=(10, 10**7, 4), dtype="f8", chunks=(1, 1000, 4))
        file["jet_features"] = np.ones((10, 4))
    with pytest.raises(InputError, match="rows of 320000000 bytes"):
        read_jets(tmp_path / "huge.h5")
