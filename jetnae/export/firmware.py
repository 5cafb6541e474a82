"""A student as firmware: project, C simulation, checks, estimate, and a folder that holds all of it."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jetnae.errors import InputError
from jetnae.export.estimate import estimate
from jetnae.export.fidelity import (
    ScorePair,
    Separation,
    Tolerances,
    WorkingPoint,
    compare_bits,
    require_bits,
    require_separation,
    require_working_point,
    separation,
    working_point,
)
from jetnae.export.handbook import handbook
from jetnae.export.hls import TOP, HlsSettings, require_hls4ml, require_student, write_project
from jetnae.export.report import HlsReport
from jetnae.export.simulation import Simulation, remove_built, require_compiler
from jetnae.files import atomic_folder
from jetnae.rate.conditions import Conditions
from jetnae.results import to_json
from jetnae.version import __version__

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.checkpoint import Checkpoint
    from jetnae.fixed_point import FixedFormat
    from jetnae.models import Student
    from jetnae.models.student import StudentBits

    Floats = npt.NDArray[np.floating[Any]]

log = logging.getLogger(__name__)

REPORT = "report.json"
N_INPUTS = 10_000
"""Inputs on which bits are compared at most."""
N_RANDOM = 1000
"""Of them random ones, beside those of files: they reach the ends of the format, which collisions rarely do."""
N_VECTORS = 100
"""Inputs with their scores for the test bench."""


@dataclass(frozen=True)
class Sample:
    """Crossings of a file: inputs (n, *shape) to compare bits on, and the scores of all crossings."""

    name: str
    inputs: Floats
    scores: ScorePair


@dataclass(frozen=True)
class Trial:
    """What an export is tried on: crossings with background, with a signal, and the rate budget in kHz."""

    background: Sample | None = None
    signal: Sample | None = None
    conditions: Conditions | None = None
    budget: float | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)


def export_hls(
    checkpoint: Checkpoint,
    folder: Path,
    trial: Trial,
    settings: HlsSettings,
    *,
    reference: str = "",
    force: bool = False,
) -> HlsReport:
    """Write a student in fixed point as an hls4ml project that has passed its checks.

    The folder comes to be only when all have. Raises `InputError` for a model that does not convert, and where g++ is
    missing; `MissingExtraError` without hls4ml; `ParityError` where a check fails.
    """
    student, bits = require_student(checkpoint)
    version = str(require_hls4ml().__version__)
    compiler = require_compiler()
    separated, working = _compare_samples(trial)
    with atomic_folder(folder, REPORT, force=force) as project:
        configuration = write_project(student, bits, project, settings)
        simulation = Simulation(project, student.shape)
        inputs, origin = trial_inputs(student, bits, trial)
        emulated = student.score(torch.from_numpy(inputs)).numpy().astype(np.float64)
        parity = compare_bits(simulation.score(inputs), emulated, origin)
        require_bits(parity)
        remove_built(project)
        report = HlsReport(
            model=checkpoint.header.name,
            model_sha256=checkpoint.header.sha256,
            jetnae=__version__,
            hls4ml=version,
            compiler=compiler,
            settings={key: str(value) for key, value in {**asdict(settings), "backend": "Vitis"}.items()},
            formats=formats(student, bits),
            input=described(checkpoint),
            offset=student.config.offset,
            slope=student.config.slope,
            compile_seconds=simulation.seconds,
            bits=parity,
            reference=reference or "the same weights and biases, not rounded",
            samples={name: each.name for name, each in _samples(trial).items()},
            tolerances=trial.tolerances,
            separation=separated,
            working_point=working,
            estimate=estimate(student, bits, settings),
            configuration={key: json.dumps(value) for key, value in configuration.items()},
        )
        write_vectors(project, inputs[:N_VECTORS], emulated[:N_VECTORS])
        (project / REPORT).write_text(json.dumps(to_json(report), indent=1) + "\n")
        (project / "README.txt").write_text(handbook(report, TOP))
    return report


def trial_inputs(student: Student, bits: StudentBits, trial: Trial) -> tuple[npt.NDArray[np.float32], str]:
    """Up to `N_INPUTS` inputs (n, *shape) to compare bits on, and what they are in words.

    Those of the files, as many of each, and random ones; only random ones without files.
    """
    given = list(_samples(trial).values())
    n_random = N_RANDOM if given else N_INPUTS
    each = (N_INPUTS - N_RANDOM) // max(len(given), 1)
    parts = [sample.inputs[:each] for sample in given]
    names = [f"{len(part)} of {sample.name}" for part, sample in zip(parts, given, strict=True)]
    parts.append(random_inputs(bits.input, (n_random, *student.shape), np.random.default_rng(1)))
    return np.concatenate(parts).astype(np.float32), ", ".join([*names, f"{n_random} random inputs"])


def random_inputs(fmt: FixedFormat, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Numbers of a format, shape (n, ...): for a half of the inputs all equally likely, otherwise mostly few steps."""
    flat = rng.integers(fmt.lowest_code, fmt.highest_code, shape, endpoint=True)
    size = 2.0 ** rng.uniform(0, fmt.width - fmt.signed, (shape[0], *(1 for _ in shape[1:])))
    steep = np.clip(np.rint(rng.exponential(1.0, shape) * size), fmt.lowest_code, fmt.highest_code)
    uniform = np.arange(shape[0]).reshape(-1, *(1 for _ in shape[1:])) % 2 == 0
    return np.asarray(np.where(uniform, flat, steep) * fmt.step, dtype=np.float32)


