"""From a teacher and background files to a student: reading, learning, comparing, writing."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jetnae.checkpoint import FORMAT_VERSION, Checkpoint, Header, save_checkpoint
from jetnae.distillation.agreement import Agreement, compare, threshold
from jetnae.distillation.config import SCAN, DistillConfig, preset
from jetnae.distillation.learning import learn, learn_fixed
from jetnae.distillation.lesson import CHUNK, Lesson, Part, log_scores, prepare
from jetnae.distillation.scan import BitScan, Candidate, Efficiency, recommend
from jetnae.distillation.size import size_of
from jetnae.distillation.views import view_of
from jetnae.errors import InputError
from jetnae.files import refuse_existing
from jetnae.folds import load_scorer
from jetnae.inputs import kind_of
from jetnae.results import to_json
from jetnae.selection import Selection
from jetnae.training_data import DataConfig, data_path, selected_jets
from jetnae.version import __version__

if TYPE_CHECKING:
    from jetnae.distillation.views import Array, View
    from jetnae.models import Student

Report = Callable[[str, int, int, dict[str, float]], None]
"""Called after every step with what is going on, the step, the number of steps, and what was logged."""


@dataclass(frozen=True)
class Sources:
    """A teacher, the background to ask it about, and how the files are read."""

    teacher: str
    files: tuple[Path, ...]
    layout: str | None = None
    collection: str | None = None
    selection: Selection = field(default_factory=Selection)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@dataclass(frozen=True)
class School:
    """All that stays the same while students learn."""

    sources: Sources
    config: DistillConfig
    teacher: Checkpoint
    view: View
    lesson: Lesson
    report: Report | None = None

    def floating(self) -> Student:
        """A student in floating point."""
        return learn(self.lesson, self.view, self.config, self.sources.device, self._reporting("floating point"))

    def fixed(self, floating: Student, bits: int) -> Student:
        """A student in fixed point that goes on from one in floating point."""
        report = self._reporting(f"{bits} bits")
        return learn_fixed(floating, bits, self.lesson, self.view, self.config, report=report)

    def agreement(self, student: Student) -> Agreement:
        """What the held-out share says of a student."""
        lesson = self.lesson
        parts = {name: self._scores(student, part) for name, part in lesson.held_out_broadened.items()}
        return compare(*self._scores(student, lesson.held_out), parts)

    def _scores(self, student: Student, part: Part) -> tuple[Array, Array]:
        """Log-scores of the teacher and scores of the student (n,), double."""
        return part.log_score.double().numpy(), student_scores(student, part.raw, self.view, self.sources.device)

    def _reporting(self, what: str) -> Callable[[int, int, dict[str, float]], None] | None:
        report = self.report
        return None if report is None else lambda step, total, logs: report(what, step, total, logs)


def open_school(sources: Sources, config: DistillConfig, report: Report | None = None) -> School:
    """Read the background, and let the teacher score it and what is made of it.

    Raises `InputError` for a teacher in folds or without positive scores, and for too little background.
    """
    teacher = load_scorer(sources.teacher)
    if not isinstance(teacher, Checkpoint):
        raise InputError(
            f"{sources.teacher}: models in folds, of which a student could learn from one only: give one of them, as "
            f"{sources.teacher}/{teacher.folds.models[0].file}"
        )
    teacher.model.to(sources.device)
    view = view_of(teacher.spec)
    raw = read_raw(sources, sources.files, teacher, view, config.n_jets)
    lesson = prepare(raw, view, teacher.model, config, sources.device)
    return School(sources, config, teacher, view, lesson, report)


def read_raw(
    sources: Sources, files: Sequence[Path], teacher: Checkpoint, view: View, n_jets: int, *, label: int = 0
) -> Array:
    """Raw values (n, *shape) of the jets in the range of the teacher, of one label where files have labels."""
    config = DataConfig(
        files=tuple(str(path.resolve()) for path in files),
        n_jets=n_jets,
        pt=teacher.validity.pt,
        abs_eta=teacher.validity.abs_eta,
        radius=teacher.validity.radius,
        label=label,
        layout=sources.layout,
        collection=sources.collection,
        selection=sources.selection,
    )
    parts = [view.raw(jets).astype(view.dtype) for _, jets in selected_jets(config, teacher.spec)]
    found = np.concatenate(parts)[:n_jets] if parts else np.zeros((0, *teacher.spec.shape))
    if not len(found):
        names = ", ".join(path.name for path in files)
        raise InputError(f"{names}: no jet of label {label} in the range of the teacher ({teacher.validity})")
    return found


@torch.no_grad()
def student_scores(student: Student, raw: torch.Tensor, view: View, device: torch.device) -> Array:
    """Scores (n,) of a student for raw values (n, *shape), double."""
    parts = [student.score(view.student(part.to(device))).cpu() for part in torch.split(raw, CHUNK)]
    return torch.cat(parts).double().numpy()


def distill(school: School, output: Path, *, force: bool = False) -> tuple[Header, Agreement]:
    """Let a student learn, and write its checkpoint; returns its header, and how far it agrees with its teacher."""
    refuse_existing(output, force=force)
    student = school.floating()
    agreement = school.agreement(student)
    notes: dict[str, Any] = {}
    if school.config.bits is not None:
        notes["floating_point"] = to_json(agreement)
        student = school.fixed(student, school.config.bits)
        agreement = school.agreement(student)
    return write_student(school, student, agreement, output, notes), agreement


def scan(
    school: School, output: Path, bits: Sequence[int] = SCAN, signals: Sequence[Path] = (), *, force: bool = False
) -> tuple[Header, BitScan]:
    """Let students of several widths learn from the same one in floating point; write the one that is recommended.

    signals : files that are scored at the end, for the table; nothing is learned from them or chosen by them.
    """
    refuse_existing(output, force=force)
    for each in bits:
        preset(each)
    floating = school.floating()
    students = [floating, *(school.fixed(floating, each) for each in bits)]
    candidates = [candidate_of(school, student, each) for student, each in zip(students, (None, *bits), strict=True)]
    chosen = recommend(candidates)
    reported = tuple(
        replace(candidate, signal={path.name: signal_efficiencies(school, student, path) for path in signals})
        for candidate, student in zip(candidates, students, strict=True)
    )
    result = BitScan(school.teacher.header.name, school.teacher.header.sha256, reported, chosen)
    index = 1 + list(bits).index(chosen)
    notes = {"floating_point": to_json(candidates[0].agreement)}
    return write_student(school, students[index], candidates[index].agreement, output, notes), result


def candidate_of(school: School, student: Student, bits: int | None) -> Candidate:
    """A student with all that is known of it from background."""
    formats = student.config.bits
    names: tuple[str, ...] = ()
    if formats is not None:
        names = (str(formats.input), *(str(layer.activation or layer.result) for layer in formats.layers))
    return Candidate(bits, school.agreement(student), size_of(student), names, {})


def signal_efficiencies(school: School, student: Student, path: Path) -> tuple[Efficiency, ...]:
    """Efficiencies of teacher and student for the signal in a file, at the shares of held-out background."""
    view, device, held_out = school.view, school.sources.device, school.lesson.held_out
    raw = read_raw(school.sources, [path], school.teacher, view, school.config.n_jets, label=1)
    teacher = log_scores(raw, view, school.teacher.model, device).double().numpy()
    found = student_scores(student, torch.from_numpy(raw), view, device)
    background = held_out.log_score.double().numpy(), student_scores(student, held_out.raw, view, device)
    return tuple(
        Efficiency(
            point.share,
            float(np.mean(teacher > threshold(background[0], point.share))),
            float(np.mean(found > threshold(background[1], point.share))),
        )
        for point in compare(*background, {}).points
    )


def write_student(
    school: School, student: Student, agreement: Agreement, output: Path, notes: Mapping[str, Any]
) -> Header:
    """Write a checkpoint that says where the student comes from and how well it learned."""
    sources, teacher = school.sources, school.teacher.header
    spec = school.view.spec
    bits = None if student.config.bits is None else student.config.bits.layers[0].weight.width
    header = Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name=output.stem,
        model="student",
        config=asdict(student.config),
        validity=teacher.validity,
        layout=teacher.layout,
        **{kind_of(spec): spec},  # type: ignore[arg-type]
        training={
            "teacher": teacher.name,
            "teacher_sha256": teacher.sha256,
            "distillation": asdict(replace(school.config, bits=bits)),
            "files": {path.name: f"{data_path(str(path.resolve())).stat().st_size} bytes" for path in sources.files},
            "selection": list(sources.selection.cuts),
            "n_training": len(school.lesson.background),
            "size": to_json(size_of(student)),
            "agreement": to_json(agreement),
            **notes,
        },
        provenance={
            "jetnae": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )
    return save_checkpoint(output, student, header)
