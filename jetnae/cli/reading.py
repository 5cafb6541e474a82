"""The options of every command that reads jets, and what they are turned into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jetnae.errors import InputError

if TYPE_CHECKING:
    from jetnae.io import ReadOptions
    from jetnae.selection import CutFlow, Normalization, WeightCounts

Layout = Annotated[
    str, typer.Option("--layout", help="How the file names its columns: a known layout, or a TOML file; empty: detect.")
]
Jets = Annotated[
    str, typer.Option("--collection", help="Jet collection; empty: the first that resolves, large radius first.")
]
Chunk = Annotated[
    int | None, typer.Option("--chunk-size", min=1, help="Events read at once; default: as many as make 32 MB.")
]
Select = Annotated[
    list[str],
    typer.Option("--select", help="Cut on jets or events, as 'pt > 400 and |eta| < 2.4'; may be repeated."),
]
GoldenJson = Annotated[
    Path | None, typer.Option("--golden-json", help="Certified luminosity sections of collision data.")
]
CrossSection = Annotated[
    float | None, typer.Option("--cross-section", help="Of the sample in pb: scales event weights, with --luminosity.")
]
Luminosity = Annotated[float | None, typer.Option("--luminosity", help="Integrated luminosity in fb^-1.")]
SumOfWeights = Annotated[
    float | None,
    typer.Option("--sum-of-weights", help="Of all generated events of the sample; default: from the tree `Runs`."),
]
Radius = Annotated[float | None, typer.Option("--radius", help="Of anti-kT jets, where the file holds events.")]
MinPt = Annotated[float | None, typer.Option("--min-jet-pt", help="Of jets found in events, in GeV. Default: 100.")]
SoftDrop = Annotated[bool, typer.Option("--soft-drop", help="Groom jets found in events (z_cut 0.1, beta 0).")]


def read_options(  # the options of the command line, one for one
    *,
    layout: str,
    collection: str,
    chunk_size: int | None,
    select: Sequence[str],
    golden_json: Path | None,
    keep: Sequence[str] = (),
    normalization: Normalization | None = None,
    clustering: tuple[float | None, float | None, bool] = (None, None, False),
) -> ReadOptions:
    """How to read; raises `InputError` for cuts that cannot be understood."""
    from jetnae.io import ReadOptions
    from jetnae.selection import Selection

    radius, min_pt, soft_drop = clustering
    return ReadOptions(
        layout or None,
        collection or None,
        chunk_size,
        tuple(keep),
        selection=Selection(tuple(select), golden_json),
        normalization=normalization,
        radius=radius,
        min_pt=min_pt,
        soft_drop=soft_drop,
    )


def normalization(
    files: Sequence[Path], cross_section: float | None, luminosity: float | None, sum_of_weights: float | None
) -> Normalization | None:
    """What to scale event weights to; all files together are one sample.

    Raises `InputError` where only one of cross section and luminosity is given, or the sum of weights is nowhere.
    """
    from jetnae.io import generated_weights
    from jetnae.selection import Normalization

    if cross_section is None and luminosity is None:
        if sum_of_weights is not None:
            raise InputError("--sum-of-weights without --cross-section (pb) and --luminosity (fb^-1)")
        return None
    if cross_section is None or luminosity is None:
        raise InputError("--cross-section (pb) and --luminosity (fb^-1) belong together, give both")
    if sum_of_weights is None:
        sum_of_weights = sum(generated_weights(path) for path in files)
    return Normalization(cross_section, luminosity, sum_of_weights)


def cut_flow_lines(flow: CutFlow) -> list[str]:
    """The cut flow as a table; nothing where there were no cuts."""
    return flow.lines() if len(flow.rows) > 1 else []


def weight_warning(weights: WeightCounts) -> str:
    """What to know about odd event weights; empty where there are none."""
    parts = []
    if weights.n_negative:
        parts.append(f"negative weights: {weights.n_negative}")
    if weights.n_not_finite:
        parts.append(f"weights that are not finite: {weights.n_not_finite}, left out of sums")
    return ", ".join(parts)
