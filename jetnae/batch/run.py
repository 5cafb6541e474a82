"""The driver: plans all files, hands out their ranges, has each merged when it is complete, and keeps the ledger."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetnae.batch.ledger import Ledger, key_of
from jetnae.batch.report import NAME, BatchSummary, Progress, Skipped
from jetnae.batch.tasks import Failed, Lost, Merge, Outcome, Plan, Planned, Record, Retried, Rows, Score, Setup, Task
from jetnae.batch.work import Patience, Work
from jetnae.batch.worker import stamp_of
from jetnae.errors import InputError, JetnaeError
from jetnae.files import refuse_existing, write_bytes
from jetnae.io.scores import read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jetnae.batch.pools import Pool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchJob:
    """Files to score, and where to; `problems` are inputs that are known to be bad.

    settings : all that determines scores. model : the files it consists of. resume : go on with what the ledger
    and the outputs hold. skip_bad : finish the others when a file cannot be scored. force : replace outputs and ledger.
    """

    targets: Mapping[Path, Path]
    folder: Path
    setup: Setup
    settings: Mapping[str, Any]
    model: Mapping[str, bytes]
    resume: bool = False
    skip_bad: bool = False
    force: bool = False
    notes: tuple[str, ...] = ()
    problems: Mapping[Path, str] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)


class _File:
    """One input on its way: its plan, the ranges that are not there yet, and its end."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path, self.target, self.key = path, target, key_of(path)
        self.plan: Planned | None = None
        self.missing: set[Rows] = set()
        self.n_lost = 0
        self.done: Record | None = None
        self.failure: str | None = None

    @property
    def is_open(self) -> bool:
        return self.done is None and self.failure is None

    def task(self, rows: Rows) -> Score:
        plan = self.planned
        return Score(self.path, self.key, rows, plan.stamp, plan.origin.identity)

    @property
    def planned(self) -> Planned:
        if self.plan is None:
            raise RuntimeError(f"{self.path} was not planned")
        return self.plan


def run_batch(job: BatchJob, pool: Pool, report: Callable[[Progress], None] | None = None) -> BatchSummary:
    """Score all files; each output appears once it is complete.

    Raises `InputError` where the run cannot begin, or a file cannot be scored and is not to be skipped; what is done
    stays in the ledger. The report is written beside the outputs.
    """
    run = _Run(job, pool, report or (lambda progress: None))
    with run.ledger.locked():
        try:
            return run.whole()
        except BaseException:
            run.leave()
            raise