def formats(student: Student, bits: StudentBits) -> dict[str, str]:
    """The format of every number, in the words of C++."""
    found = {"input": str(bits.input)}
    for i, (layer, sums) in enumerate(zip(bits.layers, student.accumulators(), strict=True)):
        parts = {"weight": layer.weight, "bias": layer.bias, "sum": sums, "result": layer.result}
        parts |= {} if layer.activation is None else {"relu": layer.activation}
        found |= {
            f"layer{i} {name}": str(each).replace(",AP_RND,AP_SAT>", ">") if name == "sum" else str(each)
            for name, each in parts.items()
        }
    return found


def described(checkpoint: Checkpoint) -> dict[str, str]:
    """How jets or crossings become the input, as the checkpoint says."""
    spec = checkpoint.spec
    return {"kind": type(spec).__name__, "shape": str(spec.shape), **{k: str(v) for k, v in asdict(spec).items()}}


def write_vectors(project: Path, inputs: Floats, scores: Floats) -> None:
    """Inputs (n, *shape) and scores (n,) as the test bench of the project reads them, one row of numbers each."""
    folder = project / "tb_data"
    folder.mkdir(exist_ok=True)
    for name, rows in {
        "tb_input_features": inputs.reshape(len(inputs), -1),
        "tb_output_predictions": scores[:, None],
    }.items():
        lines = (" ".join(repr(float(value)) for value in row) for row in rows)
        (folder / f"{name}.dat").write_text("".join(f"{line}\n" for line in lines))


def _samples(trial: Trial) -> dict[str, Sample]:
    given = {"background": trial.background, "signal": trial.signal}
    return {name: sample for name, sample in given.items() if sample is not None}


def _compare_samples(trial: Trial) -> tuple[Separation | None, WorkingPoint | None]:
    """Raises `ParityError` where fixed point loses too much of what the files show."""
    background, signal = trial.background, trial.signal
    separated, working = None, None
    if background is None:
        if signal is not None or trial.budget is not None:
            raise InputError("a signal or a rate budget, but no crossings of the background: give them with --jets")
        return None, None
    if signal is not None:
        separated = separation(signal.scores, background.scores)
        require_separation(separated, trial.tolerances)
    if trial.budget is not None:
        if trial.conditions is None:
            raise InputError("a rate budget without the rate of crossings")
        kept = None if signal is None else signal.scores
        working = working_point(background.scores, trial.conditions, trial.budget, kept)
        require_working_point(working, trial.tolerances)
    return separated, working
