"""What an exported file says of itself: the model, how to fill its input step by step, and what comes out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jetnae.export.graph import INPUT, OUTPUT
from jetnae.export.parity import CRITERION
from jetnae.features import JET_FEATURES, FeatureSpec
from jetnae.images import ImageSpec
from jetnae.level1 import COUNT, KINDS, MAX_COUNT, MAX_PT, N_ETA, N_PHI, PHI_COUNTS, ObjectSpec, RegionSpec
from jetnae.models import Student
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetnae.checkpoint import Checkpoint
    from jetnae.export.parity import Parity
    from jetnae.inputs import Spec

FORMAT_VERSION = 1


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
        **_student(checkpoint),
        "preprocessing": json.dumps(asdict(checkpoint.spec)),
        "validity": json.dumps(asdict(checkpoint.validity)),
        "parity": json.dumps({**shown, "criterion": CRITERION, "tolerance": parity.tolerance}),
        **entries(checkpoint.spec),
    }


def _student(checkpoint: Checkpoint) -> dict[str, str]:
    """What the score of a student stands for, and the numbers it computes with; nothing for other models."""
    model = checkpoint.model
    if not isinstance(model, Student):
        return {}
    config, training = model.config, checkpoint.header.training
    formats = {}
    if config.bits is not None:
        formats = {"input": str(config.bits.input)}
        for i, layer in enumerate(config.bits.layers):
            formats |= {f"layer {i} {name}": str(fmt) for name, fmt in vars(layer).items() if fmt is not None}
    said = {
        "score": "slope * (log s - offset) of the score s of the teacher",
        "offset": config.offset,
        "slope": config.slope,
        "teacher": training.get("teacher", ""),
        "teacher_sha256": training.get("teacher_sha256", ""),
        "arithmetic": "fixed point, exact: every bit as in firmware" if formats else "floating point",
        "formats": formats,
    }
    return {"student": json.dumps(said)}


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
        *([f"pixel -> pixel^{spec.smeared_power}, scaled to the same sum"] if spec.smeared_power != 1 else []),
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


def _regions(spec: Spec) -> dict[str, str]:
    if not isinstance(spec, RegionSpec):
        raise TypeError(type(spec))
    steps = [
        f"row i of {N_PHI}: phi from -pi + i * 2 pi / {N_PHI}, column j of {N_ETA}: eta from -3 + j * 6 / {N_ETA}",
        f"each value: the transverse energy in that region in counts of {COUNT:g} GeV, a whole number, rounded down",
        f"the graph itself cuts counts to 0 to {MAX_COUNT}{_averages(spec)}, and takes {_function(spec)}",
    ]
    return {
        "input_description": f"counts of {N_PHI} x {N_ETA} calorimeter regions, phi then eta, as they are",
        "input_units": f"{COUNT:g} GeV",
        "steps": json.dumps(steps),
    }


def _averages(spec: RegionSpec) -> str:
    return f", averages {spec.window} x {spec.window} regions" if spec.window > 1 else ""


def _objects(spec: Spec) -> dict[str, str]:
    if not isinstance(spec, ObjectSpec):
        raise TypeError(type(spec))
    numbers = ", ".join(f"{n} {name}" for name, n in KINDS.items())
    most = ", ".join(f"{name} {value}" for name, value in MAX_PT.items())
    steps = [
        f"{numbers}, each kind by falling pt, zeros where there are fewer; of each pt, eta, phi, in whole counts",
        f"pt: counts of {COUNT:g} GeV, rounded down, at most: {most}",
        "eta: counts of 3/70, that of met is 0",
        f"phi: counts of 2 pi / {PHI_COUNTS}, from {-PHI_COUNTS // 2} to {PHI_COUNTS // 2 - 1}",
        f"the graph itself takes of pt {_function(spec)}, and divides eta and phi by {spec.angle_scale:g}",
    ]
    return {
        "input_description": f"counts of pt, eta and phi of {sum(KINDS.values())} objects, as they are",
        "input_units": f"pt {COUNT:g} GeV, eta 3/70, phi 2 pi / {PHI_COUNTS}",
        "values": json.dumps(spec.names),
        "steps": json.dumps(steps),
    }


def _function(spec: RegionSpec | ObjectSpec) -> str:
    """The transform of counts c in words."""
    formula = {"linear": "c / {0:g}", "sqrt": "sqrt(c) / sqrt({0:g})", "log": "log(1 + c) / log(1 + {0:g})"}
    return formula[spec.transform].format(spec.scale)


INPUTS: dict[type[Any], tuple[str, Callable[[Spec], dict[str, str]]]] = {
    ImageSpec: ("image", _image),
    FeatureSpec: ("features", _features),
    RegionSpec: ("regions", _regions),
    ObjectSpec: ("objects", _objects),
}
"""Kind of input: its name, and what the metadata says of how to fill it."""
