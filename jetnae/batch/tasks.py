"""The three kinds of work on a file, and what becomes of each: small, and safe to send to other machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetnae.scoring import Origin

if TYPE_CHECKING:
    from jetnae.decorrelation import Decorrelation
    from jetnae.io import ReadOptions


@dataclass(frozen=True)
class Setup:
    """What every worker has to know; the model lies in the ledger, and has to have this hash."""

    ledger: Path
    model_sha256: str
    settings_sha256: str
    options: ReadOptions
    engine: str = "torch"
    device: str = "cpu"
    decorrelation: Decorrelation | None = None
    command: str = ""
    overlap: bool = False
    model_name: str = ""


@dataclass(frozen=True)
class Stamp:
    """What tells that a file is still the same."""

    size: int
    mtime_ns: int


Rows = tuple[int, int]


@dataclass(frozen=True)
class Planned:
    """How a file is shared out: ranges of rows, first and end of each, and what the file is."""

    stamp: Stamp
    origin: Origin
    n_events: int
    ranges: tuple[Rows, ...]


@dataclass(frozen=True)
class Plan:
    """Open a file and share it out."""

    path: Path


@dataclass(frozen=True)
class Score:
    """Score a range of rows into a part file."""

    path: Path
    key: str
    rows: Rows
    stamp: Stamp
    identity: str


@dataclass(frozen=True)
class Merge:
    """Put the parts of a file together into its scores."""

    path: Path
    key: str
    target: Path
    plan: Planned


Task = Plan | Score | Merge


@dataclass(frozen=True)
class Record:
    """What a part, or all parts of a file, came to; `sha256` and `size` of what was written."""

    n_events: int
    n_jets: int
    seconds: float
    sha256: str = ""
    size: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    flow: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Lost:
    """Parts of a file that are not what they were, or not there any more: they have to be made again."""

    rows: tuple[Rows, ...]


@dataclass(frozen=True)
class Failed:
    """Why something could not be done.

    transient : it may go better next time. fatal : nothing else would go better, the run ends. bug : it is ours.
    """

    reason: str
    transient: bool = False
    fatal: bool = False
    bug: bool = False


@dataclass(frozen=True)
class Retried:
    """A failure that is given another chance, the how many-th, after so many seconds."""

    reason: str
    attempt: int
    seconds: float


Outcome = Planned | Record | Lost | Failed | Retried
