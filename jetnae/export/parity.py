"""Whether an exported graph scores real jets as torch does, and how fast both are."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from jetnae.engines import OnnxEngine, TorchEngine, threads
from jetnae.errors import InputError, ParityError
from jetnae.export.preparation import graph_spec
from jetnae.features import available
from jetnae.inputs import make_inputs, missing, sources
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import concatenate, select
from jetnae.models import Student
from jetnae.selection import Selection

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from jetnae.checkpoint import Checkpoint
    from jetnae.engines import Engine
    from jetnae.jets import Jets

    Floats = npt.NDArray[np.float32]

TOLERANCE = 1e-5
CRITERION = "|onnx - torch| / max(|torch|, what one jet in ten exceeds in |torch|)"
"""Relative for the jets that are cut on, whatever the size of scores; for quiet ones in units of the first of those,
because single precision leaves torch itself no better there."""
LOUD = 0.9
"""Share of jets that are quieter."""
MOST_JETS = 5000
N_ROUNDS = 3


@dataclass(frozen=True)
class Parity:
    """How far the scores of a graph are from those of torch on the same jets.

    difference : the largest, by `CRITERION`; tolerance : what it may be; absolute : the largest |onnx - torch|. Rates
    in jets/s, of the model alone on one thread.
    """

    jets: str
    n_jets: int
    difference: float
    tolerance: float
    absolute: float
    onnx_rate: float
    torch_rate: float


def tolerance(checkpoint: Checkpoint) -> float:
    """How far scores may be off by `CRITERION`: not at all for a student in fixed point, which computes exactly."""
    model = checkpoint.model
    return 0.0 if isinstance(model, Student) and model.config.bits is not None else TOLERANCE


def read_some(path: Path, checkpoint: Checkpoint) -> Jets:
    """Up to 5000 jets of a file with what a model takes; raises `InputError` where the file does not hold that."""
    spec = checkpoint.spec
    parts: list[Jets] = []
    for jets in iter_jets(path, ReadOptions(features=sources(spec, Selection()))):
        lacks = missing(spec, jets)
        if lacks:
            raise InputError(
                f"{path}: the model '{checkpoint.header.name}' needs {', '.join(lacks)}, found "
                f"{', '.join(available(jets))}: give a file that it can score with --jets"
            )
        parts.append(jets)
        if sum(map(len, parts)) >= MOST_JETS:
            break
    return select(concatenate(parts), slice(0, MOST_JETS))


def check_parity(graph: bytes, checkpoint: Checkpoint, jets: Jets, name: str) -> Parity:
    """Score jets with a graph and with torch.

    Raises `ParityError` where the scores differ by more than `tolerance`, and `InputError` where no jet can be scored.
    """
    with threads(1):
        inputs, given = make_inputs(jets, checkpoint.spec), make_inputs(jets, graph_spec(checkpoint.spec))
        finite = np.isfinite(inputs.reshape(len(inputs), math.prod(checkpoint.spec.shape))).all(axis=1)
        inputs, given = inputs[finite], given[finite]
        if not len(inputs):
            raise InputError(f"{name}: none of {len(jets)} jets can be scored: give others with --jets")
        runs = ((OnnxEngine(graph), given), (TorchEngine(checkpoint, torch.device("cpu")), inputs))
        (found, onnx_rate), (expected, torch_rate) = _in_turns(runs)
    difference, absolute = differences(found, expected)
    allowed = tolerance(checkpoint)
    if not difference <= allowed:
        raise ParityError(
            f"model '{checkpoint.header.name}': the exported scores differ from torch by {difference:.2g} on "
            f"{len(inputs)} jets of {name}, more than {allowed:g} ({CRITERION}); nothing was written: use another "
            "--opset, or score with --engine torch"
        )
    return Parity(name, len(inputs), difference, allowed, absolute, onnx_rate, torch_rate)


def differences(found: Floats, expected: Floats) -> tuple[float, float]:
    """The largest difference of scores (n,) by `CRITERION`, infinite where one is not a number; and the largest."""
    if found.shape != expected.shape:
        return float("inf"), float("inf")
    apart = np.abs(found.astype(np.float64) - expected)
    size = np.abs(expected.astype(np.float64))
    unit = np.maximum(size, np.quantile(size, LOUD))
    relative = np.divide(apart, unit, out=np.where(apart > 0, np.inf, 0.0), where=unit > 0)
    return float(np.nan_to_num(relative, nan=np.inf).max()), float(np.nan_to_num(apart, nan=np.inf).max())


def _in_turns(runs: tuple[tuple[Engine, Floats], ...]) -> list[tuple[Floats, float]]:
    """Scores and rates; turn by turn, so that a busy machine slows all alike."""
    scores = [engine.score(inputs) for engine, inputs in runs]
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(N_ROUNDS):
        for taken, (engine, inputs) in zip(seconds, runs, strict=True):
            started = time.perf_counter()
            engine.score(inputs)
            taken.append(time.perf_counter() - started)
    rates = [len(inputs) / float(np.median(taken)) for taken, (_, inputs) in zip(seconds, runs, strict=True)]
    return list(zip(scores, rates, strict=True))
