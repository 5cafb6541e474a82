"""`jetnae bumphunt export`: the result of a search in the forms other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jetnae.cli.searches import Mean, Result, Template, Width, read_search, signal_shape

if TYPE_CHECKING:
    from jetnae.bumphunt import Hunt
    from jetnae.bumphunt.spectrum import Floats


def export(
    result: Result,
    hepdata: Annotated[Path | None, typer.Option(help="Folder for a HEPData submission.")] = None,
    pyhf: Annotated[Path | None, typer.Option(help="JSON file for a pyhf workspace.")] = None,
    region: Annotated[
        tuple[float, float] | None, typer.Option(metavar="LOW HIGH", help="Signal region of the pyhf workspace.")
    ] = None,
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Write the result for HEPData, or as a pyhf workspace of the signal region with the sideband fit."""
    from jetnae.bumphunt.export import hepdata as submission
    from jetnae.errors import InputError
    from jetnae.files import refuse_existing, write_bytes

    if hepdata is None and pyhf is None:
        raise InputError("nothing to export: give --hepdata FOLDER or --pyhf FILE")
    found = read_search(result)
    texts = {} if hepdata is None else {hepdata / name: text for name, text in submission(found).items()}
    if pyhf is not None:
        content = _workspace(found, region, signal_shape(found, mean, width, template))
        texts[pyhf] = json.dumps(content, indent=1) + "\n"
    for path in texts:
        refuse_existing(path, force=force)
    for path, text in texts.items():
        write_bytes(path, text.encode(), force=force)
        print(path)


def _workspace(found: Hunt, region: tuple[float, float] | None, template: Floats) -> dict[str, Any]:
    """Of the blinded region with its expectation for data, or of `region` with the sidebands fitted again."""
    from jetnae.bumphunt import families_of, fit
    from jetnae.bumphunt.export import pyhf_workspace
    from jetnae.errors import InputError

    if found.options.blind is not None:
        if region is not None:
            raise InputError("the search was blinded, its signal region is that: leave --region out")
        return pyhf_workspace(found.fit, None, template)
    if region is None:
        raise InputError("the search was not blinded: give the signal region with --region LOW HIGH")
    sidebands = ~found.visible.overlap(*region)
    family = families_of(found.fit.family)[0]
    fitted = fit(found.visible, family, sqrt_s=found.fit.sqrt_s, fitted=sidebands)
    return pyhf_workspace(fitted, found.visible, template)
