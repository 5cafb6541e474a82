"""The bundled sample of `jetnae sample`: QCD events with a few top and semivisible ones mixed in.

    python data_recipes/qcd_top.py --process qcd --n-jets 20000 --seed 11 --name qcd_small
    python data_recipes/qcd_top.py --process top --n-jets 10000 --seed 12 --name top_small
    python data_recipes/semivisible.py --n-events 10000 --seed 3
    python data_recipes/sample.py

None of these events trains the bundled model. From each file the first events with a jet in the window of that
model (550 < pT < 650 GeV, |eta| < 2, for the signals one of label 1), 1000, 100 and 100 of them, then shuffled.
`run` counts the processes from 1, so that run, luminosityBlock and event together name an event.
"""

from pathlib import Path
from typing import Annotated

import awkward as ak
import numpy as np
import typer
import uproot

from jetnae.files import atomic_path
from jetnae.simulate import RootWriter

SOURCES = {"qcd_small": 1000, "top_small": 100, "semivisible_2000_20_03": 100}
RECORDS = ("Jet", "Constituent")


def main(
    folder: Annotated[Path, typer.Option(envvar="JETNAE_DATA", help="Folder with the simulated files.")] = Path("data"),
    output: Annotated[Path, typer.Option(help="The sample.")] = Path("jetnae/assets/events.root"),
    seed: Annotated[int, typer.Option(help="Of the order of events.")] = 1,
) -> None:
    """Mix the bundled sample."""
    parts = [_first_events(folder / f"{name}.root", number) for name, number in SOURCES.items()]
    mixed = ak.concatenate(parts)
    mixed = mixed[np.random.default_rng(seed).permutation(len(mixed))]
    events = {name: _column(mixed, name) for name in mixed.fields if name not in RECORDS}
    with atomic_path(output, force=True) as temporary, RootWriter(temporary) as writer:
        writer.extend(events | {name: mixed[name] for name in RECORDS})
        writer.write_provenance({"kind": "simulated-jets", "recipe": "data_recipes/sample.py", "events": SOURCES})
    typer.echo(f"{output}: {len(mixed)} events, {int(ak.count(mixed.Jet.pt))} jets")


def _column(mixed: ak.Array, name: str) -> np.ndarray:
    column = ak.to_numpy(mixed[name])
    return (mixed.process.to_numpy() + 1).astype(np.uint32) if name == "run" else column


def _first_events(path: Path, number: int) -> ak.Array:
    with uproot.open(path) as file:
        columns = file["events"].arrays()
    records = {
        record: ak.zip(
            {name.removeprefix(f"{record}_"): columns[name] for name in columns.fields if name.startswith(f"{record}_")}
        )
        for record in RECORDS
    }
    plain = [name for name in columns.fields if not name.startswith((*RECORDS, "nJet", "nConstituent"))]
    events = ak.zip({name: columns[name] for name in plain} | records, depth_limit=1)
    jets = events.Jet
    inside = (jets.pt > 550) & (jets.pt < 650) & (abs(jets.eta) < 2) & (jets.label == (events.process > 0))
    return events[ak.any(inside, axis=1)][:number]


if __name__ == "__main__":
    typer.run(main)
