"""Files to scores: chunks of jets, images, model, one number per jet in the order of the input."""

from __future__ import annotations

import ctypes
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import torch

from jetnae.checkpoint import Checkpoint, load_model
from jetnae.decorrelation import Decorrelation, apply
from jetnae.errors import InputError
from jetnae.images import make_images
from jetnae.io import JetFile, ReadOptions, iter_jets, open_jets
from jetnae.io.scores import FORMAT_VERSION, PREFIX, write_scores
from jetnae.jets import concatenate, select
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from jetnae.io import Match
    from jetnae.jets import Jets

DEFAULT_MODEL = "qcd_ak8_nae"
BATCH_PIXELS = 2_000_000
"""Pixels in memory at once, so as many images as that: bounds memory, does not change a score."""

QUANTILES = (0.05, 0.5, 0.95, 0.99)

SCORED, NO_CONSTITUENTS, OUTSIDE_WINDOW = 0, 1, 2
"""Status of a jet: scored; no constituents, score NaN; all constituents outside the image, score of an empty one."""


@dataclass(frozen=True)
class ScoredJets:
    """Jets with their anomaly scores.

    score : (n_jets,) float32, larger is more anomalous, NaN for jets without constituents.
    status : (n_jets,) 0 scored, 1 no constituents, 2 nothing inside the image window.
    sum_sq : (n_jets,) sum of the squared pixels, a baseline any image model has to beat.
    in_range : (n_jets,) whether the jet lies in the range the model was trained on.
    """

    jets: Jets
    score: npt.NDArray[np.float32]
    status: npt.NDArray[np.int32]
    sum_sq: npt.NDArray[np.float32]
    in_range: npt.NDArray[np.bool_]

    def columns(self) -> dict[str, Any]:
        """Per-jet columns as they are written, without the `jetnae_` prefix."""
        jets = self.jets
        columns: dict[str, Any] = {
            name: getattr(jets, name).astype(np.float32) for name in ("pt", "eta", "phi", "mass")
        }
        columns |= {"n_constituents": jets.n_constituents.astype(np.int32)}
        columns |= {name: getattr(self, name) for name in ("score", "status", "sum_sq", "in_range")}
        return columns if jets.label is None else columns | {"label": jets.label}

    def event_columns(self) -> dict[str, Any]:
        """Per-event columns: what passes through, and the two largest scores (NaN where there are not so many)."""
        per_event = ak.unflatten(np.nan_to_num(self.score, nan=-np.inf), self.jets.jets_per_event)
        ordered = ak.to_numpy(ak.fill_none(ak.pad_none(ak.sort(per_event, ascending=False), 2, clip=True), np.nan))
        ordered = np.where(np.isneginf(ordered), np.nan, ordered).astype(np.float32)
        return {**self.jets.events, f"{PREFIX}_max_score": ordered[:, 0], f"{PREFIX}_second_score": ordered[:, 1]}


@dataclass(frozen=True)
class ScoreSummary:
    """What scoring one file came to; `quantiles` maps `QUANTILES` to scores, empty where nothing was scored."""

    output: Path
    layout: str
    collection: str
    n_events: int
    n_jets: int
    n_out_of_range: int
    n_without_constituents: int
    n_dropped: int
    quantiles: dict[float, float]
    seconds: float


