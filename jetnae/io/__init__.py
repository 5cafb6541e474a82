"""Reading jets: open a path, detect how it is laid out, stream it; one clear error when that cannot be done."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jetnae.errors import InputError
from jetnae.io import hdf5, npz, parquet, root
from jetnae.io.known import LAYOUTS
from jetnae.io.matching import Match, choose, find_layouts
from jetnae.io.options import ReadOptions
from jetnae.io.remote import RemotePath, located, require_readable
from jetnae.io.stream import JetFile, jet_file
from jetnae.io.sums import sum_of_weights
from jetnae.jets import concatenate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from jetnae.io.source import Source
    from jetnae.jets import Jets

__all__ = [
    "LAYOUTS",
    "READERS",
    "JetFile",
    "Match",
    "ReadOptions",
    "Reader",
    "RemotePath",
    "container_of",
    "generated_weights",
    "iter_jets",
    "located",
    "open_jets",
    "open_source",
    "read_jets",
    "require_one_layout",
]


class Reader(Protocol):
    """What a container's module offers: an open file as a source of columns."""

    def open_source(self, path: Path) -> AbstractContextManager[Source]: ...


READERS: dict[str, Reader] = {"ROOT": root, "HDF5": hdf5, "Parquet": parquet, "NumPy archive": npz}
_MAGIC = {
    b"root": "ROOT",
    b"\x89HDF": "HDF5",
    b"PAR1": "Parquet",
    b"PK\x03\x04": "NumPy archive",
    b"PK\x05\x06": "NumPy archive",
}


def container_of(path: str | Path) -> str:
    """The kind of a file, by its first bytes; raises `InputError` for anything that no reader knows.

    Files on other machines are ROOT files, or none that can be read.
    """
    path = located(path)
    if isinstance(path, RemotePath):
        require_readable(path)
        return "ROOT"
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected one of {', '.join(READERS)} files") from error
    if magic not in _MAGIC:
        found = "an empty file" if not magic else f"first bytes {magic!r}"
        raise InputError(f"{path}: {found}, expected a file of one of {', '.join(READERS)}")
    return _MAGIC[magic]


def open_source(path: str | Path) -> AbstractContextManager[Source]:
    """Open a file as trees of columns; raises `InputError` when it cannot be read."""
    return READERS[container_of(path)].open_source(located(path))


def generated_weights(path: str | Path) -> float:
    """Sum of the generator weights of all events that a file was made from; raises `InputError` if it does not say."""
    with open_source(path) as source:
        return sum_of_weights(source, located(path))


def require_one_layout(paths: Sequence[str | Path], options: ReadOptions) -> None:
    """Raises `InputError` where files that belong together are laid out differently, or hold other jets."""
    found: dict[tuple[str, str], str | Path] = {}
    for path in paths:
        with open_source(path) as source:
            match = choose(source, find_layouts(options.layout), options.collection, str(path))
        found.setdefault((match.layout.name, match.collection.name), path)
    if len(found) > 1:
        several = ", ".join(f"{path} is {layout} with jets {jets}" for (layout, jets), path in found.items())
        raise InputError(f"files of different layouts in one call ({several}): take them one layout at a time")


@contextmanager
def open_jets(path: str | Path, options: ReadOptions | None = None) -> Iterator[JetFile]:
    """Open a file of jets; raises `InputError` when it cannot be read or no layout fits."""
    options = options or ReadOptions()
    layouts = find_layouts(options.layout)
    with open_source(path) as source:
        match = choose(source, layouts, options.collection, str(path))
        yield jet_file(source, match, options, located(path))


def iter_jets(path: str | Path, options: ReadOptions | None = None) -> Iterator[Jets]:
    """Stream the jets of a file in chunks of events; memory does not grow with the file."""
    with open_jets(path, options) as file:
        yield from file.chunks


def read_jets(
    path: str | Path,
    *,
    layout: str | None = None,
    collection: str | None = None,
    keep: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
) -> Jets:
    """Read all jets of a file into memory, with their constituents where there are any (GeV, rad).

    layout, collection, keep, columns : see `ReadOptions`. Raises `InputError` when the file cannot be read or no layout
    fits.
    """
    return concatenate(list(iter_jets(path, ReadOptions(layout, collection, keep=keep, columns=columns))))
