"""Top jets in QCD and QCD jets in tops: one autoencoder, one normalized autoencoder, one set-up, both directions.

    python -m analyses.top_qcd --workers 2

Needs the samples of `data_recipes/qcd_top.py` and `data_recipes/semivisible.py` in the folder JETNAE_DATA (`make
study-top-qcd` makes them), or with `--data reference` the top-tagging reference set. Parametrised detector, no
pile-up. Settings are in settings.toml, the set-up in ../jet_nae.toml. Writes one result for each training to
analyses/results/top_qcd as it finishes, and beside them what is measured of all trainings of a group as soon as they
are there. What is there, with its scores in the folder of runs, is not done again, and what was broken off goes on.
The other class enters no training and no choice of a state, but by the stated share in the scan of contaminations.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from analyses.top_qcd.measurements import measure_what_can_be
from analyses.top_qcd.samples import data_folder, measuring_sample, training_sample
from analyses.top_qcd.settings import CLASSES, FROZEN, read_settings
from analyses.top_qcd.study import Study
from analyses.top_qcd.tasks import Places, Task, missing, run

HERE = Path(__file__).parents[1] / "results"
FOLDERS = {"simulated": "top_qcd"}
"""Where results of a kind of data lie, where it is not a folder of its name."""


def main(
    settings: Annotated[Path, typer.Option(help="Settings of the study.")] = FROZEN,
    *,
    data: Annotated[str, typer.Option(help="Jets: simulated, or reference for the top-tagging set.")] = "simulated",
    runs: Annotated[Path | None, typer.Option(help="Folder for trainings [default: in runs].")] = None,
    results: Annotated[Path | None, typer.Option(help="Folder for results [default: in analyses/results].")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time, each on one core.")] = 1,
    only: Annotated[list[str] | None, typer.Option(help="Groups, models or trainings, all by default.")] = None,
) -> None:
    """Do what is missing."""
    study = read_settings(settings, data)
    folder = FOLDERS.get(data, f"top_qcd_{data}")
    places = Places(
        settings, data, data_folder() / "prepared" / folder, runs or Path("runs") / folder, results or HERE / folder
    )
    places.results.mkdir(parents=True, exist_ok=True)
    tasks = [task for task in missing(study, places) if not only or {task.group, task.model, task.name} & {*only}]
    _prepare(tasks, places)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for line in pool.map(partial(run, places=places), tasks):
            typer.echo(line)
    for line in measure_what_can_be(Study(study, places)):
        typer.echo(line)


def _prepare(tasks: list[Task], places: Places) -> None:
    """Make images once, before several processes ask for them."""
    settings = read_settings(places.settings, places.data)
    found = [settings.configuration(task.group, task.model, task.seed) for task in tasks]
    for image, n_jets in {(each.image, each.n_jets) for each in found}:
        for name in CLASSES:
            training_sample(name, image, n_jets, settings, places.prepared)
            measuring_sample(name, image, settings, places.prepared)


if __name__ == "__main__":
    typer.run(main)
