"""What a model says about its own convergence, from background alone. Names that need torch come when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jetnae.diagnostics.result import Diagnosis
from jetnae.diagnostics.verdict import Verdict, judge

if TYPE_CHECKING:
    from jetnae.diagnostics.energy import Energies, energies, mean_image_energy, measure_energies
    from jetnae.diagnostics.measurement import DensityModel, measure

__all__ = [
    "DensityModel",
    "Diagnosis",
    "Energies",
    "Verdict",
    "energies",
    "judge",
    "mean_image_energy",
    "measure",
    "measure_energies",
]

_HOMES = {
    "DensityModel": "measurement",
    "Energies": "energy",
    "energies": "energy",
    "mean_image_energy": "energy",
    "measure": "measurement",
    "measure_energies": "energy",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jetnae.diagnostics' has no attribute '{name}'")
    return getattr(importlib.import_module(f"jetnae.diagnostics.{_HOMES[name]}"), name)
