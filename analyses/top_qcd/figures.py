"""What figures need and tables do not hold: curves, histograms, and a few images, from the first seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from analyses.top_qcd.samples import OBSERVABLES, Sample, Values
from analyses.top_qcd.settings import CLASSES
from analyses.top_qcd.study import ByClass, Study, other
from analyses.top_qcd.tasks import Task
from jetnae.checkpoint import load_checkpoint
from jetnae.models.chains import Density
from jetnae.models.model import energies
from jetnae.roc import RocOptions, make_samples, roc_curve

CURVES = ("mass", "kde_mass", "kde_mass_multiplicity", "pca_10")
"""Baselines whose curves are drawn beside the models."""
GRID = np.linspace(0.02, 1.0, 50)
"""Signal efficiencies of the curves."""
FEWEST = 25
"""Background jets that a significance improvement is told from."""
N_CHAINS, N_IMAGES, N_POINTS, N_BINS = 2000, 6, 400, 60
HISTOGRAMS = {"mass": np.linspace(0, 300, 61), "multiplicity": np.linspace(0, 160, 41)}


def measure_figures(study: Study) -> dict[str, Any]:
    """Curves of both directions; of the first seed energies, images, negative samples and latent vectors."""
    jets = study.jets()
    found: dict[str, Any] = {}
    for trained in CLASSES:
        tasks = {task.model: task for task in reversed(study.tasks("headline", trained))}
        found[trained] = {
            "signal": other(trained),
            "curves": curves(trained, study),
            "models": {name: of_model(task, jets, study) for name, task in tasks.items()},
        }
    observables = {
        name: {"edges": edges.tolist(), **{key: _shares(getattr(each, name), edges) for key, each in jets.items()}}
        for name, edges in HISTOGRAMS.items()
    }
    images = {
        name: {"average": _digits(each.images.mean(axis=0)), "single": _digits(each.images[:N_IMAGES])}
        for name, each in jets.items()
    }
    return {"trained": found, "observables": observables, "images": images}


def curves(trained: str, study: Study) -> dict[str, Any]:
    """Background efficiencies on the grid of signal efficiencies, a curve for each seed."""
    learned = study.baselines(study.training(trained))
    rows = {**study.by_model(study.tasks("headline", trained)), **{name: learned[name] for name in CURVES}}
    found: dict[str, Any] = {"sig_eff": GRID.round(4).tolist(), "fewest": FEWEST}
    for name, seeds in rows.items():
        made = [_curve(each, (other(trained), trained), both_signs=name in OBSERVABLES) for each in seeds]
        found[name] = {"reversed": made[0][0], "bkg_eff": [_digits(each) for _, each in made]}
    found["n_background"] = len(seeds[0][trained])
    return found


def _curve(scores: ByClass, names: tuple[str, str], *, both_signs: bool) -> tuple[bool, Values]:
    """Whether small scores are the anomalous ones, and background efficiencies on the grid, at least one jet.

    both_signs : take the better sign, of an observable that is large for one of the classes; else large scores.
    """
    pair = scores[names[0]], scores[names[1]]
    samples = make_samples(np.repeat([1, 0], list(map(len, pair))))
    options = RocOptions(sig_effs=(), bkg_effs=(), n_bootstrap=2, n_points=2000)
    found = [
        roc_curve(np.concatenate(pair), samples, np.random.default_rng(0), reverse=reverse, options=options)
        for reverse in ((False, True) if both_signs else (False,))
    ]
    best = max(found, key=lambda curve: curve.auc.value)
    passing = np.interp(GRID, np.append(0, best.sig_eff), np.append(0, best.bkg_eff))
    return best.reversed, np.maximum(passing, 1 / len(pair[1]))


def of_model(task: Task, jets: dict[str, Sample], study: Study) -> dict[str, Any]:
    """Energies of both classes and of negative samples, reconstructions, and latent vectors."""
    model: Any = load_checkpoint(study.places.model(task)).model
    x = {name: torch.from_numpy(each.images) for name, each in jets.items()}
    background = next(name for name in CLASSES if name != task.signal)
    with torch.no_grad():
        shown = {name: model.reconstruct(each[:N_IMAGES]) for name, each in x.items()}
        averages = {name: _mean_reconstruction(model, each) for name, each in x.items()}
    found = {
        "name": task.name,
        "reconstructions": {
            name: {"average": _digits(averages[name]), "single": _digits(shown[name].numpy())} for name in x
        },
    }
    negative = None
    if isinstance(model, Density):
        negative = model.chains(N_CHAINS, torch.Generator().manual_seed(1)).samples
        found["negative_samples"] = _digits(negative[:N_IMAGES].detach().numpy())
    samples = x if negative is None else {**x, "negative": negative}
    return {**found, "energies": _energies(model, samples), "latent": _latent(model, samples, background)}


@torch.no_grad()
def _mean_reconstruction(model: Any, x: Tensor) -> Values:
    return np.asarray(torch.cat([model.reconstruct(part) for part in torch.split(x, 1000)]).mean(dim=0).numpy())


@torch.no_grad()
def _energies(model: Any, samples: dict[str, Tensor]) -> dict[str, Any]:
    """Shares of energies in common bins of equal ratio, all else in the outer ones."""
    values = {name: energies(model.energy, each).double().numpy() for name, each in samples.items()}
    everything = np.concatenate(list(values.values()))
    low, high = np.quantile(everything, (0.001, 0.999))
    edges = np.geomspace(low, high, N_BINS + 1) if low > 0 else np.linspace(low, high, N_BINS + 1)
    return {"edges": _digits(edges, 6), **{name: _shares(each, edges) for name, each in values.items()}}


@torch.no_grad()
def _latent(model: Any, samples: dict[str, Tensor], background: str) -> dict[str, Any]:
    """Latent vectors of some inputs along the two directions in which those of the background vary most."""
    found = {name: model.encoder(each[:N_CHAINS]).double().numpy() for name, each in samples.items()}
    mean = found[background].mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(found[background].T))
    order = np.argsort(variances)[::-1][:2]
    points = {name: _digits((each[:N_POINTS] - mean) @ axes[:, order]) for name, each in found.items()}
    return {"dimensions": len(mean), "share": float(variances[order].sum() / variances.sum()), "points": points}


def _shares(values: Values, edges: Values) -> list[float]:
    """Shares (n_bins,) of values, those beyond the edges in the outer bins."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    found: list[float] = _digits(np.histogram(inside, edges)[0] / max(len(values), 1), 4)
    return found


def _digits(values: Values, digits: int = 3) -> Any:
    """Numbers to some digits, as lists: a quarter of the file."""
    array = np.asarray(values, dtype=np.float64)
    return np.array([float(f"{value:.{digits}g}") for value in array.flat]).reshape(array.shape).tolist()
