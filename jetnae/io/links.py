"""How constituents find their jets: one function per kind of link, columns of a chunk in, jets found out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.io.assemble import Constituents, Found, momenta
from jetnae.io.ordering import ordered_counts
from jetnae.jets import FOUR_VECTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jetnae.io.layouts import Collection
    from jetnae.io.source import Data, Source
    from jetnae.jets import FloatArray, IntArray

    Flat = dict[str, Any]

UNIQUE = 0xFFFFFF
"""The bits of a ROOT unique number that identify an object; those above may carry a process number."""
MAX_JETS = 100_000
"""No event has more; a larger index is a broken one, and would ask for as many jets."""


def counts_of(column: Any) -> IntArray:
    """The lengths of a column's lists, (n_rows,); raises `ValueError` for negative ones, of damaged files."""
    layout = ak.to_layout(column)
    if isinstance(layout, ak.contents.ListOffsetArray):  # many times as fast as counting, as files mostly are
        counts = np.diff(np.asarray(layout.offsets)).astype(np.int64, copy=False)
        if len(counts) and counts.min() < 0:
            raise ValueError("lists of negative lengths")
        return counts
    return np.asarray(ak.num(column, axis=1), dtype=np.int64)


def flat(data: Data, name: str, counts: IntArray) -> Any:
    """A list column flattened; raises `ValueError` where its lists are not as long as the others'."""
    if not np.array_equal(counts_of(data[name]), counts):
        raise ValueError(f"the lists of {name} have other lengths than those beside it")
    layout = ak.to_layout(data[name])
    if isinstance(layout, ak.contents.ListOffsetArray) and layout.content.is_numpy:
        return np.asarray(layout.content.data)[int(layout.offsets[0]) : int(layout.offsets[-1])]
    return ak.to_numpy(ak.flatten(data[name], axis=1))


def listed(data: Data, names: Mapping[str, str]) -> tuple[Flat, IntArray]:
    """Constituent columns flattened, and how many there are per row; of padded slots only the used ones."""
    first = data[_first(names)]
    if isinstance(first, np.ndarray) and first.ndim == 2:
        return _used_slots({key: np.asarray(data[name]) for key, name in names.items()})
    counts = counts_of(first)
    return {key: flat(data, name, counts) for key, name in names.items()}, counts


def _used_slots(columns: Flat) -> tuple[Flat, IntArray]:
    """A slot is used where its mask, energy or pT is not zero; NaN counts as used, so that it is reported."""
    by = next(name for name in ("mask", "energy", "pt", "ptrel") if name in columns)
    used = columns[by] != 0
    return {key: column[used] for key, column in columns.items() if key != "mask"}, np.count_nonzero(used, axis=1)


def _starts(counts: IntArray) -> IntArray:
    return np.cumsum(counts) - counts


def _per_row(data: Data, collection: Collection) -> Found:
    columns, counts = listed(data, collection.constituents)
    jets = _flat_jets(data, collection.jets)
    if "ptrel" in columns:
        columns = _absolute(columns, jets, counts)
    return Found(
        np.ones(len(counts), dtype=np.int64),
        Constituents(momenta(columns), counts),
        jets=jets,
        features=_flat_jets(data, collection.features),
        label=_row_label(data, collection),
    )


def _flat_jets(data: Data, names: Mapping[str, str]) -> Flat:
    return {key: np.asarray(data[name]) for key, name in names.items() if name in data}


def _row_label(data: Data, collection: Collection) -> Any:
    rule = collection.label
    return np.asarray(data[rule.name]) if rule is not None and rule.name in data else None


def _absolute(columns: Flat, jets: Flat, counts: IntArray) -> Flat:
    """Constituents relative to the jet axis and pT as momenta of their own; masses are taken as zero."""
    pt, eta = (np.repeat(np.asarray(jets[name], dtype=np.float64), counts) for name in ("pt", "eta"))
    phi = np.repeat(jets["phi"], counts) if "phi" in jets else 0.0
    return {"pt": columns["ptrel"] * pt, "eta": columns["etarel"] + eta, "phi": columns["phirel"] + phi}


