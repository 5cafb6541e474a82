"""Zero-bias bunch crossings as a first-level trigger sees them: a pool of collisions, then crossings overlaid from it.

    python data_recipes/zero_bias.py pool --output-dir data --seed 1
    python data_recipes/zero_bias.py crossings --half 0 --number 200000 --name zero_bias_train --seed 11
    python data_recipes/zero_bias.py crossings --half 1 --number 1200000 --name zero_bias --run 2 --seed 12

Simulated, not measured. Pythia 8 at 13.6 TeV: inelastic collisions without a scattering above 15 GeV of pTHat, and
hard scattering in slices from 15, 30, 60 and 120 GeV, each in proportion to its cross section, so that the few hard
collisions that decide on a rate are not repeated. A crossing holds a Poisson number of them around a mean that falls
from 60 to 40 over 100 luminosity sections and varies by 8 between crossings. Each collision is turned by whole regions
in phi and mirrored in eta at random. Training and evaluation take different halves of the pool: no collision is in
both. The detector is a parametrised calorimeter; no noise, no energy of other crossings (out of time), no magnetic
bending, no isolation; jets are 3 x 3 regions less the median of their rings in phi.

In HDF5, group `crossings`: `regions` (18, 14) and `objects` (57) as integers (units in `jetnae.level1`), `npv`, `mu`,
`total_et`, `leading_jet_pt`, `label` 0, `run`, `luminosityBlock`, `event`.

Expect, for these three commands: 97449 soft collisions of 76.6 mb and hard ones of 1.95, 0.161, 0.0112 and 0.00065 mb,
in about ten minutes of one core; 200000 crossings in 20 seconds and 44 MB, 1200000 in three minutes and 265 MB; 50.0
collisions, 1059 GeV and a leading jet of 31 GeV on average; one crossing in 2860 (10 kHz of 28.6 MHz) has a leading jet
of 141.5 GeV, or 2476.5 GeV in total.
"""

from pathlib import Path
from typing import Annotated

import typer

from jetnae.simulate import (
    CrossingsRequest,
    PileUp,
    Report,
    inelastic,
    make_pool,
    read_pool,
    with_progress,
    write_crossings,
)

Folder = Annotated[Path, typer.Option(envvar="JETNAE_DATA", help="Folder for trigger/, where the files go.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def pool(
    *,
    n_soft: Annotated[int, typer.Option(min=2, help="Soft collisions to generate.")] = 100_000,
    n_hard: Annotated[str, typer.Option(help="Hard ones, from 15, 30, 60 and 120 GeV.")] = "12000,14000,14000,6000",
    output_dir: Folder = Path("data"),
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result is the same for any number.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pool.")] = 1,
    force: Force = False,
) -> None:
    """Simulate the pool of collisions."""
    path = output_dir / "trigger" / "pool.h5"

    def make(report: Report) -> None:
        sampled = inelastic(n_soft, [int(each) for each in n_hard.split(",")])
        make_pool(path, sampled, seed, n_workers=workers, force=force, on_progress=report)

    with_progress("simulating", n_soft + sum(int(each) for each in n_hard.split(",")), make)
    made = read_pool(path)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
    for each in made.slices:
        typer.echo(f"{each.name:>12}  {each.cross_section:.3e} mb  {len(each.collisions)} collisions")


@app.command()
def crossings(  # noqa: PLR0913 - one argument per option
    *,
    number: Annotated[int, typer.Option(min=1, help="Crossings to write.")] = 200_000,
    half: Annotated[int, typer.Option(min=-1, max=1, help="Half of the pool to take, 0 or 1; -1 for all.")] = 0,
    name: Annotated[str, typer.Option(help="File name without ending.")] = "zero_bias_train",
    mean: Annotated[float, typer.Option(help="Mean number of collisions.")] = 50.0,
    output_dir: Folder = Path("data"),
    run: Annotated[int, typer.Option(min=1, help="Number of the run.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the overlay.")] = 11,
    force: Force = False,
) -> None:
    """Overlay crossings from the pool."""

    def make(report: Report) -> None:
        made = read_pool(output_dir / "trigger" / "pool.h5")
        request = CrossingsRequest(
            output_dir / "trigger" / f"{name}.h5", number, seed, PileUp(mean), run=run, force=force
        )
        source = made if half < 0 else made.half(half)
        write_crossings(request, source, made_from={"half": half}, on_progress=report)

    with_progress("overlaying", number, make)


if __name__ == "__main__":
    app()
