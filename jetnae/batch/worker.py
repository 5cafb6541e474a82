"""What a worker does with a task: plan a file, score a range of it, merge its parts. Nothing is raised, all is said."""

from __future__ import annotations

import errno
import time
from dataclasses import asdict, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numba
import torch

from jetnae.batch.ledger import Ledger
from jetnae.batch.model_files import load_files
from jetnae.batch.parts import read_part, write_part
from jetnae.batch.tasks import Failed, Lost, Merge, Outcome, Plan, Planned, Record, Score, Setup, Stamp, Task
from jetnae.bundled import check_fits
from jetnae.errors import InputError, JetnaeError, MissingExtraError, OutputError
from jetnae.io import open_jets
from jetnae.io.remote import RemotePath, state_of
from jetnae.io.scores import write_scores
from jetnae.scored import Tally, release_memory
from jetnae.scoring import ScoreJob, complete, engines_of, origin_of, provenance, score_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jetnae.checkpoint import Checkpoint
    from jetnae.engines import Engine
    from jetnae.folds import FoldedCheckpoint

CHUNKS_PER_RANGE = 4
"""A range is small enough to be lost without harm, and large enough that opening its file costs little."""

TRANSIENT = {
    getattr(errno, name)
    for name in (
        "EAGAIN", "EBUSY", "ECOMM", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "EINTR",
        "EIO", "ENETDOWN", "ENETRESET", "ENETUNREACH", "ENOLCK", "EPIPE", "EREMOTEIO", "ESTALE", "ETIMEDOUT",
    )
    if hasattr(errno, name)
}  # fmt: skip
"""What the system says about disks and networks that may be better a moment later."""


NETWORKS = {"aiohttp", "botocore", "XRootD"}
"""Modules all whose errors are about networks and servers."""


class _FatalError(JetnaeError):
    """Something that is wrong for all files alike."""


def execute(setup: Setup, task: Task) -> Outcome:
    """Do a task in one thread; what goes wrong is an outcome as any other."""
    if not setup.overlap:
        torch.set_num_threads(1)
        numba.set_num_threads(1)
    try:
        if isinstance(task, Plan):
            return _plan(setup, task)
        return _score(setup, task) if isinstance(task, Score) else _merge(setup, task)
    except (_FatalError, OutputError, MissingExtraError) as error:
        return Failed(str(error), fatal=True)
    except (JetnaeError, OSError) as error:
        return Failed(str(error), transient=is_transient(error))
    except MemoryError:
        return Failed(f"{task.path}: needs more memory than there is: lower --chunk-size or --memory-limit")
    except Exception as error:  # one odd file must not end a run of thousands
        return Failed(f"{task.path}: internal error, please report it: {type(error).__name__}: {error}", bug=True)
    finally:
        release_memory()


