"""What is measured once the trainings of a group are there, each to one result; a new one is one entry below."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from analyses.top_qcd.baselines import baseline_scores
from analyses.top_qcd.reweighting import KINDS, reweighted
from analyses.top_qcd.samples import (
    Sample,
    Values,
    checksums,
    measuring_sample,
    training_sample,
    versions,
)
from analyses.top_qcd.settings import CLASSES, Settings
from analyses.top_qcd.tables import row
from analyses.top_qcd.tasks import Places, Task, is_done, load_scores, task_sample, tasks_of
from jetnae.files import write_bytes


@dataclass(frozen=True)
class Study:
    """Settings and places; what measurements take."""

    settings: Settings
    places: Places

    def measuring(self, name: str) -> Sample:
        """The jets of a class to measure with, with the images of the set-up."""
        return measuring_sample(name, self.settings.image, self.settings, self.places.prepared)[0]

    def about(self, name: str) -> dict[str, Any]:
        """Where the jets of a class to measure with come from."""
        found: dict[str, Any] = measuring_sample(name, self.settings.image, self.settings, self.places.prepared)[1]
        return found

    def scores(self, task: Task) -> dict[str, Values]:
        """Scores (n,) of the measuring jets of both classes by a training."""
        return {name: load_scores(self.places.scores(task, name)) for name in CLASSES}

    def result(self, task: Task) -> dict[str, Any]:
        """What a training wrote."""
        found: dict[str, Any] = json.loads(self.places.result(task.name).read_text(encoding="utf-8"))
        return found


@dataclass(frozen=True)
class Measurement:
    """What is measured, on the trainings of which group."""

    group: str
    measure: Callable[[Study], Mapping[str, Any]]


def measure_headline(study: Study) -> dict[str, Any]:
    """Both directions, all seeds, beside all baselines, as it is and with background made like signal."""
    settings, jets = study.settings, {name: study.measuring(name) for name in CLASSES}
    found: dict[str, Any] = {}
    for trained in CLASSES:
        signal = "qcd" if trained == "top" else "top"
        rows = {**seeds_of("headline", trained, study), **baselines(trained, jets, study)}
        kinds = {}
        for kind in KINDS:
            weights = reweighted(kind, jets[signal], jets[trained], settings)
            table = {
                name: row(
                    [(each[signal], each[trained]) for each in seeds],
                    (weights.signal, weights.background),
                    settings.sizes.bootstrap,
                )
                for name, seeds in rows.items()
            }
            kinds[kind] = {**weights.as_json(), "rows": table}
        found[trained] = {
            "signal": signal,
            "tables": kinds,
            "background_only": of_background("headline", trained, study),
        }
    return {"trained": found}


def measure_variants(study: Study) -> dict[str, Any]:
    """Both directions, other models and images at reduced size; errors are those of the jets."""
    found = {}
    for trained in CLASSES:
        signal = "qcd" if trained == "top" else "top"
        rows = seeds_of("variants", trained, study)
        jets = {name: study.measuring(name) for name in CLASSES}
        weights = reweighted("none", jets[signal], jets[trained], study.settings)
        table = {
            name: row(
                [(each[signal], each[trained]) for each in seeds],
                (weights.signal, weights.background),
                study.settings.sizes.bootstrap,
            )
            for name, seeds in rows.items()
        }
        found[trained] = {"signal": signal, "rows": table, "background_only": of_background("variants", trained, study)}
    return {"trained": found}


def measure_contamination(study: Study) -> dict[str, Any]:
    """AUC of tops against QCD for every share of tops among the jets to train on, beside baselines of the same jets."""
    settings, jets = study.settings, {name: study.measuring(name) for name in CLASSES}
    weights = reweighted("none", jets["top"], jets["qcd"], settings)
    found = {}
    for share, group in _by_share(tasks_of("contamination", settings)).items():
        sample, _ = task_sample(group[0], settings, study.places)
        learned = baseline_scores(sample, jets, settings)
        rows = {**_of_models(group, study), **{name: [each] for name, each in learned.items()}}
        table = {
            name: row(
                [(each["top"], each["qcd"]) for each in seeds],
                (weights.signal, weights.background),
                settings.sizes.bootstrap,
            )
            for name, seeds in rows.items()
        }
        background_only = {task.name: study.result(task)["background_only"] for task in group}
        found[share] = {"rows": table, "background_only": background_only}
    return {"n_jets": settings.contamination.n_jets, "signal": "top", "shares": found}


def mass_inputs(study: Study) -> dict[str, dict[str, dict[str, Values]]]:
    """Of every training of the headline by name, of both classes: score, mass and pt (n,) of the measuring jets."""
    jets = {name: study.measuring(name) for name in CLASSES}
    return {
        task.name: {
            name: {"score": score, "mass": jets[name].mass, "pt": jets[name].pt}
            for name, score in study.scores(task).items()
        }
        for task in tasks_of("headline", study.settings)
    }


MEASUREMENTS: dict[str, Measurement] = {
    "headline": Measurement("headline", measure_headline),
    "contamination": Measurement("contamination", measure_contamination),
    "variants": Measurement("variants", measure_variants),
}
"""All results but those of single trainings, by file name, in the order in which they are made."""


def measure_what_can_be(study: Study) -> list[str]:
    """Make the results whose trainings are there, unless these made them before; returns the names of new ones."""
    made = []
    for name, each in MEASUREMENTS.items():
        tasks = tasks_of(each.group, study.settings)
        path = study.places.result(name)
        if not all(is_done(task, study.places) for task in tasks):
            continue
        origin = made_from(tasks, study)
        if path.exists() and json.loads(path.read_text(encoding="utf-8"))["made_from"] == origin:
            continue
        inputs = checksums(*(study.about(name) for name in CLASSES))
        content = {
            "format_version": 1,
            "kind": f"top_qcd_{name}",
            "made_from": origin,
            **each.measure(study),
            "settings": study.settings.as_json(),
            "inputs": inputs,
            "versions": dict(versions()),
        }
        write_bytes(path, (json.dumps(content, indent=1) + "\n").encode(), force=True)
        made.append(name)
    return made


def made_from(tasks: list[Task], study: Study) -> str:
    """Changes with the settings, and with every training."""
    digest = hashlib.sha256(json.dumps(study.settings.as_json(), sort_keys=True).encode())
    for task in tasks:
        digest.update(json.dumps(study.result(task)["provenance"], sort_keys=True).encode())
    return digest.hexdigest()[:16]


def seeds_of(group: str, trained: str, study: Study) -> dict[str, list[dict[str, Values]]]:
    """Scores of both classes by model, one for each seed, of the trainings on a class."""
    return _of_models([task for task in tasks_of(group, study.settings) if task.trained == trained], study)


def _of_models(tasks: list[Task], study: Study) -> dict[str, list[dict[str, Values]]]:
    found: dict[str, list[dict[str, Values]]] = {}
    for task in tasks:
        found.setdefault(task.model, []).append(study.scores(task))
    return found


def _by_share(tasks: list[Task]) -> dict[str, list[Task]]:
    ordered = sorted(tasks, key=lambda task: task.share)
    return {share: list(group) for share, group in groupby(ordered, key=lambda task: task.trained)}


def of_background(group: str, trained: str, study: Study) -> dict[str, Any]:
    """What the trainings on a class say of themselves, by name."""
    tasks = [task for task in tasks_of(group, study.settings) if task.trained == trained]
    return {task.name: study.result(task)["background_only"] for task in tasks}


def baselines(trained: str, jets: dict[str, Sample], study: Study) -> dict[str, list[dict[str, Values]]]:
    """Scores by baseline, of the jets that the models of the headline learn from."""
    settings = study.settings
    sample, _ = training_sample(trained, settings.image, settings.headline.n_jets, settings, study.places.prepared)
    return {name: [each] for name, each in baseline_scores(sample, jets, settings).items()}
