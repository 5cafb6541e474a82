"""One training after the other: train, score, measure the grid, write one result; what is there is not done again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analyses.semivisible.ceiling import classify
from analyses.semivisible.jet_level import evaluate, match_pt
from analyses.semivisible.samples import Sample, Values, prepare, versions
from analyses.semivisible.settings import LABEL, Settings, read_settings, relevant
from analyses.semivisible.trainings import Trained, fit, score
from jetnae.errors import InputError
from jetnae.files import atomic_path, write_bytes

CEILING = "ceiling"
"""The name of the classifier among the models."""


@dataclass(frozen=True)
class Places:
    """Where things are: the settings, prepared samples, trainings and scores, results."""

    settings: Path
    prepared: Path
    runs: Path
    results: Path

    def result(self, name: str, seed: int) -> Path:
        """The result of a training."""
        return self.results / f"{name}_{seed}.json"

    def scores(self, name: str, seed: int, sample: str) -> Path:
        """The scores of a sample by a model."""
        return self.runs / "scores" / f"{name}_{seed}" / f"{sample}.npz"


def all_tasks(settings: Settings) -> list[tuple[str, int]]:
    """Every model with every seed."""
    return [(name, seed) for seed in settings.seeds for name in (*settings.models, CEILING)]


def missing(settings: Settings, places: Places) -> list[tuple[str, int]]:
    """What is not there yet: the result, or scores that the events are measured with."""
    for task in all_tasks(settings):
        check_settings(places.result(*task), task[0], settings)
    return [
        (name, seed)
        for name, seed in all_tasks(settings)
        if not places.result(name, seed).exists()
        or not all(places.scores(name, seed, sample).exists() for sample in settings.signals)
    ]


def check_settings(path: Path, model: str, settings: Settings) -> None:
    """Raises `InputError` for a result of other settings of this model: results of two do not mix."""
    if not path.exists():
        return
    found = json.loads(path.read_text(encoding="utf-8"))["settings"]
    if relevant(found, model) != relevant(settings.as_json(), model):
        raise InputError(
            f"{path}: made with other settings, remove the results and trainings of those, or choose others"
        )


def run(task: tuple[str, int], places: Places) -> str:
    """Do one task; returns a line about it."""
    settings = read_settings(places.settings)
    name, seed = task
    background, about = prepare(settings.background, settings, places.prepared)
    inputs, grid, scored, details = {settings.background: about["checksum"]}, {}, {}, {}
    trained = None if name == CEILING else fit(name, seed, settings, background, places.runs / f"{name}_{seed}")
    seconds = 0.0 if trained is None else trained.seconds
    if trained is not None:
        details = trained.diagnosis
        scored[settings.background] = score(trained, background, settings, name)
    for sample_name in settings.signals:
        signal, about = prepare(sample_name, settings, places.prepared)
        inputs[sample_name] = about["checksum"]
        pair, took = _scores(trained, (signal, background), settings, task, scored.get(settings.background))
        seconds += took
        save_scores(places.scores(name, seed, sample_name), pair)
        grid[sample_name] = measure_point(pair, (signal, background), settings)
    result = {
        "format_version": 1,
        "kind": "semivisible_jets",
        "label": LABEL,
        "model": name,
        "seed": seed,
        "seconds": round(seconds, 1),
        "grid": grid,
        "background_only": details,
        "settings": settings.as_json(),
        "inputs": inputs,
        "versions": dict(versions()),
        "provenance": {} if trained is None else trained.provenance,
    }
    write_bytes(places.result(name, seed), (json.dumps(result, indent=1) + "\n").encode(), force=True)
    mean = np.mean([each["auc"]["value"] for each in grid.values()])
    return f"{name} {seed}: mean AUC {mean:.4f}, {seconds:.0f} s, {details.get('verdict') or '-'}"


def _scores(
    trained: Trained | None,
    pair: tuple[Sample, Sample],
    settings: Settings,
    task: tuple[str, int],
    of_background: Values | None,
) -> tuple[tuple[Values, Values], float]:
    if trained is None:
        return classify(*pair, settings, task[1])
    if of_background is None:
        of_background = score(trained, pair[1], settings, task[0])
    return (score(trained, pair[0], settings, task[0]), of_background), 0.0


def measure_point(pair: tuple[Values, Values], samples: tuple[Sample, Sample], settings: Settings) -> dict[str, Any]:
    """Jet-level numbers of a grid point, on the halves that were not learned from and that have scores."""
    measured = tuple(
        ~sample.trains & np.isfinite(scores).all(axis=1) for sample, scores in zip(samples, pair, strict=True)
    )
    chosen = [sample.events(mask) for sample, mask in zip(samples, measured, strict=True)]
    matched = match_pt(chosen[0], chosen[1])
    scores = pair[0][measured[0]], pair[1][measured[1]]
    return evaluate(scores, matched, (chosen[0].pt, chosen[1].pt), settings.sizes.replicas)


def save_scores(path: Path, pair: tuple[Values, Values]) -> None:
    """Write scores (n, 2) of signal and background events."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, force=True) as temporary, temporary.open("wb") as file:
        np.savez(file, signal=pair[0].astype(np.float32), background=pair[1].astype(np.float32))


def load_scores(path: Path) -> tuple[Values, Values]:
    """Scores (n, 2) of signal and background events."""
    with np.load(path, allow_pickle=False) as found:
        return found["signal"].astype(np.float64), found["background"].astype(np.float64)
