"""QCD and top jets like those of the top-tagging reference set, and W jets of the same pT, as ROOT and HDF5 files.

    python data_recipes/qcd_top.py --process qcd --n-jets 100000 --output-dir data --workers 2 --seed 1

Pythia 8 at 14 TeV without multiple interactions, pTHat 500 to 750 GeV; a parametrised detector; anti-kT R = 0.8;
jets among the two leading ones with 550 < pT < 650 GeV and |eta| < 2. Tops decay to quarks, all three
within 0.8 of the jet axis; W, of pairs, to two, likewise.

Expect, for `--process qcd --n-jets 20000 --seed 11`: 31186 generated and 15254 kept events, median jet mass 70 GeV
and 47 constituents; for `--process top --n-jets 10000 --seed 12`: 23803 and 8514 events, 171 GeV and 62. Median jet
pT 590 GeV in both. One core makes about 200 QCD jets per second.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jetnae.simulate import JetCuts, Job, Request, qcd, run_recipe, top, w


class ProcessName(StrEnum):
    """The two classes of the reference set, and a signal that it has not."""

    QCD = "qcd"
    TOP = "top"
    W = "w"


def main(
    process: Annotated[ProcessName, typer.Option(help="Which jets.")],
    *,
    n_jets: Annotated[int, typer.Option(min=1, help="Jets to write.")] = 100_000,
    output_dir: Annotated[Path, typer.Option(envvar="JETNAE_DATA", help="Folder for the two files.")] = Path("data"),
    name: Annotated[str | None, typer.Option(help="File name without ending [default: the process].")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result is the same for any number.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the whole sample.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Simulate QCD, top or W jets of 550 to 650 GeV."""
    physics = {ProcessName.QCD: qcd, ProcessName.TOP: top, ProcessName.W: w}[process]()
    job = Job(physics, JetCuts(matched_only=physics.truth != "none"), seed)
    request = Request(output_dir, name or process.value, n_jets, n_workers=workers, force=force)
    run_recipe(lambda: (job, request))


if __name__ == "__main__":
    typer.run(main)
