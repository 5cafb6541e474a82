"""One self-contained ONNX file per model: the graph, and in its metadata all that is needed to fill its input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from jetnae.checkpoint import Checkpoint
from jetnae.export.graph import INPUT, OUTPUT, GraphVersion, to_onnx
from jetnae.export.parity import CRITERION, TOLERANCE, check_parity, read_some
from jetnae.features import JET_FEATURES, FeatureSpec
from jetnae.files import refuse_existing, write_bytes
from jetnae.images import ImageSpec
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jetnae.export.parity import Parity
    from jetnae.folds import FoldedCheckpoint
    from jetnae.inputs import Spec

FORMAT_VERSION = 1
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
    files with how far they are off. Raises `ParityError` where that is more than 1e-5, and `InputError` for layers
    without a form in ONNX, jets that do not fit the model, and outputs that exist.
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


def describe(checkpoint: Checkpoint, parity: Parity) -> dict[str, str]:
    """The metadata of a file: what the model is, what its input is, and where it is valid; texts, or JSON."""
    header = checkpoint.header
    kind, entries = INPUTS[type(checkpoint.spec)]
    score = "anomaly score, float32 (n,), larger is more anomalous, NaN where an input is"
    shown = {"jets": parity.jets, "n_jets": parity.n_jets, "difference": parity.difference}
    return {
        "format_version": str(FORMAT_VERSION),
        "version": __version__,
        "model": header.name,
        "model_kind": header.model,
        "model_sha256": header.sha256,
        "input": kind,
        "input_name": INPUT,
        "input_shape": json.dumps(["n", *checkpoint.spec.shape]),
        "output_name": OUTPUT,
        "output": score,
        "preprocessing": json.dumps(asdict(checkpoint.spec)),
        "validity": json.dumps(asdict(checkpoint.validity)),
        "parity": json.dumps({**shown, "criterion": CRITERION, "tolerance": TOLERANCE}),
        **entries(checkpoint.spec),
    }


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


def _image(spec: Spec) -> dict[str, str]:
    """How to fill an image, step by step, in double precision until it is filled."""
    if not isinstance(spec, ImageSpec):
        raise TypeError(type(spec))
    (rows, columns), n, half = spec.shape, spec.n_pixels, spec.half_width
    origin = "the hardest one" if spec.center else "the jet axis"
    steps = [
        f"x = eta, y = phi of the constituents relative to {origin}, y in [-pi, pi)",
        *(["subtract the pT-weighted means of x and y"] if spec.center else []),
        *(["angle = 0.5 atan2(2 Sxy, Sxx - Syy), S = pT-weighted second moments"] if spec.rotate else []),
        *(["(x, y) -> (sin(angle) x - cos(angle) y, cos(angle) x + sin(angle) y)"] if spec.rotate else []),
        *(["x -> -x where more pT lies at x > 0", "y -> -y where more pT lies at y < 0"] if spec.flip else []),
        f"add pT to pixel [floor((y + {half}) / d), floor((x + {half}) / d)] of {n} x {n}, d = {2 * half / n:g} rad",
        "leave out what lies outside",
        *([f"pixel -> pixel^{spec.pixel_power}, scaled to the same sum"] if spec.pixel_power != 1 else []),
        *([_smearing(spec)] if int(4 * spec.smearing + 0.5) else []),
        *([f"sum blocks of {spec.rebin} x {spec.rebin} pixels"] if spec.rebin > 1 else []),
        *([f"scale all pixels so that they sum to {spec.pixel_sum}"] if spec.pixel_sum is not None else []),
    ]
    unit = "GeV" if spec.pixel_sum is None else f"shares of the pT in the window, all together {spec.pixel_sum}"
    return {
        "input_description": f"finished jet image of {rows} rows (y, lowest first) and {columns} columns (x)",
        "input_units": unit,
        "steps": json.dumps(steps),
    }


def _smearing(spec: ImageSpec) -> str:
    radius = int(4 * spec.smearing + 0.5)
    return (
        f"Gaussian filter of {spec.smearing} pixels along both axes, cut at {radius} pixels and normalized; at the "
        "edges the pixels are mirrored, the last one first"
    )


def _features(spec: Spec) -> dict[str, str]:
    if not isinstance(spec, FeatureSpec):
        raise TypeError(type(spec))
    table = [
        {"name": name, "unit": JET_FEATURES[name].unit, "formula": JET_FEATURES[name].formula} for name in spec.names
    ]
    scaled = "; the graph centers and scales them itself" if spec.center else ""
    return {
        "input_description": f"jet features in the order of jetnae.features, in their units{scaled}",
        "input_units": ", ".join(JET_FEATURES[name].unit or "1" for name in spec.names),
        "features": json.dumps(table),
    }


INPUTS: dict[type[Any], tuple[str, Callable[[Spec], dict[str, str]]]] = {
    ImageSpec: ("image", _image),
    FeatureSpec: ("features", _features),
}
"""Kind of input: its name, and what the metadata says of how to fill it."""