class _Run:
    def __init__(self, job: BatchJob, pool: Pool, report: Callable[[Progress], None]) -> None:
        self.job, self.pool, self.report = job, pool, report
        self.ledger = Ledger(job.setup.ledger)
        self.files = {path: _File(path, target) for path, target in job.targets.items()}
        self.work = Work(pool, job.setup, job.patience)
        self.notes = list(job.notes)
        self.retries: list[Skipped] = []
        self.started = time.monotonic()
        self.n_resumed = self.n_events = self.n_jets = self.events_before = 0
        self.is_begun = self.is_planned = False

    def whole(self) -> BatchSummary:
        self._begin()
        self._plan()
        self._note_copies()
        self._require_one_layout()
        self._score()
        summary = self._summary()
        data = json.dumps(summary.to_json(), indent=1) + "\n"
        write_bytes(self.job.folder / NAME, data.encode(), force=True)
        if not summary.skipped:
            self.ledger.remove()
        return summary

    def leave(self) -> None:
        """Leave nothing of a run in which nothing was done."""
        if self.ledger.is_empty(begun=self.is_begun):
            self.ledger.remove()

    def _begin(self) -> None:
        job = self.job
        if not job.resume:
            for target in job.targets.values():
                refuse_existing(target, force=job.force)
        self.ledger.begin(job.settings, job.model, resume=job.resume, force=job.force)
        self.is_begun = True
        for path, reason in job.problems.items():
            self._give_up(path, reason)
        for file in self.files.values() if job.resume else ():
            self._resume(file)

    def _resume(self, file: _File) -> None:
        """Take up what is there of a file: its scores, or its plan and parts, if it is still the same file."""
        plan = self.ledger.plan(file.key)
        try:
            is_same = plan is None or stamp_of(file.path) == plan.stamp
        except InputError:
            is_same = False
        if not is_same:
            self._note(f"{file.path}: has changed since it was begun, it is scored anew")
            self.ledger.forget(file.key)
            return
        if os.path.exists(file.target):
            self._take_scores(file, plan)
        elif plan is not None and self.ledger.done(file.key) is not None:
            self._note(f"{file.target}: was finished and is gone, it is made again")
            self.ledger.forget(file.key)
        else:
            file.plan = plan

    def _take_scores(self, file: _File, plan: Planned | None) -> None:
        """Scores that are there count as done if they are of this file, this model and these settings."""
        record = self.ledger.done(file.key)
        if record is None or record.size != file.target.stat().st_size:
            found, n_events, n_jets = read_header(file.target)
            identity = None if plan is None else plan.origin.identity
            if identity is None and found.get("settings") == self.job.setup.settings_sha256:
                identity = _identity(file.path)
            is_ours = found.get("settings") == self.job.setup.settings_sha256 and found.get("input_id") == identity
            if not is_ours:
                if plan is not None and self.job.force:
                    file.plan = plan
                    return
                refuse_existing(file.target, force=self.job.force)
                return
            record = Record(n_events, n_jets, 0.0)
        file.done = record
        self.n_resumed += 1
        self.events_before += record.n_events
        self.n_events, self.n_jets = self.n_events + record.n_events, self.n_jets + record.n_jets
        self.ledger.drop_parts(file.key)

    def _plan(self) -> None:
        for file in self.files.values():
            if file.is_open and file.plan is None:
                self.work.add(Plan(file.path))
        self._until_done()
        self.is_planned = True

    def _score(self) -> None:
        for file in self.files.values():
            if not file.is_open:
                continue
            records = {rows: self.ledger.record(file.key, rows) for rows in file.planned.ranges}
            file.missing = {rows for rows, record in records.items() if record is None}
            for record in records.values():
                self._count(record, before=True)
            for rows in file.planned.ranges:
                if rows in file.missing:
                    self.work.add(file.task(rows))
            self._merge_if_complete(file)
        self._until_done()

    def _count(self, record: Record | None, *, before: bool = False) -> None:
        if record is not None:
            self.n_events += record.n_events
            self.n_jets += record.n_jets
            self.events_before += record.n_events if before else 0

    def _until_done(self) -> None:
        self.report(self._progress())
        for ended in self.work:
            if ended is not None:
                self._take(*ended)
            self.report(self._progress())

    def _take(self, task: Task, outcome: Outcome) -> None:
        file = self.files[task.path]
        if isinstance(outcome, Failed) and (file.is_open or outcome.fatal):
            self._failed(file, outcome)
        elif isinstance(outcome, Retried):
            self.retries.append(Skipped(file.path, outcome.reason))
        elif isinstance(outcome, Failed) or not file.is_open:
            return
        elif isinstance(outcome, Planned):
            file.plan = outcome
            self.ledger.write_plan(file.key, outcome)
        elif isinstance(outcome, Lost):
            self._make_again(file, outcome)
        elif isinstance(task, Score):
            file.missing.discard(task.rows)
            self._count(outcome)
            self._merge_if_complete(file)
        else:
            file.done = outcome

    def _merge_if_complete(self, file: _File) -> None:
        if not file.missing:
            self.work.add(Merge(file.path, file.key, file.target, file.planned), first=True)

    def _make_again(self, file: _File, lost: Lost) -> None:
        file.n_lost += 1
        if file.n_lost > self.job.patience.attempts:
            self._failed(
                file, Failed(f"{self.ledger.folder}: its files get lost or damaged, look at the disk", fatal=True)
            )
        log.warning("%s: %d parts were lost or damaged, they are made again", file.path, len(lost.rows))
        for rows in lost.rows:
            file.missing.add(rows)
            self.ledger.part(file.key, rows).with_suffix(".json").unlink(missing_ok=True)
            self.work.add(file.task(rows))

    def _failed(self, file: _File, failure: Failed) -> None:
        if failure.bug and not self.job.skip_bad:
            raise RuntimeError(failure.reason)
        if failure.fatal:
            raise JetnaeError(failure.reason)
        self._give_up(file.path, failure.reason)

    def _give_up(self, path: Path, reason: str) -> None:
        reason = reason if str(path) in reason else f"{path}: {reason}"
        if not self.job.skip_bad:
            raise InputError(f"{reason} (what is done is kept: --resume goes on, --skip-bad leaves such files out)")
        log.warning("skipped: %s", reason)
        file = self.files.setdefault(path, _File(path, path))
        if file.plan is not None:
            self.work.drop({file.task(rows) for rows in file.missing})
        file.failure = reason

    def _note(self, text: str) -> None:
        log.warning("%s", text)
        self.notes.append(text)

    def _note_copies(self) -> None:
        """Files with the same identity in different places: their events would count twice."""
        known: dict[tuple[str, int], Path] = {}
        for file in self.files.values():
            if file.plan is not None and file.failure is None:
                what = (file.plan.origin.identity, file.plan.n_events)
                if what in known:
                    self._note(f"{file.path}: is a copy of {known[what]} (same identity), its events count twice")
                known.setdefault(what, file.path)

    def _require_one_layout(self) -> None:
        """Files of one run are of one kind: that of most of them; the others are bad ones."""
        planned = [file for file in self.files.values() if file.plan is not None and file.failure is None]
        kinds = {file.path: (file.planned.origin.layout, file.planned.origin.collection) for file in planned}
        if len(set(kinds.values())) < 2:
            return
        most = Counter(kinds.values()).most_common(1)[0][0]
        for path, kind in kinds.items():
            if kind != most:
                self._give_up(
                    path, f"{path}: layout {kind[0]} with jets {kind[1]}, most files are {most[0]} with {most[1]}"
                )

    def _progress(self) -> Progress:
        files = self.files.values()
        seconds = time.monotonic() - self.started
        planned = [file.plan.n_events for file in files if file.plan is not None and file.failure is None]
        resumed = sum(file.done.n_events for file in files if file.done is not None and file.plan is None)
        n_events = sum(planned) + resumed if self.is_planned else None
        new = self.n_events - self.events_before
        left = (n_events - self.n_events) * seconds / new if n_events is not None and new else None
        return Progress(
            n_files=len(self.files),
            files_done=sum(file.done is not None for file in files),
            files_failed=sum(file.failure is not None for file in files),
            n_events=n_events,
            events_done=self.n_events,
            jets_done=self.n_jets,
            n_retries=len(self.retries),
            n_workers=self.pool.n_workers,
            seconds=seconds,
            rate=self.n_jets * (new / self.n_events if self.n_events else 0.0) / max(seconds, 1e-9),
            left=left,
        )

    def _summary(self) -> BatchSummary:
        files = self.files.values()
        return BatchSummary(
            outputs={file.path: file.target for file in files},
            finished={file.path: file.done for file in files if file.done is not None},
            skipped=tuple(Skipped(file.path, file.failure) for file in files if file.failure is not None),
            notes=tuple(self.notes),
            retries=tuple(self.retries),
            n_resumed=self.n_resumed,
            n_deaths=self.work.n_deaths,
            seconds=time.monotonic() - self.started,
            provenance={name: self.job.settings[name] for name in ("model", "model_sha256", "engine")},
        )


def _identity(path: Path) -> str | None:
    from jetnae.io import open_source

    try:
        with open_source(path) as source:
            return source.identity
    except JetnaeError:
        return None