def _none(data: Data, collection: Collection) -> Found:
    first = data[_first(collection.jets)]
    if first.ndim == 1:
        n_jets = np.ones(len(first), dtype=np.int64)
        jets, features = _flat_jets(data, collection.jets), _flat_jets(data, collection.features)
        return Found(n_jets, None, jets=jets, features=features, label=_row_label(data, collection))
    return _of_events(data, collection, counts_of(first), None)


def _first(names: Mapping[str, str]) -> str:
    return next(iter(names.values()))


def _of_events(data: Data, collection: Collection, n_jets: IntArray, constituents: Constituents | None) -> Found:
    """Jets of events: their columns flattened, in the order of the file."""
    rule = collection.label
    return Found(
        n_jets,
        constituents,
        jets={key: flat(data, name, n_jets) for key, name in collection.jets.items() if name in data},
        features={key: flat(data, name, n_jets) for key, name in collection.features.items() if name in data},
        label=flat(data, rule.name, n_jets) if rule is not None and rule.name in data else None,
    )


def _inline(data: Data, collection: Collection) -> Found:
    columns, counts = listed(data, collection.constituents)
    if collection.jets and all(name in data for name in collection.jets.values()):
        n_jets = counts_of(data[_first(collection.jets)])
    else:  # jets that no constituent names cannot be known
        n_jets = np.asarray(ak.fill_none(ak.max(data[collection.jet_index], axis=1), -1), dtype=np.int64) + 1
        if len(n_jets) and n_jets.max() > MAX_JETS:
            raise ValueError(f"{collection.jet_index} names jet {n_jets.max() - 1} of an event")
    per_jet = ordered_counts(flat(data, collection.jet_index, counts), counts, n_jets)
    if per_jet is not None:
        return _of_events(data, collection, n_jets, Constituents(momenta(columns), per_jet))
    return _grouped(data, collection, columns, owner=_owners(data, collection, counts, n_jets), n_jets=n_jets)


def _index_table(data: Data, collection: Collection) -> Found:
    columns, size = listed(data, collection.constituents)
    n_jets = counts_of(data[_first(collection.jets)])
    links = counts_of(data[collection.constituent_index])
    owner = _owners(data, collection, links, n_jets)
    event = np.repeat(np.arange(len(n_jets)), links)
    entry = flat(data, collection.constituent_index, links).astype(np.int64)
    inside = (entry >= 0) & (entry < size[event])
    entry = np.where(inside, entry + _starts(size)[event], 0)
    return _grouped(data, collection, _taken(columns, entry), owner=np.where(inside, owner, -1), n_jets=n_jets)


def _taken(columns: Flat, entry: IntArray) -> Flat:
    return {
        key: column[entry] if len(column) else np.zeros(len(entry), column.dtype) for key, column in columns.items()
    }


def _owners(data: Data, collection: Collection, links: IntArray, n_jets: IntArray) -> IntArray:
    """For each link its jet, counted through the chunk; -1 for none."""
    local = flat(data, collection.jet_index, links)
    small = np.int32 if n_jets.sum() < 2**31 else np.int64  # half the memory to go through
    below = local < np.repeat(n_jets.astype(small), links)
    owner = local + np.repeat(_starts(n_jets).astype(small), links)
    fine = below.all() and (not len(local) or local.min() >= 0)
    return owner if fine else np.where(below & (local >= 0), owner, -1)


