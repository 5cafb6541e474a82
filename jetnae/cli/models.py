"""`jetnae models`: what comes with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from jetnae.checkpoint import Header


def models(
    name: str = typer.Argument("", help="Print the card of this bundled model, or what a checkpoint says of itself."),
) -> None:
    """List the bundled models, or describe one of them or a checkpoint of your own."""
    from jetnae.checkpoint import bundled_models, load_checkpoint
    from jetnae.folds import load_scorer
    from jetnae.inputs import value_names

    found = bundled_models()
    if name in found:
        print(found[name].with_suffix(".md").read_text(encoding="utf-8").rstrip())
        return
    if name:
        _describe(load_scorer(name).header)
        return
    for stem, path in found.items():
        header = load_checkpoint(path).header
        size = path.stat().st_size / 1e3
        what = "jet images" if header.image is not None else ", ".join(value_names(header.spec))
        print(f"{stem}  {header.model.upper()} on {what}, for jets with {header.validity}  ({size:.0f} kB)")
    print("\nThe card of a model: jetnae models NAME")


def _describe(header: Header) -> None:
    summary = {key: value for key, value in header.training.items() if isinstance(value, float)}
    lines = {
        "name": f"{header.name}  ({header.sha256[:12]})",
        "model": f"{header.model}  {header.config}",
        "valid for": str(header.validity),
        "input": str(header.spec),
        **{key: f"{value:.6g}" for key, value in summary.items()},
        **header.provenance,
    }
    for key, value in lines.items():
        print(f"{key:>20}  {value}")
