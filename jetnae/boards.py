"""Scores of a batch of jets while they are being filled in, part by part and fold by fold."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.checkpoint import Checkpoint
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.inputs import make_inputs
from jetnae.jets import select
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.scored import NO_CONSTITUENTS, NO_FEATURES, NOT_SELECTED, OUTSIDE_WINDOW, SCORED, ScoredJets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from jetnae.folds import FoldedCheckpoint
    from jetnae.jets import Jets

BATCH_VALUES = 500_000
"""Numbers in the inputs that are made at once: bounds memory, does not change a score."""


class ScoreBoard:
    """The scores of a batch of jets while they are being filled in, those of the `selected` (n_jets,)."""

    def __init__(self, jets: Jets, selected: npt.NDArray[np.bool_], checkpoint: Checkpoint) -> None:
        self._jets, self._selected = jets, selected
        self._spec, self._validity = checkpoint.spec, checkpoint.validity
        self._status = np.where(selected, SCORED, NOT_SELECTED).astype(np.int32)
        if jets.constituents is not None and isinstance(self._spec, ImageSpec):
            self._status[selected & (jets.n_constituents == 0)] = NO_CONSTITUENTS
        self._score, self._sum_sq = (np.full(len(jets), np.nan, dtype=np.float32) for _ in range(2))

    def inputs(self) -> Iterator[tuple[Any, npt.NDArray[np.float32]]]:
        """What the model takes, part by part: which jets, and their inputs (n, *shape)."""
        for part in _parts(self._selected, max(BATCH_VALUES // math.prod(self._spec.shape), 1)):
            yield part, make_inputs(select(self._jets, part), self._spec)

    def fill(self, part: Any, inputs: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> None:
        """Take the scores (n,) of a part."""
        self._score[part] = scores
        if isinstance(self._spec, RegionSpec | ObjectSpec):
            return
        if isinstance(self._spec, FeatureSpec):
            self._status[part] = np.where(np.isfinite(inputs).all(axis=1), SCORED, NO_FEATURES)
            return
        self._sum_sq[part] = np.einsum("nij,nij->n", inputs, inputs)
        outside = (self._sum_sq[part] == 0) & (self._status[part] == SCORED)
        self._status[part] = np.where(outside, OUTSIDE_WINDOW, self._status[part])

    def scored(self) -> ScoredJets:
        """The jets with their scores, once all parts are filled in."""
        score = np.where(np.isin(self._status, (SCORED, OUTSIDE_WINDOW)), self._score, np.float32(np.nan))
        sum_sq = self._sum_sq if isinstance(self._spec, ImageSpec) else None
        return ScoredJets(self._jets, score, self._status, sum_sq, self._validity.contains(self._jets))


@dataclass(frozen=True)
class Boards:
    """One board for each fold of a model, of the same jets; `fold` (n_jets,) says which counts, None for one model."""

    each: tuple[ScoreBoard, ...]
    fold: npt.NDArray[np.int64] | None = None

    def scored(self) -> ScoredJets:
        """The jets with the scores of the fold they belong to, once all boards are filled in."""
        parts = [board.scored() for board in self.each]
        if self.fold is None:
            return parts[0]
        sums = [part.sum_sq for part in parts if part.sum_sq is not None]
        return replace(
            parts[0],
            score=_pick(self.fold, [part.score for part in parts]),
            status=_pick(self.fold, [part.status for part in parts]),
            sum_sq=_pick(self.fold, sums) if sums else None,
            fold=self.fold.astype(np.int32),
        )


def boards_of(
    jets: Jets, selected: npt.NDArray[np.bool_], checkpoint: Checkpoint | FoldedCheckpoint, file: str | Path
) -> Boards:
    """Boards for a batch of jets of a file; of models in folds, each takes the jets whose events it has not seen."""
    if isinstance(checkpoint, Checkpoint):
        return Boards((ScoreBoard(jets, selected, checkpoint),))
    fold = checkpoint.fold_of(jets, file)
    boards = (ScoreBoard(jets, selected & (fold == k), each) for k, each in enumerate(checkpoint.checkpoints))
    return Boards(tuple(boards), fold)


def _pick(which: npt.NDArray[np.int64], columns: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Of several columns (n,) the value of column `which` (n,) in each row."""
    return np.asarray(np.stack(columns)[which, np.arange(len(which))])


def _parts(selected: npt.NDArray[np.bool_], step: int) -> Iterator[Any]:
    """What to take of the jets, `step` at a time: slices, which copy nothing, where all are selected."""
    which = None if selected.all() else np.flatnonzero(selected)
    for start in range(0, len(selected) if which is None else len(which), step):
        yield slice(start, start + step) if which is None else which[start : start + step]
