"""What is measured once the trainings of a group are there, each to one result; a new one is one entry below."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from analyses.top_qcd.baselines import baseline_scores
from analyses.top_qcd.figures import measure_figures
from analyses.top_qcd.masses import measure_masses
from analyses.top_qcd.reweighting import KINDS, reweighted
from analyses.top_qcd.samples import Sample, Values, checksums, data_folder, versions
from analyses.top_qcd.settings import CLASSES
from analyses.top_qcd.study import ByClass, Study, other
from analyses.top_qcd.tables import Pair, row
from analyses.top_qcd.tasks import Task, is_done, load_scores, save_scores, task_sample
from analyses.top_qcd.trainings import score
from jetnae.checkpoint import load_checkpoint
from jetnae.files import write_bytes


@dataclass(frozen=True)
class Measurement:
    """What is measured, on the trainings of which group.

    has_signals : also of the classes that nothing is trained on. has_masses : with the jets that are only there for
    this. has_images : too many numbers for a line each. fewest : QCD jets to measure with that it needs.
    """

    group: str
    measure: Callable[[Study], Mapping[str, Any]]
    has_signals: bool = False
    has_masses: bool = False
    has_images: bool = False
    fewest: int = 0

    def samples(self, study: Study) -> tuple[str, ...]:
        """Further classes that it needs; the reference set has none."""
        return study.settings.signals if self.has_signals else ()

    def absent(self, study: Study) -> list[str]:
        """Files of these, and of jets for the mass, that are not there."""
        data = study.settings.data
        files = [file for name in self.samples(study) for file in data[name].measure]
        files += [file for name in CLASSES for file in data[name].mass if self.has_masses]
        return [file for file in files if not (data_folder() / file).exists()]


def measure_headline(study: Study) -> dict[str, Any]:
    """Both directions, all seeds, beside all baselines, as it is and with background made like signal."""
    jets, found = study.jets(), {}
    for trained in CLASSES:
        signal, tasks = other(trained), study.tasks("headline", trained)
        rows = {**study.by_model(tasks), **study.baselines(study.training(trained))}
        tables = {}
        for kind in KINDS:
            weights = reweighted(kind, jets[signal], jets[trained], study.settings)
            table = _table(rows, (signal, trained), study, (weights.signal, weights.background))
            tables[kind] = {**weights.as_json(), "rows": table}
        found[trained] = {"signal": signal, "tables": tables, "background_only": study.background_only(tasks)}
    return {"trained": found}


def measure_variants(study: Study) -> dict[str, Any]:
    """Both directions, other models and images at reduced size; errors are those of the jets."""
    found = {}
    for trained in CLASSES:
        tasks = study.tasks("variants", trained)
        table = _table(study.by_model(tasks), (other(trained), trained), study)
        found[trained] = {"signal": other(trained), "rows": table, "background_only": study.background_only(tasks)}
    return {"n_jets": study.settings.variants.n_jets, "trained": found}


def measure_contamination(study: Study) -> dict[str, Any]:
    """AUC of tops against QCD for every share of tops among the jets to train on, beside baselines of the same jets."""
    ordered = sorted(study.tasks("contamination"), key=lambda task: task.share)
    found = {}
    for share, group in groupby(ordered, key=lambda task: task.trained):
        tasks = list(group)
        sample, _ = task_sample(tasks[0], study.settings, study.places)
        table = _table({**study.by_model(tasks), **study.baselines(sample)}, ("top", "qcd"), study)
        found[share] = {"rows": table, "background_only": study.background_only(tasks)}
    return {"n_jets": study.settings.contamination.n_jets, "signal": "top", "shares": found}


def measure_new_signals(study: Study) -> dict[str, Any]:
    """Signals that nothing was chosen by, tagged by the models of the headline that were trained on QCD."""
    tasks, background = study.tasks("headline", "qcd"), study.prepared("qcd")[0]
    found = {}
    for name in study.settings.signals:
        jets, _ = study.prepared(name)
        rows: dict[str, list[ByClass]] = {}
        for task in tasks:
            each = {name: _scored(task, name, jets, study), "qcd": study.scores(task)["qcd"]}
            rows.setdefault(task.model, []).append(each)
        learned = baseline_scores(study.training("qcd"), {name: jets, "qcd": background}, study.settings)
        rows |= {key: [each] for key, each in learned.items()}
        weights = np.ones(len(jets)), np.ones(len(background))
        found[name] = {
            "n_jets": len(jets),
            "mass": float(np.median(jets.mass)),
            "rows": _table(rows, (name, "qcd"), study, weights),
        }
    return {"trained": "qcd", "signals": found}


MEASUREMENTS: dict[str, Measurement] = {
    "headline": Measurement("headline", measure_headline),
    "contamination": Measurement("contamination", measure_contamination),
    "variants": Measurement("variants", measure_variants),
    "figures": Measurement("headline", measure_figures, has_images=True),
    "mass": Measurement("headline", measure_masses, has_masses=True, fewest=5000),
    "new_signals": Measurement("headline", measure_new_signals, has_signals=True),
}
"""All results but those of single trainings, by file name, in the order in which they are made."""


def measure_what_can_be(study: Study) -> Iterator[str]:
    """Make the results whose trainings are there, unless these made them before; yields a line about each."""
    for name, each in MEASUREMENTS.items():
        tasks, path = study.tasks(each.group), study.places.result(name)
        if not all(is_done(task, study.places) for task in tasks):
            continue
        origin = made_from(each.group, study)
        if path.exists() and json.loads(path.read_text(encoding="utf-8"))["made_from"] == origin:
            continue
        if absent := each.absent(study):
            yield f"{name}: not measured without {', '.join(absent)}"
        elif (found := len(study.prepared("qcd")[0])) < each.fewest:
            yield f"{name}: not measured with {found} QCD jets, fewer than {each.fewest}"
        else:
            text = json.dumps(_result(name, origin, study), indent=None if each.has_images else 1)
            write_bytes(path, (text + "\n").encode(), force=True)
            yield f"{path} written"


def _result(name: str, origin: str, study: Study) -> dict[str, Any]:
    measurement = MEASUREMENTS[name]
    return {
        "format_version": 1,
        "kind": f"top_qcd_{name}",
        "made_from": origin,
        **measurement.measure(study),
        "settings": study.settings.as_json(),
        "inputs": checksums(*(study.prepared(each)[1] for each in (*CLASSES, *measurement.samples(study)))),
        "versions": dict(versions()),
    }


def made_from(group: str, study: Study) -> str:
    """Changes with the settings of a group, and with every training of it."""
    digest = hashlib.sha256(json.dumps(study.settings.of_group(group), sort_keys=True).encode())
    for task in study.tasks(group):
        digest.update(json.dumps(study.result(task)["provenance"], sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _scored(task: Task, name: str, jets: Sample, study: Study) -> Values:
    """Scores (n,) of the jets of a new signal, kept beside those of the classes."""
    path = study.places.scores(task, name)
    save_scores(path, score(load_checkpoint(study.places.model(task)).model, jets))
    return load_scores(path)


def _table(
    rows: Mapping[str, list[ByClass]], pair: tuple[str, str], study: Study, weights: Pair | None = None
) -> dict[str, Any]:
    """A row for each model and baseline; `pair` names signal and background."""
    signal, background = pair
    if weights is None:
        first = next(iter(rows.values()))[0]
        weights = np.ones(len(first[signal])), np.ones(len(first[background]))
    return {
        name: row([(each[signal], each[background]) for each in seeds], weights, study.settings.sizes.bootstrap)
        for name, seeds in rows.items()
    }
