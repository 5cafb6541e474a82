"""Reading jets: open a path, detect how it is laid out, stream it; one clear error when that cannot be done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jetnae.errors import InputError
from jetnae.io import hdf5, root
from jetnae.io.layouts import LAYOUTS, Match
from jetnae.io.options import ReadOptions
from jetnae.jets import concatenate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetnae.jets import Jets

__all__ = ["LAYOUTS", "READERS", "Match", "ReadOptions", "Reader", "iter_jets", "read_jets", "reader_for"]


class Reader(Protocol):
    """What a container's module offers; `iter_jets` yields at least one chunk, in the order of the file."""

    def match(self, path: Path, options: ReadOptions) -> Match: ...
    def count_events(self, path: Path, options: ReadOptions) -> int: ...
    def identity(self, path: Path) -> str: ...
    def iter_jets(self, path: Path, options: ReadOptions) -> Iterator[Jets]: ...


READERS: dict[str, Reader] = {"root": root, "hdf5": hdf5}
_MAGIC = {b"root": "root", b"\x89HDF": "hdf5"}


def reader_for(path: str | Path) -> Reader:
    """The reader of a file, by its first bytes; raises `InputError` for anything that is not ROOT or HDF5."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a ROOT or HDF5 file") from error
    if magic not in _MAGIC:
        found = "an empty file" if not magic else f"first bytes {magic!r}"
        raise InputError(f"{path}: not a ROOT or HDF5 file ({found})")
    return READERS[_MAGIC[magic]]


def iter_jets(path: str | Path, options: ReadOptions | None = None) -> Iterator[Jets]:
    """Stream the jets of a file in chunks of events; memory does not grow with the file."""
    return reader_for(path).iter_jets(Path(path), options or ReadOptions())


def read_jets(
    path: str | Path, *, layout: str | None = None, collection: str | None = None, keep: tuple[str, ...] = ()
) -> Jets:
    """Read all jets of a file into memory, with their constituents (GeV, rad).

    Raises `InputError` when the file cannot be read or no layout fits.
    """
    return concatenate(list(iter_jets(path, ReadOptions(layout, collection, keep=keep))))
