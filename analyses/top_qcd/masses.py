"""The jets that sculpting and the search in the mass are measured with: more QCD than for the areas under curves."""

from __future__ import annotations

from typing import Any

from analyses.top_qcd.mass_search import measure_mass
from analyses.top_qcd.samples import Sample, Values, further_sample, join
from analyses.top_qcd.sculpting import MassJets
from analyses.top_qcd.study import Study
from analyses.top_qcd.trainings import score
from jetnae.checkpoint import load_checkpoint

SHOWN = "nae"
"""The model that figures are about."""


def measure_masses(study: Study) -> dict[str, Any]:
    """Sculpting and search with the models of the headline that were trained on QCD.

    Background are the measuring jets, those that no training of the headline took, and those made for this alone.
    """
    further, about = further_sample("qcd", study.settings.headline.n_jets, study.settings, study.places.prepared)
    measured = study.jets()
    background = join([measured["qcd"], further])
    of_background: dict[str, dict[int, Values]] = {}
    of_signal: dict[str, dict[int, Values]] = {}
    for task in sorted(study.tasks("headline", "qcd"), key=lambda task: task.model != SHOWN):
        model = load_checkpoint(study.places.model(task)).model
        of_background.setdefault(task.model, {})[task.seed] = score(model, background)
        of_signal.setdefault(task.model, {})[task.seed] = study.scores(task)["top"]
    found = measure_mass(_masses(background, of_background), _masses(measured["top"], of_signal))
    return {**found, "further_inputs": about}


def _masses(sample: Sample, scores: dict[str, dict[int, Values]]) -> MassJets:
    return MassJets(sample.mass, sample.pt, scores)
