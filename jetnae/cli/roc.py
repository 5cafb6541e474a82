"""`jetnae roc`: how well scores separate signal from background, beside simple baselines."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing, prepare_result, write_result

if TYPE_CHECKING:
    from jetnae.roc import Roc, RocCurve
    from jetnae.roc.result import OperatingPoint
    from jetnae.samples import Sample

BASELINES = ("mass", "n_constituents", "pt", "sum_sq")


class Table(StrEnum):
    """Further formats the numbers are written in."""

    DARKMACHINES = "darkmachines"


def roc(
    files: list[Path] = typer.Argument(None, help="Score files whose jets carry labels."),
    signal: list[Path] = typer.Option([], help="Score file of signal jets; may be repeated."),
    background: list[Path] = typer.Option([], help="Score file of background jets; may be repeated."),
    score: str = typer.Option("score", help="Column to test, as score_decorrelated."),
    baseline: list[str] = typer.Option(
        [], help="Column to compare with; may be repeated. Default: mass, multiplicity, pT and sum of squared pixels."
    ),
    seeds: bool = typer.Option(False, "--seeds", help="The files' models are trainings of one: median and 68 % band."),
    all_jets: bool = typer.Option(False, "--all", help="Also jets outside the validity range of the model."),
    bootstrap: int = typer.Option(200, min=10, help="Resampled data sets for errors."),
    seed: int = typer.Option(1, min=0, help="Of the resampling."),
    table: Table | None = typer.Option(None, "--format", help="Also a CSV table in this format."),
    channel: str = typer.Option("", help="Entry of the column Chan in that table."),
    output: Path | None = typer.Option(None, help="NAME of the results. Default: beside the first file, by its name."),
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    force: bool = typer.Option(False, "--force", help="Replace existing results."),
) -> None:
    """Compare scores of signal and background jets: ROC curve, AUC, rejections, significance improvement.

    Writes NAME.roc.json with all numbers, and the figures NAME.roc and NAME.sic as PDF and PNG. Scores of several
    models on the same jets become one curve each. Jets without a score (NaN) pass no cut and count in all efficiencies.
    """
    import numpy as np

    from jetnae.files import refuse_existing, write_bytes
    from jetnae.roc import RocOptions, compare, make_samples
    from jetnae.samples import BACKGROUND, SIGNAL, by_model, read_sample

    stem = output or _stem(files or [], signal, background)
    target = stem.with_name(f"{stem.name}.darkmachines.csv")
    drawing = find_drawing(look, title, label)
    prepare_result("roc", stem, force=force)
    if table is not None:
        refuse_existing(target, force=force)
    inputs = [(path, None) for path in files or []] + [(path, SIGNAL) for path in signal]
    inputs += [(path, BACKGROUND) for path in background]
    models = by_model([read_sample(path, label=label, all_jets=all_jets) for path, label in inputs])
    first = next(iter(models.values()))
    names = baseline or [name for name in BASELINES if name in first.columns]
    found = compare(
        {_curve_name(name, score): sample.column(score) for name, sample in models.items()},
        {name: first.column(name) for name in names},
        make_samples(first.label, first.weight),
        np.random.default_rng(seed),
        seeds=first.model if seeds else None,
        options=RocOptions(n_bootstrap=bootstrap),
    )
    found = _described(found, models, signal, background)
    _print(found)
    write_result(found, stem, drawing, force=force)
    if table is not None:
        write_bytes(target, darkmachines(found, channel).encode(), force=force)
        print(target)


def darkmachines(found: Roc, channel: str) -> str:
    """The table of the Dark Machines challenge (arXiv:2105.14027); empty where a background efficiency is too small."""
    columns = ["1e-2", "1e-3", "1e-4"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Signal", "Model", "Chan", "AUC", *columns])
    for curve in found.curves:
        points = {point.target: point for point in curve.points if point.fixed == "bkg_eff"}
        chosen = [points[float(column)] for column in columns]
        effs = [f"{point.sig_eff.value:.6g}" if point.resolved else "" for point in chosen]
        writer.writerow([found.signal, curve.label, channel, f"{curve.auc.value:.6g}", *effs])
    return text.getvalue()


def _described(found: Roc, models: dict[str, Sample], signal: list[Path], background: list[Path]) -> Roc:
    first = next(iter(models.values()))
    hashes = {f"model {name}": sample.model_sha256 for name, sample in models.items()}
    return replace(
        found,
        signal=_class_name(signal) or "signal",
        background=_class_name(background) or "background",
        provenance={**hashes, "inputs": ", ".join(dict.fromkeys(first.inputs.values()))},
        notes=first.notes,
    )


def _curve_name(model: str, score: str) -> str:
    return model if score == "score" else f"{model} {score}"


def _class_name(paths: list[Path]) -> str:
    return "+".join(dict.fromkeys(bare_name(path) for path in paths))


def bare_name(path: Path) -> str:
    """The name of a score file without its suffixes."""
    return path.stem.removesuffix(".scores")


def _stem(files: list[Path], signal: list[Path], background: list[Path]) -> Path:
    from jetnae.errors import InputError

    first = next(iter([*files, *signal, *background]), None)
    if first is None:
        raise InputError("no score files, expected one or more made by `jetnae score`")
    if signal and background:
        return first.with_name(f"{_class_name(signal)}_vs_{_class_name(background)}")
    return first.with_name(bare_name(first))


def _print(found: Roc) -> None:
    sizes = f"{found.n_signal} {found.signal} jets against {found.n_background} {found.background} jets"
    effective = f" (effective {found.n_eff_signal:.0f} and {found.n_eff_background:.0f})"
    whole = (found.n_eff_signal, found.n_eff_background) == (found.n_signal, found.n_background)
    print(sizes + ("" if whole else effective))
    points = found.curves[0].points
    heads = [f"{'1/eps_B' if point.fixed == 'sig_eff' else 'eps_S'}({point.target:g})" for point in points]
    rows = [["", "AUC", "reversed", *heads, "max SIC"], *map(_row, found.curves)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first, *rest = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first, *rest]).rstrip())
    if found.seeds is not None:
        auc = found.seeds.auc
        print(f"{found.seeds.n_seeds} trainings: AUC {auc.median:.4f}, 68 % in {auc.low:.4f} to {auc.high:.4f}")
    shared = [note for note in found.curves[0].notes if all(note in curve.notes for curve in found.curves)]
    own = [f"{curve.label}: {note}" for curve in found.curves for note in curve.notes if note not in shared]
    for note in (*found.notes, *shared, *own):
        print(f"note: {note}")


def _row(curve: RocCurve) -> list[str]:
    sic = "-" if curve.max_sic is None else f"{curve.max_sic.value:.2f} ± {curve.max_sic.error:.2f}"
    auc = f"{curve.auc.value:.4f} ± {curve.auc.error:.4f}"
    return [curve.label, auc, f"{curve.auc_reversed:.4f}", *map(_cell, curve.points), sic]


def _cell(point: OperatingPoint) -> str:
    """The value with the ends of its interval, or the bound."""
    if point.fixed == "bkg_eff":
        eff = point.sig_eff
        cell = f"{eff.value:.3g} [{eff.low:.3g}, {eff.high:.3g}]"
        return cell if point.resolved else f"({cell})"
    if point.bkg_rej.value is None:
        return f"> {point.bkg_rej.low:.3g}"
    high = "inf" if point.bkg_rej.high is None else f"{point.bkg_rej.high:.3g}"
    return f"{point.bkg_rej.value:.3g} [{point.bkg_rej.low:.3g}, {high}]"
