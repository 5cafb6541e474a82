"""What cuts on the score of the bundled model of images do to tops and to QCD jets.

    python analyses/reference_statements.py

Needs `qcd_small.root` and `top_small.root` from the data recipes (seeds 11 and 12: none of these jets was trained on)
in the folder JETNAE_DATA. Writes analyses/results/reference_roc.json, the ROC curve of the model beside simple
baselines, and reference_sculpting.json, the mass of QCD jets after cuts on the score, before and after a decorrelation
that was fitted on every second event; the result is of the others. A minute on one core.

Expect an AUC of 0.962 for the model and 0.924 for the mass, and at a background efficiency of 10 % a Jensen-Shannon
divergence between passing and failing jets of 0.491 before and 0.010 after; random jets give 0.008.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import typer

import jetnae
from jetnae.decorrelation import apply, fit
from jetnae.files import write_bytes
from jetnae.results import to_json
from jetnae.roc import Roc, RocOptions, compare, make_samples
from jetnae.sculpting import Sculpting, mass_dependence
from jetnae.training_data import data_path

Values = npt.NDArray[np.float64]
MODEL = "qcd_ak8_nae"
BACKGROUND, SIGNAL = "qcd_small.root", "top_small.root"
BASELINES = ("mass", "n_constituents", "sum_sq")
RESULTS = Path(__file__).parent / "results"
N_POINTS = 200
"""Cuts along each ROC curve, which keep the result small."""


@dataclass(frozen=True)
class Scored:
    """Columns of the jets of one class in the validity range, (n_jets,) each, and the event of each jet."""

    columns: dict[str, Values]
    event: npt.NDArray[np.int64]


def main() -> None:
    """Score, compare, write."""
    background, signal = scored(BACKGROUND, label=0), scored(SIGNAL, label=1)
    roc, sculpting = separation(signal, background), mass_shapes(background)
    for curve in roc.curves:
        typer.echo(f"{curve.label}: AUC {curve.auc.value:.4f} ± {curve.auc.error:.4f}")
    for found in sculpting.scores:
        for cut in found.cuts:
            typer.echo(f"{found.name}, eps_B {cut.bkg_eff:g}: JSD {cut.jsd.value:.4f}, random {cut.jsd.floor:.4f}")
    for name, result in (("reference_roc", roc), ("reference_sculpting", sculpting)):
        path = RESULTS / f"{name}.json"
        write_bytes(path, (json.dumps(to_json(result), allow_nan=False) + "\n").encode(), force=True)
        typer.echo(path)


def scored(file: str, *, label: int) -> Scored:
    """Score the jets of a file with the bundled model; those with this label, in the validity range, with a score."""
    found = jetnae.score(data_path(file), MODEL)
    chosen = found.in_range & (found.jets.label == label) & np.isfinite(found.score)
    everything: dict[str, Any] = {"score": found.score, "mass": found.jets.mass, "sum_sq": found.sum_sq}
    everything["n_constituents"] = found.jets.n_constituents
    columns = {name: np.asarray(column, dtype=np.float64)[chosen] for name, column in everything.items()}
    return Scored(columns, np.asarray(found.jets.event_index)[chosen])


def separation(signal: Scored, background: Scored) -> Roc:
    """ROC curves of the model and of the baselines."""
    label = np.repeat([1, 0], [len(signal.event), len(background.event)])
    joined = {name: np.concatenate([signal.columns[name], background.columns[name]]) for name in ("score", *BASELINES)}
    models, baselines = {MODEL: joined["score"]}, {name: joined[name] for name in BASELINES}
    options = RocOptions(n_points=N_POINTS)
    found = compare(models, baselines, make_samples(label), np.random.default_rng(1), options=options)
    return replace(found, signal="top", background="QCD", provenance=PROVENANCE)


def mass_shapes(background: Scored) -> Sculpting:
    """The mass of QCD jets after cuts on the score and on the decorrelated score, on the jets of odd events."""
    turn = np.unique(background.event, return_inverse=True)[1] % 2
    source, tested = ({name: column[turn == i] for name, column in background.columns.items()} for i in (0, 1))
    found = fit(source["score"], {"mass": source["mass"]})
    scores = {"score": tested["score"], "score_decorrelated": apply(found, tested["score"], {"mass": tested["mass"]})}
    rng = np.random.default_rng(1)
    measured = [mass_dependence(score, tested["mass"], rng, names=(name, "mass")) for name, score in scores.items()]
    return Sculpting(tuple(measured), background="QCD", provenance=PROVENANCE)


PROVENANCE = {
    "model": MODEL,
    "inputs": f"{BACKGROUND}, {SIGNAL}",
    "command": "analyses/reference_statements.py",
}


if __name__ == "__main__":
    typer.run(main)
