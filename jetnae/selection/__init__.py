"""Selections: cuts on jets and events, certified luminosity, cut flows, and the normalization of simulated events."""

from jetnae.selection.cutflow import CutFlow, CutRow
from jetnae.selection.cuts import JET_NAMES, Passing, Selection, apply
from jetnae.selection.evaluation import evaluate, require_columns
from jetnae.selection.luminosity import LuminosityMask
from jetnae.selection.normalization import Normalization, WeightCounts, count_weights, event_weights
from jetnae.selection.parser import parse
from jetnae.selection.syntax import Expression, names, to_text

__all__ = [
    "JET_NAMES",
    "CutFlow",
    "CutRow",
    "Expression",
    "LuminosityMask",
    "Normalization",
    "Passing",
    "Selection",
    "WeightCounts",
    "apply",
    "count_weights",
    "evaluate",
    "event_weights",
    "names",
    "parse",
    "require_columns",
    "to_text",
]
