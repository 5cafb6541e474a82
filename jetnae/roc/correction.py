"""Working points as a correctionlib file (schema version 2), for analysis code in C++ or Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetnae.roc.working_points import Threshold, WorkingPoints

NEVER = float(np.finfo(np.float32).max)
"""The threshold where there is none: nothing passes, also in single precision."""

ROUNDING = 4
"""Steps of double precision that thresholds are raised by: readers of JSON are not all exact in the last one."""

VARIATIONS = {"nominal": "value", "down": "low", "up": "high"}


def to_correction(points: WorkingPoints) -> dict[str, Any]:
    """The content of the file: thresholds as a function of working point, variation, and the columns of the bins.

    Working points are named `bkg_eff_0.01`; variations are `nominal`, `down` and `up`, the ends of the 68 % interval
    of the threshold. Outside the bins, and where there were too few jets, the threshold is one that nothing passes.
    """
    return {
        "schema_version": 2,
        "description": "Thresholds on an anomaly score at fixed background efficiency. " + _told(points.provenance),
        "corrections": [
            {
                "name": f"{points.score}_threshold",
                "description": f"A jet passes when its {points.score} is larger than this threshold",
                "version": 1,
                "inputs": [
                    {"name": "working_point", "type": "string", "description": ", ".join(_names(points))},
                    {"name": "variation", "type": "string", "description": ", ".join(VARIATIONS)},
                    *({"name": name, "type": "real", "description": "of the jet"} for name in points.columns),
                ],
                "output": {
                    "name": "threshold",
                    "type": "real",
                    "description": f"{NEVER:g} outside the bins and where there were too few jets: nothing passes",
                },
                "data": _category("working_point", {name: _by_variation(points, i) for i, name in _numbered(points)}),
            }
        ],
    }


def _names(points: WorkingPoints) -> list[str]:
    return [f"bkg_eff_{eff:g}" for eff in points.bkg_effs]


def _numbered(points: WorkingPoints) -> enumerate[str]:
    return enumerate(_names(points))


def _told(provenance: Any) -> str:
    return "; ".join(f"{name}: {value}" for name, value in provenance.items())


def _category(column: str, content: dict[str, Any]) -> dict[str, Any]:
    entries = [{"key": key, "value": value} for key, value in content.items()]
    return {"nodetype": "category", "input": column, "content": entries}


def _by_variation(points: WorkingPoints, which: int) -> dict[str, Any]:
    thresholds = [each.thresholds[which] for each in points.bins]
    return _category(
        "variation", {name: _binning(points, _numbers(thresholds, end)) for name, end in VARIATIONS.items()}
    )


def _numbers(thresholds: Sequence[Threshold | None], end: str) -> list[float]:
    """A threshold is the score of a jet that must not pass. The reader may round it down, so it is written higher."""
    values = [NEVER if each is None else getattr(each, end) for each in thresholds]
    return [float(value + ROUNDING * np.spacing(abs(value))) for value in values]


def _binning(points: WorkingPoints, content: list[float]) -> dict[str, Any]:
    return {
        "nodetype": "multibinning",
        "inputs": list(points.columns),
        "edges": [list(edges) for edges in points.edges],
        "content": content,
        "flow": NEVER,
    }
