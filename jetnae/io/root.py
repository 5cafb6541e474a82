"""ROOT trees to chunks of `Jets`, streaming."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot

from jetnae.errors import InputError, JetnaeError
from jetnae.io.assemble import Constituents, Rows, build_jets, fitting, momenta
from jetnae.io.layouts import LAYOUTS, Match, find_layout, match_layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jetnae.io.layouts import Layout
    from jetnae.io.options import ReadOptions
    from jetnae.jets import IntArray, Jets

TARGET_BYTES = 32_000_000
"""Uncompressed size of one chunk when the user does not choose: small beside torch, large beside a basket."""


def match(path: Path, options: ReadOptions) -> Match:
    """Find the layout and collection of a ROOT file; raises `InputError` if none fits."""
    with _reading(path), uproot.open(path) as file:
        return _match(file, path, options)


def count_events(path: Path, options: ReadOptions) -> int:
    """Number of rows of the tree that holds the jets."""
    with _reading(path), uproot.open(path) as file:
        return int(file[_match(file, path, options).layout.tree].num_entries)


def identity(path: Path) -> str:
    """The uuid ROOT gave the file when it was made."""
    with _reading(path), uproot.open(path) as file:
        return str(file.file.uuid)


def iter_jets(path: Path, options: ReadOptions) -> Iterator[Jets]:
    """Read a ROOT file in chunks of events, in order; an empty tree gives one empty chunk."""
    with _reading(path):
        file = uproot.open(path)
    with file:
        with _reading(path):
            found = _match(file, path, options)
            tree = file[found.layout.tree]
            columns = _columns(tree, found, options.keep, path)
            names = {*found.collection.required, *columns.values(), *_label_name(tree, found)}
            wanted = names.__contains__  # by name: what uproot calls expressions would be evaluated
            step = options.chunk_size or max(int(tree.num_entries_for(TARGET_BYTES, filter_name=wanted)), 1)
        for start in range(0, max(tree.num_entries, 1), step):
            stop = min(start + step, tree.num_entries)
            with _reading(path):
                data = tree.arrays(filter_name=wanted, entry_start=start, entry_stop=stop, how=dict)
            rows = Rows(stop - start, start, {key: _plain(data[name]) for key, name in columns.items()})
            with fitting(path, found):
                jets = _LINKS[found.collection.link](data, rows, found)
            yield jets


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes the library raise becomes one clear line."""
    try:
        yield
    except (JetnaeError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or 'truncated or damaged'})") from error
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: not a complete ROOT file ({reason[:120]}): copy or produce it again") from error


def _match(file: Any, path: Path, options: ReadOptions) -> Match:
    trees = {
        name: {str(key) for key in file[name].keys(recursive=False)}
        for name in _tree_names(file)
        if any(layout.tree == name for layout in LAYOUTS.values())
    }
    trees.update({name: set() for name in _tree_names(file) if name not in trees})
    return match_layout(trees, _candidates(options.layout), options.collection, path=str(path))


def _tree_names(file: Any) -> list[str]:
    classes = file.classnames(cycle=False, recursive=False)
    return [name for name, kind in classes.items() if kind in {"TTree", "ROOT::RNTuple"}]


def _candidates(layout: str | None) -> Sequence[Layout]:
    if layout is not None:
        return [find_layout(layout, "root")]
    return [layout for layout in LAYOUTS.values() if layout.container == "root"]


def _columns(tree: Any, found: Match, keep: Sequence[str], path: Path) -> dict[str, str]:
    present = set(tree.keys(recursive=False))
    absent = [name for name in keep if name not in present]
    if absent:
        raise InputError(f"{path}: no branch {', '.join(absent)} to keep in '{found.layout.tree}'")
    known = {key: name for key, name in found.layout.optional.items() if name in present}
    return {**known, **{name: name for name in keep}}


def _label_name(tree: Any, found: Match) -> list[str]:
    rule = found.collection.label
    return [rule.name] if rule is not None and rule.name in tree else []


