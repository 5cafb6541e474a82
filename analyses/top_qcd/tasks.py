"""One training after the other: train, score, measure, write one result; what is there is not done again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analyses.top_qcd.samples import (
    Sample,
    Values,
    checksums,
    measuring_sample,
    mixture,
    training_sample,
    versions,
)
from analyses.top_qcd.settings import CLASSES, GROUPS, Settings, read_settings
from analyses.top_qcd.trainings import Trained, diagnosis, fit, partial_scores, score
from jetnae.errors import InputError
from jetnae.files import atomic_path, write_bytes
from jetnae.roc import RocOptions, auc, make_samples, roc_curve

PREFIX = {"headline": "", "contamination": "mix_", "variants": "small_"}
"""What names of trainings of a group begin with."""
SIG_EFFS = (0.3, 0.5)
MOST_HELD_OUT = 10_000
"""Jets that the convergence of a model is judged by."""


@dataclass(frozen=True)
class Places:
    """Where things are: settings and the kind of data, prepared samples, trainings and scores, results."""

    settings: Path
    data: str
    prepared: Path
    runs: Path
    results: Path

    def result(self, name: str) -> Path:
        """The result of a training, or of a measurement."""
        return self.results / f"{name}.json"

    def model(self, task: Task) -> Path:
        """The checkpoint of a training."""
        return self.runs / task.name / "model.safetensors"

    def scores(self, task: Task, sample: str) -> Path:
        """The scores of the measuring jets of a class."""
        return self.runs / "scores" / task.name / f"{sample}.npz"


@dataclass(frozen=True)
class Task:
    """A training: of a group, of a model, on a class or a mixture with a share of tops, with a seed."""

    group: str
    model: str
    trained: str
    seed: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{PREFIX[self.group]}{self.model}_{self.trained}_{self.seed}"

    @property
    def share(self) -> float:
        """Share of tops among its jets."""
        return float(CLASSES.index(self.trained)) if self.trained in CLASSES else float(self.trained)

    @property
    def signal(self) -> str:
        """The class that it tags: the other one; of mixtures, tops."""
        return "qcd" if self.trained == "top" else "top"


def tasks_of(group: str, settings: Settings) -> list[Task]:
    """The trainings of a group, seed by seed."""
    given = getattr(settings, group)
    trained = [f"{share:g}" for share in given.shares] or list(CLASSES)
    return [Task(group, model, each, seed) for seed in given.seeds for each in trained for model in given.models]


def missing(settings: Settings, places: Places) -> list[Task]:
    """What is not there yet: a result, or scores. Raises `InputError` for results of other settings."""
    tasks = [task for group in GROUPS for task in tasks_of(group, settings)]
    for task in tasks:
        check_settings(task, settings, places)
    return [task for task in tasks if not is_done(task, places)]


def is_done(task: Task, places: Places) -> bool:
    """Whether the result and the scores of a training are there."""
    return all(path.exists() for path in (places.result(task.name), *(places.scores(task, each) for each in CLASSES)))


def check_settings(task: Task, settings: Settings, places: Places) -> None:
    """Raises `InputError` for a result of other settings: results of two do not mix."""
    path = places.result(task.name)
    wanted = settings.configuration(task.group, task.model, task.seed).as_json()
    if path.exists() and json.loads(path.read_text(encoding="utf-8"))["configuration"] != wanted:
        raise InputError(f"{path}: made with other settings, remove it and its training, or choose other folders")


def run(task: Task, places: Places) -> str:
    """Do one task; returns a line about it."""
    settings = read_settings(places.settings, places.data)
    configuration = settings.configuration(task.group, task.model, task.seed)
    image, seed = configuration.image, task.seed
    sample, inputs = task_sample(task, settings, places)
    data = settings.setup.data
    trained = fit(sample, configuration, data.validity, data.validation, places.runs / task.name)
    measured = {name: measuring_sample(name, image, settings, places.prepared) for name in CLASSES}
    jets = {name: each for name, (each, _) in measured.items()}
    held_out = mixture(jets["qcd"], jets["top"], task.share, min(MOST_HELD_OUT, *map(len, jets.values())))
    result = {
        "format_version": 1,
        "kind": "top_qcd_training",
        **asdict(task),
        "share": task.share,
        "signal": task.signal,
        **evaluate(task, trained, jets, places),
        "background_only": diagnosis(trained, held_out, seed),
        **trained.summary,
        "configuration": configuration.as_json(),
        "inputs": {**inputs, **checksums(*(about for _, about in measured.values()))},
        "versions": dict(versions()),
        "provenance": trained.provenance,
    }
    write_bytes(places.result(task.name), (json.dumps(result, indent=1) + "\n").encode(), force=True)
    found, verdict = result["auc"]["model"], result["background_only"]["verdict"] or "-"
    return f"{task.name}: AUC {found['value']:.4f} ± {found['error']:.4f}, {verdict}, {result['seconds']:.0f} s"


def task_sample(task: Task, settings: Settings, places: Places) -> tuple[Sample, dict[str, str]]:
    """The jets that a task is trained on, and the checksums of their files."""
    configuration = settings.configuration(task.group, task.model, task.seed)
    n_jets = configuration.n_jets
    sizes = {"qcd": n_jets - round(task.share * n_jets), "top": round(task.share * n_jets)}
    parts = {
        name: training_sample(name, configuration.image, size, settings, places.prepared)
        for name, size in sizes.items()
        if size
    }
    nothing = next(iter(parts.values()))[0].take(slice(0))
    samples = [parts[name][0] if name in parts else nothing for name in CLASSES]
    return mixture(*samples, task.share, n_jets), checksums(*(about for _, about in parts.values()))


def evaluate(task: Task, trained: Trained, jets: dict[str, Sample], places: Places) -> dict[str, Any]:
    """Save the scores of both classes; AUC of the model and of parts of it, and rejections of the model."""
    scores = {name: score(trained.model, each) for name, each in jets.items()}
    for name, each in scores.items():
        save_scores(places.scores(task, name), each)
    background = next(name for name in CLASSES if name != task.signal)
    parts = {name: partial_scores(trained, each) for name, each in jets.items()}
    pairs = {
        "model": (scores[task.signal], scores[background]),
        **{name: (parts[task.signal][name], parts[background][name]) for name in parts[background]},
    }
    curve = roc_curve(
        np.concatenate(pairs["model"]),
        make_samples(np.repeat([1, 0], list(map(len, pairs["model"])))),
        np.random.default_rng(0),
        options=RocOptions(sig_effs=SIG_EFFS, bkg_effs=(), n_bootstrap=2),
    )
    return {
        "n_signal": len(jets[task.signal]),
        "n_background": len(jets[background]),
        "auc": {name: asdict(auc(*pair)) for name, pair in pairs.items()},
        "points": [asdict(point) for point in curve.points],
    }


def save_scores(path: Path, scores: Values) -> None:
    """Write the scores (n,) of the measuring jets of a class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, force=True) as temporary, temporary.open("wb") as file:
        np.savez(file, score=scores.astype(np.float32))


def load_scores(path: Path) -> Values:
    """The scores (n,) of the measuring jets of a class, in the order of the prepared sample."""
    with np.load(path, allow_pickle=False) as found:
        return np.asarray(found["score"], dtype=np.float64)
