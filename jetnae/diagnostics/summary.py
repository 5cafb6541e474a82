"""A diagnosis in a few numbers, as studies keep it beside each training."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jetnae.diagnostics.result import Diagnosis
from jetnae.diagnostics.verdict import judge


def summarize(found: Diagnosis) -> dict[str, Any]:
    """Ratios of energies on fresh chains, distances, reconstruction, and the verdict with its reasons.

    floors : distances of samples from the data, in units of the floor. reconstruction, ten_components :
    reconstruction errors of the model and of principal components, in units of that of the mean input; None where there
    is none.
    """
    floor, reconstruction, verdict = found.distances.floor.value, found.reconstruction, judge(found)
    errors = {"reconstruction": reconstruction.model, "ten_components": reconstruction.pca}
    return {
        "ratio": asdict(found.energies.ratio),
        "ratio_long": asdict(found.energies.ratio_long),
        "floors": {name: each.value / floor for name, each in found.distances.samples.items()},
        **{name: None if error is None else error / reconstruction.mean_image for name, error in errors.items()},
        "verdict": verdict.kind,
        "reasons": list(verdict.reasons),
    }
