"""What a model says about its own convergence, from background alone; `measure` comes when first used: torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jetnae.diagnostics.result import Diagnosis
from jetnae.diagnostics.summary import summarize
from jetnae.diagnostics.verdict import Verdict, judge

if TYPE_CHECKING:
    from jetnae.diagnostics.measurement import measure

__all__ = [
    "Diagnosis",
    "Verdict",
    "judge",
    "measure",
    "summarize",
]


def __getattr__(name: str) -> Any:
    if name != "measure":
        raise AttributeError(f"module 'jetnae.diagnostics' has no attribute '{name}'")
    return importlib.import_module("jetnae.diagnostics.measurement").measure
