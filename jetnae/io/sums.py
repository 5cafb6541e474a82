"""What a file says about the sample that it is a part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from jetnae.io.source import Source

SUMS = ("genEventSumw", "genEventSumw_")
"""Sum of the generator weights of all events that were processed, one row per run of the job (NanoAOD)."""


def sum_of_weights(source: Source, path: Path) -> float:
    """Sum of generator weights before any selection; raises `InputError` where the file does not say."""
    for name in SUMS:
        if "Runs" in source.trees and source.has("Runs", name):
            rows = source.chunks("Runs", {name}, max(source.trees["Runs"], 1))
            return float(sum(np.asarray(data[name], dtype=np.float64).sum() for _, _, data in rows))
    raise InputError(
        f"{path}: no tree Runs with {SUMS[0]}, the sum of generator weights is not known: give it with --sum-of-weights"
    )
