"""One self-contained ONNX file per model: the graph, and in its metadata all that is needed to fill its input."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jetnae.checkpoint import Checkpoint
from jetnae.export.graph import GraphVersion, to_onnx
from jetnae.export.metadata import describe
from jetnae.export.parity import check_parity, read_some
from jetnae.files import refuse_existing, write_bytes
from jetnae.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from jetnae.export.parity import Parity
    from jetnae.folds import FoldedCheckpoint

PREFIX = "jetnae."
"""Before the name of each of our entries in the metadata of a file."""


@dataclass(frozen=True)
class ExportJob:
    """A model to export, and where to; `jets` is the file with the jets that its scores are checked on."""

    checkpoint: Checkpoint | FoldedCheckpoint
    output: Path
    jets: Path
    version: GraphVersion = field(default_factory=GraphVersion)
    force: bool = False


def export_onnx(job: ExportJob) -> dict[Path, Parity]:
    """Write a model as an ONNX file, of models in folds one file each, NAME.fold0.onnx and so on.

    The scores of the graph are compared with those of torch on up to 5000 jets before anything is written. Returns the
    files with how far they are off. Raises `ParityError` where that is more than 1e-5, or at all for a student in
    fixed point, and `InputError` for layers without a form in ONNX, jets that do not fit the model, and outputs that
    exist.
    """
    models = _models(job)
    for path in models:
        refuse_existing(path, force=job.force)
    jets = read_some(job.jets, next(iter(models.values()))[0])
    done = {}
    for path, (checkpoint, fold) in models.items():
        graph = to_onnx(checkpoint, job.version, physics_units=True)
        parity = check_parity(graph, checkpoint, jets, job.jets.name)
        done[path] = with_metadata(graph, describe(checkpoint, parity) | fold), parity
    for path, (content, _) in done.items():
        write_bytes(path, content, force=job.force)
    return {path: parity for path, (_, parity) in done.items()}


def with_metadata(graph: bytes, entries: dict[str, str]) -> bytes:
    """A graph with these entries in its metadata, checked to be a valid file."""
    import onnx

    model = onnx.load_from_string(graph)
    model.producer_version = __version__
    onnx.helper.set_model_props(model, {f"{PREFIX}{name}": text for name, text in entries.items()})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _models(job: ExportJob) -> dict[Path, tuple[Checkpoint, dict[str, str]]]:
    """The models to write by their files, each with what its metadata says of its fold."""
    if isinstance(job.checkpoint, Checkpoint):
        return {job.output: (job.checkpoint, {})}
    folds = job.checkpoint.folds
    rule = {
        "event": "the event number modulo n_folds",
        "entry": "a hash of the name of the file and the row, modulo n_folds: use jetnae for these",
    }[folds.rule]
    return {
        job.output.with_suffix(f".fold{k}{job.output.suffix}"): (
            each,
            {"folds": json.dumps({"fold": k, "n_folds": len(folds), "use_for_events_where_fold_is": rule})},
        )
        for k, each in enumerate(job.checkpoint.checkpoints)
    }
