"""Crossings of a file to try an exported student on: some inputs, and all scores in floating and in fixed point."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.boards import BATCH_VALUES
from jetnae.bundled import check_fits
from jetnae.engines import make_engine
from jetnae.errors import InputError
from jetnae.export.fidelity import ScorePair
from jetnae.export.firmware import N_INPUTS, Sample
from jetnae.inputs import make_inputs, passing, sources
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import select
from jetnae.models import Student

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from jetnae.checkpoint import Checkpoint
    from jetnae.engines import Engine

    Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Chunk:
    """Inputs (n, *shape) that were kept, and for each event of a chunk the largest score of its jets by both models."""

    inputs: Values
    floating: Values
    fixed: Values


def floating_point(checkpoint: Checkpoint) -> Checkpoint:
    """The student of a checkpoint without its formats: the same weights and biases, not rounded."""
    model = checkpoint.model
    if not isinstance(model, Student):
        raise InputError(f"model '{checkpoint.header.name}' is no student")
    twin = Student(model.shape, model.pixel_sum, replace(model.config, bits=None))
    twin.load_state_dict(model.state_dict())
    return replace(checkpoint, model=twin.eval())


def read_sample(path: Path, fixed: Checkpoint, floating: Checkpoint, options: ReadOptions | None = None) -> Sample:
    """The crossings of a file, scored by both models; those without a jet, or with inputs that are NaN, score -inf.

    Of the inputs to the model in fixed point the first `N_INPUTS` are kept. Raises `InputError` where the file cannot
    be read, or does not fit the models.
    """
    parts: list[_Chunk] = []
    for chunk in _chunks(path, (fixed, floating), options or ReadOptions()):
        kept = sum(len(part.inputs) for part in parts)
        parts.append(replace(chunk, inputs=chunk.inputs[: max(N_INPUTS - kept, 0)].copy()))
    if not sum(len(part.inputs) for part in parts):
        raise InputError(f"{path}: no jets or crossings that pass, expected some to compare scores on")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("inputs", "floating", "fixed")}
    return Sample(path.name, joined["inputs"], ScorePair(joined["floating"], joined["fixed"]))


def _chunks(path: Path, models: tuple[Checkpoint, Checkpoint], options: ReadOptions) -> Iterator[_Chunk]:
    engines = [make_engine("torch", each) for each in models]
    wanted = tuple(dict.fromkeys(name for each in models for name in sources(each.spec, options.selection)))
    for i, jets in enumerate(iter_jets(path, replace(options, features=wanted))):
        if i == 0:
            for each in models:
                check_fits(each, jets, path)
        chosen = select(jets, passing(options.selection, jets).jets)
        inputs = make_inputs(chosen, models[0].spec)
        same = models[0].spec == models[1].spec
        others = inputs if same else make_inputs(chosen, models[1].spec)
        events = chosen.event_index - jets.first_event
        fixed, floating = (
            _per_event(_scores(engine, each), events, jets.n_events)
            for engine, each in zip(engines, (inputs, others), strict=True)
        )
        finite = np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1)
        yield _Chunk(inputs[finite], floating, fixed)


def _scores(engine: Engine, inputs: Values) -> Values:
    step = max(BATCH_VALUES // math.prod(inputs.shape[1:]), 1)
    parts = [engine.score(inputs[start : start + step]) for start in range(0, len(inputs), step)]
    return np.concatenate([np.zeros(0, dtype=np.float32), *parts])


def _per_event(scores: Values, event: npt.NDArray[np.integer[Any]], n_events: int) -> Values:
    largest = np.full(n_events, -np.inf, dtype=np.float32)
    np.maximum.at(largest, event, np.where(np.isnan(scores), -np.inf, scores))
    return largest
