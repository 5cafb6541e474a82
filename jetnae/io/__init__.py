"""Reading jets: open a path, detect how it is laid out, stream it; one clear error when that cannot be done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jetnae.errors import InputError
from jetnae.io import hdf5, root
from jetnae.io.assemble import JetFile
from jetnae.io.layouts import LAYOUTS, Match
from jetnae.io.options import ReadOptions
from jetnae.jets import concatenate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from jetnae.jets import Jets

__all__ = [
    "LAYOUTS",
    "READERS",
    "JetFile",
    "Match",
    "ReadOptions",
    "Reader",
    "iter_jets",
    "open_jets",
    "read_jets",
    "reader_for",
]


class Reader(Protocol):
    """What a container's module offers: jets in chunks, at least one, in the order of the file."""

    def open_jets(self, path: Path, options: ReadOptions) -> AbstractContextManager[JetFile]: ...


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


def open_jets(path: str | Path, options: ReadOptions | None = None) -> AbstractContextManager[JetFile]:
    """Open a file of jets; raises `InputError` when it cannot be read or no layout fits."""
    return reader_for(path).open_jets(Path(path), options or ReadOptions())


def iter_jets(path: str | Path, options: ReadOptions | None = None) -> Iterator[Jets]:
    """Stream the jets of a file in chunks of events; memory does not grow with the file."""
    with open_jets(path, options) as file:
        yield from file.chunks


def read_jets(
    path: str | Path, *, layout: str | None = None, collection: str | None = None, keep: tuple[str, ...] = ()
) -> Jets:
    """Read all jets of a file into memory, with their constituents (GeV, rad).

    Raises `InputError` when the file cannot be read or no layout fits.
    """
    return concatenate(list(iter_jets(path, ReadOptions(layout, collection, keep=keep))))
