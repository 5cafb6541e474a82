"""`jetnae plot`: the score distribution of a score file, or the figures of a result file, as PDF and PNG."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing

if TYPE_CHECKING:
    from jetnae.cli.options import Drawing


def plot(
    file: Path = typer.Argument(..., help="A score file made by `jetnae score`, or a result file (.json)."),
    output: Path | None = typer.Option(
        None, help="Figure without suffix; PDF and PNG are written. Default: beside the file."
    ),
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    all_jets: bool = typer.Option(False, "--all", help="Also jets outside the validity range of the model."),
    force: bool = typer.Option(False, "--force", help="Replace existing figures."),
) -> None:
    """Draw the distribution of the score for each class of jets in a score file, or a result file's figures again."""
    drawing, paths = find_drawing(look, title, label), _redraw if file.suffix == ".json" else _draw_scores
    for path in paths(file, output, drawing, all_jets=all_jets, force=force):
        print(path)


def _redraw(file: Path, output: Path | None, drawing: Drawing, *, all_jets: bool, force: bool) -> list[Path]:
    from jetnae.errors import InputError
    from jetnae.plotting.results import draw_result, figure_stem, read_result

    if all_jets:
        raise InputError("--all is about score files, but a result holds the jets it was made of: leave it out")
    content = read_result(file)
    return draw_result(content, output or figure_stem(content["kind"], file), force=force, **asdict(drawing))


def _draw_scores(file: Path, output: Path | None, drawing: Drawing, *, all_jets: bool, force: bool) -> list[Path]:
    from jetnae.errors import InputError
    from jetnae.io.scores import read_scores
    from jetnae.plotting import save_figure
    from jetnae.plotting.scores import score_classes, score_distribution

    scores = read_scores(file)
    classes = score_classes(scores.jets, scores.counts, scores.events, all_jets=all_jets)
    if not classes:
        raise InputError(f"{file}: no jets with a score inside the model's validity range, try --all")
    n_outside = int((~scores.jets["in_range"]).sum())
    note = f"all jets, {n_outside} outside the validity range" if all_jets else "jets in the validity range"
    model = str(scores.provenance.get("model", ""))
    figure = score_distribution(classes, note=note, model=model, **asdict(drawing))
    return save_figure(figure, output or file.with_suffix(""), force=force, look=drawing.look)
