"""Files to scores: chunks of jets, images, model, one number per jet in the order of the input."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jetnae.checkpoint import Checkpoint, bundled_models, load_checkpoint
from jetnae.decorrelation import Decorrelation, apply
from jetnae.errors import InputError
from jetnae.features import FeatureSpec, available
from jetnae.folds import FoldedCheckpoint, load_scorer
from jetnae.images import ImageSpec
from jetnae.inputs import make_inputs, missing, passing, sources
from jetnae.io import JetFile, ReadOptions, iter_jets, open_jets
from jetnae.io.scores import FORMAT_VERSION, write_scores
from jetnae.jets import concatenate, select
from jetnae.scored import (
    NO_CONSTITUENTS,
    NO_FEATURES,
    NOT_SELECTED,
    OUTSIDE_WINDOW,
    SCORED,
    ScoredJets,
    ScoreSummary,
    Tally,
    release_memory,
)
from jetnae.selection import Selection
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from jetnae.jets import Jets

DEFAULT_MODEL = "qcd_ak8_nae"
BATCH_VALUES = 500_000
"""Numbers in the inputs of one pass: bounds memory, does not change a score."""


def score_jets(
    jets: Jets,
    checkpoint: Checkpoint,
    device: torch.device | None = None,
    *,
    selected: npt.NDArray[np.bool_] | None = None,
) -> ScoredJets:
    """Anomaly score of every jet of a batch; of those not `selected` (n_jets,) it is NaN and takes no time.

    Raises `InputError` where the jets lack what the model takes.
    """
    model = checkpoint.model.to(device or torch.device("cpu"))
    selected = np.ones(len(jets), dtype=bool) if selected is None else selected
    status = np.where(selected, SCORED, NOT_SELECTED).astype(np.int32)
    if jets.constituents is not None and isinstance(checkpoint.spec, ImageSpec):
        status[selected & (jets.n_constituents == 0)] = NO_CONSTITUENTS
    score, sum_sq = (np.full(len(jets), np.nan, dtype=np.float32) for _ in range(2))
    step = max(BATCH_VALUES // math.prod(checkpoint.spec.shape), 1)
    for part in _parts(selected, step):
        inputs = make_inputs(select(jets, part), checkpoint.spec)
        score[part] = model.score(torch.from_numpy(inputs).to(device)).cpu().numpy()
        if isinstance(checkpoint.spec, FeatureSpec):
            status[part] = np.where(np.isfinite(inputs).all(axis=1), SCORED, NO_FEATURES)
            continue
        sum_sq[part] = np.einsum("nij,nij->n", inputs, inputs)
        status[part] = np.where((sum_sq[part] == 0) & (status[part] == SCORED), OUTSIDE_WINDOW, status[part])
    score[(status != SCORED) & (status != OUTSIDE_WINDOW)] = np.nan
    is_image = isinstance(checkpoint.spec, ImageSpec)
    return ScoredJets(jets, score, status, sum_sq if is_image else None, checkpoint.validity.contains(jets))


def score_jets_of(
    jets: Jets,
    checkpoint: Checkpoint | FoldedCheckpoint,
    file: str | Path,
    *,
    device: torch.device | None = None,
    selected: npt.NDArray[np.bool_] | None = None,
) -> ScoredJets:
    """As `score_jets`; of models trained in folds, each jet of the file by the one that has not seen its event."""
    if isinstance(checkpoint, Checkpoint):
        return score_jets(jets, checkpoint, device, selected=selected)
    fold = checkpoint.fold_of(jets, file)
    selected = np.ones(len(jets), dtype=bool) if selected is None else selected
    parts = [
        score_jets(jets, each, device, selected=selected & (fold == k)) for k, each in enumerate(checkpoint.checkpoints)
    ]
    sums = [part.sum_sq for part in parts if part.sum_sq is not None]
    return replace(
        parts[0],
        score=_pick(fold, [part.score for part in parts]),
        status=_pick(fold, [part.status for part in parts]),
        sum_sq=_pick(fold, sums) if sums else None,
        fold=fold.astype(np.int32),
    )


def _pick(which: npt.NDArray[np.int64], columns: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Of several columns (n,) the value of column `which` (n,) in each row."""
    return np.asarray(np.stack(columns)[which, np.arange(len(which))])


def _parts(selected: npt.NDArray[np.bool_], step: int) -> Iterator[Any]:
    """What to take of the jets, `step` at a time: slices, which copy nothing, where all are selected."""
    which = None if selected.all() else np.flatnonzero(selected)
    for start in range(0, len(selected) if which is None else len(which), step):
        yield slice(start, start + step) if which is None else which[start : start + step]