def score_jets(jets: Jets, checkpoint: Checkpoint, device: torch.device | None = None) -> ScoredJets:
    """Anomaly score of every jet of a batch."""
    device = device or torch.device("cpu")
    model = checkpoint.model.to(device)
    score, sum_sq = np.empty(len(jets), dtype=np.float32), np.empty(len(jets), dtype=np.float32)
    empty = np.empty(len(jets), dtype=bool)
    step = max(BATCH_PIXELS // checkpoint.image.n_pixels**2, 1)
    for part in (slice(start, start + step) for start in range(0, len(jets), step)):
        images = make_images(select(jets, part), checkpoint.image)
        score[part] = model.score(torch.from_numpy(images).to(device)).cpu().numpy()
        sum_sq[part] = np.einsum("nij,nij->n", images, images)
        empty[part] = ~images.any(axis=(1, 2))
    status = np.where(jets.n_constituents == 0, NO_CONSTITUENTS, np.where(empty, OUTSIDE_WINDOW, SCORED))
    score[status == NO_CONSTITUENTS] = np.nan
    return ScoredJets(jets, score, status.astype(np.int32), sum_sq, checkpoint.validity.contains(jets))


def score(
    path: str | Path,
    model: str | Path = DEFAULT_MODEL,
    *,
    layout: str | None = None,
    collection: str | None = None,
    keep: tuple[str, ...] = (),
) -> ScoredJets:
    """Score all jets of a file in memory with a bundled model, or a checkpoint file.

    layout, collection, keep : as the options of `jetnae score`. Raises `InputError` when the file or the model cannot
    be read.
    """
    checkpoint = load_model(model)
    parts = [score_jets(jets, checkpoint) for jets in iter_jets(path, ReadOptions(layout, collection, keep=keep))]
    names = ("score", "status", "sum_sq", "in_range")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return ScoredJets(concatenate([part.jets for part in parts]), **columns)


@dataclass(frozen=True)
class ScoreJob:
    """One file to score, and where to; `command` is recorded as its provenance."""

    path: Path
    output: Path
    checkpoint: Checkpoint
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
    tally = _Tally()
    _require_own(job)
    with (
        open_jets(job.path, job.options) as file,
        write_scores(job.output, _provenance(job, file), force=job.force) as writer,
    ):
        for jets in file.chunks:
            scored = score_jets(jets, job.checkpoint, job.device)
            columns = scored.columns() | _decorrelated(scored, job.decorrelation)
            writer.append(columns, jets.jets_per_event, scored.event_columns())
            tally.add(scored)
            _release_memory()
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


@cache
def _malloc_trim() -> Callable[[int], int]:
    """The C library's `malloc_trim`, or nothing to call where it has none."""
    found = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return found or (lambda pad: pad)


def _release_memory() -> None:
    """Give memory that is free back: arrays of ever different sizes fragment it, and it would grow with the file."""
    _malloc_trim()(0)


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
        "command": job.command,
        **({} if job.decorrelation is None else {"decorrelated_from": list(job.decorrelation.quantile_map.columns)}),
    }


class _Tally:
    """Running counts over the chunks of one file, and a sample of its scores whose size stays bounded."""

    most = 1_000_000

    def __init__(self) -> None:
        self.n_events = self.n_jets = self.n_out_of_range = self.n_without_constituents = self.n_dropped = 0
        self._sample: list[npt.NDArray[np.float32]] = []
        self._stride = 1
        self._n_finite = 0

    def add(self, scored: ScoredJets) -> None:
        self.n_events += scored.jets.n_events
        self.n_jets += len(scored.jets)
        self.n_out_of_range += int(np.count_nonzero(~scored.in_range))
        self.n_without_constituents += int(np.count_nonzero(scored.status == NO_CONSTITUENTS))
        self.n_dropped += scored.jets.n_dropped
        finite = scored.score[np.isfinite(scored.score)]
        self._sample.append(finite[-self._n_finite % self._stride :: self._stride])
        self._n_finite += len(finite)
        if self._n_finite > self.most * self._stride:
            self._sample, self._stride = [np.concatenate(self._sample)[::2]], 2 * self._stride

    def summary(self, output: Path, found: Match, seconds: float) -> ScoreSummary:
        sample = np.concatenate(self._sample) if self._sample else np.zeros(0, dtype=np.float32)
        return ScoreSummary(
            output=output,
            layout=found.layout.name,
            collection=found.collection.name,
            n_events=self.n_events,
            n_jets=self.n_jets,
            n_out_of_range=self.n_out_of_range,
            n_without_constituents=self.n_without_constituents,
            n_dropped=self.n_dropped,
            quantiles={q: float(np.quantile(sample, q)) for q in QUANTILES} if len(sample) else {},
            seconds=seconds,
        )
