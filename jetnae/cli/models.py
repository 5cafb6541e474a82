"""`jetnae models`: what comes with the package."""

from __future__ import annotations

import typer


def models(
    name: str = typer.Argument("", help="Print the model card of this model."),
) -> None:
    """List the bundled models, or print the card of one."""
    from jetnae.checkpoint import bundled_models, load_checkpoint
    from jetnae.errors import InputError

    found = bundled_models()
    if name:
        if name not in found:
            raise InputError(f"no bundled model '{name}', expected one of {', '.join(found)}")
        print(found[name].with_suffix(".md").read_text(encoding="utf-8").rstrip())
        return
    for stem, path in found.items():
        header = load_checkpoint(path).header
        size = path.stat().st_size / 1e3
        print(f"{stem}  {header.model.upper()} on jet images, for jets with {header.validity}  ({size:.0f} kB)")
    print("\nThe card of a model: jetnae models NAME")
