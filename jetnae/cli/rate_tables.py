"""Thresholds for rate budgets on the terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table as RichTable

    from jetnae.intervals import Efficiency
    from jetnae.rate import Rate, Thresholds
    from jetnae.rate.result import Closure, Curve, Khz, Threshold

SUFFIXES = ("json", "csv")
WIDE = 200
"""Columns where the output is no terminal, so that nothing is folded."""


def prepare_thresholds(stem: Path, *, force: bool) -> None:
    """Raise `InputError` where a file is in the way."""
    from jetnae.files import refuse_existing

    for path in _paths(stem):
        refuse_existing(path, force=force)


def write_thresholds(found: Thresholds, stem: Path, *, force: bool) -> None:
    """Write NAME.rate_thresholds.json and .csv, printing their names."""
    from jetnae.files import write_bytes
    from jetnae.results import to_json

    texts = (json.dumps(to_json(found), indent=1, allow_nan=False) + "\n", thresholds_csv(found))
    for path, text in zip(_paths(stem), texts, strict=True):
        write_bytes(path, text.encode(), force=force)
        print(path)


def thresholds_csv(found: Thresholds) -> str:
    """One line per score and budget; what is not known stays empty. Numbers are written so that they read back."""
    rows = [_row(name, each) for name, chosen in found.thresholds.items() for each in chosen if each is not None]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["score"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def print_rate(found: Rate) -> None:
    """Short tables: thresholds with their rates, then what they keep of signals at equal rate."""
    from rich.console import Console

    print(f"{found.n_crossings} zero-bias crossings, {found.conditions.told()}")
    if found.existing is not None and found.existing.names:
        print(f"{len(found.existing.names)} existing triggers: {_interval(found.existing.rate)} kHz together")
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=WIDE)
    console.print(_rates_table(found))
    if found.signals:
        console.print(_efficiencies_table(found))
    for line in (*_closure_lines(found.closure), *(f"note: {note}" for note in _notes(found))):
        print(line)


def _rates_table(found: Rate) -> RichTable:
    pure = any(curve.pure_rate is not None for curve in found.curves)
    table = _table("score", "budget", "threshold", "rate in kHz", "tied", "next rate", *(["pure rate"] if pure else []))
    for curve in found.curves:
        for budget, each in zip(found.budgets, curve.thresholds, strict=True):
            table.add_row(curve.name, f"{budget:g} kHz", *_cells(curve, each))
    return table


def _efficiencies_table(found: Rate) -> RichTable:
    table = _table("efficiency", "budget", *(curve.name for curve in found.curves))
    for name in found.signals:
        for i, budget in enumerate(found.budgets):
            chosen = [curve.thresholds[i] for curve in found.curves]
            cells = ["-" if each is None else _interval(each.sig_eff[name]) for each in chosen]
            table.add_row(name, f"{budget:g} kHz", *cells)
    return table


def _table(*columns: str) -> RichTable:
    from rich import box
    from rich.table import Table

    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)


def _notes(found: Rate) -> list[str]:
    left_out = found.existing.left_out if found.existing is not None else ()
    said = f"left out of the existing triggers, as they take every crossing: {', '.join(left_out)}"
    return [*found.notes, *([said] if left_out else [])]


def _closure_lines(closure: Closure | None) -> list[str]:
    if closure is None:
        return []
    low, high = (f"{100 * end:g}" for end in closure.accepted)
    agree = f"halves agree in {100 * closure.share.value:.1f} % of {closure.n_splits} random splits"
    expected = f"expected {100 * closure.expected:.1f} % from the counts, accepted {low} to {high} %"
    return [f"closure: {agree}, {expected}  ({closure.lowest_rate:.3g} to {closure.highest_rate:.3g} kHz)"]


def _cells(curve: Curve, found: Threshold | None) -> list[str]:
    if found is None:
        return [f"none, {curve.n_values} values", "-", "-", "-"]
    following = "-" if found.next_rate is None else f"{found.next_rate.value:.3g}"
    cells = [f"{found.value:.6g}", _interval(found.rate), f"{found.n_tied}", following]
    return cells if found.pure_rate is None else [*cells, _interval(found.pure_rate)]


def _interval(found: Khz | Efficiency) -> str:
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _paths(stem: Path) -> list[Path]:
    return [stem.with_name(f"{stem.name}.rate_thresholds.{suffix}") for suffix in SUFFIXES]


def _row(name: str, found: Threshold) -> dict[str, Any]:
    row = {
        "score": name,
        "budget_khz": found.budget,
        "threshold": found.value,
        "threshold_low": found.low,
        "threshold_high": found.high,
        **_ends("rate_khz", found.rate),
        "n_passing": found.n_passing,
        "n_tied": found.n_tied,
        "next_threshold": found.next_value,
        "next_rate_khz": None if found.next_rate is None else found.next_rate.value,
        "looser_threshold": found.looser_value,
        "looser_rate_khz": None if found.looser_rate is None else found.looser_rate.value,
    }
    row |= {} if found.pure_rate is None else _ends("pure_rate_khz", found.pure_rate)
    for signal, eff in found.sig_eff.items():
        row |= _ends(f"sig_eff_{signal}", eff)
    return row


def _ends(name: str, found: Khz | Efficiency) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