def _plain(column: Any) -> Any:
    return column if column.ndim > 1 else ak.to_numpy(column)


def _flat(column: Any) -> Any:
    return ak.to_numpy(ak.flatten(column, axis=None))


def _per_row(data: dict[str, Any], rows: Rows, found: Match) -> Jets:
    collection = found.collection
    columns = {key: _flat(data[name]) for key, name in collection.constituents.items()}
    counts = ak.to_numpy(ak.num(data[collection.constituents["px"]], axis=1))
    return build_jets(
        Constituents(momenta(columns), counts),
        rows,
        found,
        np.arange(rows.first_event, rows.first_event + rows.n_events),
        jets={key: ak.to_numpy(data[name]) for key, name in collection.jets.items()},
        label=_label(data, found),
    )


def _label(data: dict[str, Any], found: Match) -> Any:
    rule = found.collection.label
    return _flat(data[rule.name]) if rule is not None and rule.name in data else None


def _inline(data: dict[str, Any], rows: Rows, found: Match) -> Jets:
    owner, n_jets = _owners(data, found)
    columns = {key: _flat(data[name]) for key, name in found.collection.constituents.items()}
    return _grouped(data, rows, found, columns=columns, owner=owner, n_jets=n_jets)


def _index_table(data: dict[str, Any], rows: Rows, found: Match) -> Jets:
    collection = found.collection
    owner, n_jets = _owners(data, found)
    table = data[collection.constituent_index]
    size = ak.to_numpy(ak.num(data[collection.constituents["pt"]], axis=1))
    event = np.repeat(np.arange(rows.n_events), ak.to_numpy(ak.num(table, axis=1)))
    entry = _flat(table).astype(np.int64)
    inside = (entry >= 0) & (entry < size[event])
    entry = np.where(inside, entry + _starts(size)[event], 0)
    columns = {key: _take(_flat(data[name]), entry) for key, name in collection.constituents.items()}
    return _grouped(data, rows, found, columns=columns, owner=np.where(inside, owner, -1), n_jets=n_jets)


def _take(column: Any, entry: IntArray) -> Any:
    return column[entry] if len(column) else np.zeros(len(entry), dtype=column.dtype)


def _starts(counts: IntArray) -> IntArray:
    return np.cumsum(counts) - counts


def _owners(data: dict[str, Any], found: Match) -> tuple[IntArray, IntArray]:
    """For each link its jet, counted through the chunk (-1 for none), and the number of jets per event."""
    index = data[found.collection.jet_index]
    n_jets = ak.to_numpy(ak.num(data[found.collection.jets["pt"]], axis=1))
    event = np.repeat(np.arange(len(n_jets)), ak.to_numpy(ak.num(index, axis=1)))
    local = _flat(index).astype(np.int64)
    inside = (local >= 0) & (local < n_jets[event])
    return np.where(inside, local + _starts(n_jets)[event], -1), n_jets


def _grouped(
    data: dict[str, Any],
    rows: Rows,
    found: Match,
    *,
    columns: dict[str, Any],
    owner: IntArray,
    n_jets: IntArray,
) -> Jets:
    """Sort constituents by the jet that owns them, keeping their order inside the jet."""
    total = int(n_jets.sum())
    order = np.argsort(owner, kind="stable")
    order = order[np.count_nonzero(owner < 0) :]
    counts = np.bincount(owner[order], minlength=total)
    columns = {key: column[order] for key, column in columns.items()}
    return build_jets(
        Constituents(momenta(columns), counts, n_dropped=len(owner) - len(order)),
        rows,
        found,
        np.repeat(np.arange(rows.first_event, rows.first_event + rows.n_events), n_jets),
        jets={key: _flat(data[name]) for key, name in found.collection.jets.items()},
        label=_label(data, found),
    )


_LINKS = {"inline": _inline, "index_table": _index_table, "per_row": _per_row}
