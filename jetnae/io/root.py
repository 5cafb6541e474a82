"""ROOT trees to chunks of `Jets`, streaming."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot

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
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jetnae.io.layouts import Layout
    from jetnae.io.options import ReadOptions
    from jetnae.jets import IntArray, Jets

    Data = dict[str, Any]


@contextmanager
def open_jets(path: Path, options: ReadOptions) -> Iterator[JetFile]:
    """Open a ROOT file for reading its jets once, in chunks of events; raises `InputError` if no layout fits."""
    with reading(path, "ROOT"):
        # Every basket is read once, so nothing is cached, and plain reads instead of a map of the file: mapped pages
        # would count as memory of ours, as many as the file is long.
        file = uproot.open(path, array_cache=None, handler=uproot.MultithreadedFileSource)
    with file:
        with reading(path, "ROOT"):
            found = _match(file, path, options)
            tree = file[found.layout.tree]
            columns = _columns(tree, found, options.keep, path)
        chunks = _chunks(tree, found, columns, path=path, chunk_size=options.chunk_size)
        yield JetFile(found, int(tree.num_entries), str(file.file.uuid), chunks)


def _chunks(tree: Any, found: Match, columns: dict[str, str], *, path: Path, chunk_size: int | None) -> Iterator[Jets]:
    """The jets in order; an empty tree gives one empty chunk."""
    names = {*found.collection.required, *columns.values(), *_label_name(tree, found)}
    wanted = names.__contains__  # by name: what uproot calls expressions would be evaluated
    with reading(path, "ROOT"):
        step = chunk_size or max(int(tree.num_entries_for(TARGET_BYTES, filter_name=wanted)), 1)
    for start, stop in ranges(tree.num_entries, step):
        with reading(path, "ROOT"):
            data = tree.arrays(filter_name=wanted, entry_start=start, entry_stop=stop, how=dict)
        rows = Rows(stop - start, start, {key: _plain(data[name]) for key, name in columns.items()})
        with fitting(path, found):
            jets = _LINKS[found.collection.link](data, rows, found)
        yield jets


def _match(file: Any, path: Path, options: ReadOptions) -> Match:
    known = {layout.tree for layout in LAYOUTS.values()}
    classes = file.classnames(cycle=False, recursive=False)
    trees = [name for name, kind in classes.items() if kind in {"TTree", "ROOT::RNTuple"}]
    names = {tree: {str(key) for key in file[tree].keys(recursive=False)} if tree in known else set() for tree in trees}
    return match_layout(names, _candidates(options.layout), options.collection, path=str(path))


def _candidates(layout: str | None) -> Sequence[Layout]:
    if layout is not None:
        return [find_layout(layout, "root")]
    return [layout for layout in LAYOUTS.values() if layout.container == "root"]


def _columns(tree: Any, found: Match, keep: Sequence[str], path: Path) -> dict[str, str]:
    """Event columns to carry along: our name to the branch; raises `InputError` for what cannot be kept."""
    present = set(tree.keys(recursive=False))
    for name in keep:
        if name not in present:
            raise InputError(f"{path}: no branch {name} to keep in '{found.layout.tree}'")
        if name.startswith("jetnae_"):
            raise InputError(f"{path}: the branch {name} cannot be kept, our own columns have such names")
        if not _is_numeric(tree[name].array(entry_stop=0)):
            raise InputError(f"{path}: the branch {name} cannot be kept, only numbers and lists of numbers can")
    known = {key: name for key, name in found.layout.optional.items() if name in present}
    return {**known, **{name: name for name in keep}}


def _is_numeric(column: Any) -> bool:
    content = ak.to_layout(column)
    if content.is_list and content.parameter("__array__") is None:
        content = content.content
    return bool(content.is_numpy and content.purelist_depth == 1)


def _label_name(tree: Any, found: Match) -> list[str]:
    rule = found.collection.label
    return [rule.name] if rule is not None and rule.name in tree else []


def _plain(column: Any) -> Any:
    return column if column.ndim > 1 else ak.to_numpy(column)


def _counts(column: Any) -> IntArray:
    return np.asarray(ak.num(column, axis=1), dtype=np.int64)


def _flat(data: Data, name: str, counts: IntArray) -> Any:
    """A list column flattened; raises `ValueError` where its lists are not as long as the others'."""
    if not np.array_equal(_counts(data[name]), counts):
        raise ValueError(f"the lists of {name} have other lengths than those beside it")
    return ak.to_numpy(ak.flatten(data[name], axis=1))


