"""Files to scores: chunks of jets, images, model, one number per jet in the order of the input."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jetnae.boards import Boards, ScoreBoard, boards_of
from jetnae.bundled import check_fits, choose_model
from jetnae.checkpoint import Checkpoint
from jetnae.engines import make_engine
from jetnae.errors import InputError
from jetnae.folds import FoldedCheckpoint, load_scorer
from jetnae.inputs import passing, sources
from jetnae.io import JetFile, ReadOptions, iter_jets, located, open_jets
from jetnae.io.scores import FORMAT_VERSION, write_scores
from jetnae.jets import concatenate
from jetnae.overlap import ahead, in_lanes
from jetnae.scored import (
    ScoredJets,
    ScoreSummary,
    Tally,
    release_memory,
)
from jetnae.selection import Passing, Selection
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from jetnae.decorrelation import Decorrelation
    from jetnae.engines import Engine
    from jetnae.jets import Jets

THREADS_PER_MAKER = 4
"""Threads that run the model for each one that makes its inputs, which takes a fraction of the time."""
BATCHES_AHEAD = 4
"""Inputs that wait for the model at most, where they are prepared while it runs."""


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
    engine = make_engine("torch", checkpoint, device)
    board = ScoreBoard(jets, np.ones(len(jets), dtype=bool) if selected is None else selected, checkpoint)
    for part, inputs in board.inputs():
        board.fill(part, inputs, engine.score(inputs))
    return board.scored()


Batch = tuple[Boards, int, Any, Any]
"""Boards, the fold, which jets of them, and their inputs; at the end of a chunk what passes its cuts, and None."""


def engines_of(
    checkpoint: Checkpoint | FoldedCheckpoint, name: str = "torch", device: torch.device | None = None
) -> tuple[Engine, ...]:
    """What runs a model, or each fold of one."""
    checkpoints = (checkpoint,) if isinstance(checkpoint, Checkpoint) else checkpoint.checkpoints
    return tuple(make_engine(name, each, device) for each in checkpoints)


def score_jets_of(
    jets: Jets,
    checkpoint: Checkpoint | FoldedCheckpoint,
    file: str | Path,
    *,
    device: torch.device | None = None,
    selected: npt.NDArray[np.bool_] | None = None,
) -> ScoredJets:
    """As `score_jets`; of models trained in folds, each jet of the file by the one that has not seen its event."""
    selected = np.ones(len(jets), dtype=bool) if selected is None else selected
    boards = boards_of(jets, selected, checkpoint, file)
    for board, engine in zip(boards.each, engines_of(checkpoint, device=device), strict=True):
        for part, inputs in board.inputs():
            board.fill(part, inputs, engine.score(inputs))
    return boards.scored()


def score(
    path: str | Path,
    model: str | Path = "",
    *,
    layout: str | None = None,
    collection: str | None = None,
    keep: tuple[str, ...] = (),
    cuts: tuple[str, ...] = (),
) -> ScoredJets:
    """Score all jets of a file in memory with a bundled model, or a checkpoint file; empty: the bundled one that fits.

    layout, collection, keep : as the options of `jetnae score`; cuts : as its `--select`. Raises `InputError` when the
    file or the model cannot be read, or do not fit each other.
    """
    options = ReadOptions(layout, collection, keep=keep, selection=Selection(cuts))
    checkpoint = load_scorer(model or choose_model([located(path)], options).name)
    options = replace(options, features=sources(checkpoint.spec, options.selection))
    parts = []
    for jets in iter_jets(path, options):
        check_fits(checkpoint, jets, path)
        parts.append(score_jets_of(jets, checkpoint, path, selected=passing(options.selection, jets).jets))
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("score", "status", "in_range")
    }
    for name in ("sum_sq", "fold"):
        given = [getattr(part, name) for part in parts if getattr(part, name) is not None]
        columns[name] = np.concatenate(given) if given else None
    return ScoredJets(concatenate([part.jets for part in parts]), **columns)


@dataclass(frozen=True)
class ScoreJob:
    """One file to score, and where to; `command` is recorded as its provenance.

    engine : what runs the model, see `ENGINES`. overlap : read and prepare in threads while the model runs.
    """

    path: Path
    output: Path
    checkpoint: Checkpoint | FoldedCheckpoint
    options: ReadOptions = field(default_factory=ReadOptions)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    force: bool = False
    command: str = ""
    decorrelation: Decorrelation | None = None
    engine: str = "torch"
    overlap: bool = True


def score_file(job: ScoreJob, report: Callable[[int, int], None] | None = None) -> ScoreSummary:
    """Score a file into a score file with one entry per input event, written atomically.

    `report` is called with the events done and all events. Raises `InputError` for unusable input or output.
    """
    started = time.monotonic()
    tally = Tally()
    with (
        open_jets(job.path, complete(job)) as file,
        write_scores(job.output, provenance(job, origin_of(file)), force=job.force) as writer,
    ):
        engines = engines_of(job.checkpoint, job.engine, job.device)
        for columns, counts, events in score_chunks(job, file, engines, tally):
            writer.append(columns, counts, events)
            if report is not None:
                report(tally.n_events, file.n_events)
    return tally.summary(job.output, file.match, time.monotonic() - started)


def complete(job: ScoreJob) -> ReadOptions:
    """How to read what the model and the cuts of a job take."""
    return replace(job.options, features=sources(job.checkpoint.spec, job.options.selection))


@dataclass(frozen=True)
class Origin:
    """Where scores come from: the identity of the file, its layout, and the collection of jets."""

    identity: str
    layout: str
    collection: str


def origin_of(file: JetFile) -> Origin:
    """The origin of what an open file gives."""
    return Origin(file.identity, file.match.layout.name, file.match.collection.name)


def score_chunks(
    job: ScoreJob, file: JetFile, engines: Sequence[Engine], tally: Tally
) -> Iterator[tuple[dict[str, Any], Any, dict[str, Any]]]:
    """What to write for each chunk of an open file, see `ScoreWriter.append`; `tally` counts along.

    engines : what runs the model, one for each fold.

    Raises `InputError` where the file does not fit the job, or ends before its time.
    """
    require_own(job)
    with ExitStack() as threads:
        chunks = threads.enter_context(ahead(file.chunks, 1)) if job.overlap else file.chunks
        batches = _batches(chunks, job)
        batches = threads.enter_context(ahead(batches, BATCHES_AHEAD)) if job.overlap else batches
        for (boards, k, part, inputs), scores in threads.enter_context(_results(batches, job, engines)):
            if not isinstance(part, Passing):
                boards.each[k].fill(part, inputs, scores)
                continue
            scored = boards.scored()
            tally.add(scored, part.flow)
            columns = scored.columns() | _decorrelated(scored, job.decorrelation)
            yield columns, scored.jets.jets_per_event, scored.event_columns()
            release_memory()
    if tally.n_events != file.n_events:
        raise InputError(f"{job.path}: {tally.n_events} of {file.n_events} events could be read, it is damaged")


@contextmanager
def _results(
    batches: Iterator[Batch], job: ScoreJob, engines: Sequence[Engine]
) -> Iterator[Iterator[tuple[Batch, Any]]]:
    """The batches with their scores, None where there is nothing to score.

    Overlapped on a CPU, several batches are scored at once in one thread each: the threads that share one batch wait
    for each other after every layer, which takes the time from those that read and prepare.
    """

    def work(batch: Batch) -> Any:
        _, k, part, inputs = batch
        return None if isinstance(part, Passing) else engines[k].score(inputs)

    n_threads = torch.get_num_threads()
    if not job.overlap or job.device.type != "cpu" or n_threads == 1:
        yield ((batch, work(batch)) for batch in batches)
        return
    try:
        with in_lanes(batches, work, n_threads, lambda: torch.set_num_threads(1)) as results:
            yield results
    finally:
        torch.set_num_threads(n_threads)  # what a thread sets is what those that come after it start with


def _batches(chunks: Iterator[Jets], job: ScoreJob) -> Iterator[Batch]:
    """Inputs to be scored with the boards and the fold they are on; after the last of a chunk what passes its cuts."""
    if job.overlap:
        from jetnae.compiled import use_threads

        use_threads(max(torch.get_num_threads() // THREADS_PER_MAKER, 1))  # the others run the model
    for i, jets in enumerate(chunks):
        if i == 0:
            check_fits(job.checkpoint, jets, job.path)
        passed = passing(job.options.selection, jets)
        boards = boards_of(jets, passed.jets, job.checkpoint, job.path)
        for k, board in enumerate(boards.each):
            for part, inputs in board.inputs():
                yield boards, k, part, inputs
        yield boards, 0, passed, None


def require_own(job: ScoreJob) -> None:
    """Raises `InputError` where the decorrelation of a job belongs to another model."""
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
    from jetnae.decorrelation import apply  # SciPy's functions take long to import, and few ask for a map

    jets = scored.jets
    events = {name: column for name, column in jets.events.items() if isinstance(column, np.ndarray)}
    per_event = {name: column[jets.event_index - jets.first_event] for name, column in events.items()}
    known = {**per_event, **jets.columns, **scored.columns()}
    mapped = apply(decorrelation.quantile_map, scored.score, known)
    return {"score_decorrelated": mapped.astype(np.float32)}


def provenance(job: ScoreJob, origin: Origin) -> dict[str, Any]:
    """How the scores of a file are made, as it is stored with them."""
    return {
        "format_version": FORMAT_VERSION,
        "kind": "scores",
        "jetnae": __version__,
        "model": job.checkpoint.header.name,
        "model_sha256": job.checkpoint.header.sha256,
        "input": job.path.name,
        "input_id": origin.identity,
        "layout": origin.layout,
        "collection": origin.collection,
        "selection": list(job.options.selection.cuts),
        "engine": job.engine,
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
