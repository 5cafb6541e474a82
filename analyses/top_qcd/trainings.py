"""Trainings on images of one kind of jets, or of a mixture: the model, its scores, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analyses.top_qcd.samples import Sample, Values
from analyses.top_qcd.settings import Configuration
from jetnae.checkpoint import Validity, load_checkpoint
from jetnae.diagnostics import measure, summarize
from jetnae.models.chains import Density
from jetnae.models.model import energies, squared_error
from jetnae.training import train_on
from jetnae.training_data import TrainingData


@dataclass(frozen=True)
class Trained:
    """A model, the mean of its training images, and what its checkpoint says of the training."""

    model: Any
    mean: Tensor
    summary: dict[str, Any]
    provenance: dict[str, Any]


def fit(sample: Sample, configuration: Configuration, validity: Validity, share: float, folder: Path) -> Trained:
    """Train a model on the jets of a sample, or go on where it was broken off; `share` is that which is held out."""
    torch.set_num_threads(1)
    data = training_data(sample, configuration, validity, share)
    resume = (folder / "state.safetensors").exists()
    header = train_on(data, configuration.fit, folder, device=torch.device("cpu"), resume=resume)
    model = load_checkpoint(folder / "model.safetensors").model
    kept = ("seconds", "n_training", "selected", "events", "warnings")
    summary = {name: header.training.get(name) for name in kept}
    return Trained(model, data.training.mean(dim=0), summary, {**header.provenance, "sha256": header.sha256})


def training_data(sample: Sample, configuration: Configuration, validity: Validity, share: float) -> TrainingData:
    """Images in an order that the seed decides, a share of them held out."""
    order = np.random.default_rng(configuration.fit.train.seed).permutation(len(sample))
    images = torch.from_numpy(sample.images[order])
    n_validation = max(int(share * len(images)), 1)
    return TrainingData(images[n_validation:], images[:n_validation], configuration.image, validity=validity)


def score(model: Any, sample: Sample) -> Values:
    """Scores (n,) of jets."""
    with torch.no_grad():
        return np.asarray(energies(model.score, torch.from_numpy(sample.images)).double().numpy())


def partial_scores(trained: Trained, sample: Sample) -> dict[str, Values]:
    """Scores (n,) that need less than the whole model: the reconstruction error, and the distance to the mean image."""
    x, model = torch.from_numpy(sample.images), trained.model
    parts = {
        "reconstruction": lambda x: squared_error(x, model.reconstruct(x)),
        "mean_image": lambda x: squared_error(x, trained.mean),
    }
    with torch.no_grad():
        return {name: np.asarray(energies(part, x).double().numpy()) for name, part in parts.items()}


def diagnosis(trained: Trained, held_out: Sample, seed: int) -> dict[str, Any]:
    """What background alone says of a model: reconstruction against the mean image; energies, distances in floors."""
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed))
    x, model = torch.from_numpy(held_out.images)[order], trained.model
    if isinstance(model, Density):
        found = measure(model, x, trained.mean, torch.Generator().manual_seed(seed))
        return summarize(found)
    with torch.no_grad():
        error = energies(lambda x: squared_error(x, model.reconstruct(x)), x).mean()
    return {"reconstruction": float(error / squared_error(x, trained.mean).mean()), "verdict": None}
