"""What measurements work with: settings and places, and from them jets, scores and results of trainings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from analyses.top_qcd.baselines import baseline_scores
from analyses.top_qcd.samples import Sample, Values, measuring_sample, training_sample
from analyses.top_qcd.settings import CLASSES, Settings
from analyses.top_qcd.tasks import Places, Task, load_scores, tasks_of

ByClass = dict[str, Values]
"""Scores (n,) of the measuring jets of each class."""


@dataclass(frozen=True)
class Study:
    """Settings and places."""

    settings: Settings
    places: Places

    def prepared(self, name: str) -> tuple[Sample, dict[str, Any]]:
        """The jets of a class to measure with, with the images of the set-up, and where they come from."""
        return measuring_sample(name, self.settings.image, self.settings, self.places.prepared)

    def jets(self) -> dict[str, Sample]:
        """The jets of both classes to measure with."""
        return {name: self.prepared(name)[0] for name in CLASSES}

    def training(self, name: str) -> Sample:
        """The jets of a class that the models of the headline learn from."""
        n_jets = self.settings.headline.n_jets
        return training_sample(name, self.settings.image, n_jets, self.settings, self.places.prepared)[0]

    def tasks(self, group: str, trained: str | None = None) -> list[Task]:
        """The trainings of a group, or those of them on a class."""
        return [task for task in tasks_of(group, self.settings) if trained in {None, task.trained}]

    def scores(self, task: Task) -> ByClass:
        """Scores of the measuring jets of both classes by a training."""
        return {name: load_scores(self.places.scores(task, name)) for name in CLASSES}

    def by_model(self, tasks: list[Task]) -> dict[str, list[ByClass]]:
        """Scores of both classes by model, one for each training."""
        found: dict[str, list[ByClass]] = {}
        for task in tasks:
            found.setdefault(task.model, []).append(self.scores(task))
        return found

    def baselines(self, training: Sample) -> dict[str, list[ByClass]]:
        """Scores of both classes by baseline, which learn from jets of `training`."""
        return {name: [each] for name, each in baseline_scores(training, self.jets(), self.settings).items()}

    def result(self, task: Task) -> dict[str, Any]:
        """What a training wrote."""
        found: dict[str, Any] = json.loads(self.places.result(task.name).read_text(encoding="utf-8"))
        return found

    def background_only(self, tasks: list[Task]) -> dict[str, Any]:
        """What trainings say of themselves, by name."""
        return {task.name: self.result(task)["background_only"] for task in tasks}


def other(trained: str) -> str:
    """The class that is signal for models of one class."""
    return "qcd" if trained == "top" else "top"
