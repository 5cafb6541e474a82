"""How far a run is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jetnae.batch.tasks import Record

FORMAT_VERSION = 1
KIND = "score report"
NAME = "scores.report.json"


@dataclass(frozen=True)
class Progress:
    """How far a run is; `n_events` of all files that could be opened, None while they are being opened.

    rate : jets per second of this session. left : seconds to go at that rate, None while that cannot be said.
    """

    n_files: int
    files_done: int
    files_failed: int
    n_events: int | None
    events_done: int
    jets_done: int
    n_retries: int
    n_workers: int
    seconds: float
    rate: float
    left: float | None

    def __str__(self) -> str:
        of_events = "" if self.n_events is None else f"/{self.n_events}"
        left = "" if self.left is None else f", {clock(self.left)} left"
        parts = [
            f"files {self.files_done}/{self.n_files}",
            f"events {self.events_done}{of_events}",
            f"jets {self.jets_done}",
            f"{self.rate:.0f} jets/s",
            f"failed {self.files_failed}",
            f"retries {self.n_retries}",
            f"workers {self.n_workers}",
        ]
        return ", ".join(parts) + left


@dataclass(frozen=True)
class Skipped:
    """An input without scores, and why."""

    input: Path
    reason: str


@dataclass(frozen=True)
class BatchSummary:
    """What a run came to; `finished` maps inputs to what they came to, `outputs` to where their scores are.

    notes : what was odd about the inputs. retries : failures that went away, or not. n_deaths : of workers.
    """

    outputs: dict[Path, Path]
    finished: dict[Path, Record]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    retries: tuple[Skipped, ...]
    n_resumed: int
    n_deaths: int
    seconds: float
    provenance: dict[str, Any] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """The sum over all finished files of `n_events`, `n_jets`, or one of their counts."""
        records = self.finished.values()
        if name in {"n_events", "n_jets"}:
            return sum(getattr(record, name) for record in records)
        return sum(record.counts.get(name, 0) for record in records)

    def to_json(self) -> dict[str, Any]:
        """As it is written beside the outputs."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            **self.provenance,
            "seconds": round(self.seconds, 3),
            "files": len(self.outputs),
            "finished": len(self.finished),
            "resumed": self.n_resumed,
            "events": self.total("n_events"),
            "jets": self.total("n_jets"),
            "worker_deaths": self.n_deaths,
            "skipped": [{"input": str(each.input), "reason": each.reason} for each in self.skipped],
            "retries": [{"input": str(each.input), "reason": each.reason} for each in self.retries],
            "notes": list(self.notes),
            "scores": {str(path): str(self.outputs[path]) for path in self.finished},
        }


def clock(seconds: float) -> str:
    """A time to go as people say it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
