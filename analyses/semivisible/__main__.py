"""Semivisible jets in QCD multijets: what autoencoders find of them, jet by jet, event by event, and in a search.

    python -m analyses.semivisible --workers 2

Needs the samples of `data_recipes/semivisible.py` in the folder JETNAE_DATA (`make study-semivisible` makes them).
Everything is QCD only: top pairs and W and Z with jets are not simulated; parametrised detector, no pile-up. Settings
are in settings.toml. Writes one result for each training to analyses/results/semivisible as it finishes, and at the
end, beside them, `summary.json` (jets), `cut_flow.json`, `events.json` and `search.json`. What is there, with its
scores in the folder of runs, is not done again, and what was broken off goes on. No signal enters a training but that
of the classifier, which is the ceiling.
"""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from analyses.semivisible.measurements import measure_study
from analyses.semivisible.samples import prepare
from analyses.semivisible.search import Effort
from analyses.semivisible.settings import FROZEN, read_settings
from analyses.semivisible.summary import lines, summarize
from analyses.semivisible.tasks import Places, missing, run
from jetnae.files import write_bytes

MEASURED = ("summary", "cut_flow", "events", "search")
"""Results of all trainings together."""
RESULTS = Path(__file__).parents[1] / "results" / "semivisible"


def main(
    settings: Annotated[Path, typer.Option(help="Settings of the study.")] = FROZEN,
    *,
    runs: Annotated[Path, typer.Option(help="Folder for trainings and scores.")] = Path("runs/semivisible"),
    results: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time, each on one core.")] = 1,
    only: Annotated[list[str] | None, typer.Option(help="Models to train, all by default.")] = None,
    effort: Annotated[
        tuple[int, int, int, int],
        typer.Option(
            help="Fits and searches with a signal, toys of each search, and searches in background alone.",
        ),
    ] = (60, 20, 500, 1000),
) -> None:
    """Do what is missing."""
    study = read_settings(settings)
    places = Places(settings, Path(os.environ.get("JETNAE_DATA", "data")) / "prepared", runs, results)
    tasks = [task for task in missing(study, places) if not only or task[0] in only]
    places.results.mkdir(parents=True, exist_ok=True)
    for name in (study.background, *study.signals):  # once, before several processes ask for them
        prepare(name, study, places.prepared)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for line in pool.map(partial(run, places=places), tasks):
            typer.echo(line)
    if missing(study, places):
        return
    if tasks or not all((results / f"{name}.json").exists() for name in MEASURED):
        contents = {"summary": summarize(results, study), **measure_study(study, places, Effort(*effort))}
        for name in MEASURED:
            write_bytes(results / f"{name}.json", (json.dumps(contents[name], indent=1) + "\n").encode(), force=True)
    for line in lines(json.loads((results / "summary.json").read_text(encoding="utf-8"))):
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
