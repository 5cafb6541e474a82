"""`jetnae inspect`: what is in a file, and what can be done with it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jetnae.cli import reading

if TYPE_CHECKING:
    from jetnae.inspection import Inspection, LayoutFit, ModelFit
    from jetnae.jets import Jets

MOST = 8
"""Trees and layouts that are listed."""
WIDTH = 100
"""Characters of a list before it goes on in the next line."""


def inspect(
    file: Path = typer.Argument(..., help="Any ROOT, HDF5, Parquet file or NumPy archive."),
    layout: reading.Layout = "",
    collection: reading.Jets = "",
    radius: reading.Radius = None,
    min_jet_pt: reading.MinPt = None,
    events: int = typer.Option(10_000, min=1, help="Look at the jets of so many events, from the first."),
    columns: bool = typer.Option(False, "--columns", help="List the columns of the tree with the jets, or of all."),
    plot: bool = typer.Option(False, "--plot", help="Draw average images and distributions: NAME.inspect.pdf, .png."),
    force: bool = typer.Option(False, "--force", help="Replace existing figures."),
) -> None:
    """Say what a file holds: trees, layouts that fit, jets and their ranges, features, and the models that fit.

    Whether a layout fits or not, this works on every file that can be opened. Run it first when something fails.
    """
    from jetnae.inspection import inspect_file
    from jetnae.io import ReadOptions

    options = ReadOptions(
        layout or None,
        collection or None,
        events,
        features=("met_pt", "met_phi"),
        radius=radius,
        min_pt=min_jet_pt,
    )
    found = inspect_file(file, options)
    for name, text in _lines(found):
        print(f"{name:>15}  {text}")
    if columns:
        _print_columns(found)
    if plot:
        _plot(found, force=force)


def _lines(found: Inspection) -> list[tuple[str, str]]:
    lines = [("file", f"{found.path}  ({found.container}, {_size(found.size)})")]
    trees = [
        f"{name or '(top)'}: {rows} rows, {len(columns)} columns"
        for name, (rows, columns) in found.trees.items()
        if columns
    ]
    layouts = [_layout_line(fit) for fit in found.layouts]
    lines += _several("trees", trees)
    lines += _several("layouts", layouts or ["none fits or nearly does"])
    if found.jets is None or found.match is None:
        return [*lines, ("jets", f"none could be read: {str(found.problem).partition('; look with')[0]}")]
    match, jets = found.match, found.jets
    radius = "" if jets.radius is None else f", R = {jets.radius:g}"
    lines.append(("read as", f"{match.layout.name}, jets {match.collection.name}{radius}"))
    lines.append(("jets", f"{len(jets)} in the first {jets.n_events} of {found.n_events} events"))
    lines += _ranges(jets)
    lines += _several("features", _wrapped(", ".join(found.features)))
    arrays = [name for name in match.collection.arrays if name in jets.columns]
    if arrays:
        lines.append(("inputs", f"{', '.join(arrays)}: train with --input {arrays[0]}"))
    lines += _several("event variables", _wrapped(", ".join(found.event_features)))
    return lines + _several("models", [_model_line(fit) for fit in found.models])


def _several(name: str, texts: list[str]) -> list[tuple[str, str]]:
    """A line for each text, the name before the first; at most `MOST`."""
    more = [f"and {len(texts) - MOST} more"] if len(texts) > MOST else []
    return [(name if i == 0 else "", text) for i, text in enumerate([*texts[:MOST], *more])]


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"


def _layout_line(fit: LayoutFit) -> str:
    if fit.missing:
        more = f" and {len(fit.missing) - 3} more" if len(fit.missing) > 3 else ""
        return f"{fit.name} in '{fit.tree}' lacks {', '.join(fit.missing[:3])}{more}"
    jets = ", ".join(f"{name} ({kind})" for name, kind in fit.collections.items())
    return f"{fit.name} in '{fit.tree}' fits: {jets}"


def _model_line(fit: ModelFit) -> str:
    if fit.lacks:
        return f"{fit.name}: does not fit, it needs {', '.join(fit.lacks)}  (for {fit.valid_for})"
    return f"{fit.name}: fits, {fit.n_in_range} of these {fit.n_jets} jets are in its range  ({fit.valid_for})"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH) or ["none"]


def _ranges(jets: Jets) -> list[tuple[str, str]]:
    """Quantiles of the jets' kinematics, and counts of what is odd."""
    import numpy as np

    from jetnae.selection import count_weights
    from jetnae.selection.normalization import event_weights

    if not len(jets):
        return []
    lines = [
        ("pt [GeV]", _quantiles(jets.pt)),
        ("eta", _quantiles(jets.eta)),
        ("mass [GeV]", _quantiles(jets.mass)),
    ]
    if jets.constituents is not None:
        lines.append(("constituents", _quantiles(jets.n_constituents)))
    if jets.n_dropped:
        lines.append(("dropped", f"{jets.n_dropped} constituents that were not finite or belonged to no jet"))
    if jets.label is None:
        lines.append(("labels", "none"))
    else:
        lines.append(("labels", f"{np.sum(jets.label == 0)} background, {np.sum(jets.label == 1)} signal"))
    weight = event_weights(jets)
    if weight is None:
        return [*lines, ("weights", "none")]
    odd = reading.weight_warning(count_weights(weight))
    return [*lines, ("weights", _quantiles(weight[np.isfinite(weight)]) + (f"; {odd}" if odd else ""))]


def _quantiles(values: Any) -> str:
    import numpy as np

    if not len(values):
        return "none"
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    odd = f"; {len(values) - len(finite)} are no finite numbers" if len(finite) < len(values) else ""
    if not len(finite):
        return f"none{odd}"
    low, q05, middle, q95, high = np.quantile(finite, (0, 0.05, 0.5, 0.95, 1))
    return f"{low:.4g} to {high:.4g}, median {middle:.4g}, 90 % in {q05:.4g} to {q95:.4g}{odd}"


def _print_columns(found: Inspection) -> None:
    trees = found.trees if found.match is None else {found.match.tree: found.trees[found.match.tree]}
    for name, (_, columns) in trees.items():
        print(f"\ncolumns of '{name}':")
        for column in columns:
            print(f"  {column}")


def _plot(found: Inspection, *, force: bool) -> None:
    from jetnae.errors import InputError
    from jetnae.plotting import save_figure
    from jetnae.plotting.inspection import jet_overview

    if found.jets is None or not len(found.jets):
        raise InputError(f"{found.path}: no jets to draw")
    figure = jet_overview(found.jets, title=found.path.name)
    for path in save_figure(figure, Path(f"{found.path.stem}.inspect"), force=force):
        print(path)