def _grouped(data: Data, collection: Collection, columns: Flat, *, owner: IntArray, n_jets: IntArray) -> Found:
    """Sort constituents by the jet that owns them, keeping their order inside the jet."""
    n_lost = int(np.count_nonzero(owner < 0))
    if n_lost or (owner[1:] < owner[:-1]).any():
        order = np.argsort(owner, kind="stable")[n_lost:]
        columns, owner = {key: column[order] for key, column in columns.items()}, owner[order]
    counts = np.diff(np.searchsorted(owner, np.arange(int(n_jets.sum()) + 1)))
    return _of_events(data, collection, n_jets, Constituents(momenta(columns), counts, n_dropped=n_lost))


def _linked(data: Data, collection: Collection) -> tuple[IntArray, IntArray, IntArray, Any]:
    """Per jet lists of references: jets per row, references per jet, the row of each, and the references."""
    references = data[collection.constituent_index]
    n_jets = counts_of(references)
    per_jet = np.asarray(ak.flatten(ak.num(references, axis=2), axis=1), dtype=np.int64)
    event = np.repeat(np.repeat(np.arange(len(n_jets)), n_jets), per_jet)
    return n_jets, per_jet, event, ak.to_numpy(ak.flatten(references, axis=None)).astype(np.int64)


def _element_link(data: Data, collection: Collection) -> Found:
    n_jets, per_jet, event, entry = _linked(data, collection)
    columns, size = listed(data, collection.constituents)
    inside = (entry >= 0) & (entry < size[event])
    columns = _taken(columns, np.where(inside, entry + _starts(size)[event], 0))
    owner = np.where(inside, np.repeat(np.arange(len(per_jet)), per_jet), -1)
    return _grouped(data, collection, columns, owner=owner, n_jets=n_jets)


def _tref(data: Data, collection: Collection) -> Found:
    n_jets, owner, columns = _referenced(data, collection)
    return _grouped(data, collection, columns, owner=owner, n_jets=n_jets)


def _referenced(data: Data, collection: Collection) -> tuple[IntArray, IntArray, Flat]:
    """Jets per row, and for each reference its jet (-1 where it leads nowhere) and the momentum it leads to."""
    n_jets, per_jet, event, reference = _linked(data, collection)
    keys, vectors = _objects(data, collection)
    wanted = (event << 24) | (reference & UNIQUE)
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    inside = keys[place] == wanted if len(keys) else np.zeros(len(wanted), dtype=bool)
    columns = _taken(dict(zip(FOUR_VECTOR, vectors, strict=True)), np.where(inside, place, 0))
    return n_jets, np.where(inside, np.repeat(np.arange(len(per_jet)), per_jet), -1), columns


def _objects(data: Data, collection: Collection) -> tuple[IntArray, list[FloatArray]]:
    """All objects that may be referred to: a key of row and unique number, in rising order, and their momenta."""
    keys, vectors = [], []
    for kind in collection.objects:
        if not all(name in data for name in kind.values()):
            continue
        columns, counts = listed(data, kind)
        event = np.repeat(np.arange(len(counts)), counts)
        keys.append((event << 24) | (columns.pop("id").astype(np.int64) & UNIQUE))
        vectors.append(momenta(columns))
    joined = np.concatenate(keys)
    order = np.argsort(joined, kind="stable")
    return joined[order], [np.concatenate(parts)[order] for parts in zip(*vectors, strict=True)]


def resolved_share(source: Source, tree: str, collection: Collection, n_rows: int) -> float:
    """Share of the references in the first rows that lead to a stored object; 1 where there are none."""
    columns = {collection.constituent_index, *(name for kind in collection.objects for name in kind.values())}
    _, _, data = next(source.chunks(tree, {name for name in columns if source.has(tree, name)}, n_rows))
    _, owner, _ = _referenced(data, collection)
    return float(np.mean(owner >= 0)) if len(owner) else 1.0


LINKS: dict[str, Callable[[Data, Collection], Found]] = {
    "inline": _inline,
    "index_table": _index_table,
    "tref": _tref,
    "element_link": _element_link,
    "per_row": _per_row,
    "padded": _per_row,
    "none": _none,
}
"""All kinds of links but `cluster`, which needs to know how."""
