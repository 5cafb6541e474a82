"""`jetnae plot`: the score distribution of a score file, per class, as PDF and PNG."""

from __future__ import annotations

from pathlib import Path

import typer


def plot(
    file: Path = typer.Argument(..., help="A score file made by `jetnae score`."),
    output: Path | None = typer.Option(
        None, help="Figure without suffix; PDF and PNG are written. Default: beside the file."
    ),
    title: str = typer.Option("", help="What the jets are; stands above the figure, as 'Simulation, no pile-up'."),
    all_jets: bool = typer.Option(False, "--all", help="Also jets outside the validity range of the model."),
    force: bool = typer.Option(False, "--force", help="Replace existing figures."),
) -> None:
    """Draw the distribution of the score for each class of jets in the file."""
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
    figure = score_distribution(classes, title=title, note=note, model=model)
    for path in save_figure(figure, output or file.with_suffix(""), force=force):
        print(path)