def is_transient(error: BaseException) -> bool:
    """Whether the cause of an error is a disk or a network that may be better a moment later."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, FileNotFoundError | PermissionError):
            return False
        if isinstance(seen, TimeoutError | ConnectionError):
            return True
        if isinstance(seen, OSError) and seen.errno in TRANSIENT:
            return True
        if type(seen).__module__.partition(".")[0] in NETWORKS:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def stamp_of(path: Path) -> Stamp:
    """Size and time of a file; raises `InputError` where it is not there."""
    if isinstance(path, RemotePath):
        return Stamp(*state_of(path))
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return Stamp(found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=2)
def _model(folder: Path, sha256: str, name: str) -> Checkpoint | FoldedCheckpoint:
    """The model of a run, loaded once per process and only if it is the right one."""
    try:
        checkpoint = load_files(folder, name)
    except JetnaeError as error:
        raise _FatalError(f"{error}; workers have to see the folder of the outputs") from error
    if checkpoint.header.sha256 != sha256:
        raise _FatalError(f"{folder}: has the model {checkpoint.header.sha256[:12]}, expected {sha256[:12]}")
    return checkpoint


@lru_cache(maxsize=2)
def _engines(folder: Path, sha256: str, model: str, name: str, device: str) -> tuple[Engine, ...]:
    try:
        return engines_of(_model(folder, sha256, model), name, torch.device(device))
    except JetnaeError as error:
        raise _FatalError(str(error)) from error


def _job(setup: Setup, path: Path, output: Path) -> ScoreJob:
    return ScoreJob(
        path,
        output,
        _model(setup.ledger, setup.model_sha256, setup.model_name),
        setup.options,
        torch.device(setup.device),
        force=True,
        command=setup.command,
        decorrelation=setup.decorrelation,
        engine=setup.engine,
        overlap=setup.overlap,
    )


def _plan(setup: Setup, task: Plan) -> Planned:
    """How to share out a file; its first row is read, to find out whether it fits the model."""
    stamp = stamp_of(task.path)
    job = _job(setup, task.path, task.path)
    options = complete(job)
    with open_jets(task.path, options) as file:
        ranges = file.parts(CHUNKS_PER_RANGE)
        n_events, origin = file.n_events, origin_of(file)
    with open_jets(task.path, replace(options, rows=(0, min(n_events, 1)))) as file:
        for jets in file.chunks:
            check_fits(job.checkpoint, jets, task.path)
    return Planned(stamp, origin, n_events, tuple(ranges))


def _score(setup: Setup, task: Score) -> Record:
    """Write the part of a range, and after it the record that says so."""
    started = time.monotonic()
    ledger = Ledger(setup.ledger)
    job = _job(setup, task.path, task.path)
    engines = _engines(setup.ledger, setup.model_sha256, setup.model_name, setup.engine, setup.device)
    options = replace(complete(job), rows=task.rows)
    tally = Tally()
    _require_same(task)
    with open_jets(task.path, options) as file:
        if file.identity != task.identity:
            raise InputError(f"{task.path}: has changed since the run began: score it anew")
        chunks = list(score_chunks(job, file, engines, tally))
        summary = tally.summary(task.path, file.match, time.monotonic() - started)
    _require_same(task)
    digest, size = write_part(ledger.part(task.key, task.rows), chunks)
    counts = {name: getattr(summary, name) for name in ("n_out_of_range", "n_without_constituents", "n_dropped")}
    counts |= {"n_negative": summary.weights.n_negative, "n_not_finite": summary.weights.n_not_finite}
    record = Record(
        summary.n_events,
        summary.n_jets,
        time.monotonic() - started,
        digest,
        size,
        counts,
        [asdict(row) for row in summary.flow.rows],
    )
    ledger.write_record(task.key, task.rows, record)
    return record


def _require_same(task: Score) -> None:
    if stamp_of(task.path) != task.stamp:
        raise InputError(f"{task.path}: has changed since the run began: score it anew")


def _merge(setup: Setup, task: Merge) -> Record | Lost:
    """Put the parts together in the order of the rows, give the result its name, say so, remove the parts."""
    ledger = Ledger(setup.ledger)
    records = {rows: ledger.record(task.key, rows) for rows in task.plan.ranges}
    lost = tuple(rows for rows, record in records.items() if record is None)
    if lost:
        return Lost(lost)
    path = ledger.merged(task.key, task.target.suffix)
    written = {**provenance(_job(setup, task.path, task.target), task.plan.origin), "settings": setup.settings_sha256}
    with write_scores(path, written, force=True) as writer:
        for rows, chunk in _parts(ledger, task):
            if chunk is None:
                return Lost((rows,))
            writer.append(*chunk)
    known = [record for record in records.values() if record is not None]
    total = _total(known, path.stat().st_size)
    if total.n_events != task.plan.n_events:
        raise InputError(f"{task.path}: {total.n_events} of {task.plan.n_events} events could be read, it is damaged")
    _move(path, task.target)
    ledger.write_done(task.key, total)
    ledger.drop_parts(task.key)
    return total


def _parts(ledger: Ledger, task: Merge) -> Iterator[tuple[Any, Any]]:
    for rows in task.plan.ranges:
        record = ledger.record(task.key, rows)
        yield rows, None if record is None else read_part(ledger.part(task.key, rows), record.sha256)


def _move(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}), nothing was kept") from error


def _total(records: list[Record], size: int) -> Record:
    """What the parts of a file came to together."""
    flow = [dict(row) for row in records[0].flow]
    for record in records[1:]:
        for row, other in zip(flow, record.flow, strict=True):
            row.update({name: row[name] + other[name] for name in row if name != "cut"})
    return Record(
        sum(record.n_events for record in records),
        sum(record.n_jets for record in records),
        sum(record.seconds for record in records),
        size=size,
        counts={name: sum(record.counts[name] for record in records) for name in records[0].counts},
        flow=flow,
    )
