"""Semivisible jets of a dark sector and their QCD background, with their events, as ROOT and HDF5 files.

    python data_recipes/semivisible.py --process signal --n-events 10000 --output-dir data --seed 3
    python data_recipes/semivisible.py --process qcd --n-events 100000 --output-dir data --seed 4

Pythia 8 at 13 TeV without multiple interactions; Z' to dark quarks, or QCD with its high-pT tail oversampled:
those events carry a weight that belongs in every histogram. A parametrised detector; anti-kT R = 0.8; events
with at least two jets of pT > 100 GeV and |eta| < 2.4, of which up to four are kept, label 1 where matched to
a dark quark; missing momentum from all reconstructed objects.

Expect, for `--n-events 2000 --seed 3`: 2354 generated events, 4608 jets of which 3877 match a dark quark, median jet
pT 500 GeV and mass 73 GeV, median missing pT 194 GeV; for `--process qcd --n-events 2000 --seed 4`: 2312 generated
events, 4636 jets, and (medians without weights) 275, 40 and 6 GeV. The HDF5 table has no place for weights: they stand
beside it, one per jet, in `/weight`.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jetnae.simulate import JetCuts, Job, Process, Request, run_recipe, semivisible, weighted_qcd

CUTS = JetCuts(pt_min=100.0, pt_max=float("inf"), eta_max=2.4, n_leading=4, min_jets=2)


class ProcessName(StrEnum):
    """Signal and background."""

    SIGNAL = "signal"
    QCD = "qcd"


def main(  # noqa: PLR0913 - one argument per option
    process: Annotated[ProcessName, typer.Option(help="Which events.")] = ProcessName.SIGNAL,
    *,
    m_mediator: Annotated[float, typer.Option(help="Mass of the Z' in GeV.")] = 2000.0,
    m_dark: Annotated[float, typer.Option(help="Mass of the dark mesons in GeV.")] = 20.0,
    r_inv: Annotated[float, typer.Option(help="Invisible fraction of the dark mesons.")] = 0.3,
    pt_hat_min: Annotated[float, typer.Option(help="Lowest pTHat of the QCD background in GeV.")] = 150.0,
    n_events: Annotated[int, typer.Option(min=1, help="Events to write.")] = 10_000,
    output_dir: Annotated[Path, typer.Option(envvar="JETNAE_DATA", help="Folder for the two files.")] = Path("data"),
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result is the same for any number.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the whole sample.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Simulate semivisible jets or their weighted QCD background."""

    def make() -> tuple[Job, Request]:
        physics, name = _physics(process, m_mediator, m_dark=m_dark, r_inv=r_inv, pt_hat_min=pt_hat_min)
        return Job(physics, CUTS, seed), Request(output_dir, name, n_events, "events", workers, force)

    run_recipe(make)


def _physics(
    process: ProcessName, m_mediator: float, *, m_dark: float, r_inv: float, pt_hat_min: float
) -> tuple[Process, str]:
    if process is ProcessName.QCD:
        return weighted_qcd(pt_hat_min=pt_hat_min), "semivisible_qcd"
    physics = semivisible(m_mediator=m_mediator, m_dark=m_dark, r_inv=r_inv)
    # As in semivisible_2000_20_03: masses in GeV, then r_inv without its point.
    return physics, f"semivisible_{m_mediator:g}_{m_dark:g}_{f'{r_inv:g}'.replace('.', '')}"


if __name__ == "__main__":
    typer.run(main)
