"""`jetnae convert`: any readable file to our own layout."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import typer

from jetnae.cli import reading


def convert(
    file: Path = typer.Argument(..., help="A file with jets: ROOT, HDF5, Parquet or a NumPy archive."),
    output: Path = typer.Argument(..., help="Where to: NAME.root or NAME.h5."),
    layout: reading.Layout = "",
    collection: reading.Jets = "",
    keep: list[str] = typer.Option([], help="Column of events to copy into the output; may be repeated."),
    select: reading.Select = [],  # noqa: B006  typer copies it
    golden_json: reading.GoldenJson = None,
    cross_section: reading.CrossSection = None,
    luminosity: reading.Luminosity = None,
    sum_of_weights: reading.SumOfWeights = None,
    radius: reading.Radius = None,
    min_jet_pt: reading.MinPt = None,
    soft_drop: reading.SoftDrop = False,
    chunk_size: reading.Chunk = None,
    force: bool = typer.Option(False, "--force", help="Replace an existing output."),
) -> None:
    """Write jets, constituents and features into a file that is quick to read again.

    Jets and events that are cut away are left out; events that lose all their jets stay.
    """
    import os

    from jetnae.cli.options import progress_bar
    from jetnae.conversion import ConvertJob, convert_file
    from jetnae.errors import InputError

    if os.path.realpath(file) == os.path.realpath(output):
        raise InputError(f"{output}: is the input, which is never written over")
    options = reading.read_options(
        layout=layout,
        collection=collection,
        chunk_size=chunk_size,
        select=select,
        golden_json=golden_json,
        keep=keep,
        normalization=reading.normalization([file], cross_section, luminosity, sum_of_weights),
        clustering=(radius, min_jet_pt, soft_drop),
    )
    job = ConvertJob(file, output, options, force, shlex.join(["jetnae", *sys.argv[1:]]))
    with progress_bar(f"converting {file.name}") as update:
        summary = convert_file(job, update)
    lines = {
        "input": f"{file}  (layout {summary.layout}, jets {summary.collection})",
        "events": f"{summary.n_events}",
        "jets": f"{summary.n_jets}",
        "dropped": f"{summary.n_dropped} constituents that were not finite or belonged to no jet",
        "weights": reading.weight_warning(summary.weights),
        "output": f"{output}",
    }
    for name, value in lines.items():
        if value and (name != "dropped" or summary.n_dropped):
            print(f"{name:>10}  {value}")
    for line in reading.cut_flow_lines(summary.flow):
        print(f"{'':>10}  {line}")
