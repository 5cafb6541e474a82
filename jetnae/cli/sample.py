"""`jetnae sample`: a small file of simulated events to try everything on."""

from __future__ import annotations

from pathlib import Path

import typer


def sample(
    output: Path = typer.Argument(Path("events.root"), help="Where to write the events."),
    force: bool = typer.Option(False, "--force", help="Replace an existing file."),
) -> None:
    """Write the bundled simulated events: QCD jets with a few top and semivisible jets mixed in.

    Pythia 8 with a parametrised detector and no pile-up; the column `process` is 0 QCD, 1 top, 2 semivisible.
    """
    from importlib import resources

    from jetnae.files import write_bytes

    bundled = resources.files("jetnae") / "assets" / "events.root"
    write_bytes(output, bundled.read_bytes(), force=force)
    print(f"{output}: simulated events, QCD with a few top and semivisible jets; next: jetnae score {output}")
