"""What checks and exports start from: the result of a search, and the shape of a signal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jetnae.bumphunt import Hunt
    from jetnae.bumphunt.spectrum import Floats

Result = Annotated[Path, typer.Argument(help="The JSON file that `jetnae bumphunt scan` wrote.")]
Mean = Annotated[float | None, typer.Option(help="Mean of a Gaussian signal, in the unit of the observable.")]
Width = Annotated[float | None, typer.Option(help="Standard deviation of the Gaussian signal.")]
Template = Annotated[str | None, typer.Option(help="Shape of the signal instead: FILE.root:HISTOGRAM or FILE.csv.")]


def read_search(path: Path) -> Hunt:
    """The result of a search from its file; raises `InputError` when it is none."""
    from jetnae.bumphunt import Hunt
    from jetnae.errors import InputError
    from jetnae.results import from_json

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected the result of `jetnae bumphunt scan`") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON, expected the result of `jetnae bumphunt scan`") from error
    return from_json(Hunt, content)


def signal_shape(found: Hunt, mean: float | None, width: float | None, template: str | None) -> Floats:
    """Share of the signal in each bin: a Gaussian, or the contents of a histogram with the bins of the search."""
    import numpy as np

    from jetnae.bumphunt.signal import gaussian
    from jetnae.cli.spectra import read_table
    from jetnae.errors import InputError

    if template is None and mean is not None and width is not None:
        return gaussian(found.edges, mean=mean, width=width)
    if template is None or mean is not None or width is not None:
        raise InputError("the shape of the signal is missing: give --mean and --width, or --template")
    spectrum = read_table(template)
    same = len(spectrum.edges) == len(found.edges) and np.allclose(spectrum.edges, found.edges, rtol=1e-9)
    if not same or not spectrum.counts.any():
        raise InputError(f"{template}: expected events of the signal in the same {len(found.counts)} bins as searched")
    return np.asarray(spectrum.counts / spectrum.counts.sum())
