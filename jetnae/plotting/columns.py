"""What columns of score files and results are called in figures, and their units."""

from __future__ import annotations

NAMES = {
    "m": "m",
    "mass": "Jet mass",
    "mjj": "Dijet mass",
    "mt": "Transverse mass",
    "pt": "Jet $p_\\mathrm{T}$",
    "n_constituents": "Multiplicity",
    "sum_sq": "Sum of squared pixels",
    "score": "Anomaly score",
    "npv": "Number of collisions per crossing",
    "total_et": "Total transverse energy",
    "leading_jet_pt": "Leading-jet $p_\\mathrm{T}$",
}
"""Others keep their name."""

IN_GEV = ("m", "mass", "mjj", "mt", "pt")


def column_name(column: str) -> str:
    """The name of a column in words."""
    return NAMES.get(column, column)


def axis_label(column: str, unit: str | None = None) -> str:
    """The name with the unit in brackets; without `unit` that of known columns, an empty one for none."""
    known = "GeV" if column in IN_GEV else ""
    shown = known if unit is None else unit
    return f"{column_name(column)} [{shown}]" if shown else column_name(column)