def score(
    path: str | Path,
    model: str | Path = DEFAULT_MODEL,
    *,
    layout: str | None = None,
    collection: str | None = None,
    keep: tuple[str, ...] = (),
    cuts: tuple[str, ...] = (),
) -> ScoredJets:
    """Score all jets of a file in memory with a bundled model, or a checkpoint file.

    layout, collection, keep : as the options of `jetnae score`; cuts : as its `--select`. Raises `InputError` when the
    file or the model cannot be read, or do not fit each other.
    """
    checkpoint, selection = load_scorer(model), Selection(cuts)
    options = ReadOptions(
        layout, collection, keep=keep, selection=selection, features=sources(checkpoint.spec, selection)
    )
    parts = []
    for jets in iter_jets(path, options):
        check_fits(checkpoint, jets, path)
        parts.append(score_jets_of(jets, checkpoint, path, selected=passing(selection, jets).jets))
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("score", "status", "in_range")
    }
    for name in ("sum_sq", "fold"):
        given = [getattr(part, name) for part in parts if getattr(part, name) is not None]
        columns[name] = np.concatenate(given) if given else None
    return ScoredJets(concatenate([part.jets for part in parts]), **columns)


def check_fits(checkpoint: Checkpoint | FoldedCheckpoint, jets: Jets, path: str | Path) -> None:
    """Raises `InputError` where the jets lack what the model takes, naming the bundled models that would do."""
    lacks = missing(checkpoint.spec, jets)
    if not lacks:
        return
    others = [name for name, file in bundled_models().items() if not missing(load_checkpoint(file).spec, jets)]
    there = ", ".join(available(jets))
    advice = f"use {' or '.join(others)}" if others else "no bundled model fits: train one on what the file has"
    raise InputError(
        f"{path}: the model '{checkpoint.header.name}' needs {', '.join(lacks)}, which the jets '{jets.collection}' "
        f"(layout {jets.layout}) do not have; {advice} (features {there}; see `jetnae inspect`)"
    )


@dataclass(frozen=True)
class ScoreJob:
    """One file to score, and where to; `command` is recorded as its provenance."""

    path: Path
    output: Path
    checkpoint: Checkpoint | FoldedCheckpoint
    options: ReadOptions = field(default_factory=ReadOptions)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    force: bool = False
    command: str = ""
    decorrelation: Decorrelation | None = None


def score_file(job: ScoreJob, report: Callable[[int, int], None] | None = None) -> ScoreSummary:
    """Score a file into a score file with one entry per input event, written atomically.

    `report` is called with the events done and all events. Raises `InputError` for unusable input or output.
    """
    started = time.monotonic()
    tally = Tally()
    _require_own(job)
    selection = job.options.selection
    options = replace(job.options, features=sources(job.checkpoint.spec, selection))
    with (
        open_jets(job.path, options) as file,
        write_scores(job.output, _provenance(job, file), force=job.force) as writer,
    ):
        for jets in file.chunks:
            if not tally.n_events:
                check_fits(job.checkpoint, jets, job.path)
            passed = passing(selection, jets)
            scored = score_jets_of(jets, job.checkpoint, job.path, device=job.device, selected=passed.jets)
            columns = scored.columns() | _decorrelated(scored, job.decorrelation)
            writer.append(columns, jets.jets_per_event, scored.event_columns())
            tally.add(scored, passed.flow)
            release_memory()
            if report is not None:
                report(tally.n_events, file.n_events)
        if tally.n_events != file.n_events:
            raise InputError(f"{job.path}: {tally.n_events} of {file.n_events} events could be read, it is damaged")
    return tally.summary(job.output, file.match, time.monotonic() - started)


def _require_own(job: ScoreJob) -> None:
    owner, header = job.decorrelation, job.checkpoint.header
    if owner is not None and owner.model_sha256 != header.sha256:
        raise InputError(
            f"the decorrelation belongs to the model {owner.model} ({owner.model_sha256[:12]}), the scores are of "
            f"{header.name} ({header.sha256[:12]}): fit one on these with `jetnae sculpt --fit-decorrelation`"
        )


def _decorrelated(scored: ScoredJets, decorrelation: Decorrelation | None) -> dict[str, Any]:
    """The column `score_decorrelated`, or none."""
    if decorrelation is None:
        return {}
    jets = scored.jets
    events = {name: column for name, column in jets.events.items() if isinstance(column, np.ndarray)}
    per_event = {name: column[jets.event_index - jets.first_event] for name, column in events.items()}
    known = {**per_event, **jets.columns, **scored.columns()}
    mapped = apply(decorrelation.quantile_map, scored.score, known)
    return {"score_decorrelated": mapped.astype(np.float32)}


def _provenance(job: ScoreJob, file: JetFile) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "kind": "scores",
        "jetnae": __version__,
        "model": job.checkpoint.header.name,
        "model_sha256": job.checkpoint.header.sha256,
        "input": job.path.name,
        "input_id": file.identity,
        "layout": file.match.layout.name,
        "collection": file.match.collection.name,
        "selection": list(job.options.selection.cuts),
        "command": job.command,
        **_folds(job.checkpoint),
        **({} if job.decorrelation is None else {"decorrelated_from": list(job.decorrelation.quantile_map.columns)}),
    }


def _folds(checkpoint: Checkpoint | FoldedCheckpoint) -> dict[str, Any]:
    """Which models were used for which events, where there are several."""
    if isinstance(checkpoint, Checkpoint):
        return {}
    models = [model.sha256 for model in checkpoint.folds.models]
    return {"folds": {"rule": checkpoint.folds.rule, "models": models}}
