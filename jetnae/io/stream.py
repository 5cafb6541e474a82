"""From an open file to chunks of jets: which columns to read, how to link them, one batch after the other."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.clustering import ClusterSpec, cluster
from jetnae.errors import InputError
from jetnae.io.assemble import RADIUS, TARGET_BYTES, Constituents, Found, Rows, build_jets, drop_bad, fitting, momenta
from jetnae.io.columns import plain
from jetnae.io.links import LINKS, listed
from jetnae.jets import FOUR_VECTOR, WEIGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jetnae.io.matching import Match
    from jetnae.io.options import ReadOptions
    from jetnae.io.source import Data, Source
    from jetnae.jets import Jets

log = logging.getLogger(__name__)

ALWAYS = ("run", "luminosityBlock", "event", "weight", "process", RADIUS, "npv", "total_et", "leading_jet_pt")
"""Event columns that are read wherever the file has them."""

OWN_NAMES = (*FOUR_VECTOR, "label", "n_constituents")
"""Columns that every batch has, not to be looked up in the file."""

MAX_CHUNKS = 16
"""How many times the default a chunk may be, whatever the user asks for: 0.5 GB."""

PLAUSIBLE_PT = 10_000.0
"""GeV. Jets whose median pT is above are given in MeV: beams have 7 TeV."""


@dataclass(frozen=True)
class JetFile:
    """An open file: how it is read, its rows that are asked for, its identity, and their jets, to be iterated once.

    parts : cuts all rows into parts of about so many chunks, first row and end of each.
    """

    match: Match
    n_events: int
    identity: str
    chunks: Iterator[Jets]
    parts: Callable[[int], list[tuple[int, int]]]


@dataclass(frozen=True)
class _Plan:
    """Which columns to read, ours to those of the file: `events` pass through, `extra` and `arrays` were asked for."""

    match: Match
    cluster: ClusterSpec
    events: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)
    link: frozenset[str] = frozenset()

    @property
    def columns(self) -> set[str]:
        asked = (*self.extra.values(), *self.features.values(), *self.arrays.values())
        return {*self.link, *self.events.values(), *asked}


def jet_file(source: Source, match: Match, options: ReadOptions, path: Path) -> JetFile:
    """The jets of an open file; raises `InputError` for columns that are not there."""
    plan = _plan(source, match, options, path)
    fitting_step = source.rows_for(match.tree, plan.columns, options.chunk_bytes or TARGET_BYTES)
    most = fitting_step if options.chunk_bytes else MAX_CHUNKS * fitting_step
    step = min(options.chunk_size or fitting_step, most)
    n_rows = source.n_rows(match.tree, plan.columns)
    first, end = options.rows or (0, n_rows)
    if not 0 <= first <= end <= n_rows:
        raise InputError(f"{path}: rows {first} to {end} of {n_rows}, the file is another one than before")
    chunks = _chunks(source, plan, step, path, (first, end))
    if options.normalization is not None:
        chunks = map(options.normalization.apply, chunks)
    parts = partial(_parts, source, plan, step)
    return JetFile(match, end - first, source.identity, chunks, parts)


def _parts(source: Source, plan: _Plan, step: int, n_chunks: int) -> list[tuple[int, int]]:
    return source.parts(plan.match.tree, plan.columns, n_chunks * step)


def _chunks(source: Source, plan: _Plan, step: int, path: Path, wanted: tuple[int, int]) -> Iterator[Jets]:
    """The jets in order; no rows give one empty chunk."""
    for start, stop, data in source.chunks(plan.match.tree, plan.columns, step, wanted):
        with fitting(path, plan.match):
            _require_rows(data, stop - start)
            rows = Rows(stop - start, start, _plain(data, plan.events), _plain(data, plan.extra))
            arrays = {name: np.asarray(data[column]) for name, column in plan.arrays.items()}
            jets = build_jets(replace(_found(data, plan), arrays=arrays), rows, plan.match)
        if start == 0:
            _warn_of_units(jets, path)
        yield jets


def _require_rows(data: Data, n_rows: int) -> None:
    """Raises `ValueError` where a column is shorter than the file says: compiled passes would read beyond its end."""
    for name, column in data.items():
        if len(column) != n_rows:
            raise ValueError(f"{len(column)} of {n_rows} rows of {name}")


def _plain(data: Data, names: dict[str, str]) -> dict[str, Any]:
    return {key: plain(data[name]) for key, name in names.items()}


def _found(data: Data, plan: _Plan) -> Found:
    collection = plan.match.collection
    if collection.link == "cluster":
        return _clustered(data, plan)
    return LINKS[collection.link](data, replace(collection, features=plan.features))


def _clustered(data: Data, plan: _Plan) -> Found:
    """Jets found in events; what is not finite never reaches FastJet."""
    collection = plan.match.collection
    columns, counts = listed(data, collection.constituents)
    kept, n_bad = drop_bad(Constituents(momenta(columns), counts))
    unit = 1e-3 if plan.match.layout.unit == "MeV" else 1.0  # momenta are in the unit of the file until they are jets
    found = cluster(kept.momenta, kept.counts, replace(plan.cluster, min_pt=plan.cluster.min_pt / unit))
    pt, eta, phi, mass = (np.asarray(part)[found.members] for part in kept.momenta)
    rule = collection.label
    label = np.asarray(data[rule.name]) if rule is not None and rule.name in data else None
    return Found(
        found.n_jets,
        Constituents((pt, eta, phi, mass), found.counts, n_dropped=n_bad),
        jets={name: getattr(found, name) for name in FOUR_VECTOR},
        features={},
        label=None if label is None else np.repeat(label, found.n_jets),
        radius=plan.cluster.radius,
    )


def _plan(source: Source, match: Match, options: ReadOptions, path: Path) -> _Plan:
    collection = match.collection
    there = _features(source, match)
    known = _event_columns(source, match)
    always = {WEIGHT if name == "weight" else name: known[name] for name in ALWAYS if name in known}
    optional = [
        name
        for name in (*options.features, *sorted(options.selection.names))
        if name in there or name in known or (name in options.selection.names and source.has(match.tree, name))
    ]
    asked = dict.fromkeys((*options.columns, *optional))
    wanted = [name for name in asked if name not in OWN_NAMES and name not in always]
    features = there if collection.link == "none" else {name: there[name] for name in wanted if name in there}
    extra = {}
    for name in wanted:
        if name not in features:
            extra[name] = known.get(name) or _checked(source, match, name, path, "read")
    kept = {name: _checked(source, match, name, path, "keep") for name in options.keep}
    arrays = {
        name: column
        for name, column in collection.arrays.items()
        if name in options.features and source.has(match.tree, column)
    }
    return _Plan(
        match,
        _cluster_spec(match, options, path),
        events={**always, **kept},
        extra=extra,
        features=features,
        arrays=arrays,
        link=_links(source, match),
    )


def _cluster_spec(match: Match, options: ReadOptions, path: Path) -> ClusterSpec:
    """How to find jets; raises `InputError` where that is asked for but the jets are stored."""
    asked = options.soft_drop or options.radius is not None or options.min_pt is not None
    if asked and match.collection.link != "cluster":
        raise InputError(
            f"{path}: the jets '{match.collection.name}' are stored; radius, least pt and soft drop are for jets that "
            "are found here, leave them out"
        )
    chosen = {"radius": match.collection.radius if options.radius is None else options.radius, "min_pt": options.min_pt}
    given = {name: value for name, value in chosen.items() if value is not None}
    return ClusterSpec(soft_drop=options.soft_drop, **given)


def _features(source: Source, match: Match) -> dict[str, str]:
    """The features of jets that the file has, our names to its own."""
    return {name: column for name, column in match.collection.features.items() if source.has(match.tree, column)}


def _links(source: Source, match: Match) -> frozenset[str]:
    """The columns that make the jets; their four-vectors only if all are there, else the constituents are summed."""
    collection, tree = match.collection, match.tree
    kinds = [tuple(kind.values()) for kind in collection.objects]
    objects = {name for kind in kinds if all(source.has(tree, name) for name in kind) for name in kind}
    jets = tuple(collection.jets.values())
    if not all(source.has(tree, name) for name in jets):
        jets = ()
    label = collection.label
    labels = {label.name} if label is not None and source.has(tree, label.name) else set()
    return frozenset({*collection.required, *objects, *jets, *labels})


def _event_columns(source: Source, match: Match) -> dict[str, str]:
    """Our event columns to those of the file that are there; of several the first."""
    found = {}
    for name, columns in match.layout.events.items():
        options = (columns,) if isinstance(columns, str) else columns
        there = [column for column in options if source.has(match.tree, column)]
        if there:
            found[name] = there[0]
    return found


def _checked(source: Source, match: Match, name: str, path: Path, verb: str) -> str:
    """A column by its name in the file; raises `InputError` for what cannot be carried along."""
    if not source.has(match.tree, name):
        near = difflib.get_close_matches(name, source.columns(match.tree), n=3)
        like = f", which has {' and '.join(near)}" if near else ""
        raise InputError(
            f"{path}: no column {name} to {verb} in '{match.tree}'{like}: `jetnae inspect {path.name} --columns` lists "
            "what there is"
        )
    if name.startswith("jetnae_"):
        raise InputError(f"{path}: the column {name} cannot be carried along, our own columns have such names")
    if not source.is_numeric(match.tree, name):
        raise InputError(f"{path}: the column {name} cannot be carried along, only numbers and lists of numbers can")
    return name


def _warn_of_units(jets: Jets, path: Path) -> None:
    median = float(np.median(jets.pt)) if len(jets) else 0.0
    if median > PLAUSIBLE_PT:
        log.warning(
            "%s: the median jet pT is %.0f GeV, these look like MeV: describe the file in a layout with unit = 'MeV'",
            path,
            median,
        )
