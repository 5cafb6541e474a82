"""`jetnae plot`: the score distribution of a score file, or the figures of a result file, as PDF and PNG."""

from __future__ import annotations

from pathlib import Path

import typer

from jetnae.cli.options import LOOK, TITLE


def plot(
    file: Path = typer.Argument(..., help="A score file made by `jetnae score`, or a result file (.json)."),
    output: Path | None = typer.Option(
        None, help="Figure without suffix; PDF and PNG are written. Default: beside the file."
    ),
    look: LOOK = "plain",
    title: TITLE = "",
    all_jets: bool = typer.Option(False, "--all", help="Also jets outside the validity range of the model."),
    force: bool = typer.Option(False, "--force", help="Replace existing figures."),
) -> None:
    """Draw the distribution of the score for each class of jets in a score file, or a result file's figures again."""
    paths = _redraw if file.suffix == ".json" else _draw_scores
    for path in paths(file, output, look=look, title=title, all_jets=all_jets, force=force):
        print(path)


def _redraw(file: Path, output: Path | None, *, look: str, title: str, all_jets: bool, force: bool) -> list[Path]:
    from jetnae.cli.options import find_style
    from jetnae.errors import InputError
    from jetnae.plotting.results import draw_result, read_result

    if all_jets:
        raise InputError("--all is about score files, but a result holds the jets it was made of: leave it out")
    content = read_result(file)
    stem = output or file.with_name(file.stem.removesuffix(f".{content['kind']}"))
    return draw_result(content, stem, force=force, look=find_style(look), title=title)


def _draw_scores(file: Path, output: Path | None, *, look: str, title: str, all_jets: bool, force: bool) -> list[Path]:
    from jetnae.cli.options import find_style
    from jetnae.errors import InputError
    from jetnae.io.scores import read_scores
    from jetnae.plotting import save_figure
    from jetnae.plotting.scores import score_classes, score_distribution

    chosen = find_style(look)
    scores = read_scores(file)
    classes = score_classes(scores.jets, scores.counts, scores.events, all_jets=all_jets)
    if not classes:
        raise InputError(f"{file}: no jets with a score inside the model's validity range, try --all")
    n_outside = int((~scores.jets["in_range"]).sum())
    note = f"all jets, {n_outside} outside the validity range" if all_jets else "jets in the validity range"
    model = str(scores.provenance.get("model", ""))
    figure = score_distribution(classes, title=title, note=note, model=model, look=chosen)
    return save_figure(figure, output or file.with_suffix(""), force=force, look=chosen)
