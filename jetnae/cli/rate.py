"""`jetnae rate`: what a threshold on the score costs in a trigger, and what it keeps of signals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing, prepare_result, write_result
from jetnae.cli.rate_tables import prepare_thresholds, print_rate, write_thresholds
from jetnae.cli.roc import bare_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetnae.crossings import Crossings
    from jetnae.rate import Rate, Signal, ZeroBias
    from jetnae.rate.dependence import Against

PILE_UP = ("npv", "PV_npvs", "PV_npvsGood", "Pileup_nPU", "Pileup_nTrueInt")
PATTERNS = ("L1_*", "HLT_*")
CHECK_FAILED = 4


def rate(
    files: list[Path] = typer.Argument(..., help="Score files of zero-bias events."),
    signal: list[str] = typer.Option([], help="NAME=FILE with scores of signal events; may be repeated."),
    budget: list[float] = typer.Option([1.0, 3.0, 10.0], help="Rate in kHz to find a threshold for; may be repeated."),
    score: str = typer.Option("score", help="Column to cut on; of several jets in an event the largest counts."),
    compare: list[str] = typer.Option(
        [], help="Another column to cut on at equal rate, as total_et, leading_jet_pt; may be repeated."
    ),
    n_bunches: int | None = typer.Option(
        None,
        help="Colliding bunches: 2544 is the usual Run-3 filling (28.6 MHz), 3564 every crossing.  [default: 2544]",
    ),
    orbit_frequency: float = typer.Option(11245.6, help="Turns per second, in Hz."),
    input_rate: str = typer.Option(
        "", help="Rate of crossings with its unit instead of bunches, as 40MHz; empty crossings then count as others."
    ),
    prescale: float = typer.Option(1.0, help="Of the new trigger: one of so many passing crossings is kept."),
    against: list[str] = typer.Option(
        [], help="COLUMN, COLUMN:N or COLUMN:EDGE,EDGE,... to show the rate against; may be repeated. Default: npv."
    ),
    existing: list[str] = typer.Option(
        [], help="Pattern of columns with decisions of existing triggers; may be repeated. Default: L1_* and HLT_*."
    ),
    original: list[Path] = typer.Option([], help="File that was scored, to read these columns from; may be repeated."),
    closure: int = typer.Option(0, min=0, help="Compare random halves in so many splits (500 or more)."),
    seed: int = typer.Option(1, min=0, help="Of the splits."),
    all_jets: bool = typer.Option(False, "--all", help="Jets outside the validity range of the model may pass, too."),
    output: Path | None = typer.Option(None, help="NAME of the results. Default: beside the first file, by its name."),
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    force: bool = typer.Option(False, "--force", help="Replace existing results."),
) -> None:
    """Find what rate thresholds on the score have, and the thresholds for rate budgets, from zero-bias events.

    Writes NAME.rate.json with all numbers, NAME.rate_thresholds.json and .csv with the thresholds, and figures. A
    crossing passes when its score is the threshold or more. All events are crossings and count the same.
    Exit code 4 when --closure is asked for and random halves agree in less than 62 % or more than 76 % of the splits.
    """
    import numpy as np

    from jetnae.crossings import read_zero_bias
    from jetnae.rate import closure as close
    from jetnae.rate import make_conditions, measure, parse_rate

    stem = output or files[0].with_name(bare_name(files[0]))
    drawing = find_drawing(look, title, label)
    prepare_result("rate", stem, force=force)
    prepare_thresholds(stem, force=force)
    given = parse_rate(input_rate) if input_rate else None
    conditions = make_conditions(
        n_bunches=n_bunches, orbit_frequency=orbit_frequency, input_rate=given, prescale=prescale
    )
    names = _names(score, compare)
    sample = read_zero_bias(files, names, all_jets=all_jets)
    signals = _signals(signal, names, sample, all_jets=all_jets)
    zero_bias = _zero_bias(sample, against, existing, original)
    found = measure(zero_bias, conditions, budget, signals=signals)
    if closure:
        rng = np.random.default_rng(seed)
        found = replace(found, closure=close(sample.scores[score], conditions, budget, rng, n_splits=closure))
    found = _described(found, sample, signal)
    print_rate(found)
    write_result(found, stem, drawing, force=force)
    write_thresholds(found.chosen(), stem, force=force)
    if found.closure is not None and not found.closure.passed():
        print("the check failed: random halves of the sample agree too often or not often enough")
        raise typer.Exit(CHECK_FAILED)


def _names(score: str, compare: Sequence[str]) -> list[str]:
    from jetnae.errors import InputError

    names = [score, *compare]
    if len(set(names)) < len(names):
        raise InputError(f"--score and --compare name {', '.join(names)}: expected each column once")
    return names


def _signals(given: Sequence[str], names: Sequence[str], sample: Crossings, *, all_jets: bool) -> dict[str, Signal]:
    """Signals by their names; files that share a name are one signal."""
    from jetnae.crossings import read_signal
    from jetnae.rate import Signal

    files: dict[str, list[Path]] = {}
    for each in given:
        name, _, path = each.rpartition("=")
        files.setdefault(name or bare_name(Path(path)), []).append(Path(path))
    found = {name: read_signal(paths, names, sample, all_jets=all_jets) for name, paths in files.items()}
    return {name: Signal(each.scores, each.weight) for name, each in found.items()}


def _zero_bias(
    sample: Crossings, against: Sequence[str], existing: Sequence[str], original: Sequence[Path]
) -> ZeroBias:
    import numpy as np

    from jetnae.errors import InputError
    from jetnae.rate import ZeroBias
    from jetnae.rate.dependence import Where
    from jetnae.triggers import read_decisions

    patterns = existing or PATTERNS
    decisions = read_decisions(original, patterns, sample) if original else sample.decisions(patterns)
    if existing and not decisions:
        raise InputError(
            f"no columns {', '.join(existing)} in {', '.join(sample.names)}: keep them with `jetnae score --keep`, or "
            "give the file that was scored with --original"
        )
    where = None
    if "luminosityBlock" in sample.columns:
        run = sample.columns.get("run", np.zeros(len(sample)))
        where = Where(np.asarray(run, dtype=np.int64), np.asarray(sample.columns["luminosityBlock"], dtype=np.int64))
    asked = against or [name for name in PILE_UP if name in sample.columns][:1]
    return ZeroBias(sample.scores, decisions, dict(_against(each, sample) for each in asked), where)


def _against(text: str, sample: Crossings) -> tuple[str, Against]:
    """The column and bins that an option asks for."""
    from jetnae.crossings import unit_of
    from jetnae.errors import InputError
    from jetnae.rate.dependence import N_BINS, Against, bin_edges

    name, _, bins = text.partition(":")
    try:
        numbers = [float(each) for each in bins.split(",")] if bins else [float(N_BINS)]
        wanted = tuple(numbers) if len(numbers) > 1 else int(bins or N_BINS)
    except ValueError as error:
        raise InputError(f"--against {text}: expected COLUMN, COLUMN:N or COLUMN:EDGE,EDGE,..., as npv:8") from error
    if isinstance(wanted, int) and not 1 <= wanted <= 1000:
        raise InputError(f"--against {text}: expected a number of bins from 1 to 1000")
    values = sample.column(name)
    edges = bin_edges(values, wanted, name)
    return name, Against(values, edges, unit_of(sample, name))


def _described(found: Rate, sample: Crossings, signals: Sequence[str]) -> Rate:
    provenance = {
        "model": sample.model,
        "model_sha256": sample.model_sha256,
        "inputs": ", ".join(sample.inputs.values()),
        **({"signals": ", ".join(signals)} if signals else {}),
    }
    return replace(found, provenance=provenance, notes=(*sample.notes, *found.notes))
