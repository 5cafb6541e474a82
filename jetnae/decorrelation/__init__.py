"""Decorrelation after the fact: maps fitted on background that make a score independent of the mass."""

from __future__ import annotations

from jetnae.decorrelation.files import Decorrelation, load_decorrelation, save_decorrelation
from jetnae.decorrelation.quantile_map import FitOptions, QuantileMap, apply, fit

__all__ = ["Decorrelation", "FitOptions", "QuantileMap", "apply", "fit", "load_decorrelation", "save_decorrelation"]