def _constituent_columns(data: Data, found: Match) -> tuple[dict[str, Any], IntArray]:
    """The flat columns of all constituents, and how many there are per row."""
    names = found.collection.constituents
    counts = _counts(data[next(iter(names.values()))])
    return {key: _flat(data, name, counts) for key, name in names.items()}, counts


def _per_row(data: Data, rows: Rows, found: Match) -> Jets:
    columns, counts = _constituent_columns(data, found)
    label = found.collection.label
    return build_jets(
        Constituents(momenta(columns), counts),
        rows,
        found,
        np.arange(rows.first_event, rows.first_event + rows.n_events),
        jets={key: ak.to_numpy(data[name]) for key, name in found.collection.jets.items()},
        label=ak.to_numpy(data[label.name]) if label is not None and label.name in data else None,
    )


def _inline(data: Data, rows: Rows, found: Match) -> Jets:
    columns, counts = _constituent_columns(data, found)
    n_jets = _counts(data[found.collection.jets["pt"]])
    return _grouped(data, rows, found, columns=columns, owner=_owners(data, found, counts, n_jets), n_jets=n_jets)


def _index_table(data: Data, rows: Rows, found: Match) -> Jets:
    collection = found.collection
    columns, size = _constituent_columns(data, found)
    n_jets = _counts(data[collection.jets["pt"]])
    links = _counts(data[collection.constituent_index])
    owner = _owners(data, found, links, n_jets)
    event = np.repeat(np.arange(rows.n_events), links)
    entry = _flat(data, collection.constituent_index, links).astype(np.int64)
    inside = (entry >= 0) & (entry < size[event])
    entry = np.where(inside, entry + _starts(size)[event], 0)
    columns = {
        key: column[entry] if len(column) else np.zeros(len(entry), column.dtype) for key, column in columns.items()
    }
    return _grouped(data, rows, found, columns=columns, owner=np.where(inside, owner, -1), n_jets=n_jets)


def _starts(counts: IntArray) -> IntArray:
    return np.cumsum(counts) - counts


def _owners(data: Data, found: Match, links: IntArray, n_jets: IntArray) -> IntArray:
    """For each link its jet, counted through the chunk; -1 for none."""
    event = np.repeat(np.arange(len(n_jets)), links)
    local = _flat(data, found.collection.jet_index, links).astype(np.int64)
    inside = (local >= 0) & (local < n_jets[event])
    return np.where(inside, local + _starts(n_jets)[event], -1)


def _grouped(
    data: Data, rows: Rows, found: Match, *, columns: dict[str, Any], owner: IntArray, n_jets: IntArray
) -> Jets:
    """Sort constituents by the jet that owns them, keeping their order inside the jet."""
    order = np.argsort(owner, kind="stable")
    order = order[np.count_nonzero(owner < 0) :]
    counts = np.bincount(owner[order], minlength=int(n_jets.sum()))
    columns = {key: column[order] for key, column in columns.items()}
    label = found.collection.label
    return build_jets(
        Constituents(momenta(columns), counts, n_dropped=len(owner) - len(order)),
        rows,
        found,
        np.repeat(np.arange(rows.first_event, rows.first_event + rows.n_events), n_jets),
        jets={key: _flat(data, name, n_jets) for key, name in found.collection.jets.items()},
        label=_flat(data, label.name, n_jets) if label is not None and label.name in data else None,
    )


_LINKS: dict[str, Callable[[Data, Rows, Match], Jets]] = {
    "inline": _inline,
    "index_table": _index_table,
    "per_row": _per_row,
}
