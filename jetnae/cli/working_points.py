"""`jetnae workingpoints`: thresholds at fixed background efficiency in bins of pT and mass."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing, prepare_result, write_result
from jetnae.cli.roc import bare_name

if TYPE_CHECKING:
    from jetnae.roc.working_points import Threshold, WorkingPoints
    from jetnae.samples import Sample


def working_points(
    files: list[Path] = typer.Argument(..., help="Score files of background; jets labeled signal are left out."),
    bkg_eff: list[float] = typer.Option([0.1, 0.01, 0.001], help="Background efficiency; may be repeated."),
    bins: list[str] = typer.Option(
        ["pt:4"], help="COLUMN:N for N equally full bins, or COLUMN:EDGE,EDGE,...; may be repeated, as for pt and mass."
    ),
    score: str = typer.Option("score", help="Column to cut on, as score_decorrelated."),
    all_jets: bool = typer.Option(False, "--all", help="Also jets outside the validity range of the model."),
    output: Path | None = typer.Option(None, help="NAME of the results. Default: beside the first file, by its name."),
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    force: bool = typer.Option(False, "--force", help="Replace existing results."),
) -> None:
    """Find the thresholds on the score that keep a given share of the background, in bins of the jets' columns.

    Writes NAME.working_points.json, the figure NAME.thresholds, and NAME.correction.json for correctionlib: a jet
    passes when its score is larger than the threshold there.
    """
    from jetnae.errors import InputError
    from jetnae.files import refuse_existing, write_bytes
    from jetnae.roc.correction import to_correction
    from jetnae.roc.working_points import working_points as find
    from jetnae.samples import join, read_sample

    stem = output or files[0].with_name(bare_name(files[0]))
    target = stem.with_name(f"{stem.name}.correction.json")
    drawing = find_drawing(look, title, label)
    prepare_result("working_points", stem, force=force)
    refuse_existing(target, force=force)
    sample = join([read_sample(path, label=0, all_jets=all_jets) for path in files])
    names = [each.partition(":")[0] for each in bins]
    if len(set(names)) < len(names):
        raise InputError(f"--bins {', '.join(bins)}: a column given more than once, give all its edges at once")
    edges = dict(_edges(each, sample) for each in bins)
    columns = {name: sample.column(name) for name in edges}
    found = find(sample.column(score), bkg_eff, columns, edges, weight=sample.weight, name=score)
    inputs = ", ".join(sample.inputs.values())
    provenance = {"model": sample.model, "model_sha256": sample.model_sha256, "inputs": inputs}
    found = replace(found, provenance=provenance, notes=(*sample.notes, *found.notes))
    _print(found)
    write_result(found, stem, drawing, force=force)
    write_bytes(target, (json.dumps(to_correction(found), indent=1, allow_nan=False) + "\n").encode(), force=force)
    print(target)


def _edges(text: str, sample: Sample) -> tuple[str, tuple[float, ...]]:
    """The column and the edges that an option asks for."""
    from jetnae.errors import InputError
    from jetnae.roc.working_points import quantile_edges

    name, _, wanted = text.partition(":")
    try:
        numbers = [float(each) for each in wanted.split(",")]
    except ValueError as error:
        raise InputError(f"--bins {text}: expected COLUMN:N or COLUMN:EDGE,EDGE,..., as pt:4 or pt:500,600") from error
    if not all(math.isfinite(each) for each in numbers):
        raise InputError(f"--bins {text}: expected finite edges, as pt:500,600,13000")
    if len(numbers) > 1:
        return name, tuple(numbers)
    if not 1 <= numbers[0] <= 1000 or numbers[0] != int(numbers[0]):
        raise InputError(f"--bins {text}: expected a number of bins from 1 to 1000")
    return name, quantile_edges(sample.column(name), int(numbers[0]))


def _print(found: WorkingPoints) -> None:
    for each in found.bins:
        where = ", ".join(
            f"{low:.5g} <= {name} < {high:.5g}" for name, (low, high) in zip(found.columns, each.ranges, strict=True)
        )
        print(f"{where}: {each.n_jets} jets")
        for eff, threshold in zip(found.bkg_effs, each.thresholds, strict=True):
            print(f"    eps_B {eff:<8g} {_told(threshold, each.smallest_bkg_eff)}")
    if found.n_outside:
        print(f"note: jets in no bin: {found.n_outside}")
    for note in found.notes:
        print(f"note: {note}")


def _told(threshold: Threshold | None, smallest: float | None) -> str:
    if threshold is not None:
        return f"{threshold.value:.5g} [{threshold.low:.5g}, {threshold.high:.5g}]"
    return "too few jets" + ("" if smallest is None else f", down to {smallest:.2g} is possible")
