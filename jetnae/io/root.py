"""ROOT files, TTree and RNTuple, as a source of columns."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import awkward as ak
import uproot

from jetnae.io.assemble import ranges, reading, split_at
from jetnae.io.columns import pick, split
from jetnae.io.remote import RemotePath

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from jetnae.io.source import Data, Rows

KINDS = {"TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple"}


@contextmanager
def open_source(path: Path) -> Iterator[RootSource]:
    """Open a ROOT file; raises `InputError` when it is none or is damaged."""
    with reading(path, "ROOT"):
        # Every basket is read once, so nothing is cached, and plain reads instead of a map of the file: mapped pages
        # would count as memory of ours, as many as the file is long. Its one thread would only wait, and an
        # interruption at the wrong moment would leave it waiting for ever.
        handler = uproot.source.fsspec.FSSpecSource if isinstance(path, RemotePath) else uproot.MultithreadedFileSource
        file = uproot.open(_whole(path), array_cache=None, handler=handler, use_threads=False)
    with file:
        with reading(path, "ROOT"):
            source = RootSource(file, path)
        yield source


def _whole(path: Path) -> Any:
    """A file as uproot takes it; in text it would look for the name of a tree after a colon."""
    return {str(path): None} if isinstance(path, RemotePath) else path


class RootSource:
    """The trees of a ROOT file, of each the highest cycle, with the last names of their branches as columns."""

    def __init__(self, file: Any, path: Path) -> None:
        kinds = file.classnames(cycle=False)
        self._trees = {name: file[name] for name, kind in kinds.items() if kind in KINDS}
        self._path = path
        self.trees = {name: int(tree.num_entries) for name, tree in self._trees.items()}
        self.identity = str(file.file.uuid)
        self.columns = cache(self._columns)

    def _columns(self, tree: str) -> Collection[str]:
        found = self._trees[tree]
        keys = found.keys(full_paths=False) if isinstance(found, uproot.TTree) else found.keys(recursive=False)
        return dict.fromkeys(key for key in keys if key and not key.startswith("_collection"))

    def has(self, tree: str, column: str) -> bool:
        """Whether a tree has a column; a field of a branch is there if the branch is not split further."""
        branch, part = split(column)
        if branch not in self.columns(tree):
            return False
        return not part or part[-1].isdigit() or not getattr(self._trees[tree][branch], "branches", ())

    def width(self, tree: str, column: str) -> int | None:
        """Nothing here: arrays of fixed length are not told from lists."""
        del tree, column
        return None

    def n_rows(self, tree: str, columns: Collection[str]) -> int:
        """The rows of a tree, the same for all columns."""
        del columns
        return self.trees[tree]

    def is_numeric(self, tree: str, column: str) -> bool:
        """Whether a column holds a number, or one list of numbers, per row."""
        branch, part = split(column)
        with reading(self._path, "ROOT"):
            content = ak.to_layout(pick(self._trees[tree][branch].array(entry_stop=0), part))
        if content.is_list and content.parameter("__array__") is None:
            content = content.content
        return bool(content.is_numpy and content.purelist_depth == 1)

    def rows_for(self, tree: str, columns: Collection[str], n_bytes: int) -> int:
        """How many rows of these columns fill so many bytes, at least one."""
        names = {split(column)[0] for column in columns}
        with reading(self._path, "ROOT"):
            return max(int(self._trees[tree].num_entries_for(n_bytes, filter_name=names.__contains__)), 1)

    def parts(self, tree: str, columns: Collection[str], n_rows: int) -> list[Rows]:
        """Parts that begin and end where baskets of all columns, or clusters, do."""
        found = self._trees[tree]
        names = {split(column)[0] for column in columns}
        with reading(self._path, "ROOT"):
            if isinstance(found, uproot.TTree):
                boundaries = found.common_entry_offsets(filter_name=names.__contains__)
            else:
                boundaries = [*(each.num_first_entry for each in found.cluster_summaries), found.num_entries]
            return split_at(boundaries, n_rows)

    def _require_whole(self, tree: str, names: Collection[str]) -> None:
        """Raises `InputError` where the baskets of a branch do not hold as many rows as the tree says."""
        found, n_rows = self._trees[tree], self.trees[tree]
        if not isinstance(found, uproot.TTree):
            return
        with reading(self._path, "ROOT"):
            for name in names:
                branch = found[name]
                if branch.num_baskets and int(branch.entry_offsets[-1]) != n_rows:
                    raise ValueError(f"{branch.entry_offsets[-1]} of {n_rows} rows in the branch {name}")

    def chunks(
        self, tree: str, columns: Collection[str], step: int, rows: Rows | None = None
    ) -> Iterator[tuple[int, int, Data]]:
        """First row, end, and columns of each chunk of `step` rows, in order; no rows give one empty chunk."""
        self._require_whole(tree, {split(column)[0] for column in columns})
        names = {split(column)[0] for column in columns}
        wanted = names.__contains__  # by name: what uproot calls expressions would be evaluated
        for start, stop in ranges(self.trees[tree], step, rows):
            with reading(self._path, "ROOT"):
                data = self._trees[tree].arrays(filter_name=wanted, entry_start=start, entry_stop=stop, how=dict)
                picked = {column: pick(data[split(column)[0]], split(column)[1]) for column in columns}
            yield start, stop, picked
