"""What is in a file: trees, layouts, jets, and what can be done with them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jetnae.checkpoint import Checkpoint, bundled_models, load_checkpoint
from jetnae.errors import InputError
from jetnae.features import available, available_events
from jetnae.inputs import missing
from jetnae.io import JetFile, Match, ReadOptions, container_of, open_source
from jetnae.io.matching import choose, find_layouts, fits, resolves
from jetnae.io.stream import jet_file
from jetnae.jets import concatenate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jetnae.io.source import Source
    from jetnae.jets import Jets

SAMPLE_EVENTS = 10_000
NEAR = 0.5
"""Layouts of whose columns less is there are not worth a line."""


@dataclass(frozen=True)
class LayoutFit:
    """How a layout fits: its collections that are complete, and whether their references resolve; else what is missing.

    `missing` is that of the nearest collection, empty where one is complete.
    """

    name: str
    tree: str
    collections: Mapping[str, str]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ModelFit:
    """What a model can do with the jets: what they lack, and how many of `n_jets` lie in the range it is valid for."""

    name: str
    valid_for: str
    lacks: tuple[str, ...]
    n_in_range: int
    n_jets: int


@dataclass(frozen=True)
class Inspection:
    """All that there is to say about a file.

    trees : rows and columns of each tree or group. problem : why no jets could be read, None where they could.
    match, jets : the layout that is taken, and the jets of the first events. features, event_features : what can be
    given for them.
    """

    path: Path
    container: str
    size: int
    trees: Mapping[str, tuple[int, tuple[str, ...]]]
    layouts: tuple[LayoutFit, ...]
    problem: str | None = None
    match: Match | None = None
    n_events: int = 0
    jets: Jets | None = None
    features: tuple[str, ...] = ()
    event_features: tuple[str, ...] = ()
    models: tuple[ModelFit, ...] = ()


def inspect_file(path: Path, options: ReadOptions, models: Mapping[str, Checkpoint] | None = None) -> Inspection:
    """Look at a file and at the jets of its first events; `models` (default: the bundled ones) are tried on them.

    Whether a layout fits or not is part of the answer. Raises `InputError` only for what is no readable container.
    """
    with open_source(path) as source:
        trees = {name: (rows, tuple(source.columns(name))) for name, rows in source.trees.items()}
        found = Inspection(path, container_of(path), path.stat().st_size, trees, _layouts(source, options.layout))
        try:
            match = choose(source, find_layouts(options.layout), options.collection, str(path))
            file = jet_file(source, match, _with_arrays(options, match), path)
            jets = _first_jets(file, options)
        except InputError as error:
            return replace(found, problem=str(error))
    models = {name: load_checkpoint(at) for name, at in bundled_models().items()} if models is None else models
    return replace(
        found,
        match=match,
        n_events=file.n_events,
        jets=jets,
        features=available(jets),
        event_features=available_events(jets),
        models=tuple(_model_fit(name, checkpoint, jets) for name, checkpoint in models.items()),
    )


def _with_arrays(options: ReadOptions, match: Match) -> ReadOptions:
    """So that models that take arrays find them."""
    return replace(options, features=(*options.features, *match.collection.arrays))


def _first_jets(file: JetFile, options: ReadOptions) -> Jets:
    most = options.chunk_size or SAMPLE_EVENTS
    batches, n_events = [], 0
    for jets in file.chunks:
        batches.append(jets)
        n_events += jets.n_events
        if n_events >= most:
            break
    return concatenate(batches)


def _layouts(source: Source, layout: str | None) -> tuple[LayoutFit, ...]:
    """Every layout that fits or nearly does, the best first."""
    found = []
    every = fits(source, find_layouts(layout))
    for (name, tree), group in itertools.groupby(every, key=lambda fit: (fit.match.layout.name, fit.match.tree)):
        near = list(group)
        best = max(near, key=lambda fit: fit.share)
        if best.share < NEAR:
            continue
        complete = [fit.match for fit in near if not fit.missing]
        collections: dict[str, str] = {}
        for match in complete:
            collections.setdefault(match.collection.name, _kind(source, match))
        found.append(LayoutFit(name, tree, collections, best.missing))
    return tuple(sorted(found, key=lambda fit: len(fit.missing)))


def _kind(source: Source, match: Match) -> str:
    if match.collection.link == "none":
        return ", ".join(match.collection.arrays) or "features only"
    if match.collection.link == "cluster":
        return "to be clustered"
    return "constituents" if resolves(source, match) else "constituents not stored"


def _model_fit(name: str, checkpoint: Checkpoint, jets: Jets) -> ModelFit:
    inside = int(np.count_nonzero(checkpoint.validity.contains(jets)))
    return ModelFit(name, str(checkpoint.validity), missing(checkpoint.spec, jets), inside, len(jets))
