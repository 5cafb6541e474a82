"""From any file of jets to one in our own layout: slow and odd formats are paid for once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.features import JET_FEATURES
from jetnae.inputs import passing, sources
from jetnae.io import ReadOptions, open_jets
from jetnae.io.writing import write_jets
from jetnae.jets import WEIGHT, select, select_events
from jetnae.selection import CutFlow, WeightCounts, count_weights
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetnae.io import JetFile


OWN = ("weight", "jet_radius", "Jet", "Constituent", "nJet", "nConstituent")


@dataclass(frozen=True)
class ConvertJob:
    """One file to convert, and where to; `command` is recorded as its provenance."""

    path: Path
    output: Path
    options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    command: str = ""


@dataclass(frozen=True)
class ConvertSummary:
    """What a conversion came to: events and jets written, constituents left out, the counts after each cut."""

    layout: str
    collection: str
    n_events: int
    n_jets: int
    n_dropped: int
    flow: CutFlow
    weights: WeightCounts


def convert_file(job: ConvertJob, report: Callable[[int, int], None] | None = None) -> ConvertSummary:
    """Write the jets that pass, in the events that pass, with all features that the file has for them.

    Events stay that pass the cuts on events, with or without jets. `report` is called with the events done and all
    events. Raises `InputError` for unusable input or output.
    """
    _check_kept(job)
    n_events = n_jets = n_dropped = done = 0
    flow, weights = None, WeightCounts(0, 0)
    selection = job.options.selection
    with (
        open_jets(job.path, _options(job)) as file,
        write_jets(job.output, _provenance(job, file), force=job.force) as out,
    ):
        for jets in file.chunks:
            passed = passing(selection, jets)
            flow = passed.flow if flow is None else flow + passed.flow
            weights += count_weights(np.asarray(jets.events.get(WEIGHT, ())))
            row = jets.event_index - jets.first_event
            kept = select_events(select(jets, passed.jets & passed.events[row]), passed.events)
            out.append(kept)
            n_events, n_jets, n_dropped = n_events + kept.n_events, n_jets + len(kept), n_dropped + jets.n_dropped
            done += jets.n_events
            if report is not None:
                report(done, file.n_events)
    match = file.match
    return ConvertSummary(
        match.layout.name, match.collection.name, n_events, n_jets, n_dropped, flow or CutFlow(()), weights
    )


def _check_kept(job: ConvertJob) -> None:
    """Raises `InputError` for columns whose names mean something else in our own layout."""
    for name in job.options.keep:
        if name in OWN or name.startswith(("Jet_", "Constituent_")) or "/" in name or "@" in name:
            raise InputError(
                f"{job.path}: the column {name} cannot be kept, in our own layout such a name means something else"
            )


def _options(job: ConvertJob) -> ReadOptions:
    """Read everything worth keeping: features and the missing transverse momentum, where the file has them."""
    names = (*JET_FEATURES, "met_pt", "met_phi", *sources(None, job.options.selection))
    return replace(job.options, features=tuple(dict.fromkeys(names)))


def _provenance(job: ConvertJob, file: JetFile) -> dict[str, Any]:
    return {
        "jetnae": __version__,
        "input": job.path.name,
        "input_id": file.identity,
        "layout": file.match.layout.name,
        "collection": file.match.collection.name,
        "selection": list(job.options.selection.cuts),
        "command": job.command,
    }
