"""Signals for a first-level trigger, overlaid with the pile-up of `zero_bias.py`, label 1.

    python data_recipes/trigger_signals.py --signal top --output-dir data --seed 21

Needs the pool of `zero_bias.py` in the same folder, and takes the half of it that no training has seen. Pythia 8 at
13.6 TeV with multiple interactions. Each of the `--n-collisions` simulated goes into as many crossings as needed, every
time turned, mirrored and with other pile-up. The crossings are in `NAME.h5`, as those of `zero_bias.py`; the collisions
are kept in `pool_NAME.h5` and used again where that is there.

top: pairs with hadronic decays. semivisible: a Z' of 1 TeV to dark quarks, dark mesons of 20 GeV, of which 0.3 are
invisible. semivisible_low: 500 GeV. four_bottom: a scalar of 400 GeV to two of 80 GeV, each to two bottom quarks.

Expect, with the seeds 21 (top), 22 (semivisible), 24 (semivisible_low) and 23 (four_bottom) and the thresholds on the
leading jet of 10 kHz in `zero_bias.py`, efficiencies of 0.30, 0.86, 0.51 and 0.54; on the total energy below 0.05.
"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jetnae.simulate import (
    CrossingsRequest,
    PileUp,
    Process,
    Report,
    Sampled,
    four_bottom,
    in_crossing,
    make_pool,
    read_pool,
    semivisible,
    top,
    with_progress,
    write_crossings,
)


class Signal(StrEnum):
    """The signals."""

    TOP = "top"
    SEMIVISIBLE = "semivisible"
    SEMIVISIBLE_LOW = "semivisible_low"
    FOUR_BOTTOM = "four_bottom"


PROCESSES: dict[Signal, Callable[[], Process]] = {
    Signal.TOP: lambda: in_crossing(top(pt_hat_min=0.0, pt_hat_max=-1.0)),
    Signal.SEMIVISIBLE: lambda: in_crossing(semivisible(m_mediator=1000.0, m_dark=20.0, r_inv=0.3)),
    Signal.SEMIVISIBLE_LOW: lambda: in_crossing(semivisible(m_mediator=500.0, m_dark=20.0, r_inv=0.3)),
    Signal.FOUR_BOTTOM: lambda: four_bottom(m_resonance=400.0, m_scalar=80.0),
}


def main(
    signal: Annotated[Signal, typer.Option(help="Which signal.")],
    *,
    number: Annotated[int, typer.Option(min=1, help="Crossings to write.")] = 20_000,
    n_collisions: Annotated[int, typer.Option(min=2, help="Signal collisions to simulate.")] = 10_000,
    output_dir: Annotated[Path, typer.Option(envvar="JETNAE_DATA", help="Folder with trigger/pool.h5.")] = Path("data"),
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result is the same for any number.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 21,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Simulate a signal and overlay it with pile-up."""
    process = PROCESSES[signal]()
    folder = output_dir / "trigger"
    own = folder / f"pool_{signal.value}.h5"

    def simulate(report: Report) -> None:
        make_pool(own, [Sampled(process, n_collisions)], seed, n_workers=workers, force=force, on_progress=report)

    def overlay(report: Report) -> None:
        request = CrossingsRequest(
            folder / f"{signal.value}.h5", number, seed, PileUp(), process=process.code, run=2, force=force
        )
        pile_up = read_pool(folder / "pool.h5").half(1)
        write_crossings(request, pile_up, read_pool(own), made_from={"half": 1}, on_progress=report)

    if force or not own.exists():
        with_progress("simulating", n_collisions, simulate)
    with_progress("overlaying", number, overlay)


if __name__ == "__main__":
    typer.run(main)
